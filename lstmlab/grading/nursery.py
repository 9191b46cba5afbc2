"""The grader's end of the nurseries: start them, borrow one for a sandbox, hand it back.

A nursery serves one sandbox at a time. It is started when first needed, with the libraries asked for, and kept for the
next sandbox of this process; a second one is started only where two sandboxes are alive together.
"""

from __future__ import annotations

import atexit
import base64
import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading

from . import runtime, slots, syscalls
from .runtime import HOW_TO_ENABLE, SandboxUnavailable

START = 120                        # seconds for its imports, on a busy machine
ANSWER = 60                        # seconds for a fork, or for the end of one
LAST_WORDS = 5                     # seconds for what it says when it does not start


class NurseryLost(RuntimeError):
    """The nursery ended, or does not answer."""


class Nursery:
    """A running nursery.

    Parameters
    ----------
    libraries : tuple of str
        What it imports beside what every notebook needs.

    Raises
    ------
    SandboxUnavailable
        With what it said when it did not start.
    """

    def __init__(self, libraries: tuple[str, ...]):
        self.libraries = libraries
        self.user, lock = slots.take_slot() if os.geteuid() == 0 else (None, None)
        try:
            self._start(lock)
        finally:
            if lock is not None:
                os.close(lock)                                    # the nursery holds it now

    def _start(self, lock: int | None) -> None:
        command = runtime.confinement(self.libraries, self.user)
        system_calls = base64.b64encode(compiled()).decode()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = popen([*command, str(theirs.fileno()), *self.libraries],
                                 [theirs.fileno(), *([lock] if lock is not None else [])])
        try:
            self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._send({"filter": system_calls})
            self._receive(START)
            if self._peer == 0:
                raise SandboxUnavailable(f"the nursery runs as root.\n{HOW_TO_ENABLE}")
        except NurseryLost as error:
            with contextlib.suppress(subprocess.TimeoutExpired):   # it hangs up before it has said why
                self.process.wait(LAST_WORDS)
            self.kill()
            said = self.process.stderr.read().decode(errors="replace").strip()
            raise SandboxUnavailable(f"the sandbox did not start: {said[-2000:] or error}\n{HOW_TO_ENABLE}") from None
        except BaseException:
            self.kill()
            raise
        finally:
            self.process.stderr.close()

    def spawn(self, disk: int, memory: int) -> socket.socket:
        """Fork a notebook's process; return the grader's end of its channel.

        Parameters
        ----------
        disk : int
            Bytes of each of its scratch disks.
        memory : int
            Bytes that its processes may hold together.

        Raises
        ------
        SandboxUnavailable
            If it could not be confined; the message says which step failed.
        NurseryLost
            If there is no answer.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._send({"do": "spawn", "disk": disk, "memory": memory}, theirs)
            reply = self._receive(ANSWER)
            if not reply["spawned"]:
                raise SandboxUnavailable(f"a notebook could not be confined: {reply['why']}\n{HOW_TO_ENABLE}")
        except BaseException:
            ours.close()
            raise
        return ours

    def order(self, seconds: float) -> None:
        """Say that the notebook works on an order that may take so many CPU seconds."""
        self._send({"do": "order", "seconds": seconds})

    def rest(self) -> None:
        """Say that the order is done."""
        self._send({"do": "rest"})

    def end(self) -> str:
        """Kill all of the notebook's processes, wait until they are gone, and say why if the nursery had done so.

        Returns
        -------
        str
            ``"time"``, ``"memory"`` or nothing.

        Raises
        ------
        NurseryLost
            If there is no answer.
        """
        self._send({"do": "end"})
        return self._receive(ANSWER)["why"]

    def kill(self) -> None:
        """Kill the nursery and all that is in it."""
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def forget(self) -> None:
        """In a fork of the grader: let go of a nursery that is not its own."""
        self._control.close()

    def _send(self, message: dict, *files: socket.socket) -> None:
        try:
            self._control.settimeout(ANSWER)
            socket.send_fds(self._control, [json.dumps(message).encode()], [file.fileno() for file in files])
        except OSError as error:
            raise NurseryLost(str(error)) from None

    def _receive(self, seconds: float) -> dict:
        try:
            self._control.settimeout(seconds)
            data, ancillary, _, _ = self._control.recvmsg(2**16, socket.CMSG_SPACE(12))
        except OSError as error:
            raise NurseryLost(str(error)) from None
        if not data:
            raise NurseryLost("it ended")
        self._peer = struct.unpack("3i", ancillary[0][2])[1]      # pid, uid, gid: the kernel's word
        return json.loads(data)


def compiled() -> bytes:
    """The filter of system calls, or why there is none."""
    try:
        return syscalls.compiled()
    except (ImportError, RuntimeError, OSError) as error:
        raise SandboxUnavailable(f"no filter of system calls: {error}\n{HOW_TO_ENABLE}") from None


# -- one permanent thread, and the nurseries of this process -------------------------------------------

_lock = threading.Lock()
_idle: dict[tuple[str, ...], list[Nursery]] = {}
_all: set[Nursery] = set()
_starter: concurrent.futures.ThreadPoolExecutor | None = None


def popen(command: list[str], files: list[int]) -> subprocess.Popen:
    """Start a nursery from a thread that lives as long as this process: bubblewrap dies with the thread."""
    global _starter
    with _lock:
        if _starter is None:
            _starter = concurrent.futures.ThreadPoolExecutor(1, "nurseries")
    return _starter.submit(subprocess.Popen, command, pass_fds=files, cwd="/", start_new_session=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).result()


def borrow(libraries: tuple[str, ...], disk: int, memory: int) -> tuple[Nursery, socket.socket]:
    """A nursery with these libraries, and the channel to a notebook's process in it.

    A nursery that was lost since it was last used (the machine ran out of memory, say) is replaced.
    """
    while True:
        with _lock:
            waiting = _idle.get(libraries)
            kept = waiting.pop() if waiting else None
        nursery = kept or started(libraries)
        try:
            return nursery, nursery.spawn(disk, memory)
        except NurseryLost as error:
            discard(nursery)
            if not kept:
                raise SandboxUnavailable(f"the sandbox ended as soon as it had started: {error}") from None
        except BaseException:
            discard(nursery)
            raise


def started(libraries: tuple[str, ...]) -> Nursery:
    """A new nursery, among those of this process."""
    nursery = Nursery(libraries)
    with _lock:
        _all.add(nursery)
    return nursery


def give_back(nursery: Nursery) -> None:
    """Keep a nursery whose notebook has ended for the next one."""
    with _lock:
        if nursery in _all:
            _idle.setdefault(nursery.libraries, []).append(nursery)


def discard(nursery: Nursery) -> None:
    """Kill a nursery that cannot be used again."""
    nursery.kill()
    with _lock:
        _all.discard(nursery)


@atexit.register
def close_all() -> None:
    """Kill every nursery of this process."""
    with _lock:
        ours = list(_all)
        _all.clear()
        _idle.clear()
    for nursery in ours:
        nursery.kill()


def _start_anew() -> None:
    """In a fork of the grader: its parent's nurseries and thread are not there."""
    global _lock, _starter
    _lock, _starter = threading.Lock(), None
    for nursery in _all:
        nursery.forget()
    _all.clear()
    _idle.clear()


if hasattr(os, "register_at_fork"):                               # not on Windows, which imports this module, too
    os.register_at_fork(after_in_child=_start_anew)
