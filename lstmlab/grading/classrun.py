"""Grade everything that a class submitted for one problem set."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SAWarning

from . import grade as grading
from .backup import back_up
from .cluster import Cluster, Here, Task, local_cluster
from .course import Course, CourseError
from .grade import Graded, Limits
from .gradebook import Record, find_record, one_transaction, reachable, record, stands, withdraw
from .release import Release
from .sandbox import SandboxUnavailable, require_sandbox
from .submission import Unreadable, read_once

WORTH_A_CLUSTER = 20               # notebooks a worker: for fewer, starting one takes longer than it saves
FAILED_TWICE = "grading it failed twice"
ROUNDS = 3                         # how often what is handed in anew while grading is graded in the same run


@dataclass(frozen=True)
class Outcome:
    """One notebook of one student: what is recorded, and whether it was graded just now.

    Attributes
    ----------
    student, notebook : str
        Whose, and which.
    record : Record or None
        What the gradebook knows of it.
    fresh : bool
        Whether it was graded in this run.
    """

    student: str
    notebook: str
    record: Record | None
    fresh: bool

    @property
    def status(self) -> str:
        """graded, failed, timed out, missing or needs a look."""
        return self.record.status if self.record else grading.MISSING


@dataclass(frozen=True)
class Handed:
    """A submission as it was read.

    Attributes
    ----------
    student : str
        Whose.
    release : Release
        Of which notebook.
    digest : str
        Hash of the file; empty if it cannot be read.
    problem : str
        Why it cannot be read.
    when : datetime or None
        The time in its timestamp.txt.
    """

    student: str
    release: Release
    digest: str
    problem: str
    when: datetime | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What its record is found by."""
        return self.release.problem_set, self.release.name, self.student


def grade_class(course: Course, problem_set: str, students: Collection[str] = (), force: bool = False,
                confined: bool = True, limits: Limits | None = None, workers: int | None = None,
                cluster: AbstractContextManager[Cluster] | None = None,
                started: Callable[[int], None] = lambda total: None) -> Iterator[Outcome]:
    """Grade the submissions of a problem set.

    Each is committed on its own: an interrupted run goes on where it stopped, and what is unchanged (the
    submission, the release, the checks) is not graded again. What was handed in anew meanwhile is graded, too.

    Parameters
    ----------
    course : Course
        Where.
    problem_set : str
        Which.
    students : collection of str, optional
        Only these.
    force : bool, optional
        Grade even what is unchanged.
    confined : bool, optional
        False runs without a sandbox.
    limits : Limits, optional
        What each notebook may use.
    workers : int, optional
        Processes on this machine; with fewer than two, everything happens in this one. By default as many as
        there are processors, where there is enough to do.
    cluster : context manager of Cluster, optional
        A cluster to grade on in place of processes on this machine.
    started : callable, optional
        Called once with the number of rows to come.

    Yields
    ------
    Outcome
        A row per notebook and student, as they are done; those who submitted nothing included.

    Raises
    ------
    CourseError, ReleaseError, GradebookError, ClusterError, SandboxUnavailable
        Before anything is written; the last two also where a cluster or the sandbox is lost on the way.
    """
    if confined and cluster is None:
        require_sandbox()
    releases = course.releases(problem_set)
    folders = course.submissions(problem_set)
    with course.lock(), reachable(course.db_url), course.gradebook() as gradebook:
        run = ClassRun(course, gradebook, folders, confined, limits or Limits(), force)
        with one_transaction(gradebook):
            require_released(gradebook, problem_set)
            known = {student.id for student in gradebook.students} | folders.keys()
        back_up(course)
        for student in students:
            if student not in known:
                raise CourseError(f"no student {student!r}: neither in the gradebook nor in {course.submitted}")
        wanted = [(student, release) for student in sorted(set(students) or known) for release in releases]
        started(len(wanted))
        yield from run.rounds(wanted, workers, cluster)


