"""The sandbox: one student's notebook in a process of its own, and the orders sent to it.

What it protects: the machine, the grader's files and memory, other students' notebooks and marks. Inside there is an
interpreter, the libraries a student may use, and the runner; no network, no other process, no reference, no verdict,
small scratch disks, few system calls, and limits on time, memory, processes and files. A notebook's process is forked
from a nursery (`nursery`, `inside.nursery`) into namespaces of its own, and all of it is gone when the sandbox closes.

What it need not protect: the runner from the student. Their code lives in the runner's process and can do anything
with the channel, so a reply is no more than a claim about what their own functions return; it is parsed as hostile,
and judged by values that never come inside. Requests are drawn from a seed nobody inside knows and are sent only
after the function's cell has run, so that no reply can be prepared before its inputs are there. A reply that does not
repeat its order's nonce, which is as fresh, ends the sandbox: what was written ahead, or by a second process, answers
nothing.

What it cannot close is time: notebooks that run at once may feel each other's load. All that they could reach by name,
files that both see included, carries nothing from one to the other (`syscalls`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lstmlab.checks import wire

from . import isolation, nursery
from .runtime import ENVIRONMENT, HOW_TO_ENABLE, SandboxUnavailable, stage_package

EXTRA_MEMORY = {"torch": 6 * 2**30}                     # address space that a library asks for and hardly uses
MAX_FRAME = 64 * 2**20
LINUX = sys.platform == "linux"
POSIX = os.name == "posix"                              # elsewhere a student runs their own notebook, unconfined
PATIENCE = 15 if POSIX else 2                           # CPU seconds to seconds by the clock, which alone stops Windows


class SandboxDied(RuntimeError):
    """The process inside ended, or broke the protocol."""


class SandboxTimeout(SandboxDied):
    """No answer came within the time that even a busy machine needs."""


@dataclass(frozen=True)
class Limits:
    """What one notebook may use.

    Attributes
    ----------
    seconds : float
        CPU seconds for one cell, and for one check.
    memory : int
        Bytes of address space of one process; all of them together may hold twice as many.
    processes : int
        Processes and threads at a time.
    disk : int
        Bytes of scratch disk, as many of shared memory, and of one file.
    files : int
        Open files of one process.
    libraries : tuple of str
        What it may import beside `LIBRARIES`; their `EXTRA_MEMORY` comes on top.
    """

    seconds: float = 20.0
    memory: int = 2 * 2**30
    processes: int = 32
    disk: int = 64 * 2**20
    files: int = 256
    libraries: tuple[str, ...] = ()

    def rlimits(self, confined: bool = True) -> dict[str, int]:
        """The limits that the runner sets on itself before any student code runs.

        Unconfined there is none on processes, which would count all that the user runs; and only Linux sets the rest.
        """
        memory = self.memory + sum(EXTRA_MEMORY.get(name, 0) for name in self.libraries)
        found = {"AS": memory, "FSIZE": self.disk, "NOFILE": self.files, "CORE": 0}
        if confined:
            return found | {"NPROC": self.processes}
        return found if LINUX else {}


class Sandbox:
    """A running sandbox; use it as a context manager.

    Parameters
    ----------
    limits : Limits
        What the notebook may use.
    seed : int
        Seed of the student's own random generators.
    confined : bool, optional
        False runs the same runner without isolation: only for a machine that has none and an instructor who
        has read every submission.

    Raises
    ------
    SandboxUnavailable
        If the machine cannot isolate.
    """

    def __init__(self, limits: Limits, seed: int, confined: bool = True):
        self.limits = limits
        self._home = Confined(limits) if confined else Plain()
        try:
            self._ask({"limits": limits.rlimits(confined), "seed": seed}, wall=60)
        except SandboxDied as error:
            raise SandboxUnavailable(f"the notebook's process did not start: {self._home.said() or error}") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None:
        """Kill everything inside, and wait until it is gone."""
        self._home.close()

    def run_cell(self, source: str) -> dict:
        """Run one cell; the reply holds its raw ``outputs`` (untrusted) and whether it ``timed_out``."""
        return self._work({"do": "cell", "source": source})

    def call(self, kind: str, function: str, requests: list, seed: int) -> dict:
        """Call the student's function on inputs; the reply (untrusted) holds ``answers``, or why there are none."""
        return self._work({"do": "probe", "kind": kind, "function": function, "requests": requests, "seed": seed})

    def _work(self, order: dict) -> dict:
        seconds = self.limits.seconds
        with self._home.working(seconds):
            return self._ask(order | {"seconds": seconds}, PATIENCE * seconds)

    def _ask(self, order: dict, wall: float) -> dict:
        """Send one order, read one reply. CPU time is limited inside; `wall` is for what not even that stops.

        What breaks the protocol closes the sandbox: the next reply could be to another order.
        """
        deadline = time.monotonic() + wall
        nonce = secrets.token_hex(8)
        data = wire.encode(order | {"nonce": nonce})
        try:
            self._home.channel.settimeout(max(1.0, deadline - time.monotonic()))
            self._home.channel.sendall(struct.pack("<I", len(data)) + data)
            size = struct.unpack("<I", self._read(4, deadline))[0]
            if size > MAX_FRAME:
                raise SandboxDied(f"a reply of {size:,} bytes was announced; at most {MAX_FRAME:,} are taken")
            reply = wire.decode(self._read(size, deadline))
            if not isinstance(reply, dict) or reply.pop("nonce", None) != nonce:
                raise SandboxDied("a reply came that answers no order")
            return reply
        except TimeoutError:
            self.close()
            raise SandboxTimeout("no answer came in time") from None
        except (OSError, wire.WireError, SandboxDied) as error:
            self.close()
            if self._home.why == "time":
                raise SandboxTimeout("its processes used all the time there was, or waited for nothing") from None
            if self._home.why == "memory":
                raise SandboxDied(f"its processes held more than {2 * self.limits.memory:,} bytes together") from None
            raise SandboxDied(str(error)) from None

    def _read(self, size: int, deadline: float) -> bytes:
        chunks = []
        while size:
            self._home.channel.settimeout(max(0.01, deadline - time.monotonic()))
            chunk = self._home.channel.recv(min(size, 2**20))
            if not chunk:
                raise SandboxDied("the notebook's process ended")
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)


