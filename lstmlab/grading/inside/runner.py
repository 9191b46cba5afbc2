"""Run a student's cells and call their functions, inside the sandbox, on orders from the grader.

Nothing here is secret and nothing here decides: the grader sends source text and inputs through one socket,
this process answers with outputs and arrays. Whatever a student does to it can only spoil their own answers.
Every reply repeats its order's nonce, so that one which was written too early is seen to be no answer.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import select
import signal
import socket
import struct
import sys
import time

import numpy as np
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from lstmlab.checks import probe, wire

from . import watch

try:
    import resource
except ImportError:                # Windows, where a student runs their own notebook: no limits, no fork
    resource = None

MAX_FRAME = 64 * 2**20             # bytes of one message
MAX_OUTPUTS = 100                  # outputs kept of one cell
MAX_TEXT = 100_000                 # characters kept of one text output
MAX_IMAGE = 4 * 2**20              # characters of one image, as base64
RASTER = ("image/png", "image/jpeg")
LOOK = 0.25                        # seconds between two looks at a fork


class OutOfTime(BaseException):
    """The cell used up its CPU seconds."""


# -- messages: four bytes of length, then the wire format ----------------------------------------------


def receive(channel: socket.socket):
    """Read one message, or None at the end of the stream."""
    head = read_exactly(channel, 4)
    return None if head is None else wire.decode(read_exactly(channel, struct.unpack("<I", head)[0]))


def read_exactly(channel: socket.socket, size: int) -> bytes | None:
    """Read `size` bytes, or None if the other side has gone."""
    chunks = []
    while size:
        chunk = channel.recv(min(size, 2**20))
        if not chunk:
            return None
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def send(channel: socket.socket, data: bytes) -> None:
    """Write one encoded message."""
    if len(data) > MAX_FRAME:
        data = wire.encode({"died": f"the answer is {len(data):,} bytes; at most {MAX_FRAME:,} are taken"})
    channel.sendall(struct.pack("<I", len(data)) + data)


# -- a notebook without a kernel -----------------------------------------------------------------------


class Outputs:
    """Collects what a cell shows, as nbformat outputs, within limits; also stands in for stdout and stderr."""

    encoding = "utf-8"

    def __init__(self):
        self.items: list[dict] = []

    def add(self, output: dict) -> None:
        if len(self.items) < MAX_OUTPUTS:
            self.items.append(output)

    def text(self, stream: str, text: str) -> None:
        last = self.items[-1] if self.items else {}
        if last.get("name") != stream:
            self.add(last := {"output_type": "stream", "name": stream, "text": ""})
        if len(last["text"]) < MAX_TEXT:
            last["text"] = (last["text"] + text)[:MAX_TEXT]

    def rich(self, kind: str, data: dict) -> None:
        kept = {"text/plain": str(data.get("text/plain", ""))[:MAX_TEXT]}
        for mime in RASTER:
            if mime in data:
                image = data[mime]
                image = image if isinstance(image, str) else base64.b64encode(image).decode()
                kept |= {mime: image} if len(image) <= MAX_IMAGE else {"text/plain": "[an image that is too large]"}
        self.add({"output_type": kind, "data": kept})


class Stream:
    """A file that writes into `Outputs`."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, name: str, shell: InteractiveShell):
        self.name, self.shell = name, shell

    def write(self, text: str) -> int:
        self.shell.outputs.text(self.name, str(text))
        return len(text)

    def writelines(self, lines) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


class Publisher(DisplayPublisher):
    """`display(...)` goes to the outputs."""

    def publish(self, data, metadata=None, **kwargs):
        self.shell.outputs.rich("display_data", data)

    def clear_output(self, wait=False):
        self.shell.outputs.items.clear()


class Hook(DisplayHook):
    """The value of a cell's last line goes to the outputs."""

    def __call__(self, result=None):
        if result is not None and not self.quiet():
            data, _ = self.compute_format_data(result)
            self.update_user_ns(result)
            self.shell.outputs.rich("execute_result", data)