def require_released(gradebook: Gradebook, problem_set: str) -> None:
    """Raise unless the gradebook knows the problem set."""
    try:
        gradebook.find_assignment(problem_set)
    except MissingEntry:
        raise CourseError(f"the gradebook does not know {problem_set}; `nbgrader generate_assignment {problem_set}` "
                          "(with --db, if it is not the one in nbgrader_config.py) enters it") from None


class ClassRun:
    """One run over a class: who has to be graded, on what, and what is saved of it."""

    def __init__(self, course: Course, gradebook: Gradebook, folders: dict[str, Path], confined: bool, limits: Limits,
                 force: bool):
        self.course, self.gradebook, self.folders = course, gradebook, folders
        self.confined, self.limits, self.force = confined, limits, force
        self.secret = course.secret()
        self.changed: list[tuple[str, Release]] = []               # handed in anew while the run went on
        self.late: list[Handed] = []                               # out of time or without a result: once more, alone

    def rounds(self, wanted: list[tuple[str, Release]], workers: int | None,
               cluster: AbstractContextManager[Cluster] | None) -> Iterator[Outcome]:
        """Grade what has to be graded, then alone what needs it; and all that again for what changed meanwhile."""
        with contextlib.ExitStack() as stack:
            pool = None
            for _ in range(ROUNDS):
                todo = []
                for student, release in wanted:
                    if outcome := self.settled(student, release):
                        yield outcome
                    else:
                        todo.append((student, release))
                if not todo:
                    return
                pool = pool or stack.enter_context(self.pool(len(todo), workers, cluster))
                self.changed, self.late, self.force = [], [], False
                for handed, result in pool.grade(self.tasks(todo)):
                    if isinstance(result, Exception) or result.late:
                        self.late.append(handed)
                    else:
                        yield self.save(handed, result)
                for handed in self.late:
                    yield from self.alone(pool, handed)
                wanted = self.changed

    def pool(self, todo: int, workers: int | None, cluster: AbstractContextManager | None) -> AbstractContextManager:
        """Where to grade this many notebooks."""
        if cluster is not None:
            return cluster
        if workers is None:
            workers = min(len(os.sched_getaffinity(0)), todo // WORTH_A_CLUSTER)
        return local_cluster(workers, self.confined) if workers > 1 else contextlib.nullcontext(Here())

    def read(self, student: str, release: Release) -> tuple[Handed, bytes]:
        """What a student handed in, now."""
        folder = self.folders[student]
        when = read_time(folder)
        try:
            raw = read_once(folder / f"{release.name}.ipynb")
        except Unreadable as error:
            return Handed(student, release, "", str(error), when), b""
        return Handed(student, release, grading.digest(raw), "", when), raw

    def settled(self, student: str, release: Release) -> Outcome | None:
        """The outcome where no code has to run: nothing was handed in, nothing changed, or it cannot be read."""
        if student not in self.folders:
            with one_transaction(self.gradebook):
                known = find_record(self.gradebook, release.problem_set, release.name, student)
            return Outcome(student, release.name, known, False)
        handed, _ = self.read(student, release)
        with one_transaction(self.gradebook):
            known = find_record(self.gradebook, *handed.key)
            if known and not self.force and self.unchanged(known, handed) and stands(self.gradebook, *handed.key):
                self.correct_time(handed)
                return Outcome(student, release.name, known, False)
        if handed.problem:
            return self.save(handed, grading.ungraded(release, grading.FAILED, handed.problem))
        return None

    def unchanged(self, known: Record, handed: Handed) -> bool:
        """Whether submission, release and checks are those of the record, and the executed notebook is there."""
        return (known.submission_hash == handed.digest and (not handed.problem or known.reason == handed.problem)
                and known.release_hash == handed.release.digest and known.checks_hash == grading.checks_digest()
                and self.executed(handed).exists())

    def executed(self, handed: Handed) -> Path:
        """Where the executed notebook is written."""
        return self.course.autograded / handed.student / handed.release.problem_set / f"{handed.release.name}.ipynb"

    def correct_time(self, handed: Handed) -> None:
        """Enter the time of the submission where it is another one now, and what follows from it."""
        if handed.when is None:
            return
        known = self.gradebook.find_submission(handed.release.problem_set, handed.student).timestamp
        if known != handed.when:
            enter(self.gradebook, handed)
            assign_penalty(self.course, self.gradebook, handed.release, handed.student)

    def tasks(self, todo: list[tuple[str, Release]]) -> Iterator[tuple[Handed, Task]]:
        """Read one submission after the other, as there is room for them; an older mark is taken back."""
        for student, release in todo:
            handed, raw = self.read(student, release)
            if handed.problem:                                     # it was there a moment ago
                self.changed.append((student, release))
                continue
            with one_transaction(self.gradebook), contextlib.suppress(MissingEntry):
                withdraw(self.gradebook, *handed.key)
            seeds = grading.draw_seeds(self.secret, student, release, raw)
            yield handed, Task(raw, release, seeds, self.limits, self.confined)

    def alone(self, pool: Cluster | Here, first: Handed) -> Iterator[Outcome]:
        """Grade once more, with nothing else in flight, what ran out of time or came to no result."""
        for handed, result in pool.grade(self.tasks([(first.student, first.release)]), alone=True):
            failed = isinstance(result, Exception)
            if (failed or result.late) and handed.digest != first.digest:
                yield from self.alone(pool, handed)                # handed in anew: this was the first time it ran
            elif isinstance(result, SandboxUnavailable):
                raise result
            elif failed:
                graded = grading.ungraded(handed.release, grading.LOOK, FAILED_TWICE, handed.digest)
                why = f"{FAILED_TWICE}; {type(result).__name__}: {str(result)[:300]}"         # for instructors alone
                yield self.save(handed, replace(graded, reason=why))
            else:
                yield self.save(handed, result)

    def save(self, handed: Handed, graded: Graded) -> Outcome:
        """Write the executed notebook, then the marks in one transaction: without a record it is done again."""
        write_notebook(self.executed(handed), graded)
        with one_transaction(self.gradebook):
            enter(self.gradebook, handed)
            record(self.gradebook, handed.student, graded, grading.checks_digest())
            assign_penalty(self.course, self.gradebook, handed.release, handed.student)
            known = find_record(self.gradebook, *handed.key)
        if self.read(handed.student, handed.release)[0].digest != handed.digest:
            self.changed.append((handed.student, handed.release))
        return Outcome(handed.student, handed.release.name, known, True)


def enter(gradebook: Gradebook, handed: Handed) -> None:
    """Enter the student and the submission, with its time if that is known."""
    when = {} if handed.when is None else {"timestamp": handed.when}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)                 # nbgrader's way of building rows, harmless
        gradebook.update_or_create_student(handed.student)
        gradebook.update_or_create_submission(handed.release.problem_set, handed.student, **when)


