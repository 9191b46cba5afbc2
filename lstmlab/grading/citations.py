"""In a released problem set each task names the equations of the book that it is about, by number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbgrader.preprocessors.base import NbGraderPreprocessor

from lstmlab import checks

_CHECK = re.compile(r'\s*check\("(\w+)"')
_POINTS = re.compile(r"^(\*Chapter [^*]*\d+ points?\b[^*]*)\*", re.MULTILINE)


class CiteEquations(NbGraderPreprocessor):
    """A stage of `nbgrader generate_assignment`: the equations that a check's mistakes point to, under its task."""

    def preprocess(self, nb, resources):
        """Complete the line that names a task's chapter and points."""
        task = None
        for cell in nb.cells:
            settings = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "markdown" and _POINTS.search(cell.source):
                task = cell
            elif task and settings.get("grade") and not settings.get("solution"):
                if name := _CHECK.match(cell.source):
                    task.source = cited(task.source, name[1])
                task = None
        return nb, resources


def cited(text: str, check: str) -> str:
    """The text of a task with its equations, in the order of the book."""
    found = {label for mistake in checks.get(check).mistakes for label in checks.labels(mistake.see)}
    numbers = sorted({tuple(map(int, checks.numbers()[label].split("."))) for label in found})
    if not numbers:
        return text
    words = [*runs(numbers)]
    listed = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return _POINTS.sub(rf"\1 Equation{'s' * (len(numbers) > 1)} {listed}.*", text, count=1)


def runs(numbers: list[tuple[int, int]]) -> Iterator[str]:
    """Numbers in words, three and more in a row as ``6.1 to 6.7``."""
    begin = 0
    for end in range(1, len(numbers) + 1):
        if end < len(numbers) and numbers[end] == (numbers[end - 1][0], numbers[end - 1][1] + 1):
            continue
        row = [".".join(map(str, number)) for number in numbers[begin:end]]
        yield from [f"{row[0]} to {row[-1]}"] if len(row) > 2 else row
        begin = end
