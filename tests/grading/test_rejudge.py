"""Judging again: the same numbers, other checks, and nobody's code."""

import dataclasses
import shutil

import pytest
from click.testing import CliRunner

from lstmlab import checks
from lstmlab.checks import _registry
from lstmlab.cli import main
from lstmlab.grading import grade, sandbox
from lstmlab.grading.classrun import grade_class
from lstmlab.grading.course import CourseError, open_course
from lstmlab.grading.gradebook import find_marks, find_record
from lstmlab.grading.rejudge import rejudge_class
from tests.grading.test_marks import LIMITS, SET, hand_in, scores

CHECK = "parameter_count"
ENDS = "import os\ndef parameter_count(*sizes):\n    os._exit(1)"


@pytest.fixture(scope="module")
def graded(released, tmp_path_factory, sample):
    """A course with four graded submissions, one of them with a manual mark."""
    root = tmp_path_factory.mktemp("rejudge") / "course"
    shutil.copytree(released, root)
    course = open_course(root)
    for name in ("perfect", "two-mistakes", "blank"):
        hand_in(course, sample, name)
    hand_in(course, sample, "perfect", as_name="no-function", change=rewritten("def half_life_bias", "def other"))
    hand_in(course, sample, "perfect", as_name="ends",
            change=rewritten("def parameter_count(", f"{ENDS}\n\ndef other("))
    assert len(list(grade_class(course, SET, limits=LIMITS))) == 5
    with course.gradebook() as gradebook:
        by_hand = gradebook.find_grade("test_sigmoid", SET, SET, "blank")
        by_hand.manual_score, by_hand.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    return root


def rewritten(old, new):
    """A change of a notebook: of a text in its cells."""
    def change(notebook):
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)

    return change


def no_parameters(input_size, hidden_size):
    """A reference that is wrong."""
    return 0


@pytest.fixture
def judged(graded, tmp_path, monkeypatch):
    """A copy of that course, where nothing can be run any more: no bubblewrap, and a sandbox that raises."""
    shutil.copytree(graded, tmp_path / "course")

    def no_sandbox(*args, **options):
        raise AssertionError("a sandbox was started")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sandbox.Sandbox, "__init__", no_sandbox)
    monkeypatch.setattr(grade, "Sandbox", no_sandbox)
    return open_course(tmp_path / "course")


@pytest.fixture
def checks_with(monkeypatch):
    """Put a changed check in the place of `CHECK`."""
    def change(**fields):
        changed = dataclasses.replace(checks.get(CHECK), **fields)
        everything = [changed if check.name == CHECK else check for check in _registry._all()]
        monkeypatch.setattr(_registry, "_all", lambda: iter(everything))
        monkeypatch.setattr(grade, "checks_digest", lambda: "changed")
        return changed

    return change


def marks_of(course, student):
    """Marks on record, by test cell."""
    with course.gradebook() as gradebook:
        return {mark.grade_id: mark for mark in find_marks(gradebook, SET, SET, student)}


def again(course, *students):
    """Judge again; results by student."""
    return {result.student: result for result in rejudge_class(course, SET, students)}


def test_the_same_check_gives_the_same_marks(judged):
    """Every mark, text and mistake is what it was, from the stored answers alone."""
    before = {name: marks_of(judged, name) for name in ("perfect", "two-mistakes", "blank")}
    results = again(judged)
    assert {name: marks_of(judged, name) for name in before} == before
    assert not any(result.changed or result.problem for result in results.values())
    assert results["perfect"].after.earned == 17


def test_a_fixed_check_changes_marks_texts_and_penalties_everywhere(judged, checks_with):
    """The gradebook, the stored marks and the executed notebook follow; the old and the new mark are said."""
    checks_with(reference=no_parameters, mistakes=())
    results = again(judged)
    assert results["perfect"].changed
    assert (results["perfect"].before.earned, results["perfect"].after.earned) == (17, 16)
    assert scores(judged, "perfect")[0]["test_parameter_count"] == 0
    text = (judged.autograded / "perfect" / SET / f"{SET}.ipynb").read_text()
    assert "✓ parameter_count" not in text
    assert "✗ parameter_count" in text
    assert "✓ lstm_step" in text
    with judged.gradebook() as gradebook:
        assert find_record(gradebook, SET, SET, "perfect").checks_hash == "changed"


