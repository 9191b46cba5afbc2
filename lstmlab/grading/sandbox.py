"""The sandbox: a bubblewrap process that holds one student's notebook, and the orders sent to it.

Inside there is an interpreter, the libraries a student may use, and the runner; no network, no other process,
no reference, no verdict, a small scratch disk, and limits on time, memory, processes and files.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from lstmlab.checks import wire

PACKAGE = Path(__file__).resolve().parent.parent
LIBRARIES = ("numpy", "matplotlib", "ipython")          # and what they need: all that every notebook can import
EXTRA_MEMORY = {"torch": 6 * 2**30}                     # address space that a library asks for and hardly uses
UNPRIVILEGED = 64001                                    # uid and gid that a root grader drops to
MAX_FRAME = 64 * 2**20
LINUX = sys.platform == "linux"
POSIX = os.name == "posix"                              # elsewhere a student runs their own notebook, unconfined
PATIENCE = 15 if POSIX else 2                           # CPU seconds to seconds by the clock, which alone stops Windows


class SandboxUnavailable(RuntimeError):
    """This machine cannot isolate a student's code; the message says what to do about it."""


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
        Bytes of address space of one process.
    processes : int
        Processes and threads at a time.
    disk : int
        Bytes of scratch disk, and of shared memory.
    files : int
        Open files of one process.
    libraries : tuple of str
        What it may import beside `LIBRARIES`; their `EXTRA_MEMORY` comes on top.
    """

    seconds: float = 20.0
    memory: int = 2 * 2**30
    processes: int = 64
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
        self._stage = tempfile.TemporaryDirectory(prefix="lstmlab-")
        try:
            stage = Path(self._stage.name)
            stage_package(stage)
            if confined:
                self._process, self._channel = start(confinement(stage, limits))
            else:
                self._process, self._channel = start(plain(stage), os.environ | PLAIN_ENVIRONMENT)
        except BaseException:
            self._stage.cleanup()
            raise
        try:
            self._ask({"limits": limits.rlimits(confined), "seed": seed}, wall=60)
        except SandboxDied as error:
            self.close()
            said = self._process.stderr.read().decode(errors="replace").strip()
            raise SandboxUnavailable(f"the sandbox did not start: {said or error}\n{HOW_TO_ENABLE}") from None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None:
        """Kill everything inside and remove what was staged."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            if POSIX:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._stage.cleanup()

    def run_cell(self, source: str) -> dict:
        """Run one cell; the reply holds its raw ``outputs`` (untrusted) and whether it ``timed_out``."""
        return self._ask({"do": "cell", "source": source, "seconds": self.limits.seconds})

    def call(self, kind: str, function: str, requests: list, seed: int) -> dict:
        """Call the student's function on inputs; the reply (untrusted) holds ``answers``, or why there are none."""
        return self._ask({"do": "probe", "kind": kind, "function": function, "requests": requests, "seed": seed,
                          "seconds": self.limits.seconds})

    def _ask(self, order: dict, wall: float | None = None) -> dict:
        """Send one order, read one reply. CPU time is limited inside; `wall` is for what uses none."""
        deadline = time.monotonic() + (wall or PATIENCE * self.limits.seconds)
        data = wire.encode(order)
        try:
            self._channel.settimeout(max(1.0, deadline - time.monotonic()))
            self._channel.sendall(struct.pack("<I", len(data)) + data)
            size = struct.unpack("<I", self._read(4, deadline))[0]
            if size > MAX_FRAME:
                raise SandboxDied(f"a reply of {size:,} bytes was announced; at most {MAX_FRAME:,} are taken")
            reply = wire.decode(self._read(size, deadline))
        except TimeoutError:
            raise SandboxTimeout("no answer came in time") from None
        except (OSError, wire.WireError) as error:
            raise SandboxDied(str(error)) from None
        if not isinstance(reply, dict):
            raise SandboxDied("the reply is no dictionary")
        return reply

    def _read(self, size: int, deadline: float) -> bytes:
        chunks = []
        while size:
            self._channel.settimeout(max(0.01, deadline - time.monotonic()))
            chunk = self._channel.recv(min(size, 2**20))
            if not chunk:
                raise SandboxDied("the notebook's process ended")
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)


def start(command: list[str], environment: dict[str, str] | None = None) -> tuple[subprocess.Popen, socket.socket]:
    """Start the runner, and return it with the socket to it."""
    quiet = {"cwd": "/", "env": environment, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
             "stderr": subprocess.PIPE, "start_new_session": True}
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


HOW_TO_ENABLE = (
    "Grading runs students' code only in isolation. It needs Linux, bubblewrap (apt-get install bubblewrap) and, "
    "unless started as root, unprivileged user namespaces\n"
    "(sysctl user.max_user_namespaces must not be 0; on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0)."
)


@functools.cache
def require_sandbox() -> None:
    """Start and stop one sandbox.

    Raises
    ------
    SandboxUnavailable
        With what is missing and how to get it.
    """
    for tool in ("bwrap", "setpriv"):
        if shutil.which(tool) is None:
            raise SandboxUnavailable(f"{tool} was not found.\n{HOW_TO_ENABLE}")
    with Sandbox(Limits(), seed=0):
        pass


