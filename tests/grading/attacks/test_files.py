"""Hostile files where submissions lie: links, pipes, folders, floods; the class is graded all the same."""

import pytest

from lstmlab.grading.classrun import grade_class
from lstmlab.grading.sandbox import Limits

from .harness import SET, encoded, notebook
from .surgery import FILES


def test_hostile_files_end_with_a_status_and_take_nothing_from_a_neighbour(course, tool):
    """Each fails, or has its honest points; the neighbour, whose file some of them link to, has theirs."""
    other = course.submitted / "neighbour" / SET / f"{SET}.ipynb"
    other.parent.mkdir(parents=True)
    other.write_bytes(encoded(notebook()))
    for title, make, _ in FILES:
        place = course.submitted / title / SET
        place.mkdir(parents=True)
        make(place, other)
    found = {outcome.student: outcome for outcome in grade_class(course, SET, limits=Limits(seconds=4))}
    assert {title: found[title].status for title, *_ in FILES} == {title: status for title, _, status in FILES}
    assert {title: found[title].record.earned for title, *_ in FILES} == {
        title: 2.0 if status == "graded" else 0.0 for title, _, status in FILES}
    assert found["neighbour"].record.earned == 2
    tool(course.root, "nbgrader", "export", "--to", "marks.csv")
    rows = [line.split(",") for line in (course.root / "marks.csv").read_text().splitlines() if "failed" in line]
    assert len(rows) == sum(status == "failed" for *_, status in FILES)
    assert all(row[9] == "" for row in rows)                       # no number where there is no mark


@pytest.mark.full
def test_nbgrader_autograde_gives_hostile_files_nothing(course, tool):
    """nbgrader's own command: no mark for what is no file of the student's own."""
    for title, make, _ in FILES[:8]:
        place = course.submitted / title / SET
        place.mkdir(parents=True)
        make(place, course.root / "solutions" / SET / f"{SET}.ipynb")
    tool(course.root, "nbgrader", "autograde", SET, check=False)
    with course.gradebook() as gradebook:
        for student in gradebook.students:
            for submission in gradebook.student_submissions(student.id):
                assert submission.score == 0
