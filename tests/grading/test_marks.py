"""No verdict never means a mark; nothing is lost, nothing forged, nothing silently zero."""

import json
import shutil
import stat

import nbformat
import numpy as np
import pytest
from nbgrader.utils import parse_utc

from lstmlab import checks
from lstmlab.checks import probe
from lstmlab.grading import classrun, grade, sandbox
from lstmlab.grading.classrun import grade_class
from lstmlab.grading.course import CourseError, open_course
from lstmlab.grading.feedback import write_feedback
from lstmlab.grading.release import ReleaseError
from tests.grading.attacks import harness as attacks
from tests.test_house import MAY_IMPORT

SET = "ps3-lstm-forward"
LIMITS = sandbox.Limits(seconds=4)


def hand_in(course, sample, name, as_name=None, change=lambda notebook: None):
    """Hand in a sample student's notebook, changed."""
    student, = (s for s in sample.CLASS if s.name == name)
    notebook = sample.notebook(student)
    change(notebook)
    place = course.submitted / (as_name or name) / SET
    place.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, place / f"{SET}.ipynb")
    return place / f"{SET}.ipynb"


def run(course, **options):
    """Grade the class; outcomes by student."""
    return {outcome.student: outcome for outcome in grade_class(course, SET, limits=LIMITS, **options)}


def scores(course, student):
    """Automatic scores in nbgrader's gradebook, and which cells wait for a manual mark."""
    with course.gradebook() as gradebook:
        grades = gradebook.find_submission(SET, student).notebooks[0].grades
        return {g.name: g.auto_score for g in grades}, {g.name for g in grades if g.needs_manual_grade}


def append(source):
    """A change of a notebook: one more cell, early on."""
    return lambda notebook: notebook.cells.insert(3, nbformat.v4.new_code_cell(source, id="appended"))


@pytest.mark.parametrize("raw", [b"no notebook", b'{"nbformat": 4, "cells": 7}'])
def test_an_unreadable_file_fails_with_its_reason(course, raw):
    """It has a status and a reason, no score, and every cell waits for a human."""
    place = course.submitted / "ada" / SET
    place.mkdir(parents=True)
    (place / f"{SET}.ipynb").write_bytes(raw)
    outcome = run(course)["ada"]
    marks, by_hand = scores(course, "ada")
    assert outcome.status == "failed"
    assert "notebook" in outcome.record.reason
    assert set(marks.values()) == {None}
    assert by_hand == set(marks)


def test_a_link_to_another_students_notebook_fails(course, sample):
    """What lies behind a link is not graded."""
    other = hand_in(course, sample, "perfect")
    place = course.submitted / "thief" / SET
    place.mkdir(parents=True)
    (place / f"{SET}.ipynb").symlink_to(other)
    outcomes = run(course)
    assert outcomes["perfect"].record.earned == 17
    assert outcomes["thief"].status == "failed"


def test_a_student_without_a_submission_is_missing(course):
    """Who is on the roster and handed in nothing has a row of their own."""
    with course.gradebook() as gradebook:
        gradebook.add_student("absent")
    assert run(course)["absent"].status == "missing"


def test_a_cell_that_ends_its_process_costs_itself_alone(course, sample):
    """The rest is run without it."""
    hand_in(course, sample, "perfect", change=append("import os; os._exit(1)"))
    assert run(course)["perfect"].record.earned == 17


def test_a_function_that_ends_its_process_gets_no_verdict(course, sample):
    """No verdict is no score: the cell waits for a human, the others keep their points."""
    def leave(notebook):
        for cell in notebook.cells:
            cell.source = cell.source.replace("    return 4", "    import os; os._exit(0)\n    return 4")
    hand_in(course, sample, "perfect", change=leave)
    outcome = run(course)["perfect"]
    marks, by_hand = scores(course, "perfect")
    assert outcome.status == "needs a look"
    assert marks["test_parameter_count"] is None
    assert by_hand == {"test_parameter_count"}
    assert sum(filter(None, marks.values())) == 16


@pytest.mark.parametrize("end", ["import os\nos._exit(0)", "while True:\n    pass"], ids=["ends", "loops"])
def test_a_function_whose_cell_did_not_come_to_its_end_is_no_silent_zero(end):
    """Its definition stands behind what ended the cell: no verdict, a reason, and a human who looks."""
    made = attacks.notebook({"sigmoid": f"{end}\n{attacks.SIGMOID}"})
    graded = attacks.graded(attacks.encoded(made), limits=sandbox.Limits(seconds=1))
    mark = next(mark for mark in graded.marks if mark.check == "sigmoid")
    assert (mark.earned, mark.status, graded.status) == (None, "no verdict", "needs a look")
    assert "did not come to its end" in mark.text


