"""The nursery: a process in bubblewrap that has imported everything, and forks one notebook at a time.

It only imports, and draws one figure to fill matplotlib's caches: one thread, no torch operation, no random number. It
holds no secret and sees no data: the grader sends it one end of a socket, which it hands to the fork and forgets. While
an order is worked on it watches what the notebook's processes use together, since the kernel's own limits are each
process's alone.
"""

from __future__ import annotations

import _multiprocessing
import base64
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import sys
import time

from . import confine, runner, watch

# What a notebook imports sooner or later without a word of the student's: to draw, to show an error, for `!`.
IMPORTS = ("asyncio", "numpy.fft", "numpy.random", "matplotlib.pyplot", "matplotlib_inline.backend_inline",
           "matplotlib.backends.backend_agg", "contourpy", "PIL.BmpImagePlugin", "PIL.GifImagePlugin",
           "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.PpmImagePlugin", "pexpect", "stack_data",
           "pygments.formatters.terminal256", "lstmlab.figures", "lstmlab.tasks")
MORE = {"torch": ("torch._dynamo",)}                              # which every optimizer imports, in two seconds
LOOK = 0.25                        # seconds between two looks at what is used


def main(number: str, *libraries: str) -> None:
    """Import, then serve orders until the grader hangs up; in a notebook's process, serve the notebook's orders."""
    control = socket.socket(fileno=int(number))
    os.set_inheritable(control.fileno(), False)
    confine.guard()
    system_calls = base64.b64decode(json.loads(control.recv(2**20))["filter"])
    del _multiprocessing.SemLock                                  # the filter knows no wake-up across processes: this
                                                                  # says so at once, where else a pool would hang
    shell = runner.start_shell()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__       # until a cell begins, what is said is the grader's
    for name in (*IMPORTS, *libraries, *(more for library in libraries for more in MORE.get(library, ()))):
        importlib.import_module(name)
    draw()
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise RuntimeError(f"the libraries started {threads - 1} threads when they were imported; a fork would hang")
    gc.collect()
    gc.freeze()                                                   # so that no collection touches, and copies, it all
    silence()
    control.send(b'{"ready": true}')
    channel = Nursery(control, system_calls).serve()
    runner.serve(shell, channel)
    os._exit(0)


def draw() -> None:
    """Draw a figure once: what reads formulas and fonts is built on first use, and forks inherit it."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.loglog([1.0, 10.0], [1.0, 10.0], label=r"$\tilde{C}_{t-1}^2 \odot \sigma$")
    axes.set(xlabel="words", title="words")
    axes.legend()
    figure.savefig(io.BytesIO(), bbox_inches="tight")             # as the inline backend does
    pyplot.close(figure)


def silence() -> None:
    """What native code prints goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


class Nursery:
    """Serves the grader's control socket; at most one notebook lives at a time."""

    def __init__(self, control: socket.socket, system_calls: bytes):
        self.control, self.system_calls = control, system_calls
        self.notebook = 0                                         # process 1 of its space
        self.base = watch.held("self")
        self.memory = 0
        self.order: Order | None = None
        self.why = ""

    def serve(self) -> socket.socket:
        """Serve until the grader hangs up; returns only in a notebook's process, with its channel."""
        while True:
            if not select.select([self.control], [], [], LOOK if self.order else None)[0]:
                self.look()
                continue
            data, descriptors, _, _ = socket.recv_fds(self.control, 2**16, 1)
            if not data:
                os._exit(0)                                       # and the kernel ends all that is left
            message = json.loads(data)
            if message["do"] == "spawn":
                channel = self.spawn(descriptors[0], message)
                if channel is not None:
                    return channel
            elif message["do"] == "order":
                self.order = Order(message["seconds"], self.used())
            elif message["do"] == "rest":
                self.order = None
            else:
                self.end()
                self.control.send(json.dumps({"gone": True, "why": self.why}).encode())

    def spawn(self, channel: int, message: dict) -> socket.socket | None:
        """Fork a notebook's process; None here, its channel there."""
        self.why, self.memory = "", message["memory"]
        reading, writing = os.pipe()
        try:
            self.notebook = confine.fork()
        except OSError as error:
            self.control.send(json.dumps({"spawned": False, "why": str(error)}).encode())
            return None                                           # and the grader does not come back
        if self.notebook == 0:
            return self.become(channel, writing, message["disk"])
        os.close(writing)
        os.close(channel)
        with open(reading, "rb") as pipe:
            said = pipe.read().decode()                           # until the fork closes it, or ends
        if said != "ready":
            self.end()
        self.control.send(json.dumps({"spawned": said == "ready", "why": said}).encode())
        return None

    def become(self, channel: int, writing: int, disk: int) -> socket.socket:
        """In the fork: keep nothing but the channel, and confine this process."""
        try:
            self.control.detach()
            confine.keep_only(channel, writing)
            confine.separate()
            settings = confine.furnish(disk)
            silence()                                             # anew: what is set on these files is not passed on
            confine.become_nobody(settings)
            confine.renounce(self.system_calls)
            os.write(writing, b"ready")
            os.close(writing)
            return socket.socket(fileno=channel)
        except BaseException as error:
            os.write(writing, str(error).encode())
            os._exit(1)

    def used(self) -> watch.Usage:
        """What the notebook's processes use: all that is seen here beside this one and bubblewrap's."""
        own = {1, os.getpid()}
        return watch.usage((pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in own),
                           self.base)

    def look(self) -> None:
        """End the notebook if its processes together use too much."""
        used = self.used()
        self.why = self.order.overdone(used) or ("memory" if used.memory > self.memory else "")
        if self.why:
            self.end()

    def end(self) -> None:
        """Kill the notebook's process space, and wait until nothing of it is left."""
        self.order = None
        if self.notebook:
            os.kill(self.notebook, signal.SIGKILL)
            os.waitpid(self.notebook, 0)                          # the kernel holds it until the space is empty
        self.notebook = 0


class Order:
    """What may be used up while one order is worked on.

    The runner stops its own cells and checks; this is for what it cannot stop. It is as generous again.
    """

    def __init__(self, seconds: float, used: watch.Usage):
        self.seconds, self.begun = 2 * seconds + 2, used.cpu
        self.idle = watch.Idle(time.monotonic())

    def overdone(self, used: watch.Usage) -> str:
        """What was overdone, or nothing."""
        idle = self.idle.look(used, time.monotonic())
        return "time" if used.cpu - self.begun > self.seconds or idle > self.seconds else ""
