"""From a submission's bytes to its marks: run the cells in the sandbox, judge the answers outside it."""

from __future__ import annotations

import functools
import hashlib
import hmac
import importlib.metadata
import platform
import re
import time
from dataclasses import dataclass, field, replace

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

import lstmlab
from lstmlab import checks
from lstmlab.checks import Verdict, wire

from .outputs import MAX_NOTEBOOK, clean_outputs, length, message
from .release import Release, TestCall
from .runtime import PACKAGE
from .sandbox import PATIENCE, Limits, Sandbox, SandboxDied, SandboxTimeout
from .submission import Cell, Submission, Unreadable, read_submission

MAX_STUCK = 4                      # cells that may kill the sandbox before the rest is left unrun
MAX_KEPT = 2**20                   # bytes of a check's answers that are kept; right ones take a fiftieth of that
WHOLE = 4                          # times the longest that one cell may last: all that a notebook may

GRADED, FAILED, TIMED_OUT, MISSING, LOOK = "graded", "failed", "timed out", "missing", "needs a look"


@dataclass(frozen=True)
class Mark:
    """The outcome of one test cell.

    Attributes
    ----------
    grade_id : str
        The test cell.
    check : str
        The check it calls.
    points : float
        What it is worth.
    earned : float or None
        What was earned; None where there is no verdict, so that no number is made up.
    status : str
        ``right``, ``partly right``, ``wrong``, ``not written``, ``timed out`` or ``no verdict``.
    text : str
        What the student reads.
    mistakes : tuple of str
        Names of the mistakes that explain the answers.
    parts : tuple of (str, float, float)
        Name, points and points earned of each part.
    seed : int
        Seed of the inputs.
    answers : bytes or None
        What the function returned, encoded: enough to judge again without running code. None where there is no
        verdict, or where it was larger than any right answer (`MAX_KEPT`).
    requests_hash : str
        Hash of what was asked; judged again, the answers must still be answers to this.
    verdict : dict
        What `text` says, in its pieces, for a page to lay out; empty where no verdict was formed.
    """

    grade_id: str
    check: str
    points: float
    earned: float | None
    status: str
    text: str
    mistakes: tuple[str, ...] = ()
    parts: tuple[tuple[str, float, float], ...] = ()
    seed: int = 0
    answers: bytes | None = None
    requests_hash: str = ""
    verdict: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Graded:
    """A graded submission.

    Attributes
    ----------
    release : Release
        What it was graded against.
    notebook : NotebookNode
        The executed notebook.
    marks : tuple of Mark
        One per test cell.
    status, reason : str
        How it ended, and why if that is not `graded`.
    notes : tuple of str
        What had to be put right.
    unanswered : frozenset of str
        Solution cells left as they were released.
    digest : str
        Hash of the submission.
    seconds : float
        How long it took.
    versions : dict
        Versions of lstmlab and of what it computes with, by name, where it was graded.
    late : bool
        Whether a cell or a check ran out of time.
    """

    release: Release
    notebook: NotebookNode
    marks: tuple[Mark, ...]
    status: str
    reason: str
    notes: tuple[str, ...]
    unanswered: frozenset[str]
    digest: str
    seconds: float
    versions: dict[str, str]
    late: bool = False

    @property
    def earned(self) -> float:
        """Points earned so far; cells without a verdict add nothing and are named by the status."""
        return sum(mark.earned or 0.0 for mark in self.marks)


def digest(raw: bytes) -> str:
    """What a submission is known by."""
    return hashlib.sha256(raw).hexdigest()


@dataclass(frozen=True)
class Seeds:
    """What a submission's random numbers come from: all that whoever grades it knows of the run secret.

    Attributes
    ----------
    own : int
        Seed of the student's own generators.
    checks : dict of int
        Seeds of the inputs, by grade_id of the test cell.
    """

    own: int
    checks: dict[str, int]


def draw_seeds(secret: bytes, student: str, release: Release, raw: bytes) -> Seeds:
    """Seeds of a submission: unguessable without the run secret, unchanged when graded again.

    A changed submission gets other ones. Its functions could have carried the inputs that they were called with into
    what its student was shown, and the next one could hold the answers to them.
    """
    known = digest(raw)

    def seed(grade_id: str) -> int:
        words = "\0".join([student, release.problem_set, release.name, grade_id, known])
        return int.from_bytes(hmac.digest(secret, words.encode(), hashlib.sha256))

    return Seeds(seed(""), {grade_id: seed(grade_id) for grade_id in release.tests})


@functools.cache
def versions() -> dict[str, str]:
    """Versions of lstmlab, of Python and of the libraries that answers are computed with."""
    return {"lstmlab": lstmlab.__version__, "python": platform.python_version(),
            "numpy": importlib.metadata.version("numpy"), "torch": importlib.metadata.version("torch")}


