"""What was released: the one truth about which cells are locked, what they test and what they are worth."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path

import nbformat

from lstmlab import checks


class ReleaseError(ValueError):
    """The released notebook cannot be graded as it stands; the message says which cell and why."""


@dataclass(frozen=True)
class TestCall:
    """The one line of a test cell, ``check("lstm_step", lstm_step)``, and its points."""

    __test__ = False                                              # pytest: not a test class

    check: str
    function: str
    points: float


@dataclass(frozen=True)
class ReleasedCell:
    """A cell of the release that has a grade_id."""

    grade_id: str
    cell_type: str
    source: str
    locked: bool
    metadata: dict
    test: TestCall | None
    by_hand: bool


@dataclass(frozen=True)
class Release:
    """A released notebook.

    Attributes
    ----------
    problem_set, name : str
        nbgrader's assignment and notebook id.
    cells : tuple of ReleasedCell
        In order; only those with a grade_id.
    digest : str
        SHA-256 of the notebook's bytes.
    """

    problem_set: str
    name: str
    cells: tuple[ReleasedCell, ...]
    digest: str

    @property
    def tests(self) -> dict[str, TestCall]:
        """The test cells by grade_id."""
        return {cell.grade_id: cell.test for cell in self.cells if cell.test}

    @property
    def points(self) -> float:
        """All points that can be earned by tests."""
        return sum(test.points for test in self.tests.values())


def read_release(path: Path) -> Release:
    """Read a notebook that `nbgrader generate_assignment` released.

    Parameters
    ----------
    path : Path
        ``exercises/SET/NAME.ipynb``.

    Raises
    ------
    ReleaseError
        If there is no such notebook, or a test cell is no single call of ``check``.
    """
    if not path.is_file():
        raise ReleaseError(f"{path} is not there; expected a released notebook "
                           f"(nbgrader generate_assignment {path.parent.name} makes it from solutions/)")
    return release_of(path.read_bytes(), path.parent.name, path.stem)


def release_of(raw: bytes, problem_set: str, name: str) -> Release:
    """A release from the bytes of its notebook."""
    notebook = nbformat.reads(raw.decode(), as_version=4)
    cells = tuple(released_cell(cell) for cell in notebook.cells if "grade_id" in cell.metadata.get("nbgrader", {}))
    return Release(problem_set, name, cells, hashlib.sha256(raw).hexdigest())


def released_cell(cell: nbformat.NotebookNode) -> ReleasedCell:
    """One cell with its role: locked, tested by a check, or marked by hand."""
    settings = cell.metadata["nbgrader"]
    test = None
    if settings["grade"] and not settings["solution"]:
        test = read_call(settings["grade_id"], cell.source, float(settings["points"]))
    by_hand = bool(settings["grade"] and settings["solution"]) or bool(settings.get("task"))
    return ReleasedCell(settings["grade_id"], cell.cell_type, cell.source, bool(settings["locked"]),
                        dict(settings), test, by_hand)


def read_call(grade_id: str, source: str, points: float) -> TestCall:
    """Read ``check("name", function)`` from a test cell without running it."""
    try:
        call = ast.parse(source.strip(), mode="eval").body
        name, function = call.args
        if call.func.id != "check" or call.keywords:
            raise ValueError
        found = TestCall(ast.literal_eval(name), function.id, points)
    except (SyntaxError, ValueError, AttributeError, TypeError):
        raise ReleaseError(f"test cell {grade_id} reads {source!r}; "
                           'expected one line of the form check("name", function)') from None
    worth = checks.get(found.check).points
    if worth != points:
        raise ReleaseError(f"test cell {grade_id} is worth {points:g} points; its check {found.check} has {worth:g}")
    return found
