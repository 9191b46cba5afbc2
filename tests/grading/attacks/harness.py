"""One attack: a hostile notebook, graded as a real one is, and what it gained.

Every attack stands in problem set 3 between an honest `sigmoid`, worth 2 of 17 points, and functions left as released.
So a notebook that gains nothing has 2 points, and one that spoils only itself keeps them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import secrets
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lstmlab.grading import grade as grading
from lstmlab.grading.release import Release, read_release
from lstmlab.grading.sandbox import Limits

ROOT = Path(__file__).parents[3]
SET = "ps3-lstm-forward"
HONEST = 2.0                                                       # points of the sigmoid
SECRET = secrets.token_bytes(32)
# in the grader's environment and in a file of its own
CANARY = f"canary-{secrets.token_hex(8)}"
PROCESS = f"attack-{os.getpid()}"                                # name of every process that an attack starts
PATIENCE = 150                                                     # seconds by the clock for one submission
REFERENCE = "f * C_prev + i * C_tilde"
SIGMOID = "def sigmoid(x):\n    return 0.5 * (1.0 + np.tanh(0.5 * x))"


@dataclass(frozen=True)
class Attack:
    """A hostile notebook.

    Attributes
    ----------
    title : str
        What it tries.
    cells : tuple of str
        Cells before all others.
    functions : dict of str to str
        Answers in place of the released ones, by grade_id.
    last : tuple of str
        Cells after all others.
    ran : str
        What is shown if the attack really got to its end: a regular expression.
    keeps : float
        Points that its honest part earns all the same; 0 where it spoils its own process.
    seconds : float
        CPU seconds for a cell and for a check.
    together : str
        Name of a notebook that it shares with others, each in cells of its own.
    full : bool
        Whether it runs only in the full tests.
    """

    title: str
    cells: tuple[str, ...] = ()
    functions: dict[str, str] = field(default_factory=dict)
    last: tuple[str, ...] = ()
    ran: str = "attack ran"
    keeps: float = HONEST
    seconds: float = 1.0
    together: str = ""
    full: bool = False


@dataclass
class Outcome:
    """What came of an attack: points beyond the honest ones, what got out, what broke, and what was shown."""

    gained: float = 0.0
    escapes: list[str] = field(default_factory=list)
    crash: str = ""
    shown: str = ""
    graded: grading.Graded | None = None
    took: float = 0.0


# -- grading ---------------------------------------------------------------------------------------------


@functools.cache
def release() -> Release:
    """Problem set 3 as released."""
    return read_release(ROOT / "exercises" / SET / f"{SET}.ipynb")


def seeds(student: str = "mallory", raw: bytes = b"") -> dict[str, int]:
    """Seeds of the inputs that a student's submission gets."""
    return grading.draw_seeds(SECRET, student, release(), raw).checks


def graded(raw: bytes, student: str = "mallory", limits: Limits | None = None) -> grading.Graded:
    """Grade a submission's bytes; the one place that calls the grader."""
    drawn = grading.draw_seeds(SECRET, student, release(), raw)
    return grading.grade(raw, release(), drawn, limits or Limits(seconds=1))


def notebook(functions: dict[str, str] | None = None, before: tuple[str, ...] = (), after: tuple[str,
    ...] = ()) -> dict:
    """Problem set 3 without its pictures, with these answers, and with cells of the student's own around it."""
    made = json.loads((ROOT / "exercises" / SET / f"{SET}.ipynb").read_text())
    answers = {"sigmoid": SIGMOID} | (functions or {})
    released = [cell for cell in made["cells"] if "nbgrader" in cell["metadata"]]
    for cell in released:
        cell["source"] = answers.get(cell["metadata"]["nbgrader"]["grade_id"], cell["source"])
    made["cells"] = [*map(code, before), *released, *map(code, after)]
    return made


def code(source: str) -> dict:
    """A cell of the student's own."""
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}


def encoded(made: dict) -> bytes:
    """The bytes of a submission."""
    return json.dumps(made).encode()


# -- what an attack finds around it ------------------------------------------------------------------------


class Surroundings:
    """What is outside the sandbox while an attack runs: files and sockets that nobody may touch."""

    def __init__(self):
        self.calls: list[str] = []
        self.place = Path(tempfile.mkdtemp(prefix="lstm-canary-"))
        self.place.chmod(0o777)                                    # only the sandbox stands between
        (self.place / "canary").write_text(CANARY)
        (self.place / "canary").chmod(0o666)
        os.environ["LSTMLAB_CANARY"] = CANARY
        self.path, self.abstract = str(self.place / "socket"), f"\0{PROCESS}-{os.getpid()}"
        self.tcp = self._listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.udp = self._listen(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM).getsockname()[1]
        self._listen(socket.AF_UNIX, self.path)
        self._listen(socket.AF_UNIX, self.abstract)

    def _listen(self, family: int, address, kind: int = socket.SOCK_STREAM) -> socket.socket:
        server = socket.socket(family, kind)
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen()
        threading.Thread(target=self._wait, args=(server, str(address)), daemon=True).start()
        return server

    def _wait(self, server: socket.socket, name: str) -> None:
        while True:
            caller = server.recv(100) if server.type == socket.SOCK_DGRAM else server.accept()[0].close()
            self.calls.append(f"somebody called {name!r} ({caller!r})")

    @property
    def prelude(self) -> str:
        """The first cell of every attack: what a student could know of the machine, and a few tools."""
        known = {"CANARY_FILE": str(self.place / "canary"), "TCP": self.tcp, "UDP": self.udp, "UNIX": self.path,
                 "ABSTRACT": self.abstract, "PROCESS": PROCESS, "GRADER": os.getpid()}
        return "".join(f"{name} = {value!r}\n" for name, value in known.items()) + TOOLS

    def damage(self) -> list[str]:
        """What an attack did outside."""
        found = list(self.calls)
        self.calls.clear()
        if sorted(os.listdir(self.place)) != ["canary", "socket"] or (self.place / "canary").read_text() != CANARY:
            found.append("a file of the grader's was changed")
        found += [f"{path} was left outside" for folder in ("/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run")
                  for name in (PROCESS, "attack-pickled", "attack-reduced") for path in Path(folder).glob(f"*{name}*")]
        return found + survivors()


