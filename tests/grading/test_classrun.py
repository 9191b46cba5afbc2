"""The run over a class: nothing lost, nobody graded twice, nothing held while students' code runs."""

import contextlib
import dataclasses
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbgrader.utils import parse_utc

from lstmlab.grading import grade
from lstmlab.grading.classrun import grade_class
from lstmlab.grading.gradebook import find_record
from lstmlab.grading.sandbox import Limits

SET = "ps3-lstm-forward"
LIMITS = Limits(seconds=4)


def hand_in(course, sample, name, as_name=None):
    """Hand in a sample student's notebook."""
    student, = (s for s in sample.CLASS if s.name == name)
    place = course.submitted / (as_name or name) / SET
    place.mkdir(parents=True, exist_ok=True)
    nbformat.write(sample.notebook(student), place / f"{SET}.ipynb")
    return place / f"{SET}.ipynb"


def run(course, **options):
    """Grade the class; outcomes by student."""
    return {outcome.student: outcome for outcome in grade_class(course, SET, limits=LIMITS, **options)}


@contextlib.contextmanager
def while_it_runs(monkeypatch, act):
    """Call `act(calls so far, submitted bytes)` whenever students' code is about to run; it may change the result."""
    ours, calls = grade.grade, []

    def graded(raw, *args, **kwargs):
        calls.append(raw)
        result = ours(raw, *args, **kwargs)
        return act(len(calls), raw, result) or result

    with monkeypatch.context() as patched:
        patched.setattr(grade, "grade", graded)
        yield calls


def test_a_manual_mark_can_be_given_while_students_code_runs(course, sample, monkeypatch):
    """No transaction is open meanwhile, so nobody who writes has to wait; and the mark survives what is saved then."""
    hand_in(course, sample, "blank")
    run(course)

    def mark(call, raw, result):
        other = sqlite3.connect(course.private / "gradebook.db", timeout=0)
        with contextlib.closing(other), other:
            other.execute("UPDATE grade SET manual_score = 1.5 WHERE cell_id IN "
                          "(SELECT id FROM base_cell WHERE name = 'test_sigmoid')")

    with while_it_runs(monkeypatch, mark) as calls:
        assert run(course, force=True)["blank"].fresh
    assert len(calls) == 1
    with course.gradebook() as gradebook:
        again = gradebook.find_grade("test_sigmoid", SET, SET, "blank")
        assert (again.manual_score, again.auto_score, again.needs_manual_grade) == (1.5, 0.0, True)


def test_a_comment_and_extra_credit_survive_a_regrade(course, sample):
    """What a human wrote stays."""
    hand_in(course, sample, "blank")
    run(course)
    with course.gradebook() as gradebook:
        gradebook.find_grade("test_sigmoid", SET, SET, "blank").extra_credit = 0.5
        gradebook.find_comment("sigmoid", SET, SET, "blank").manual_comment = "see me"
        gradebook.db.commit()
    run(course, force=True)
    with course.gradebook() as gradebook:
        assert gradebook.find_grade("test_sigmoid", SET, SET, "blank").extra_credit == 0.5
        assert gradebook.find_comment("sigmoid", SET, SET, "blank").comment == "see me"


def test_what_is_handed_in_while_grading_is_graded_in_the_same_run(course, sample, monkeypatch):
    """The first result is of the bytes that were read; the new ones follow."""
    path = hand_in(course, sample, "blank", as_name="ada")

    def hand_in_anew(call, raw, result):
        if call == 1:
            hand_in(course, sample, "perfect", as_name="ada")

    with while_it_runs(monkeypatch, hand_in_anew) as calls:
        outcomes = run(course)
    assert len(calls) == 2
    assert outcomes["ada"].record.earned == 17
    assert outcomes["ada"].record.submission_hash == grade.digest(path.read_bytes())


def test_out_of_time_is_said_only_after_a_second_run_alone(course, sample, monkeypatch):
    """It comes after everyone else, and what it says then holds."""
    paths = {name: hand_in(course, sample, "perfect", as_name=name) for name in ("a", "b", "c")}
    paths["a"].write_bytes(paths["a"].read_bytes() + b" ")         # to be told apart
    slow = paths["a"].read_bytes()

    def late_at_first(call, raw, result):
        if call == 1:
            marks = tuple(dataclasses.replace(mark, earned=None, status="timed out") for mark in result.marks)
            return dataclasses.replace(result, marks=marks, status="timed out", late=True)

    with while_it_runs(monkeypatch, late_at_first) as calls:
        outcomes = run(course)
    assert [raw == slow for raw in calls] == [True, False, False, True]
    assert (outcomes["a"].status, outcomes["a"].record.earned) == ("graded", 17)


def test_a_notebook_that_lasts_too_long_as_a_whole_is_out_of_time(course, sample, monkeypatch):
    """Many cells that each wait a little less than one may cannot hold a worker for days."""
    monkeypatch.setattr(grade, "WHOLE", 0)
    hand_in(course, sample, "perfect")
    outcome = run(course)["perfect"]
    assert outcome.status == "timed out"
    assert outcome.record.earned == 0
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "perfect").needs_manual_grade


def test_a_corrected_time_is_entered_without_grading_again(course, sample):
    """The time stamp decides about lateness, not about the marks."""
    path = hand_in(course, sample, "blank")
    run(course)
    (path.parent / "timestamp.txt").write_text("2026-01-02 03:04:05 UTC")
    assert not run(course)["blank"].fresh
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "blank").timestamp == parse_utc("2026-01-02 03:04:05")


