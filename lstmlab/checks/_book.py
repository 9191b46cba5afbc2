"""Equations of the book by number: authors name them by label, students look for what is printed beside them."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

_LABEL = re.compile(r"eq-[a-z0-9-]*[a-z0-9]", re.IGNORECASE)


@functools.cache
def numbers() -> dict[str, str]:
    """Number of every labelled equation, as the book's last build gave them (``equation_numbers.py`` writes them)."""
    return json.loads((Path(__file__).parent / "equations.json").read_text())


def labels(text: str) -> list[str]:
    """The labels in a text that the book knows, in the order in which they appear."""
    return [label for label in _LABEL.findall(text) if label in numbers()]


def numbered(text: str) -> str:
    """The text with ``equation 6.5`` in place of a label.

    Examples
    --------
    >>> numbered('chapter "The LSTM cell" (eq-no-such)')
    'chapter "The LSTM cell" (eq-no-such)'
    >>> numbered("cell state (eq-lstm-cell-state)").startswith("cell state (equation ")
    True
    """
    text = _LABEL.sub(lambda match: f"equation {numbers()[match[0]]}" if match[0] in numbers() else match[0], text)
    return re.sub(r"\(equation ([\d.]+)\) and \(equation ([\d.]+)\)", r"(equations \1 and \2)", text)
