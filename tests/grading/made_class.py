"""A class of any size, graded without running anybody's code: its marks are those of the catalogue's own mutants."""

import datetime
import functools
import random
import re
from dataclasses import dataclass

import nbformat

from lstmlab import checks
from lstmlab.checks import probe
from lstmlab.checks._edits import mutant
from lstmlab.grading.classrun import Handed, enter, write_notebook
from lstmlab.grading.grade import Graded, digest, executed, judge, notebook_of, summary
from lstmlab.grading.gradebook import record
from lstmlab.grading.outputs import message
from lstmlab.grading.submission import read_submission
from tests.grading.independent_answers import independent_class

SET = "ps3-lstm-forward"
BLANK = "    # YOUR CODE HERE\n    raise NotImplementedError()"
SEED = 5


@dataclass(frozen=True)
class Made:
    """What was made: for each student the bodies of their functions and the mistake made in each check."""

    bodies: dict[str, dict[str, str]]
    mistakes: dict[str, dict[str, str]]


@functools.cache
def mark(grade_id, call, mistake):
    """The mark for a mistake by name, for the right answer (""), or for an answer of zeros ("odd")."""
    check = checks.get(call.check)
    if mistake == "odd":
        def answer(*args):
            return None
    else:
        answer = mutant(check.sources, tuple(m for m in check.mistakes if m.name == mistake))
    return judge(grade_id, call, SEED, {"answers": probe.call(answer, check.requests(SEED))})


def make(course, size, seed=0, first="student"):
    """Enter a class of `size` into the course: submissions, executed notebooks, records and scores."""
    release, = course.releases(SET)
    raw = (course.root / "exercises" / SET / f"{SET}.ipynb").read_text()
    draw = random.Random(seed)
    made = Made({}, {})
    with course.gradebook() as gradebook:
        gradebook.find_assignment(SET).duedate = datetime.datetime(2026, 3, 2, 12)
        for number, bodies in enumerate(independent_class(size, seed)):
            student = f"{first}-{number:04d}"
            wrong = {call.check: draw.choice([m.name for m in checks.get(call.check).mistakes[:4]] + ["odd"])
                     for call in release.tests.values() if draw.random() < 0.2}
            made.bodies[student], made.mistakes[student] = bodies, wrong
            marks = [mark(grade_id, call, wrong.get(call.check, "")) for grade_id, call in release.tests.items()]
            when = datetime.datetime(2026, 3, 2, 12) - datetime.timedelta(hours=draw.expovariate(1 / 60) - 10)
            hand_in(course, gradebook, release, student, written(raw, bodies), marks, when, draw.uniform(0.1, 0.6))
    return made


def written(raw, bodies):
    """The released notebook with these bodies in its functions."""
    notebook = nbformat.reads(raw, as_version=4)
    for cell in notebook.cells:
        name = re.match(r"def (\w+)", cell.source)
        if name and name[1] in bodies:
            cell.source = cell.source.replace(BLANK, bodies[name[1]])
    return notebook


def hand_in(course, gradebook, release, student, notebook, marks, when, seconds=0.5, outputs=()):
    """Enter one submission with its marks, as grading leaves it; `outputs` stand under the first code cell."""
    raw = nbformat.writes(notebook).encode()
    folder = course.submitted / student / SET
    folder.mkdir(parents=True)
    (folder / f"{SET}.ipynb").write_bytes(raw)
    submission = read_submission(raw, release)
    by_cell = {mark.grade_id: mark for mark in marks}
    code = next(n for n, cell in enumerate(submission.cells) if cell.cell_type == "code")
    cells = [executed(cell, [*outputs] if n == code else [message("some output")] * (n == code + 3), by_cell)
             for n, cell in enumerate(submission.cells)]
    graded = Graded(release, notebook_of(cells), tuple(marks), *summary(marks), submission.notes,
                    submission.unanswered, digest(raw), seconds, {})
    enter(gradebook, Handed(student, release, graded.digest, "", when))
    write_notebook(course.autograded / student / SET / f"{SET}.ipynb", graded)
    record(gradebook, student, graded, "")