def test_a_deleted_test_cell_is_judged_all_the_same(course, sample):
    """Deleting a test neither helps nor harms."""
    hand_in(course, sample, "perfect", change=lambda notebook: notebook.cells.pop(
        next(n for n, cell in enumerate(notebook.cells) if cell.id == "test-lstm-step")))
    assert run(course)["perfect"].record.earned == 17


def test_points_claimed_in_the_metadata_are_ignored(course, sample):
    """A submission cannot say what its cells are worth."""
    def claim(notebook):
        for cell in notebook.cells:
            if "nbgrader" in cell.metadata:
                cell.metadata.nbgrader |= {"points": 1000, "grade": True, "solution": True, "locked": False}
    hand_in(course, sample, "blank", change=claim)
    assert run(course)["blank"].record.earned == 0


def test_a_changed_submission_is_graded_again(course, sample):
    """What is handed in anew replaces the old marks."""
    hand_in(course, sample, "blank", as_name="late")
    assert run(course)["late"].record.earned == 0
    hand_in(course, sample, "perfect", as_name="late")
    outcome = run(course)["late"]
    assert outcome.fresh
    assert outcome.record.earned == 17


def test_a_grader_that_breaks_leaves_no_old_mark(course, sample, monkeypatch):
    """An error of the grader's own costs this submission alone: no mark, also over an older one, and a reason."""
    hand_in(course, sample, "perfect", as_name="a")
    hand_in(course, sample, "perfect", as_name="b")
    run(course)
    ours, broken = grade.grade, course.submitted / "a" / SET / f"{SET}.ipynb"

    def crash(raw, *args, **kwargs):
        if raw == broken.read_bytes():
            raise RuntimeError("the grader broke")
        return ours(raw, *args, **kwargs)

    broken.write_bytes(broken.read_bytes() + b" ")
    monkeypatch.setattr(grade, "grade", crash)
    outcomes = run(course, force=True)
    assert (outcomes["a"].status, outcomes["b"].record.earned) == ("needs a look", 17)
    assert "the grader broke" in outcomes["a"].record.reason
    marks, by_hand = scores(course, "a")
    assert set(marks.values()) == {None}
    assert by_hand == set(marks)
    page, = write_feedback(course, SET, ("a",))
    assert "grading it failed twice" in page.path.read_text()
    assert "the grader broke" not in page.path.read_text()         # which may name files and addresses of the grader's


def test_a_run_that_was_killed_goes_on_where_it_stopped(course, sample, monkeypatch):
    """What is committed is kept, what is not is done; nobody is graded twice."""
    hand_in(course, sample, "perfect", as_name="a")
    hand_in(course, sample, "perfect", as_name="b")
    rows = grade_class(course, SET, limits=LIMITS)
    next(rows)
    rows.close()                                                   # as a Ctrl-C does
    outcomes = run(course)
    assert (outcomes["a"].fresh, outcomes["b"].fresh) == (False, True)


def test_a_manual_mark_survives_a_regrade(course, sample):
    """A human's score is never overwritten; the cell asks to be looked at again."""
    hand_in(course, sample, "blank")
    run(course)
    with course.gradebook() as gradebook:
        by_hand = gradebook.find_grade("test_sigmoid", SET, SET, "blank")
        by_hand.manual_score = 1.5
        gradebook.db.commit()
    run(course, force=True)
    with course.gradebook() as gradebook:
        again = gradebook.find_grade("test_sigmoid", SET, SET, "blank")
        assert (again.manual_score, again.auto_score, again.needs_manual_grade) == (1.5, 0.0, True)
        assert gradebook.find_submission(SET, "blank").score == 1.5


def test_the_same_submission_gets_the_same_inputs_again(course, sample, monkeypatch):
    """Seeds come from the run secret, the student, the set, the cell and the submission, and do not change."""
    release, = course.releases(SET)
    drawn = grade.draw_seeds(b"s" * 32, "a", release, b"x")
    assert drawn == grade.draw_seeds(b"s" * 32, "a", release, b"x")
    others = [grade.draw_seeds(b"s" * 32, "b", release, b"x"), grade.draw_seeds(b"t" * 32, "a", release, b"x"),
              grade.draw_seeds(b"s" * 32, "a", release, b"y")]
    seeds = [seed for of in (drawn, *others) for seed in (of.own, *of.checks.values())]
    assert len(set(seeds)) == 4 * (1 + len(release.tests))


def test_answers_larger_than_any_right_one_are_judged_and_not_kept(course):
    """A forger fills no gradebook."""
    release, = course.releases(SET)
    call = release.tests["test_sigmoid"]
    for size, kept in ((10, True), (2**18, False)):
        requests = checks.get(call.check).requests(1)
        mark = grade.judge("test_sigmoid", call, 1, {"answers": probe.call(lambda x, n=size: np.zeros(n), requests)})
        assert (mark.status, mark.earned, mark.answers is not None) == ("wrong", 0.0, kept)