TOOLS = """
import ctypes, glob, os, select, signal, socket, stat, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(15, PROCESS.encode(), 0, 0, 0)

def syscall(number, *args):
    ctypes.set_errno(0)
    return libc.syscall(number, *args), ctypes.get_errno()

def channels():
    "Numbers of the descriptors that lead to somebody: sockets and pipes."
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            mode = os.fstat(int(name)).st_mode
        except OSError:
            continue
        if stat.S_ISSOCK(mode) or (stat.S_ISFIFO(mode) and int(name) > 2):
            found.append(int(name))
    return found

def frame(message):
    from lstmlab.checks import wire
    data = message if isinstance(message, bytes) else wire.encode(message)
    return struct.pack("<I", len(data)) + data

def write_to_all(data):
    "Write to every channel; return to how many that worked."
    worked = 0
    for number in channels():
        try:
            os.write(number, data)
            worked += 1
        except OSError:
            pass
    return worked
"""


@functools.cache
def surroundings() -> Surroundings:
    """The one set of canaries of this process."""
    return Surroundings()


def survivors() -> list[str]:
    """Processes of an attack that are still there some seconds after it ended."""
    deadline = time.monotonic() + 5
    while (left := list(named())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [f"process {pid} survived" for pid in left]


def named() -> Iterator[int]:
    """Pids of the processes that bear the attacks' name."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text().strip() == PROCESS:
                yield int(comm.parent.name)


# -- running an attack -------------------------------------------------------------------------------------


class TooSlow(Exception):
    """The grader did not come back."""


@contextlib.contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Interrupt a grader that hangs; only in the main thread can it be."""
    def stop(*_):
        raise TooSlow(f"the grader was still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attempt(raw: bytes, limits: Limits) -> Outcome:
    """Grade hostile bytes, and look at what they did. Nothing raises."""
    around, outcome, begun = surroundings(), Outcome(), time.monotonic()
    try:
        with patience(PATIENCE):
            outcome.graded = graded(raw, limits=limits)
            json.dumps(outcome.graded.notebook).encode()
            "".join(mark.text for mark in outcome.graded.marks).encode()
    except Exception as error:
        outcome.crash = f"{type(error).__name__}: {error}"
    outcome.took = time.monotonic() - begun
    outcome.escapes = around.damage()
    if outcome.graded:
        outcome.gained = max(0.0, outcome.graded.earned - HONEST)
        outcome.shown = shown(outcome.graded)
        outcome.escapes += leaks(outcome.graded)
    return outcome


def shown(result: grading.Graded) -> str:
    """Everything a submission shows: outputs, verdicts, notes and the reason."""
    parts = [part for cell in result.notebook.cells for output in cell.get("outputs", ()) for part in
             (output.get("text", ""), output.get("evalue", ""), *output.get("traceback", ()),
              output.get("data", {}).get("text/plain", ""))]
    return "\n".join([*parts, *result.notes, result.reason])


def leaks(result: grading.Graded) -> list[str]:
    """What stands in the executed notebook, or in what a function returned, and must never have been within reach."""
    text = shown(result) + "".join((mark.answers or b"").decode("ascii") for mark in result.marks)
    secret = {"the run secret": SECRET.hex(), "the grader's canary": CANARY, "a reference": REFERENCE}
    secret |= {f"the seed of {mark.grade_id}": form.format(mark.seed) for mark in result.marks if mark.seed
               for form in ("{}", "{:064x}")}
    found = [f"{name} came out" for name, words in secret.items() if words in text]
    return found + ["it says that it succeeded"] * ("SUCCEEDED" in text)


@functools.cache
def run(attack: Attack) -> Outcome:
    """Run one attack, alone in its notebook."""
    made = notebook(attack.functions, (surroundings().prelude, *attack.cells), attack.last)
    return attempt(encoded(made), Limits(seconds=attack.seconds))


Attack.__hash__ = lambda attack: hash(attack.title)                # its functions are a dict


def run_together(attacks: list[Attack]) -> dict[str, Outcome]:
    """Run attacks that share a notebook; each shows what it did between marks of its own."""
    cells = [source for attack in attacks for source in
             (f"print({'begin ' + attack.title!r})", *attack.cells, f"print({'end ' + attack.title!r})")]
    whole = attempt(encoded(notebook({}, (surroundings().prelude, *cells))), Limits(seconds=attacks[0].seconds))
    parted = {}
    for attack in attacks:
        title = re.escape(attack.title)
        own = re.search(f"begin {title}\n(.*?)end {title}\n", whole.shown, re.DOTALL)
        text = own[1] if own else ""
        outside = [escape for escape in whole.escapes if "succeeded" not in escape]
        escapes = outside + ["it says that it succeeded"] * ("SUCCEEDED" in text)
        parted[attack.title] = Outcome(whole.gained, escapes, whole.crash, text, whole.graded, whole.took)
    return parted