class NotebookShell(InteractiveShell):
    """IPython without a kernel: magics, `!`, top-level await and inline figures work; history is off."""

    outputs = Outputs()

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.display_pub.shell = self
        self.user_ns["input"] = self.user_ns["raw_input"] = refuse_input

    def init_io(self):
        sys.stdout, sys.stderr = Stream("stdout", self), Stream("stderr", self)

    def enable_matplotlib(self, gui=None):
        return super().enable_matplotlib("inline")                # whichever was asked for: there is no window here

    def enable_gui(self, gui=None):
        pass

    def ask_exit(self):
        """`exit()` ends its cell's line: there is no session to leave."""

    def showtraceback(self, exc_tuple=None, *args, **kwargs):
        etype, evalue = (exc_tuple or sys.exc_info())[:2]
        if etype is OutOfTime:                                    # the frame it struck in says nothing; to format it
            self._showtraceback(etype, evalue, [])                # takes seconds where a cell's threads go on spinning
        else:
            super().showtraceback(exc_tuple, *args, **kwargs)

    def _showtraceback(self, etype, evalue, stb):
        self.outputs.add({"output_type": "error", "ename": str(etype.__name__)[:200], "evalue": str(evalue)[:2000],
                          "traceback": [str(line)[:MAX_TEXT] for line in stb][:50]})


def refuse_input(prompt=""):
    """Stand-in for `input`: nobody is there to answer."""
    raise RuntimeError("input() cannot be used in a graded notebook: nobody is there to answer")


