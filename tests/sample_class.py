"""A class of twelve for problem set 3: made from its solution and from what students do to it.

As a script it lays out the submissions: ``python tests/sample_class.py class/submitted``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parent.parent
SET = "ps3-lstm-forward"
BLANK = "# YOUR CODE HERE\nraise NotImplementedError()"
SOLUTION = re.compile(r"^[ \t]*### BEGIN SOLUTION\n|^[ \t]*### END SOLUTION\n?", re.MULTILINE)


@dataclass(frozen=True)
class Student:
    """One student of the sample class.

    Attributes
    ----------
    name : str
        What they did, and their id.
    edits : dict
        Per solution cell the edits (old text, new text) of the right answer.
    lost : dict
        Points lost, by test cell; None where no mark may be formed.
    mistakes : tuple of str
        Mistakes that the grader has to name.
    status : str
        How the submission has to end.
    blank : bool
        Whether the answers are left as released.
    extra : str
        A cell of their own, run before all others.
    """

    name: str
    edits: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    lost: dict[str, float | None] = field(default_factory=dict)
    mistakes: tuple[str, ...] = ()
    status: str = "graded"
    blank: bool = False
    extra: str = ""


SWAPPED = ("f * C_prev + i * C_tilde", "i * C_prev + f * C_tilde")
EITHER = "f and i exchanged, or f and i swapped in the cell state"     # from hs, h and C alone they are one
NO_TANH = ("o * np.tanh(C)", "o * C")
ALL = {"test_sigmoid": 2, "test_lstm_step": 6, "test_lstm_forward": 4, "test_parameter_count": 1,
       "test_half_life_bias": 2, "test_with_forget_bias": 2}

WITHOUT_END = "    kept = []\n    while True:\n        kept.append(np.zeros(2**27))\n"

READ_SOLUTIONS = """\
import glob, os
found = [path for place in ("solutions", "..", "../..", "/root", "/home", "/course", "/srv", "/opt")
         for path in glob.glob(os.path.join(place, "**", "*.ipynb"), recursive=True)]
for path in found:
    text = open(path).read()
    if "BEGIN SOLUTION" in text:
        exec(text)
try:
    from lstmlab.checks.ps3_lstm_forward import lstm_step, lstm_forward, parameter_count
except ImportError:
    from lstmlab.cells import sigmoid, LSTM
"""

PATCH = """\
import numpy as np
import numpy.testing
import lstmlab
numpy.testing.assert_allclose = numpy.testing.assert_array_equal = lambda *args, **kwargs: None
np.allclose = np.array_equal = np.isclose = lambda *args, **kwargs: True
lstmlab.check = check = lambda name, fn: print(f"{name}: right")
"""

SCRIPT = """\
from IPython.display import HTML, Javascript, display
display(HTML("<script>document.title = 'mine'</script><img src=x onerror=\\"document.title='mine'\\">"))
display(Javascript("document.title = 'mine'"))
"""

CLASS = (
    Student("perfect"),
    Student("blank", blank=True, lost=ALL),
    Student("gates-swapped", {"lstm_step": [SWAPPED]}, {"test_lstm_step": 2, "test_lstm_forward": 4},
            ("f and i swapped in the cell state", EITHER)),
    Student("state-reset", {"lstm_forward": [("lstm_step(params, x, h, C)", "lstm_step(params, x, h0, C0)")]},
            {"test_lstm_forward": 4}, ("both states reset at every step",)),
    Student("two-mistakes", {"lstm_step": [SWAPPED, NO_TANH]}, {"test_lstm_step": 2, "test_lstm_forward": 4},
            ("f and i swapped in the cell state", EITHER, "no tanh on the output")),
    Student("prints-to-stderr",
            {"lstm_step": [("    f = ", "    import sys; print('here', file=sys.stderr)\n    f = ")]}),
    Student("numpy-warning", {"sigmoid": [("0.5 * (1.0 + np.tanh(0.5 * x))", "1.0 / (1.0 + np.exp(-x))")]}),
    Student("endless-loop", {"parameter_count": [("    return", "    while True:\n        pass\n    return")]},
            {"test_parameter_count": None}, status="timed out"),
    Student("allocates-without-end",
            {"half_life_bias": [("    return", f"{WITHOUT_END}    return")]},
            {"test_half_life_bias": 2}),
    Student("patches-the-check", blank=True, extra=PATCH, lost=ALL),
    Student("reads-the-solutions", blank=True, extra=READ_SOLUTIONS, lost=ALL),
    Student("script-in-output", extra=SCRIPT),
)


def answers() -> dict[str, str]:
    """The solution cells of the source notebook, without the markers, by grade_id."""
    source = nbformat.read(ROOT / "solutions" / SET / f"{SET}.ipynb", as_version=4)
    return {cell.metadata.nbgrader.grade_id: SOLUTION.sub("", cell.source) for cell in source.cells
            if cell.metadata.get("nbgrader", {}).get("solution")}


def notebook(student: Student) -> nbformat.NotebookNode:
    """The released notebook as this student hands it in."""
    made = nbformat.read(ROOT / "exercises" / SET / f"{SET}.ipynb", as_version=4)
    written = {} if student.blank else answers()
    for cell in made.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in written and cell.metadata.nbgrader.solution:
            cell.source = edited(written[grade_id], student.edits.get(grade_id, []))
    if student.extra:
        made.cells.insert(0, new_code_cell(student.extra, id="own"))
    return made


def edited(source: str, edits: list[tuple[str, str]]) -> str:
    """`source` with each edit made where its old text first stands; it has to be there."""
    for old, new in edits:
        if old not in source:
            raise ValueError(f"the solution has no {old!r}; it reads:\n{source}")
        source = source.replace(old, new, 1)
    return source


def submit(folder: Path, wanted: Callable[[Student], bool] = lambda student: True) -> None:
    """Write the submissions as nbgrader collects them: ``STUDENT/SET/SET.ipynb``."""
    for student in filter(wanted, CLASS):
        place = folder / student.name / SET
        place.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook(student), place / f"{SET}.ipynb")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Lay out the sample class's submissions.")
    parser.add_argument("folder", type=Path)
    submit(parser.parse_args().folder)
