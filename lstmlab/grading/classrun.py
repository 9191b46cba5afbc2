"""Grade everything that a class submitted for one problem set."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SAWarning

from . import grade as grading
from .course import Course, CourseError, checks_digest
from .grade import Graded, Limits
from .gradebook import Record, find_record, record, withdraw
from .release import Release
from .sandbox import require_sandbox
from .submission import Unreadable, read_once


@dataclass(frozen=True)
class Outcome:
    """One student's row: what is recorded, whether it was graded just now, and how long that took."""

    student: str
    record: Record | None
    fresh: bool
    seconds: float

    @property
    def status(self) -> str:
        """graded, failed, timed out, missing or needs a look."""
        return self.record.status if self.record else grading.MISSING


def grade_class(course: Course, problem_set: str, student: str | None = None, force: bool = False,
                confined: bool = True, limits: Limits | None = None,
                started: Callable[[int], None] = lambda total: None) -> Iterator[Outcome]:
    """Grade the submissions of a problem set, one after the other.

    Each is committed on its own: an interrupted run goes on where it stopped, and what is unchanged (the
    submission, the release, the checks) is not graded again.

    Parameters
    ----------
    course : Course
        Where.
    problem_set : str
        Which.
    student : str, optional
        Only this student's.
    force : bool, optional
        Grade even what is unchanged.
    confined : bool, optional
        False runs without a sandbox.
    limits : Limits, optional
        What each notebook may use.
    started : callable, optional
        Called once with the number of rows to come.

    Yields
    ------
    Outcome
        A row per student, those who submitted nothing included.

    Raises
    ------
    CourseError, ReleaseError, SandboxUnavailable
        Before anything is written.
    """
    if confined:
        require_sandbox()
    releases = course.releases(problem_set)
    folders = course.submissions(problem_set)
    with course.lock(), course.gradebook() as gradebook:
        require_released(gradebook, problem_set)
        students = sorted({s.id for s in gradebook.students} | folders.keys())
        if student is not None:
            if student not in students:
                raise CourseError(f"no student {student!r}: neither in the gradebook nor in {course.submitted}")
            students = [student]
        started(len(students) * len(releases))
        for name in students:
            for release in releases:
                if name not in folders:
                    yield Outcome(name, None, False, 0.0)
                    continue
                yield grade_one(course, gradebook, release, name, folders[name], force, confined, limits)


def require_released(gradebook: Gradebook, problem_set: str) -> None:
    """Raise unless the gradebook knows the problem set."""
    try:
        gradebook.find_assignment(problem_set)
    except MissingEntry:
        raise CourseError(f"the gradebook does not know {problem_set}; "
                          f"`nbgrader generate_assignment {problem_set}` enters it") from None


def grade_one(course: Course, gradebook: Gradebook, release: Release, student: str, folder: Path, force: bool,
              confined: bool, limits: Limits | None) -> Outcome:
    """Grade one notebook of one student, unless an unchanged one is on record."""
    begun = time.monotonic()
    where = course.autograded / student / release.problem_set
    try:
        raw, problem = read_once(folder / f"{release.name}.ipynb"), ""
    except Unreadable as error:
        raw, problem = b"", str(error)
    key = (release.problem_set, release.name, student)
    known = find_record(gradebook, *key)
    if known and not force and unchanged(known, raw, problem, release) and (where / f"{release.name}.ipynb").exists():
        return Outcome(student, known, False, 0.0)
    enter(gradebook, release, student, folder)
    withdraw(gradebook, *key)
    graded = (grading.ungraded(release, grading.FAILED, problem) if problem else
              grading.grade(raw, release, grading.draw_seeds(course.secret(), student, release), limits, confined))
    write_notebook(where, release.name, graded)
    record(gradebook, student, graded, checks_digest())
    assign_penalty(course, release, student)
    return Outcome(student, find_record(gradebook, *key), True, time.monotonic() - begun)


def unchanged(known: Record, raw: bytes, problem: str, release: Release) -> bool:
    """Whether submission, release and checks are those of the record."""
    return ((known.submission_hash == grading.digest(raw) if raw else known.reason == problem)
            and known.release_hash == release.digest and known.checks_hash == checks_digest())


def enter(gradebook: Gradebook, release: Release, student: str, folder: Path) -> None:
    """Enter the student and the submission, with the time in its timestamp.txt if there is one."""
    when = {}
    with contextlib.suppress(Unreadable, ValueError):              # no time, or none that can be read
        when["timestamp"] = parse_utc(read_once(folder / "timestamp.txt").decode().strip())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)                 # nbgrader's way of building rows, harmless
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(release.problem_set, student, **when)


def write_notebook(where: Path, name: str, graded: Graded) -> None:
    """Write the executed notebook, whole or not at all."""
    where.mkdir(parents=True, exist_ok=True)
    part = where / f".{name}.part"
    nbformat.write(graded.notebook, part)
    os.replace(part, where / f"{name}.ipynb")


def assign_penalty(course: Course, release: Release, student: str) -> None:
    """Let nbgrader's own stage set the late penalty, by the course's policy."""
    names = {"student": student, "assignment": release.problem_set, "notebook": release.name,
             "db_url": course.db_url}
    AssignLatePenalties(config=course.config).preprocess(nbformat.v4.new_notebook(), {"nbgrader": names})