def read_time(folder: Path) -> datetime | None:
    """When a submission came, in UTC, by its timestamp.txt; None without one that can be read."""
    with contextlib.suppress(Unreadable, ValueError, OverflowError):
        return parse_utc(read_once(folder / "timestamp.txt").decode().strip())
    return None


def write_notebook(path: Path, graded: Graded) -> None:
    """Write the executed notebook, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part")
    nbformat.write(graded.notebook, part)
    os.replace(part, path)


def assign_penalty(course: Course, gradebook: Gradebook, release: Release, student: str) -> None:
    """Set the late penalty of a notebook by the course's own policy, as nbgrader's stage does.

    That stage opens the gradebook anew; this is its content, for the transaction that the marks are saved in.
    """
    stage = AssignLatePenalties(config=course.config)
    stage.gradebook = gradebook
    stage.student_id, stage.assignment_id, stage.notebook_id = student, release.problem_set, release.name
    stage.init_plugin()
    notebook = gradebook.find_submission_notebook(release.name, release.problem_set, student)
    notebook.late_submission_penalty = None
    late = notebook.assignment.total_seconds_late
    if late > 0:
        penalty = stage.plugin_inst.late_submission_penalty(student, notebook.score, late)
        if penalty is not None:
            notebook.late_submission_penalty = min(max(penalty, 0), notebook.score)
    gradebook.db.commit()
