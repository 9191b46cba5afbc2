"""A student's own notebook, run and judged on their machine as grading would do it, without a gradebook."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import nbformat

from lstmlab import checks

from .grade import Mark, Seeds, judge, run
from .release import Release, ReleaseError, release_of
from .sandbox import Limits, SandboxUnavailable, require_sandbox
from .submission import Unreadable, read_once, read_submission


@dataclass(frozen=True)
class LocalResult:
    """What came of a notebook.

    Attributes
    ----------
    marks : tuple of Mark
        One per test cell.
    errors : tuple of str
        The cells that stopped with an error, and with which.
    notes : tuple of str
        What is not as it was handed out.
    isolated : bool
        Whether it ran in the sandbox.
    """

    marks: tuple[Mark, ...]
    errors: tuple[str, ...]
    notes: tuple[str, ...]
    isolated: bool

    @property
    def points(self) -> float:
        """Points to be had."""
        return sum(mark.points for mark in self.marks)

    @property
    def earned(self) -> float:
        """Points earned."""
        return sum(mark.earned or 0.0 for mark in self.marks)


def check_notebook(path: Path, limits: Limits | None = None) -> LocalResult:
    """Run a notebook and judge its functions, on inputs from a random seed.

    Where there is no sandbox the same runner works without one: it is the student's own code on their own machine.

    Parameters
    ----------
    path : Path
        The notebook.
    limits : Limits, optional
        What it may use.

    Raises
    ------
    ReleaseError, Unreadable
        If it is no notebook of this course; the message says why.
    """
    raw = read_once(path)
    release = own_release(raw, path)
    submission = read_submission(raw, release)
    seeds = Seeds(secrets.randbits(256), {grade_id: secrets.randbits(256) for grade_id in release.tests})
    isolated = can_isolate()
    shown, replies, _ = run(submission, seeds, limits or Limits(), isolated)
    marks = tuple(judge(g, call, seeds.checks[g], replies.get(g, {})) for g, call in release.tests.items())
    errors = tuple(f"cell {number + 1}: {output.ename}: {output.evalue}" for number, outputs in sorted(shown.items())
                   for output in outputs if output.output_type == "error" and output.ename != "NotImplementedError")
    return LocalResult(marks, errors, (*submission.notes, *missing(release)), isolated)


def own_release(raw: bytes, path: Path) -> Release:
    """The notebook's own account of its cells: on a student's machine there is no other."""
    try:
        release = release_of(raw, "", path.stem)
    except ReleaseError:
        raise
    except (ValueError, TypeError, AttributeError, nbformat.ValidationError) as error:
        raise Unreadable(f"{path} is not readable as a notebook ({str(error).partition(chr(10))[0][:200]})") from None
    except LookupError as error:
        raise ReleaseError(f"{path} does not fit this version of lstmlab: {error.args[0]}") from None
    if not release.tests:
        raise ReleaseError(f"{path} has no check cells; expected a notebook of this course, as it was handed out")
    return release


def missing(release: Release) -> list[str]:
    """What the notebook has lost: checks of its problem set that have no cell in it."""
    there = {call.check for call in release.tests.values()}
    sets = map(checks.problem_set, checks.problem_sets())
    of_set = next(found for found in sets if there & {check.name for check in found})
    return [f"the check cell of {check.name} is missing here; it is put back at grading, and counts"
            for check in of_set if check.name not in there]


def can_isolate() -> bool:
    """Whether this machine has the sandbox that grading needs."""
    try:
        require_sandbox()
    except SandboxUnavailable:
        return False
    return True
