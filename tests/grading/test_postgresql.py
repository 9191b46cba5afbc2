"""The gradebook on a real PostgreSQL server: the same marks, one grading run, nothing held open."""

import dataclasses
import shutil
import uuid

import pytest
import sqlalchemy as sa

from lstmlab.grading.classrun import grade_class
from lstmlab.grading.course import CourseError, open_course
from lstmlab.grading.gradebook import GradebookError, find_record
from lstmlab.grading.sandbox import Limits
from tests.grading.test_classrun import SET, hand_in, while_it_runs

LIMITS = Limits(seconds=4)


@pytest.fixture(scope="module")
def entered(create, released, tmp_path_factory, tool):
    """A database that nbgrader itself has entered the problem set into."""
    root = tmp_path_factory.mktemp("entered") / "course"
    shutil.copytree(released, root)
    tool(root, "nbgrader", "generate_assignment", SET, "--force", "--db", create("entered"))
    return "entered"


@pytest.fixture
def address(create, entered):
    """A database of this test's own, with the problem set."""
    return create(f"course_{uuid.uuid4().hex}", entered)


def records(course, students):
    """What is recorded of these students, with the score in nbgrader's tables."""
    with course.gradebook() as gradebook:
        return {student: (dataclasses.replace(find_record(gradebook, SET, SET, student), seconds=None),
                          gradebook.find_submission(SET, student).score,
                          gradebook.find_submission(SET, student).needs_manual_grade) for student in students}


def test_the_marks_are_those_of_sqlite(course, sample, tool, address):
    """Graded by the command, told by ``--db``; what a student writes into a reason cannot break a statement."""
    students = ("two-mistakes",)
    for name in students:
        hand_in(course, sample, name)
    odd = hand_in(course, sample, "perfect", as_name="odd")
    odd.write_text("nul \0 and '; DROP TABLE grade")
    list(grade_class(course, SET, limits=LIMITS))
    said = tool(course.root, "lstmlab", "grade", SET, "--seconds", "4", "--force", "--db", address)
    assert "2 graded now" in said
    assert records(open_course(course.root, address), (*students, "odd")) == records(course, (*students, "odd"))
    rows = tool(course.root, "lstmlab", "grade", SET, "--seconds", "4", "--db", address)
    assert "0 graded now; 2 unchanged or missing" in rows


def test_nbgraders_own_commands_work_there(course, sample, tool, address):
    """Autograding, feedback and export, with the address in nbgrader_config.py."""
    hand_in(course, sample, "two-mistakes")
    with open(course.root / "nbgrader_config.py", "a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {address!r}\n")
    tool(course.root, "nbgrader", "autograde", SET)
    tool(course.root, "nbgrader", "generate_feedback", SET)
    tool(course.root, "nbgrader", "export", "--to", "marks.csv")
    assert "two-mistakes" in (course.root / "marks.csv").read_text()
    assert "11.0" in (course.root / "marks.csv").read_text()
    assert (course.root / "class" / "feedback" / "two-mistakes" / SET / f"{SET}.html").exists()


def test_no_transaction_is_open_while_students_code_runs(course, sample, address, monkeypatch):
    """Not even one that only reads; a second connection can write a mark, and it survives."""
    course = open_course(course.root, address)
    hand_in(course, sample, "blank")
    list(grade_class(course, SET, limits=LIMITS))
    seen = []

    def look(call, raw, result):
        engine = sa.create_engine(address)
        with engine.begin() as connection:
            seen.extend(connection.execute(sa.text(
                "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()")))
            connection.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
            connection.execute(sa.text("UPDATE grade SET manual_score = 1.5 WHERE cell_id IN "
                                       "(SELECT id FROM base_cell WHERE name = 'test_sigmoid')"))
        engine.dispose()

    with while_it_runs(monkeypatch, look):
        list(grade_class(course, SET, limits=LIMITS, force=True))
    assert seen
    assert {state for state, in seen} == {"idle"}
    with course.gradebook() as gradebook:
        assert gradebook.find_grade("test_sigmoid", SET, SET, "blank").manual_score == 1.5


def test_two_machines_cannot_grade_at_once(course, address, tmp_path):
    """The lock is in the gradebook, too: another course folder with the same gradebook does not get it."""
    here = open_course(course.root, address)
    shutil.copytree(course.root, tmp_path / "elsewhere")
    there = open_course(tmp_path / "elsewhere", address)
    with here.lock(), pytest.raises(CourseError, match="another machine is grading"):
        list(grade_class(there, SET))
    assert list(grade_class(there, SET)) == []


@pytest.mark.parametrize(("url", "said"), [
    ("postgresql://grader:hidden@127.0.0.1:1/none", r"postgresql://grader:\*\*\*@127.0.0.1:1/none cannot be used"),
    ("cobol://somewhere/x", "cobol"), ("no address", "expected one such as")])
def test_a_gradebook_that_cannot_be_reached_is_one_clear_error(course, url, said):
    """Without the password, before anything is graded."""
    with pytest.raises((CourseError, GradebookError), match=said) as raised:
        list(grade_class(open_course(course.root, url), SET))
    assert "hidden" not in str(raised.value)