def test_the_secret_is_made_once_and_private(course):
    """Only its owner can read it, and it is nowhere else."""
    first = course.secret()
    assert course.secret() == first
    assert stat.S_IMODE((course.private / "run-secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(course.private.stat().st_mode) == 0o700


def test_no_expected_value_enters_the_sandbox(course, sample, monkeypatch):
    """All that is sent are source texts and inputs: nothing that a check compares with."""
    sent = []
    ask = sandbox.Sandbox._ask

    def listen(self, order, wall):
        sent.append(order)
        return ask(self, order, wall)

    monkeypatch.setattr(sandbox.Sandbox, "_ask", listen)
    hand_in(course, sample, "perfect")
    run(course)
    probes = [order for order in sent if order.get("do") == "probe"]
    assert {key for order in probes for key in order} == {"do", "kind", "function", "requests", "seed", "seconds"}
    assert {key for order in probes for request in order["requests"] for key in request} == {"args"}
    assert course.secret().hex() not in json.dumps(sent, default=str)


def test_the_executed_notebook_never_holds_the_numbers(course, sample):
    """Neither the secret nor a seed can be read from what students get back."""
    hand_in(course, sample, "gates-swapped")
    run(course)
    text = (course.autograded / "gates-swapped" / SET / f"{SET}.ipynb").read_text()
    raw = (course.submitted / "gates-swapped" / SET / f"{SET}.ipynb").read_bytes()
    seed = grade.draw_seeds(course.secret(), "gates-swapped", course.releases(SET)[0], raw).checks["test_lstm_step"]
    assert course.secret().hex() not in text
    assert str(seed) not in text
    assert f"{seed:064x}" not in text


def test_a_late_submission_has_its_time(course, sample):
    """The time stamp is entered as nbgrader does, and a broken one stops nothing."""
    path = hand_in(course, sample, "perfect", as_name="in-time")
    (path.parent / "timestamp.txt").write_text("2026-01-02 03:04:05 UTC")
    path = hand_in(course, sample, "perfect", as_name="odd")
    (path.parent / "timestamp.txt").write_text("yesterday-ish")
    run(course)
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "in-time").timestamp == parse_utc("2026-01-02 03:04:05")
        assert gradebook.find_submission(SET, "odd").score == 17


def test_one_grading_run_at_a_time(course, sample):
    """A second run says that the first one holds the lock."""
    hand_in(course, sample, "perfect")
    with course.lock(), pytest.raises(CourseError, match="another grading run"):
        run(course)


def test_an_unknown_problem_set_is_one_clear_error(course):
    """Nothing is written for a set that does not exist."""
    with pytest.raises(ReleaseError, match="no released notebook"):
        list(grade_class(course, "ps0-nothing"))


def test_an_unknown_student_is_one_clear_error(course):
    """A mistyped id is said, not graded as missing."""
    with pytest.raises(CourseError, match="no student 'nobody'"):
        run(course, students=["nobody"])


def test_a_folder_that_is_no_course_is_one_clear_error(tmp_path):
    """The command is to be run in the course's top folder, and says so."""
    with pytest.raises(CourseError, match="nbgrader_config"):
        open_course(tmp_path)


def test_without_a_sandbox_nothing_is_graded(course, sample, monkeypatch):
    """Where isolation fails, grading refuses before anything is written."""
    hand_in(course, sample, "perfect")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    sandbox.require_sandbox.cache_clear()
    with pytest.raises(sandbox.SandboxUnavailable):
        run(course)
    assert not course.autograded.exists()


def test_unsafe_grading_gives_the_same_marks(course, sample):
    """The escape hatch runs the same runner."""
    hand_in(course, sample, "two-mistakes")
    assert run(course, confined=False)["two-mistakes"].record.earned == 11


def test_the_command_prints_the_table(course, sample, tool):
    """`lstmlab grade` shows each student's mark, status and mistakes."""
    hand_in(course, sample, "state-reset")
    printed = tool(course.root, "lstmlab", "grade", SET)
    assert "13 / 17" in printed
    assert "both states reset at every step" in printed


def test_a_record_is_written_after_the_notebook(course, sample, monkeypatch):
    """A kill between the two leaves no record, so the submission is done again."""
    hand_in(course, sample, "perfect")

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(classrun, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            run(course)
    assert run(course)["perfect"].fresh


@pytest.mark.parametrize("room", sorted({"checks"} | MAY_IMPORT["checks"]))
def test_a_changed_reference_is_a_changed_check(room, tmp_path, monkeypatch):
    """What was graded is graded again when a file that a verdict depends on changes, in whichever room it is."""
    package = tmp_path / "lstmlab"
    shutil.copytree(grade.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(grade, "PACKAGE", package)
    before = grade.checks_digest.__wrapped__()
    path = package / f"{room}.py"
    if not path.exists():
        path = package / room / "__init__.py"
    path.write_text(path.read_text() + "# changed\n")
    assert grade.checks_digest.__wrapped__() != before