def test_one_student_alone_is_judged_again(judged, checks_with):
    """The others keep their marks."""
    checks_with(reference=no_parameters, mistakes=())
    assert set(again(judged, "perfect")) == {"perfect"}
    assert scores(judged, "two-mistakes")[0]["test_parameter_count"] == 1


def test_a_manual_mark_survives(judged, checks_with):
    """It is kept; only a cell whose automatic mark changed asks to be looked at again."""
    checks_with(reference=no_parameters, mistakes=())
    again(judged)
    with judged.gradebook() as gradebook:
        by_hand = gradebook.find_grade("test_sigmoid", SET, SET, "blank")
        assert (by_hand.manual_score, by_hand.needs_manual_grade) == (1.5, False)
        assert gradebook.find_submission(SET, "blank").score == 1.5


@pytest.mark.parametrize(("student", "cell", "earned"), [("no-function", "test_half_life_bias", 0.0),
                                                         ("ends", "test_parameter_count", None)])
def test_a_mark_without_answers_is_said_and_not_guessed(judged, student, cell, earned):
    """What was never answered stays what it was."""
    before = marks_of(judged, student)[cell]
    result = again(judged)[student]
    assert result.kept == (cell,)
    assert marks_of(judged, student)[cell] == before
    assert before.earned == earned


def test_answers_to_other_questions_are_not_judged(judged, checks_with):
    """A check that draws other inputs from the same seed: the mark stays, and grading again is asked for."""
    draw = checks.get(CHECK).draw
    checks_with(draw=lambda rng: draw(rng)[1:])
    before = marks_of(judged, "perfect")
    results = again(judged)
    assert "test_parameter_count" in results["perfect"].problem
    assert "has to be graded again" in results["perfect"].problem
    assert marks_of(judged, "perfect") == before
    with judged.gradebook() as gradebook:
        assert find_record(gradebook, SET, SET, "perfect").checks_hash != "changed"


def test_a_mark_from_before_digests_were_kept_is_not_judged(judged):
    """Without the hash of what was asked, nobody can say that the answers fit."""
    with judged.gradebook() as gradebook:
        gradebook.db.connection().exec_driver_sql("UPDATE lstmlab_mark SET requests_hash = NULL")
        gradebook.db.commit()
    assert "graded again" in again(judged)["perfect"].problem


def test_another_release_is_not_judged(judged):
    """Marks of an older release are for `lstmlab grade`."""
    path = judged.root / "exercises" / SET / f"{SET}.ipynb"
    path.write_text(path.read_text().replace('"nbformat_minor": 5', '"nbformat_minor":  5'))
    assert "another release" in again(judged)["perfect"].problem


def test_what_was_judged_again_is_not_graded_again(judged, checks_with):
    """The next `lstmlab grade` finds nothing to do, and so needs no sandbox."""
    checks_with(reference=no_parameters, mistakes=())
    again(judged)
    outcomes = list(grade_class(judged, SET, confined=False))
    assert not any(outcome.fresh for outcome in outcomes)


def test_the_command_says_what_changed(judged, checks_with, monkeypatch):
    """Old mark, new mark, and what could not be judged."""
    checks_with(reference=no_parameters, mistakes=())
    monkeypatch.chdir(judged.root)
    done = CliRunner().invoke(main, ["rejudge", SET, "--student", "perfect", "--student", "no-function"])
    assert done.exit_code == 0, done.output
    assert "perfect: 17 → 16 of 17" in done.output
    assert "no-function: kept as it was, for there are no stored answers: test_half_life_bias" in done.output


def test_a_student_without_a_submission_is_one_clear_error(judged):
    """Nothing is judged for somebody who handed in nothing."""
    with pytest.raises(CourseError, match="'nobody'"):
        again(judged, "nobody")