@functools.cache
def checks_digest() -> str:
    """Hash of everything a verdict depends on: the checks and the references."""
    found = hashlib.sha256()
    rooms = ("checks", "cells", "gradcheck", "tasks")
    paths = sorted(path for room in rooms for path in (PACKAGE / room).rglob("*.py"))
    for path in (*paths, PACKAGE / "convert.py"):
        found.update(path.read_bytes())
    return found.hexdigest()


def grade(raw: bytes, release: Release, seeds: Seeds, limits: Limits | None = None, confined: bool = True,
          again: bool = True) -> Graded:
    """Grade one submitted notebook.

    Parameters
    ----------
    raw : bytes
        The submitted file.
    release : Release
        What was released.
    seeds : Seeds
        Of the inputs and of the student's own generators, as `draw_seeds` drew them.
    limits : Limits, optional
        What the notebook may use.
    confined : bool, optional
        False runs without a sandbox.
    again : bool, optional
        Run a notebook that ran out of time once more. A class run asks for False, and runs it later, alone.

    Returns
    -------
    Graded
        Always, whatever the student handed in.

    Raises
    ------
    SandboxUnavailable
        If this machine cannot isolate.
    """
    begun = time.monotonic()
    try:
        submission = read_submission(raw, release)
    except Unreadable as error:
        return ungraded(release, FAILED, str(error), digest(raw))
    limits = replace(limits or Limits(), libraries=libraries(release))
    shown, replies, late = run(submission, seeds, limits, confined)
    if late and again:
        shown, replies, late = run(submission, seeds, limits, confined)        # once more, before it is said
    marks = {g: judge(g, call, seeds.checks[g], replies.get(g, {})) for g, call in release.tests.items()}
    status, reason = summary(marks.values())
    cells = [executed(cell, shown.get(n, []), marks) for n, cell in enumerate(submission.cells)]
    return Graded(release, notebook_of(cells), tuple(marks.values()), status, reason, submission.notes,
                  submission.unanswered, digest(raw), time.monotonic() - begun, versions(), late)


def libraries(release: Release) -> tuple[str, ...]:
    """What the functions of a release may import, as their checks say."""
    return tuple(sorted({name for call in release.tests.values() for name in checks.get(call.check).libraries}))


def ungraded(release: Release, status: str, reason: str, submission_hash: str = "") -> Graded:
    """A submission without marks: the release's cells, the reason in each, nothing earned and nothing lost."""
    marks = {g: Mark(g, call.check, call.points, None, "no verdict", f"No mark was formed: {reason}.")
             for g, call in release.tests.items()}
    cells = [executed(Cell(c.cell_type, c.source, c), [], marks) for c in release.cells]
    return Graded(release, notebook_of(cells), tuple(marks.values()), status, reason, (), frozenset(),
                  submission_hash, 0.0, versions())


# -- running -------------------------------------------------------------------------------------------


def run(submission: Submission, seeds: Seeds, limits: Limits, confined: bool) -> tuple[dict, dict, bool]:
    """Run the cells in order; return outputs by cell number, replies by grade_id, and whether time ran out.

    A cell that kills its process or never answers is left out of a fresh run, so that it costs itself alone. What
    is left when the notebook as a whole has lasted too long is not run: it counts as out of time. A function that is
    missing since its cell did not come to its end has no verdict.
    """
    stuck: dict[int, str] = {}
    end = time.monotonic() + WHOLE * PATIENCE * limits.seconds
    while True:
        shown, replies, late, room = {}, {}, "timed out" in stuck.values(), MAX_NOTEBOOK
        with Sandbox(limits, seeds.own, confined) as sandbox:
            unfinished: list[str] = []
            for number, cell in enumerate(submission.cells):
                test = cell.released.test if cell.released else None
                if cell.cell_type != "code":
                    continue
                if time.monotonic() > end:
                    late = True
                    stuck.setdefault(number, "timed out")
                if number in stuck:
                    record_stuck(cell, test, stuck[number], number, shown, replies)
                    unfinished.append(cell.source)
                    continue
                try:
                    if test:
                        grade_id = cell.released.grade_id
                        replies[grade_id] = ask(sandbox, test, seeds.checks[grade_id], seeds.own)
                        late |= replies[grade_id].get("timed_out") is True
                        if replies[grade_id].get("absent") is True and mentioned(test.function, unfinished):
                            replies[grade_id] = {"died": "the cell it is in did not come to its end"}
                    else:
                        reply = sandbox.run_cell(cell.source)
                        shown[number] = clean_outputs(reply.get("outputs"), room)
                        room -= length(shown[number])
                        if reply.get("timed_out") is True:
                            late = True
                            unfinished.append(cell.source)
                except SandboxDied as error:
                    late |= isinstance(error, SandboxTimeout)
                    stuck[number] = "timed out" if isinstance(error, SandboxTimeout) else str(error)
                    break
            else:
                return shown, replies, late
        if len(stuck) > MAX_STUCK:
            return shown, replies, late


