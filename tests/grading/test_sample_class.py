"""The sample class, graded both ways: every mark, every named mistake, every status."""

import csv
import shutil

import pytest

from lstmlab.grading.classrun import grade_class
from lstmlab.grading.course import open_course
from lstmlab.grading.gradebook import find_record
from lstmlab.grading.sandbox import Limits

SET = "ps3-lstm-forward"
LIMITS = Limits(seconds=2)


@pytest.fixture(scope="module")
def graded(released, tmp_path_factory, sample):
    """The sample class after `lstmlab grade`: the course and the outcomes by student."""
    root = tmp_path_factory.mktemp("sample") / "course"
    shutil.copytree(released, root)
    sample.submit(root / "class" / "submitted")
    course = open_course(root)
    return course, {outcome.student: outcome for outcome in grade_class(course, SET, limits=LIMITS)}


def students():
    """Names of the sample class, for the parameters."""
    return ["perfect", "blank", "gates-swapped", "state-reset", "two-mistakes", "prints-to-stderr", "numpy-warning",
            "endless-loop", "allocates-without-end", "patches-the-check", "reads-the-solutions", "script-in-output"]


def test_the_class_is_the_one_that_is_tested(sample):
    """Every student of the sample class is a parameter below."""
    assert [student.name for student in sample.CLASS] == students()


@pytest.mark.parametrize("name", students())
def test_every_cell_has_the_expected_mark(graded, sample, name):
    """In nbgrader's gradebook each test cell has its points, or none where there is no verdict."""
    course, _ = graded
    student, = (s for s in sample.CLASS if s.name == name)
    with course.gradebook() as gradebook:
        grades = gradebook.find_submission(SET, name).notebooks[0].grades
        scores = {grade.name: grade.auto_score for grade in grades}
        by_hand = {grade.name for grade in grades if grade.needs_manual_grade}
    expected = {cell: points - student.lost.get(cell, 0) if student.lost.get(cell, 0) is not None else None
                for cell, points in sample.ALL.items()}
    assert scores == expected
    assert by_hand == {cell for cell, points in expected.items() if points is None}


@pytest.mark.parametrize("name", students())
def test_every_submission_has_the_expected_status_and_mistakes(graded, sample, name):
    """A wrong answer is told which mistake it is; a loop ends as timed out, not as zero."""
    _, outcomes = graded
    student, = (s for s in sample.CLASS if s.name == name)
    assert outcomes[name].status == student.status
    assert set(outcomes[name].record.mistakes) == set(student.mistakes)


def test_a_second_run_grades_nothing_again(graded):
    """What is unchanged is not graded again, and keeps its marks."""
    course, before = graded
    after = {outcome.student: outcome for outcome in grade_class(course, SET, limits=LIMITS)}
    assert not any(outcome.fresh for outcome in after.values())
    assert {n: o.record for n, o in after.items()} == {n: o.record for n, o in before.items()}


def test_the_diagnosis_stands_in_the_executed_notebook(graded):
    """Under the test cell the student reads which mistake it is."""
    course, _ = graded
    text = (course.autograded / "gates-swapped" / SET / f"{SET}.ipynb").read_text()
    assert "f and i swapped in the cell state" in text


def test_a_script_does_not_reach_the_executed_notebook(graded):
    """Active output is dropped where the notebook is written."""
    course, _ = graded
    notebook = (course.autograded / "script-in-output" / SET / f"{SET}.ipynb").read_text()
    assert "text/html" not in notebook
    assert "application/javascript" not in notebook


def test_feedback_and_the_report_are_written_from_what_was_graded(graded, tool):
    """`lstmlab feedback` and `lstmlab report` say what they wrote; the pages hold the diagnosis."""
    course, _ = graded
    assert "12 pages" in tool(course.root, "lstmlab", "feedback", SET)
    page = (course.root / "class" / "feedback" / "gates-swapped" / SET / f"{SET}.html").read_text()
    assert "Most likely: f and i swapped in the cell state." in page
    assert f"class/reports/{SET}.html" in tool(course.root, "lstmlab", "report", SET)
    report = (course.root / "class" / "reports" / f"{SET}.html").read_text()
    assert "<strong>f and i swapped in the cell state</strong> in <code>lstm_step</code>" in report
    assert "2 of 9" in report


def test_an_export_has_no_number_where_there_is_no_verdict(graded, tool):
    """`nbgrader export` leaves the score of a timed-out submission empty and says why."""
    course, _ = graded
    tool(course.root, "nbgrader", "export", "--to", "marks.csv")
    with open(course.root / "marks.csv") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file) if row["assignment"] == SET}
    assert (rows["perfect"]["score"], rows["perfect"]["status"]) == ("17.0", "graded")
    assert (rows["endless-loop"]["score"], rows["endless-loop"]["status"]) == ("", "timed out")
    assert rows["blank"]["score"] == "0.0"


def test_nbgrader_autograde_gives_the_same_marks(graded, course, sample, tool):
    """The everyday command grades as `lstmlab grade` does."""
    compared = ("perfect", "two-mistakes", "patches-the-check", "script-in-output")
    sample.submit(course.submitted, lambda student: student.name in compared)
    tool(course.root, "nbgrader", "autograde", SET)
    first, _ = graded
    marks = []
    for one in (first, course):
        with one.gradebook() as gradebook:
            marks.append({name: (find_record(gradebook, SET, SET, name).earned,
                                 find_record(gradebook, SET, SET, name).mistakes,
                                 gradebook.find_submission(SET, name).score) for name in compared})
    assert marks[0] == marks[1]