# -- what is inside ------------------------------------------------------------------------------------


def stage_package(where: Path) -> None:
    """Lay out the student's side of lstmlab: the runner, probes, figures and tasks; no reference, no verdict."""
    package = where / "lstmlab"
    (package / "checks").mkdir(parents=True)
    shutil.copy(PACKAGE / "grading" / "inside" / "lstmlab_inside.py", package / "__init__.py")
    shutil.copy(PACKAGE / "grading" / "inside" / "runner.py", where / "runner.py")
    (package / "checks" / "__init__.py").touch()
    for name in ("probe.py", "wire.py"):
        shutil.copy(PACKAGE / "checks" / name, package / "checks" / name)
    for room in ("figures", "tasks"):
        shutil.copytree(PACKAGE / room, package / room, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (where, *where.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@functools.cache
def library_paths(extra: tuple[str, ...] = ()) -> tuple[Path, ...]:
    """Files and folders in site-packages that belong to `LIBRARIES`, to the `extra` ones and to what they require."""
    found, wanted = {}, [*LIBRARIES, *extra]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue                                              # an optional or another platform's requirement
        found[name] = {Path(distribution.locate_file(f.parts[0])) for f in distribution.files or ()
                       if f.parts[0] not in ("..", "__pycache__")}
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement:
                wanted.append(re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower())
    return tuple(sorted(path for paths in found.values() for path in paths if path.exists()))


def interpreter_paths() -> tuple[Path, ...]:
    """The interpreter, its standard library, and the system's shared libraries and tools."""
    base = Path(sys.base_prefix)
    own = [Path(os.path.realpath(sys.executable)), Path(sysconfig.get_path("stdlib"))]
    own += (base / "lib").glob("libpython*")
    system = [Path(p) for p in ("/usr/bin", "/usr/lib", "/usr/lib64", "/usr/lib32", "/etc/ld.so.cache")]
    return tuple(dict.fromkeys(p for p in (*own, *system) if p.exists()))


def runner_command(*folders: str) -> list[str]:
    """The runner under a bare interpreter: no site-packages, no user folder, no environment variables."""
    begin = (f"import sys; sys.path[:0] = {list(folders)!r}; sys.dont_write_bytecode = True; "
             "sys.argv = ['runner', sys.argv[1]]; import runner; runner.main(sys.argv[1])")
    return [os.path.realpath(sys.executable), "-I", "-S", "-B", "-c", begin]


def confinement(stage: Path, limits: Limits) -> list[str]:
    """The command that runs the runner inside bubblewrap; a root grader drops to an unprivileged user first."""
    binds = [(path, str(path)) for path in interpreter_paths()]
    binds += [(path, f"/course/libraries/{path.name}") for path in library_paths(limits.libraries)]
    binds += [(stage, "/course/stage")]
    outer: list[str] = []
    if os.geteuid() == 0:
        outer, binds = drop_privileges(binds)
    isolate = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns",
               "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "notebook", "--clearenv"]
    for name, value in ENVIRONMENT.items():
        isolate += ["--setenv", name, value]
    for source, target in binds:
        isolate += ["--ro-bind", str(source), target]
    stdlib_site = Path(sysconfig.get_path("stdlib")) / "site-packages"
    if stdlib_site.exists():
        isolate += ["--tmpfs", str(stdlib_site), "--remount-ro", str(stdlib_site)]
    for link in ("bin", "lib", "lib64", "lib32"):
        isolate += ["--symlink", f"usr/{link}", f"/{link}"]
    isolate += ["--proc", "/proc", "--dev", "/dev", "--size", str(limits.disk), "--tmpfs", "/dev/shm",
                "--remount-ro", "/dev", "--size", str(limits.disk), "--tmpfs", "/tmp", "--dir", "/tmp/home",
                "--remount-ro", "/", "--chdir", "/tmp/home", "--"]
    return [*outer, *isolate, *runner_command("/course/stage", "/course/libraries")]


ENVIRONMENT = {
    "HOME": "/tmp/home", "PATH": "/usr/bin", "LANG": "C.UTF-8", "MPLCONFIGDIR": "/tmp/home",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
    "IPYTHONDIR": "/tmp/home",
}


def drop_privileges(binds: list) -> tuple[list[str], list]:
    """As root: put what is shared where an unprivileged user can reach it, then become that user.

    The interpreter may live under a home that only root can enter, so each source is first bound below /mnt,
    in a mount namespace of this process's own.
    """
    outer = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/mnt", "--die-with-parent"]
    moved = []
    for number, (source, target) in enumerate(binds):
        outer += ["--ro-bind", str(source), f"/mnt/{number}"]
        moved.append((f"/mnt/{number}", target))
    user = str(UNPRIVILEGED)
    return [*outer, "--", "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"], moved


PLAIN_ENVIRONMENT = {name: value for name, value in ENVIRONMENT.items() if "/tmp" not in value and name != "PATH"}


def plain(stage: Path) -> list[str]:
    """The same runner without isolation: it finds what this process finds, but for the staged lstmlab."""
    return runner_command(str(stage), *filter(None, sys.path))
