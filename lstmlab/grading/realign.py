"""A released problem set that must change: the gradebook follows, and keeps what was marked by hand.

nbgrader refuses to release a notebook anew once there are submissions and a graded or locked cell has come or gone.
Here the cells that have gone are taken out of the gradebook and the new ones put in, for every submission, so that
nbgrader finds what it expects. A new cell has no mark until it is graded: never a silent zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbgrader import utils
from nbgrader.api import (
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    SourceCell,
    TaskCell,
)

from .course import CourseError

WORTH_POINTS = (GradeCell, TaskCell)


def realign(gradebook: Gradebook, problem_set: str, sources: Sequence[Path]) -> list[str]:
    """Make the gradebook's cells those of the source notebooks, where there are submissions already.

    Parameters
    ----------
    gradebook : Gradebook
        Which.
    problem_set : str
        Which.
    sources : sequence of Path
        The set's notebooks in ``solutions/``.

    Returns
    -------
    list of str
        What changed, a line each.

    Raises
    ------
    CourseError
        If a cell with a manual mark has gone, or a whole notebook has come or gone; nothing is changed then.
    """
    try:
        assignment = gradebook.find_assignment(problem_set)
    except MissingEntry:
        return []
    if not assignment.submissions:
        return []
    known = {notebook.name: notebook for notebook in assignment.notebooks}
    wanted = {path.stem: path for path in sources}
    if known.keys() != wanted.keys():
        raise CourseError(f"{problem_set} has submissions, with the notebooks {', '.join(sorted(known))}; solutions/ "
                          f"now has {', '.join(sorted(wanted))}. A notebook can come or go only in a new problem set")
    lines = []
    try:
        for name, path in sorted(wanted.items()):
            lines += realign_notebook(gradebook, known[name], nbformat.read(path, as_version=4))
    except CourseError:
        gradebook.db.rollback()
        raise
    gradebook.db.commit()
    if lines:
        count = len(assignment.submissions)
        lines.append(f"{problem_set}: {count} submission{'s' * (count != 1)} to grade again, with "
                     f"`lstmlab grade {problem_set}`")
    return lines


def realign_notebook(gradebook: Gradebook, notebook: Notebook, source: nbformat.NotebookNode) -> list[str]:
    """Take out what has gone and put in what is new; return a line for each."""
    before, after = {cell_key(cell): cell for cell in known_cells(notebook)}, cells_of(source)
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    marked = sorted({f"{cell.name}: {grade.student.id}" for key in gone if key[0] is not SourceCell
                     for cell in [before[key]] for grade in cell.grades
                     if grade.manual_score is not None or grade.extra_credit})
    if marked:
        raise CourseError(f"{notebook.name} would lose cells with manual marks ({', '.join(marked[:10])}"
                          f"{', …' * (len(marked) > 10)}). Put the cells back, or take those marks back in the "
                          "Formgrader first")
    for key in gone:
        remove(gradebook, before[key])
    for kind, name in new:
        add(gradebook, notebook, kind, name, after[kind, name])
    lines = [f"{notebook.name}: {name} is gone" for kind, name in gone if kind in WORTH_POINTS]
    lines += [f"{notebook.name}: {name} is new" for kind, name in new if kind in WORTH_POINTS]
    for key in before.keys() & after.keys():
        if key[0] in WORTH_POINTS and before[key].max_score != after[key]["max_score"]:
            lines.append(f"{notebook.name}: {key[1]} is worth {after[key]['max_score']:g} points, "
                         f"no longer {before[key].max_score:g}")
    return sorted(lines)


def known_cells(notebook: Notebook) -> list:
    """All cells of a notebook that the gradebook has."""
    return [*notebook.grade_cells, *notebook.solution_cells, *notebook.task_cells, *notebook.source_cells]


def cell_key(cell) -> tuple[type, str]:
    """What a cell is, and its grade_id."""
    return type(cell), cell.name


def cells_of(source: nbformat.NotebookNode) -> dict[tuple[type, str], dict]:
    """The cells that nbgrader will save of a source notebook, as its own stage chooses them."""
    found: dict[tuple[type, str], dict] = {}
    for cell in source.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        roles = {GradeCell: utils.is_grade(cell), SolutionCell: utils.is_solution(cell), TaskCell: utils.is_task(cell)}
        for kind in (kind for kind, holds in roles.items() if holds):
            worth = {} if kind is SolutionCell else {"max_score": float(cell.metadata.nbgrader["points"]),
                                                     "cell_type": cell.cell_type}
            found[kind, name] = worth
        if any(roles.values()) or utils.is_locked(cell):
            found[SourceCell, name] = {"cell_type": cell.cell_type, "locked": utils.is_locked(cell)}
    return found


def remove(gradebook: Gradebook, cell) -> None:
    """Take a cell out, with the automatic marks and the comments on it."""
    for row in (*cell.grades, *cell.comments) if isinstance(cell, BaseCell) else ():
        gradebook.db.delete(row)
    gradebook.db.delete(cell)


def add(gradebook: Gradebook, notebook: Notebook, kind: type, name: str, values: dict) -> None:
    """Put a cell in, and into every submission a place for its mark or comment."""
    cell = kind(name=name, notebook=notebook, **values)
    gradebook.db.add(cell)
    for submitted in notebook.submissions if kind is not SourceCell else ():
        if kind is not SolutionCell:
            gradebook.db.add(Grade(cell=cell, notebook=submitted))
        if kind is not GradeCell:
            gradebook.db.add(Comment(cell=cell, notebook=submitted))
