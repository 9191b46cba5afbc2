"""Problem sets with more than functions of NumPy: answers marked by hand, and torch inside the sandbox."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from lstmlab.grading.classrun import grade_class
from lstmlab.grading.course import open_course
from lstmlab.grading.grade import draw_seeds, grade, libraries
from lstmlab.grading.release import read_release
from lstmlab.grading.sandbox import EXTRA_MEMORY, Limits, Sandbox

ROOT = Path(__file__).parents[2]
SET = "ps9-memory"
BY_HAND = {"the_carousel", "the_gap"}


def solved(name):
    """The solution as a student would hand it in, without the experiments, which earn nothing."""
    notebook = nbformat.read(ROOT / "solutions" / name / f"{name}.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith("picture")]
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory, tool):
    """A course in which problem set 9 is released, answered by one student, and graded."""
    root = tmp_path_factory.mktemp("written") / "course"
    (root / "class").mkdir(mode=0o700, parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    shutil.copytree(ROOT / "solutions" / SET, root / "solutions" / SET)
    tool(root, "nbgrader", "generate_assignment", SET)
    place = root / "class" / "submitted" / "ada" / SET
    place.mkdir(parents=True)
    nbformat.write(solved(SET), place / f"{SET}.ipynb")
    return open_course(root)


def test_a_written_answer_waits_for_a_human(course):
    """Its score stays empty and asks for a manual grade, and the submission is graded all the same."""
    outcome, = grade_class(course, SET)
    with course.gradebook() as gradebook:
        grades = gradebook.find_submission(SET, "ada").notebooks[0].grades
        assert {grade.name for grade in grades if grade.auto_score is None} == BY_HAND
        assert {grade.name for grade in grades if grade.needs_manual_grade} == BY_HAND
        assert gradebook.find_submission(SET, "ada").max_score == 23
    assert (outcome.status, outcome.record.earned, outcome.record.points) == ("graded", 15, 15)


def test_a_manual_mark_completes_the_score(course):
    """Marked by hand, the answers count beside the checks, and grading again leaves them."""
    list(grade_class(course, SET))
    with course.gradebook() as gradebook:
        for name in BY_HAND:
            gradebook.find_grade(name, SET, SET, "ada").manual_score = 3.0
        gradebook.db.commit()
    list(grade_class(course, SET, force=True))
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "ada").score == 15 + 6


@pytest.mark.parametrize("cell", sorted(BY_HAND))
def test_a_written_answer_is_released_empty_under_its_rubric(cell):
    """The model answer stays in solutions/; what counts, and how much, is said to the student."""
    notebook = nbformat.read(ROOT / "exercises" / SET / f"{SET}.ipynb", as_version=4)
    number = next(n for n, c in enumerate(notebook.cells) if c.metadata.get("nbgrader", {}).get("grade_id") == cell)
    settings, rubric = notebook.cells[number].metadata.nbgrader, notebook.cells[number - 1].source
    assert notebook.cells[number].source == "YOUR ANSWER HERE"
    assert f"Worth {settings.points} points, marked by hand" in rubric
    assert sum(int(points) for points in re.findall(r"^- \*(\d) for", rubric, re.MULTILINE)) == settings.points


def test_torch_is_inside_only_where_a_check_asks_for_it():
    """Another set's sandbox has neither the library nor the address space."""
    wanted = {name: libraries(read_release(ROOT / "exercises" / name / f"{name}.ipynb"))
              for name in ("ps3-lstm-forward", "ps8-torch", SET)}
    assert wanted == {"ps3-lstm-forward": (), "ps8-torch": ("torch",), SET: ()}
    assert Limits(libraries=("torch",)).rlimits()["AS"] == Limits().rlimits()["AS"] + EXTRA_MEMORY["torch"]
    with Sandbox(Limits(), seed=1) as without:
        assert "No module named 'torch'" in json.dumps(without.run_cell("import torch"))


def test_torch_code_is_graded_in_the_sandbox():
    """Every check of problem set 8 is right inside, each in a fork, after autograd has run in the notebook."""
    release = read_release(ROOT / "exercises" / "ps8-torch" / "ps8-torch.ipynb")
    raw = nbformat.writes(solved("ps8-torch")).encode()
    graded = grade(raw, release, draw_seeds(b"s" * 32, "ada", release, raw))
    assert (graded.status, graded.earned) == ("graded", release.points)
    assert not [output for cell in graded.notebook.cells for output in cell.get("outputs", ())
                if output.output_type == "error"]
