"""A released set that must change while there are submissions: marks follow, and nothing marked by hand is lost."""

import shutil

import nbformat
import pytest

from lstmlab.grading import guard
from lstmlab.grading.course import CourseError, open_course
from lstmlab.grading.handout import release
from lstmlab.grading.realign import realign
from tests.grading.test_marks import SET, hand_in, run, scores

DROPPED = "test_half_life_bias"


@pytest.fixture(scope="module")
def small(tmp_path_factory, released):
    """A released course of one problem set."""
    root = tmp_path_factory.mktemp("small") / "course"
    shutil.copytree(released, root, ignore=lambda folder, names: [
        name for name in names if name.startswith("ps") and name != SET and not name.endswith(".ipynb")])
    return root


@pytest.fixture
def changing(small, tmp_path):
    """A copy of it with one submission that has marks, one of them by hand."""
    shutil.copytree(small, tmp_path / "course")
    course = open_course(tmp_path / "course")
    with course.gradebook() as gradebook:
        gradebook.add_student("ada")
        grades = gradebook.add_submission(SET, "ada").notebooks[0].grades
        guard.set_scores(gradebook, grades, {grade.name: 0.0 for grade in grades})
        gradebook.find_grade("test_sigmoid", SET, SET, "ada").manual_score = 1.5
        gradebook.db.commit()
    return course


def source(course):
    """The notebook in solutions/."""
    return course.root / "solutions" / SET / f"{SET}.ipynb"


def edit(course, change):
    """Change the cells of the notebook in solutions/."""
    notebook = nbformat.read(source(course), as_version=4)
    notebook.cells = change(notebook.cells)
    nbformat.write(notebook, source(course))


def drop(*names):
    """A change: without the cells of these grade_ids."""
    return lambda cells: [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") not in names]


def released_again(course):
    """Release, and return what was said."""
    said = []
    release(course.root, said.append)
    return said


def manual_marks(course):
    """Manual marks by cell."""
    with course.gradebook() as gradebook:
        grades = gradebook.find_submission(SET, "ada").notebooks[0].grades
        return {grade.name: grade.manual_score for grade in grades if grade.manual_score is not None}


def points(course):
    """Points of the set in the gradebook."""
    with course.gradebook() as gradebook:
        return gradebook.find_assignment(SET).max_score


def test_an_unchanged_set_is_released_again_without_a_word(changing):
    """And its marks stay."""
    assert released_again(changing) == [f"releasing {SET}"]
    assert manual_marks(changing) == {"test_sigmoid": 1.5}


def test_a_dropped_check_takes_its_points_along(changing):
    """nbgrader alone refuses; the other marks stay, the manual one too, and grading again is asked for."""
    edit(changing, drop(DROPPED))
    said = released_again(changing)
    assert f"{SET}: {DROPPED} is gone" in said
    assert f"{SET}: 1 submission to grade again, with `lstmlab grade {SET}`" in said
    assert DROPPED not in scores(changing, "ada")[0]
    assert manual_marks(changing) == {"test_sigmoid": 1.5}
    assert points(changing) == 15


def test_a_new_check_has_no_mark_until_it_is_graded(changing):
    """It needs a look: never a silent zero, and never in an export."""
    whole = source(changing).read_bytes()
    edit(changing, drop(DROPPED))
    released_again(changing)
    source(changing).write_bytes(whole)
    assert f"{SET}: {DROPPED} is new" in released_again(changing)
    marks, by_hand = scores(changing, "ada")
    assert marks[DROPPED] is None
    assert DROPPED in by_hand
    assert points(changing) == 17
    assert manual_marks(changing) == {"test_sigmoid": 1.5}


def test_a_cell_marked_by_hand_is_new_and_gone_with_its_comment(changing):
    """A written answer has a mark and a comment in every submission."""
    answer = nbformat.v4.new_markdown_cell("Why?", id="essay", metadata={"nbgrader": {
        "grade": True, "solution": True, "locked": False, "task": False, "grade_id": "essay", "points": 3,
        "schema_version": 3}})
    whole = source(changing).read_bytes()
    edit(changing, lambda cells: [*cells, answer])
    released_again(changing)
    with changing.gradebook() as gradebook:
        assert gradebook.find_grade("essay", SET, SET, "ada").needs_manual_grade
        gradebook.find_comment("essay", SET, SET, "ada").manual_comment = "because"
        gradebook.db.commit()
    assert points(changing) == 20
    source(changing).write_bytes(whole)
    released_again(changing)
    assert points(changing) == 17


@pytest.mark.parametrize("field", ["manual_score", "extra_credit"])
def test_a_cell_with_a_manual_mark_is_not_dropped(changing, field):
    """The release stops, names cell and student, and nothing has changed."""
    with changing.gradebook() as gradebook:
        setattr(gradebook.find_grade(DROPPED, SET, SET, "ada"), field, 1.0)
        gradebook.db.commit()
    before = (changing.root / "exercises" / SET / f"{SET}.ipynb").read_bytes()
    edit(changing, drop(DROPPED, "test_lstm_step"))
    with pytest.raises(CourseError, match=f"manual marks \\({DROPPED}: ada\\)"):
        released_again(changing)
    assert (changing.root / "exercises" / SET / f"{SET}.ipynb").read_bytes() == before
    assert {DROPPED, "test_lstm_step"} <= scores(changing, "ada")[0].keys()


def test_other_points_are_said(changing):
    """The gradebook's maximum follows."""
    def worth_three(cells):
        for cell in cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == DROPPED:
                cell.metadata.nbgrader.points = 3
        return cells

    edit(changing, worth_three)
    assert f"{SET}: {DROPPED} is worth 3 points, no longer 2" in released_again(changing)
    assert points(changing) == 18


def test_a_notebook_more_or_less_is_refused(changing):
    """That is another problem set; one clear error says so."""
    shutil.copy(source(changing), source(changing).with_name("more.ipynb"))
    with changing.gradebook() as gradebook, pytest.raises(CourseError, match=f"solutions/ now has more, {SET}"):
        realign(gradebook, SET, sorted(source(changing).parent.glob("*.ipynb")))


def test_what_was_handed_in_before_is_graded_against_the_new_release(changing, sample):
    """Cells are matched by grade_id; the answer to a dropped check costs nothing and earns nothing."""
    hand_in(changing, sample, "two-mistakes", as_name="ada")
    assert run(changing)["ada"].record.earned == 11
    edit(changing, drop(DROPPED))
    released_again(changing)
    outcome = run(changing)["ada"]
    assert (outcome.fresh, outcome.record.earned, outcome.record.points) == (True, 9, 15)
    assert manual_marks(changing) == {"test_sigmoid": 1.5}