# -- where a runner lives ------------------------------------------------------------------------------


class Confined:
    """A runner in a nursery.

    Attributes
    ----------
    channel : socket
        To the runner.
    why : str
        ``"time"`` or ``"memory"`` where the nursery ended it for that; known when it is closed.
    """

    def __init__(self, limits: Limits):
        self._nursery, self.channel = nursery.borrow(limits.libraries, limits.disk, 2 * limits.memory)
        self._closed, self.why = False, ""

    @contextlib.contextmanager
    def working(self, seconds: float) -> Iterator[None]:
        """Let the nursery watch over an order."""
        with contextlib.suppress(nursery.NurseryLost):             # the order itself will say so
            self._nursery.order(seconds)
        try:
            yield
        finally:
            if not self._closed:
                with contextlib.suppress(nursery.NurseryLost):
                    self._nursery.rest()

    def said(self) -> str:
        """What the runner said when it did not start: it has nowhere to say it."""
        return ""

    def close(self) -> None:
        """Kill the notebook's processes, and hand the nursery back if it still answers."""
        if self._closed:
            return
        self._closed = True
        self.channel.close()
        try:
            self.why = self._nursery.end()
        except nursery.NurseryLost:
            nursery.discard(self._nursery)
        except BaseException:                                     # interrupted: what it says next is not understood
            nursery.discard(self._nursery)
            raise
        else:
            nursery.give_back(self._nursery)


class Plain:
    """A runner that is not confined, on a student's own machine; attributes as of `Confined`."""

    why = ""

    def __init__(self):
        self._stage = tempfile.TemporaryDirectory(prefix="lstmlab-")
        self._said = ""
        try:
            stage_package(Path(self._stage.name))
            self._process, self.channel = start(plain(Path(self._stage.name)))
        except BaseException:
            self._stage.cleanup()
            raise

    def working(self, seconds: float) -> contextlib.AbstractContextManager:
        """Nobody watches: the runner's own limits have to do."""
        return contextlib.nullcontext()

    def said(self) -> str:
        """What the runner said when it did not start."""
        return self._said

    def close(self) -> None:
        """Kill the runner and what it started, and remove what was staged."""
        self.channel.close()
        with contextlib.suppress(ProcessLookupError):
            if POSIX:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        if not self._process.stderr.closed:
            self._said = self._process.stderr.read().decode(errors="replace").strip()
            self._process.stderr.close()
        self._stage.cleanup()


def start(command: list[str]) -> tuple[subprocess.Popen, socket.socket]:
    """Start the runner, and return it with the socket to it."""
    quiet = {"cwd": "/", "env": os.environ | PLAIN_ENVIRONMENT, "stdin": subprocess.DEVNULL,
             "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}
    if not POSIX:                                                  # no socket can be inherited there
        with socket.create_server(("127.0.0.1", 0)) as server:
            process = subprocess.Popen([*command, f"port:{server.getsockname()[1]}"], **quiet)
            return process, accept(server, process)
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            return subprocess.Popen([*command, str(theirs.fileno())], pass_fds=[theirs.fileno()], **quiet), ours
        except BaseException:
            ours.close()
            raise


def accept(server: socket.socket, process: subprocess.Popen) -> socket.socket:
    """Wait until the runner calls, as long as it is there."""
    server.settimeout(0.2)
    while process.poll() is None:
        with contextlib.suppress(TimeoutError):
            return server.accept()[0]
    said = process.stderr.read().decode(errors="replace").strip()
    raise SandboxUnavailable(f"the notebook's process did not start: {said}")


PLAIN_ENVIRONMENT = {name: value for name, value in ENVIRONMENT.items() if "/tmp" not in value and name != "PATH"}


def plain(stage: Path) -> list[str]:
    """The same runner without isolation: it finds what this process finds, but for the staged lstmlab."""
    return runner_command(str(stage), *filter(None, sys.path))


def runner_command(*folders: str) -> list[str]:
    """The runner under a bare interpreter: no site-packages, no user folder, no environment variables."""
    begin = (f"import sys; sys.path[:0] = {list(folders)!r}; sys.dont_write_bytecode = True; "
             "sys.argv = ['runner', sys.argv[1]]; from inside import runner; runner.main(sys.argv[1])")
    return [os.path.realpath(sys.executable), "-I", "-S", "-B", "-c", begin]


@functools.cache
def require_sandbox() -> None:
    """Start one sandbox, and see from inside that every promise holds.

    Raises
    ------
    SandboxUnavailable
        With what is missing and how to get it.
    """
    for tool in ("bwrap", "setpriv"):
        if shutil.which(tool) is None:
            raise SandboxUnavailable(f"{tool} was not found.\n{HOW_TO_ENABLE}")
    limits = Limits()
    with Sandbox(limits, seed=0) as sandbox:
        broken = isolation.broken(sandbox.run_cell(isolation.LOOK), limits.disk)
    if broken:
        raise SandboxUnavailable(f"the sandbox does not hold: {'; '.join(broken)}.\n{HOW_TO_ENABLE}")