def start_shell() -> NotebookShell:
    """The shell a notebook runs in, with inline figures."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Context"
    return NotebookShell.instance(config=config, display_pub_class=Publisher, displayhook_class=Hook)


def run_cell(shell: NotebookShell, source: str, seconds: float) -> dict:
    """Run one cell for at most `seconds` of CPU; return its outputs."""
    shell.outputs = Outputs()
    shell.init_io()                                               # an earlier cell may have replaced or closed them

    late = OutOfTime(f"this cell used more than {seconds:g} s of CPU")

    def stop(*_):
        raise late

    timed = hasattr(signal, "setitimer")                          # without it the grader's own clock has to do
    if timed:
        signal.signal(signal.SIGPROF, stop)
        signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)        # and again each second, if it is caught
    timed_out = False
    try:
        result = shell.run_cell(source, store_history=True)
        timed_out = isinstance(result.error_in_exec, OutOfTime)
    except OutOfTime as error:                                    # it struck outside the cell's own code
        timed_out = True
        shell._showtraceback(OutOfTime, error, [])
    except SystemExit:
        pass
    except Exception as error:                                    # of the shell's own, in what the cell made of it
        shell._showtraceback(type(error), error, [])
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_PROF, 0)
    if timed_out and str(late) not in str(shell.outputs.items[-1:]):          # it struck again where it was to be shown
        shell._showtraceback(OutOfTime, late, [])
    return {"outputs": shell.outputs.items, "timed_out": timed_out}


# -- calling a student's function ----------------------------------------------------------------------


def run_probe(shell: NotebookShell, order: dict) -> bytes:
    """Call the function in a fork, so that a hang, a crash or an exit costs this check alone."""
    nonce = {"nonce": order["nonce"]}
    if order["function"] not in shell.user_ns:
        return wire.encode(nonce | {"absent": True})
    if not hasattr(os, "fork"):
        return answer(shell, order)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.close(reading)
            answer_probe(shell, order, writing)
        os._exit(0)
    os.close(writing)
    data, why = collect(child, reading, order["seconds"])
    return data if data else wire.encode(nonce | why)


def answer_probe(shell: NotebookShell, order: dict, writing: int) -> None:
    """In the fork: call the function, write the encoded answers."""
    if os.getppid() == 1:                                         # confined: nothing outlives the runner, and
        os.setpgid(0, 0)                                          # what the function starts is ended with the check
    seconds = max(1, int(order["seconds"]))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    data = answer(shell, order)
    data = memoryview(struct.pack("<I", len(data)) + data)
    while data:
        data = data[os.write(writing, data):]


def answer(shell: NotebookShell, order: dict) -> bytes:
    """Call the function; return the encoded answers."""
    seed(order["seed"])
    answers = probe.KINDS[order["kind"]](shell.user_ns[order["function"]], order["requests"])
    return wire.encode({"nonce": order["nonce"], "answers": answers})


def collect(child: int, reading: int, seconds: float) -> tuple[bytes, dict]:
    """Read what the fork wrote; or say why there is nothing.

    A fork that computes ends by its CPU limit, however long its turn takes to come; one that only waits is given
    as many seconds. The end of the pipe is not waited for: what the function started may hold it, too.
    """
    data, waited, size = bytearray(), Waiting(child, seconds), MAX_FRAME
    while len(data) < 4 + size and not waited.too_long():
        if not select.select([reading], [], [], LOOK)[0]:
            continue
        chunk = os.read(reading, 2**20)
        if not chunk:
            break
        data += chunk
        if len(data) >= 4:
            size = min(MAX_FRAME, struct.unpack_from("<I", data)[0])
    os.close(reading)
    late = waited.too_long()
    status = end(child)
    if len(data) == 4 + size:
        return bytes(data[4:]), {}
    if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return b"", {"timed_out": True}
    how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
    return b"", {"died": f"the process ended with {how}"}


def end(child: int) -> int:
    """End the fork, if it lives on, and what it started; return its status."""
    os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):                 # not confined, it has no group
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ChildProcessError):                  # until none is left of those that fell to process 1
        while os.waitpid(-child, 0):
            pass
    return status


class Waiting:
    """Whether a fork has waited for too long without computing."""

    def __init__(self, child: int, seconds: float):
        self.child, self.seconds = child, seconds
        self.idle, self.deadline = watch.Idle(time.monotonic()), time.monotonic() + 10 * seconds

    def too_long(self) -> bool:
        """Look at the clock, and where there is a /proc at what the fork does."""
        now = time.monotonic()
        if not watch.AVAILABLE:
            return now >= self.deadline
        return self.idle.look(watch.usage([self.child]), now) > self.seconds


# -- the whole -----------------------------------------------------------------------------------------


def seed(number: int) -> None:
    """Seed the student's own random generators, so that a regrade gives the same numbers."""
    random.seed(number)
    np.random.seed(number % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(number % 2**63)


def limit(limits: dict) -> None:
    """Set the process's limits for good: without privileges a hard limit cannot be raised again."""
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def connect(where: str) -> socket.socket:
    """The socket to the grader: the number of an inherited one, or ``port:NUMBER`` where none can be inherited."""
    if where.startswith("port:"):
        return socket.create_connection(("127.0.0.1", int(where.removeprefix("port:"))))
    os.set_inheritable(int(where), False)
    return socket.socket(fileno=int(where))


def serve(shell: NotebookShell, channel: socket.socket) -> None:
    """Serve orders until the grader hangs up."""
    own = os.getpid()
    first = receive(channel)
    limit(first["limits"])
    seed(first["seed"])
    send(channel, wire.encode({"nonce": first["nonce"]}))
    while (order := receive(channel)) is not None:
        if order["do"] == "cell":
            reply = wire.encode({"nonce": order["nonce"]} | run_cell(shell, order["source"], order["seconds"]))
        else:
            reply = run_probe(shell, order)
        if os.getpid() != own:                                    # a fork that the student's cell made, and that
            os._exit(0)                                           # came back from it too
        send(channel, reply)


def main(where: str) -> None:
    """As a process of its own, without a nursery: start, and serve orders."""
    channel = connect(where)
    shell = start_shell()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):                                         # what native code prints cannot fill a pipe
        os.dup2(nowhere, stream)
    serve(shell, channel)
