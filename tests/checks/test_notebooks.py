"""The authored notebooks and their checks agree."""

import re
import time
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest
from nbgrader.preprocessors import ClearSolutions

from lstmlab.checks import probe, problem_set, problem_sets
from lstmlab.grading.sandbox import Limits

SOLUTIONS = Path(__file__).parents[2] / "solutions"


def read(name):
    return nbformat.read(SOLUTIONS / name / f"{name}.ipynb", as_version=4)


def settings(cell):
    return cell.metadata.get("nbgrader", {})


def functions(notebook):
    """The functions that the solution cells define, on top of what is given."""
    space = {"np": np, "__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type == "code" and settings(cell) and not settings(cell)["grade"]:
            exec(compile(cell.source, settings(cell)["grade_id"], "exec"), space)
    return space


def judged(check, fn, seed=1):
    return check.judge(seed, probe.KINDS[check.kind](fn, check.requests(seed)))


NAMES = problem_sets()
EACH = [pytest.param(name, check, id=check.name) for name in NAMES for check in problem_set(name)]


@pytest.mark.parametrize(("name", "check"), EACH)
def test_the_solution_is_right(name, check):
    """The authored solution earns every point without a remark."""
    verdict = judged(check, functions(read(name))[check.name])
    assert verdict.right
    assert verdict.remarks == ()


@pytest.mark.parametrize(("name", "check"), EACH)
def test_the_stub_is_not_written_yet(name, check):
    """What students receive earns nothing, and is told that it is not written yet."""
    released, _ = ClearSolutions().preprocess(read(name), {})
    verdict = judged(check, functions(released)[check.name])
    assert verdict.earned == 0
    assert "not written yet" in verdict.headline


@pytest.mark.parametrize("name", NAMES)
def test_points_are_the_checks(name):
    """Each check has one locked test cell of one line, worth its points, in the order of the problem set."""
    tests = [cell for cell in read(name).cells if settings(cell).get("grade") and not settings(cell)["solution"]]
    checks = problem_set(name)
    assert [cell.source for cell in tests] == [f'check("{c.name}", {c.name})' for c in checks]
    assert [settings(cell)["points"] for cell in tests] == [c.points for c in checks]
    assert [settings(cell)["grade_id"] for cell in tests] == [f"test_{c.name}" for c in checks]
    assert all(settings(cell)["locked"] and not settings(cell)["solution"] for cell in tests)


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_is_clean(name):
    """Valid, without outputs, with readable cell ids and the metadata nbgrader expects."""
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(re.fullmatch(r"[a-z][a-z-]+", cell.id) for cell in notebook.cells)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert {settings(cell)["schema_version"] for cell in code if settings(cell)} == {3}


@pytest.mark.parametrize("name", NAMES)
def test_points_in_the_text_are_the_checks(name):
    """Where a task states its points, they are those of the check that follows."""
    cells = [cell for cell in read(name).cells if cell.cell_type == "markdown"]
    stated = [int(n) for cell in cells for n in re.findall(r"(\d+) points?[.:]", cell.source)]
    assert stated == [check.points for check in problem_set(name)]


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_runs_from_top_to_bottom(name, capsys):
    """With its solutions every cell runs, pictures included, in its 20 s of CPU, and every check is right."""
    matplotlib.use("Agg")
    space = {"__name__": "__main__"}
    for cell in read(name).cells:
        if cell.cell_type == "code":
            begun = time.process_time()
            exec(compile(cell.source, cell.id, "exec"), space)
            assert time.process_time() - begun < Limits().seconds, cell.source
    space["plt"].close("all")
    assert re.findall(r"✓ (\w+): right", capsys.readouterr().out) == [check.name for check in problem_set(name)]