def mentioned(name: str, sources: list[str]) -> bool:
    """Whether a name stands in one of these cells."""
    return any(re.search(rf"\b{re.escape(name)}\b", source) for source in sources)


def record_stuck(cell: Cell, test: TestCall | None, why: str, number: int, shown: dict, replies: dict) -> None:
    """Say what a cell did that had to be left out."""
    if test:
        replies[cell.released.grade_id] = {"timed_out": True} if why == "timed out" else {"died": why}
    else:
        shown[number] = [message(f"[this cell was left out of grading: {why}]")]


def ask(sandbox: Sandbox, test: TestCall, seed: int, own: int) -> dict:
    """Send a check's inputs to the student's function; the inputs are all that ever goes in."""
    check = checks.get(test.check)
    return sandbox.call(check.kind, test.function, check.requests(seed), own)


# -- judging -------------------------------------------------------------------------------------------


def requests_digest(call: TestCall, seed: int) -> str:
    """Hash of all that a check asks of a function."""
    check = checks.get(call.check)
    return digest(wire.encode([check.name, check.kind, call.function, check.requests(seed)]))


def judge(grade_id: str, call: TestCall, seed: int, reply: dict) -> Mark:
    """Form the mark of one test cell from an untrusted reply; without a verdict there is no number."""
    check = checks.get(call.check)
    blank = Mark(grade_id, call.check, call.points, None, "no verdict", "", seed=seed,
                 requests_hash=requests_digest(call, seed))
    if reply.get("absent") is True:
        text = (f"✗ {call.check}: there is no function named {call.function}.\n"
                "  Its cell was not written, was renamed, or stopped: see what that cell says.")
        return replace(blank, earned=0.0, status="wrong", text=text)
    if reply.get("timed_out") is True:
        text = (f"✗ {call.check}: the function did not finish in the time a check has.\n"
                "  No automatic mark: your instructor will look at it. Is there a loop that\n"
                "  never ends?")
        return replace(blank, status="timed out", text=text)
    if "answers" not in reply:
        died = reply.get("died")
        why = "".join(filter(str.isprintable, died[:200])) if isinstance(died, str) else "the check did not run"
        text = f"✗ {call.check}: no verdict ({why}).\n  No automatic mark: your instructor will look at it."
        return replace(blank, text=text)
    verdict = check.judge(seed, reply["answers"])
    status = "right" if verdict.right else "partly right" if verdict.earned > 0 else "wrong"
    if verdict.headline == "not written yet":
        status = "not written"
    parts = tuple((part.name, float(part.points), float(part.earned)) for part in verdict.parts)
    answers = wire.encode(reply["answers"])
    return replace(blank, earned=float(verdict.earned), status=status, text=verdict.text(),
                   mistakes=tuple(verdict.mistakes), parts=parts, answers=answers if len(answers) <= MAX_KEPT else None,
                   verdict=pieces(verdict))


def pieces(verdict: Verdict) -> dict:
    """A verdict's words as plain data: headline, findings, a note by part, remarks and footnote."""
    return {"headline": verdict.headline, "findings": [list(finding) for finding in verdict.findings],
            "remarks": list(verdict.remarks),
            "notes": {part.name: part.note for part in verdict.parts if part.note}, "footnote": verdict.footnote}


def summary(marks) -> tuple[str, str]:
    """The submission's status and its reason, from its marks."""
    for status, of_mark in ((LOOK, "no verdict"), (TIMED_OUT, "timed out")):
        cells = [mark.grade_id for mark in marks if mark.status == of_mark]
        if cells:
            return status, f"{of_mark}: {', '.join(cells)}"
    return GRADED, ""


def told(reason: str) -> str:
    """What of a reason is the student's to read; behind a semicolon stands what its instructor needs.

    Examples
    --------
    >>> told("grading it failed twice; OSError: no room on /srv")
    'grading it failed twice'
    """
    return reason.partition("; ")[0]


# -- the executed notebook -----------------------------------------------------------------------------


def executed(cell: Cell, outputs: list, marks: dict[str, Mark]) -> NotebookNode:
    """The cell as the instructor and the student will see it, with the release's metadata and no other."""
    new = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}[cell.cell_type](cell.source)
    if cell.cell_type == "code":
        new.outputs = list(outputs)
    if cell.released:
        new.metadata["nbgrader"] = NotebookNode(cell.released.metadata)
        if mark := marks.get(cell.released.grade_id):
            new.outputs = [message(mark.text)]
    return new


def notebook_of(cells: list[NotebookNode]) -> NotebookNode:
    """A notebook of these cells, with ids that depend on the order alone."""
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
              "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=kernel)
