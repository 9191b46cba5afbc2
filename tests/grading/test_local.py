"""`lstmlab check`: what grading would say, on the student's own machine."""

import json

import pytest
from click.testing import CliRunner

from lstmlab.cli import main
from lstmlab.grading import local, sandbox
from lstmlab.grading.local import check_notebook
from lstmlab.grading.release import ReleaseError
from lstmlab.grading.sandbox import Limits, SandboxUnavailable
from lstmlab.grading.submission import Unreadable

# What Windows lacks: the runner, started without these, has to do without.
WITHOUT = ("import os, signal, sys; sys.modules['resource'] = sys.modules['fcntl'] = None; "
           "del os.fork, os.killpg, signal.setitimer, signal.SIGPROF, signal.SIGXCPU; ")


@pytest.fixture
def student(sample, tmp_path):
    """Writes a student's notebook; returns its path."""
    def write(name="perfect", change=lambda cells: None):
        path = tmp_path / f"{sample.SET}.ipynb"
        made = json.loads(json.dumps(sample.notebook(next(s for s in sample.CLASS if s.name == name))))
        change(made["cells"])
        path.write_text(json.dumps(made))
        return path

    return write


@pytest.fixture
def no_sandbox(monkeypatch):
    def refuse():
        raise SandboxUnavailable("none")

    monkeypatch.setattr(local, "require_sandbox", refuse)


@pytest.fixture
def windows(monkeypatch, no_sandbox):
    """The runner and the way to it as they are on Windows, as far as Linux can show it."""
    plain = sandbox.runner_command

    def command(*folders):
        *start, code = plain(*folders)
        return [*start, WITHOUT + code]

    monkeypatch.setattr(sandbox, "runner_command", command)
    monkeypatch.setattr(sandbox, "POSIX", False)
    monkeypatch.setattr(sandbox, "LINUX", False)
    monkeypatch.setattr(sandbox, "PATIENCE", 2)


def earned(result):
    return {mark.check: mark.earned for mark in result.marks}


@pytest.mark.parametrize("where", ["sandbox", "no_sandbox", "windows"])
def test_marks_are_those_of_grading(request, student, where):
    """In the sandbox, without one, and without fork, signals and inherited sockets: the same marks."""
    if where != "sandbox":
        request.getfixturevalue(where)
    result = check_notebook(student("two-mistakes"))
    assert (result.earned, result.points, result.isolated) == (11, 17, where == "sandbox")
    assert "no tanh on the output" in " ".join(mistake for mark in result.marks for mistake in mark.mistakes)


@pytest.mark.parametrize("where", ["sandbox", "no_sandbox", "windows"])
def test_references_are_not_there(request, student, where):
    """Calling lstmlab's own cell fails as it does at grading, and the error is told."""
    if where != "sandbox":
        request.getfixturevalue(where)

    def borrow(cells):
        cells[:] = [{"cell_type": "code", "metadata": {}, "id": "own", "outputs": [], "execution_count": None,
                     "source": "from lstmlab import sigmoid"}, *cells]

    result = check_notebook(student("blank", borrow))
    assert result.earned == 0
    assert result.errors[0].startswith("cell 1: ImportError: lstmlab.sigmoid is not available while marks are formed")


@pytest.mark.parametrize("where", ["no_sandbox", "windows"])
def test_an_endless_loop_costs_itself_alone(request, student, where):
    """Without a sandbox, and by the clock alone, a loop that never ends is given up, and the rest is judged."""
    request.getfixturevalue(where)
    result = check_notebook(student("endless-loop"), Limits(seconds=1))
    assert {mark.check: mark.status for mark in result.marks if mark.status != "right"} == \
        {"parameter_count": "timed out"}


def test_inputs_are_fresh(student):
    """Two runs draw different inputs."""
    path = student()
    first, second = ([mark.seed for mark in check_notebook(path).marks] for _ in range(2))
    assert not set(first) & set(second)


def test_a_deleted_check_is_told(student):
    """The points are those of the cells that are there, and what is missing is named."""
    def delete(cells):
        cells[:] = [cell for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade_id") != "test_sigmoid"]

    result = check_notebook(student(change=delete))
    assert (result.earned, result.points) == (15, 15)
    assert "the check cell of sigmoid is missing here" in result.notes[0]


def edited(cells):
    next(cell for cell in cells if cell["id"] == "test-sigmoid")["source"] = "check('sigmoid', sigmoid, 3)"


def renamed(cells):
    next(cell for cell in cells if cell["id"] == "test-sigmoid")["source"] = "check('sigmiod', sigmoid)"


def emptied(cells):
    del cells[:]


@pytest.mark.parametrize(("change", "message"), [
    (edited, "expected one line of the form check"), (renamed, "did you mean 'sigmoid'"), (emptied, "no check cells")])
def test_what_is_no_notebook_of_ours_is_refused_with_a_reason(student, change, message):
    """A check cell that was changed, and a notebook without any, are told apart."""
    with pytest.raises(ReleaseError, match=message):
        check_notebook(student(change=change))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"nbformat": 4, "cells": [{"metadata": 3}]}', "\ud800"])
def test_an_unreadable_file_is_refused(tmp_path, text):
    """Whatever else the file holds ends as a sentence."""
    path = tmp_path / "notebook.ipynb"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises((Unreadable, ReleaseError), match="notebook"):
        check_notebook(path)


def test_the_command_prints_each_check_and_the_total(student):
    """Every check's verdict, the total, where it ran, and an exit status that says whether all is right."""
    done = CliRunner().invoke(main, ["check", str(student("two-mistakes"))])
    assert done.exit_code == 1
    assert "✓ sigmoid: right (2 of 2 points)" in done.output
    assert "Most likely: f and i swapped in the cell state." in done.output
    assert done.output.endswith("ps3-lstm-forward.ipynb: 11 of 17 points (in the sandbox, as grading runs it)\n")
    assert CliRunner().invoke(main, ["check", str(student())]).exit_code == 0


def test_the_command_refuses_in_a_sentence(tmp_path):
    """No traceback for a file that is none."""
    path = tmp_path / "notes.ipynb"
    path.write_text("not a notebook")
    done = CliRunner().invoke(main, ["check", str(path)])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert "Traceback" not in done.output
