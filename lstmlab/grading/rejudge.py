"""Judge again what was answered: from the stored answers and seeds, running nobody's code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from lstmlab.checks import wire

from . import grade as grading
from .classrun import assign_penalty, require_released
from .course import Course, CourseError
from .grade import Mark
from .gradebook import Record, find_marks, find_record, one_transaction, rejudge
from .release import Release


@dataclass(frozen=True)
class Rejudged:
    """What judging one notebook of a student's again came to.

    Attributes
    ----------
    student, notebook : str
        Whose, and which.
    before, after : Record or None
        The record before and now; None where there is none.
    kept : tuple of str
        Test cells that stay as they were, because they left no answers to judge.
    problem : str
        Why nothing was judged; empty where it was.
    """

    student: str
    notebook: str
    before: Record | None
    after: Record | None
    kept: tuple[str, ...] = ()
    problem: str = ""

    @property
    def changed(self) -> bool:
        """Whether points or named mistakes differ."""
        return bool(self.before and self.after) and ((self.before.earned, self.before.mistakes)
                                                     != (self.after.earned, self.after.mistakes))


def rejudge_class(course: Course, problem_set: str, students: Sequence[str] = ()) -> Iterator[Rejudged]:
    """Judge stored answers again by the checks as they are now.

    Nobody's code runs. Marks without stored answers stay as they are; manual marks stay; a submission whose answers
    are answers to other questions than the checks ask now is left alone and said to need grading.

    Parameters
    ----------
    course : Course
        Where.
    problem_set : str
        Which.
    students : sequence of str, optional
        Only these; by default everybody.

    Yields
    ------
    Rejudged
        One per student and notebook.

    Raises
    ------
    CourseError, ReleaseError
        Before anything is written.
    """
    releases = course.releases(problem_set)
    with course.lock(), course.gradebook() as gradebook:
        require_released(gradebook, problem_set)
        submitted = sorted(s.student.id for s in gradebook.assignment_submissions(problem_set))
        if unknown := sorted(set(students) - set(submitted)):
            raise CourseError(f"nothing of {problem_set} is on record for {', '.join(map(repr, unknown))}; "
                              f"`lstmlab grade {problem_set}` comes first")
        for student in students or submitted:
            for release in releases:
                yield rejudge_one(course, gradebook, release, student)


def rejudge_one(course: Course, gradebook: Gradebook, release: Release, student: str) -> Rejudged:
    """Judge one notebook of one student again."""
    key = (release.problem_set, release.name, student)
    before, stored = find_record(gradebook, *key), find_marks(gradebook, *key)
    path = course.autograded / student / release.problem_set / f"{release.name}.ipynb"
    if problem := obstacle(before, stored, release, path):
        return Rejudged(student, release.name, before, before, problem=problem)
    marks = [judged_again(mark, release) for mark in stored]
    rewrite(path, marks)
    with one_transaction(gradebook):
        rejudge(gradebook, release, student, marks, grading.checks_digest())
        assign_penalty(course, gradebook, release, student)
    kept = tuple(mark.grade_id for mark in stored if mark.answers is None)
    return Rejudged(student, release.name, before, find_record(gradebook, *key), kept)


def obstacle(record: Record | None, stored: Sequence[Mark], release: Release, path: Path) -> str:
    """Why the stored answers cannot be judged again; empty where they can."""
    if record is None:
        return "not graded yet"
    if record.release_hash != release.digest or {mark.grade_id for mark in stored} != release.tests.keys():
        return "it was graded against another release; it has to be graded again"
    if not path.is_file():
        return "its executed notebook is gone; it has to be graded again"
    other = [mark.grade_id for mark in stored if not still_fits(mark, release)]
    if other:
        return f"the checks now ask something else than was answered ({', '.join(other)}); it has to be graded again"
    return ""


def still_fits(mark: Mark, release: Release) -> bool:
    """Whether what was asked is what would be asked now; nothing was asked where nothing could be run."""
    if not mark.requests_hash:
        return mark.answers is None and mark.status == "no verdict"
    return mark.requests_hash == grading.requests_digest(release.tests[mark.grade_id], mark.seed)


def judged_again(mark: Mark, release: Release) -> Mark:
    """The mark by the checks as they are now; itself where there are no answers."""
    if mark.answers is None:
        return mark
    call = release.tests[mark.grade_id]
    again = grading.judge(mark.grade_id, call, mark.seed, {"answers": wire.decode(mark.answers)})
    return replace(again, answers=mark.answers)


def rewrite(path: Path, marks: Sequence[Mark]) -> None:
    """Put the verdicts' texts into the executed notebook, whole or not at all."""
    notebook = nbformat.reads(path.read_text(), as_version=4)
    texts = {mark.grade_id: mark.text for mark in marks}
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if cell.cell_type == "code" and grade_id in texts:
            cell.outputs = [grading.message(texts[grade_id])]
    part = path.with_name(f".{path.stem}.part")
    part.write_text(nbformat.writes(notebook))
    os.replace(part, path)
