"""Every problem set: released as it was written, solvable, and unsolved as it is handed out."""

import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parent.parent
SETS = sorted(path.name for path in (ROOT / "solutions").iterdir())
# A kernel takes seconds: every day it runs a set in NumPy and one in torch; tests/checks/test_notebooks.py runs all.
IN_A_KERNEL = [name if name in ("ps3-lstm-forward", "ps8-torch") else pytest.param(name, marks=pytest.mark.full)
               for name in SETS]


def execute(path):
    """Run a notebook in a real kernel, as JupyterLab does."""
    notebook = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                            # of the client's own event loop
        NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook


def test_there_are_problem_sets():
    """The tests below have something to test."""
    assert SETS


@pytest.mark.parametrize("name", SETS)
def test_exercises_are_in_step_with_solutions(released, name):
    """What is committed in exercises/ is what `nbgrader generate_assignment` makes of solutions/."""
    for path in sorted((ROOT / "exercises" / name).iterdir()):
        assert path.read_bytes() == (released / "exercises" / name / path.name).read_bytes(), "run: make release"


@pytest.mark.parametrize("name", SETS)
def test_no_solution_is_released(name):
    """The markers and what stands between them are gone."""
    text = (ROOT / "exercises" / name / f"{name}.ipynb").read_text()
    assert "BEGIN SOLUTION" not in text
    assert "NotImplementedError" in text


@pytest.mark.parametrize("name", IN_A_KERNEL)
def test_a_solution_runs_from_top_to_bottom(name):
    """In a real kernel every check of the solution says that it is right."""
    notebook = execute(ROOT / "solutions" / name / f"{name}.ipynb")
    # a busy kernel may send one line in two pieces
    said = ["".join(output.text for output in cell.outputs) for cell in notebook.cells
            if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")]
    assert said
    assert all("right" in text for text in said)


@pytest.mark.parametrize("name", IN_A_KERNEL)
def test_a_released_notebook_runs_to_its_first_check(name):
    """As handed out it stops at the first check, which says that the function is not written yet."""
    with pytest.raises(CellExecutionError, match="not written yet"):
        execute(ROOT / "exercises" / name / f"{name}.ipynb")


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("folder", ["solutions", "exercises"])
def test_notebooks_are_stored_without_outputs(name, folder):
    """Diffs stay readable, and no answer is handed out as an output."""
    notebook = nbformat.read(ROOT / folder / name / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not [cell.id for cell in notebook.cells if cell.get("outputs")]