def test_the_late_penalty_is_the_plugins(course, sample, monkeypatch):
    """What the course's plugin for late penalties takes off is entered with the marks."""
    path = hand_in(course, sample, "perfect")
    (path.parent / "timestamp.txt").write_text("2026-01-02 12:00:00 UTC")
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment(SET, duedate="2026-01-02 10:00:00 UTC")
    from nbgrader.plugins import LateSubmissionPlugin

    monkeypatch.setattr(LateSubmissionPlugin, "late_submission_penalty", lambda self, student, score, late: late / 3600)
    run(course)
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "perfect").late_submission_penalty == 2


def test_one_student_or_some_can_be_chosen(course, sample):
    """The others are left alone."""
    for name in ("a", "b", "c"):
        hand_in(course, sample, "blank", as_name=name)
    assert run(course, students=["c", "a"]).keys() == {"a", "c"}
    assert not run(course)["a"].fresh


def test_ctrl_c_says_what_is_saved_and_the_next_run_goes_on(course, sample, tool):
    """What is committed stays; nothing of what was running is."""
    for number in range(4):
        hand_in(course, sample, "blank", as_name=f"s{number}")
    with graded_by_command(course, "--workers", "0") as process:
        wait_for(lambda: commits(course), 1, process)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    saved = len(commits(course))
    assert process.returncode == 130
    assert f"{saved} submission" in said
    assert "Traceback" not in said
    outcomes = run(course)
    assert sum(not outcome.fresh for outcome in outcomes.values()) == saved


# -- killed ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def graded_by_command(course, *options):
    """`lstmlab grade`, started in a process group of its own; whatever is left of it is killed at the end."""
    environment = os.environ | {"COLUMNS": "120"}
    process = subprocess.Popen([Path(sys.executable).parent / "lstmlab", "grade", SET, "--seconds", "4", *options],
                               cwd=course.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def commits(course):
    """Students whose records were committed, in order, each as often as it happened."""
    with contextlib.closing(sqlite3.connect(course.private / "gradebook.db", timeout=60)) as database:
        return [student for student, in database.execute("SELECT student FROM commits ORDER BY rowid")]


@pytest.fixture
def course(course):
    """The course, with every committed record counted by the database itself."""
    course.gradebook().close()
    with contextlib.closing(sqlite3.connect(course.private / "gradebook.db")) as database, database:
        database.execute("CREATE TABLE commits (student TEXT)")
        database.execute("CREATE TRIGGER counted AFTER INSERT ON lstmlab_submission "
                         "BEGIN INSERT INTO commits VALUES (new.student); END")
    return course


def wait_for(found, count, process):
    """Wait until there are so many, or the process has ended."""
    end = time.monotonic() + 300
    while len(found()) < count and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.02)


def kill(process, group):
    """SIGKILL, to the whole process group or to the one process; wait until nothing that it started is left."""
    started = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(started, timeout=30)
    assert not alive, [other.cmdline() for other in alive]


def marks_of(course, students):
    """All that is in the gradebook of these students, but for times."""
    with course.gradebook() as gradebook:
        found = {}
        for student in students:
            record = find_record(gradebook, SET, SET, student)
            submission = gradebook.find_submission(SET, student)
            grades = {g.name: (g.auto_score, g.needs_manual_grade) for g in submission.notebooks[0].grades}
            found[student] = dataclasses.replace(record, seconds=None), submission.score, grades
    return found


@pytest.mark.parametrize(("size", "kills", "workers"), [
    (6, 2, 0), pytest.param(60, 20, 2, marks=pytest.mark.full)])
def test_killed_at_any_moment_nothing_is_lost_and_nobody_graded_twice(course, sample, record_property, size, kills,
                                                                      workers):
    """The marks are those of an undisturbed run, each student is committed exactly once, and no process is left."""
    ways = ("perfect", "blank", "gates-swapped", "state-reset", "two-mistakes", "numpy-warning")
    expected = {"perfect": 17, "blank": 0, "gates-swapped": 11, "state-reset": 13, "two-mistakes": 11,
                "numpy-warning": 17}
    students = {f"s{number:02}": ways[number % len(ways)] for number in range(size)}
    for student, way in students.items():
        hand_in(course, sample, way, as_name=student)
    chance, killed = random.Random(1997), 0
    for number in range(kills):
        with graded_by_command(course, "--workers", str(workers)) as process:
            more = chance.randint(0, 4 * size // (3 * kills))
            wait_for(lambda: commits(course), len(commits(course)) + more, process)
            time.sleep(chance.uniform(0, 2))
            if process.poll() is None:
                kill(process, group=number % 2 == 0)
                killed += 1
    with graded_by_command(course, "--workers", str(workers)) as process:
        process.wait(timeout=600)
        assert process.returncode == 0
    assert sorted(commits(course)) == sorted(students)
    after = marks_of(course, students)
    assert {student: score for student, (_, score, _) in after.items()} == \
        {student: expected[way] for student, way in students.items()}
    assert run(course, force=True).keys() == students.keys()       # undisturbed
    assert marks_of(course, students) == after
    assert killed >= kills // 2
    record_property("kills", killed)
