"""What a check found: points by part, the mistakes behind them, and the text a student reads."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

WIDTH = 78
_COLOURS = {"✓": "\x1b[32m", "✗": "\x1b[31m", "!": "\x1b[33m"}


class Part(NamedTuple):
    """One part of an exercise: its name, its points, the points earned, and what there is to say."""

    name: str
    points: float
    earned: float
    note: str


@dataclass(frozen=True)
class Verdict:
    """The judgement on one function.

    Attributes
    ----------
    check : str
        Name of the check.
    parts : tuple of Part
    headline : str
        The verdict in a few words.
    findings : tuple of tuple of str
        What was found, a paragraph or several each, most useful first.
    mistakes : tuple of str
        Names of the mistakes diagnosed.
    remarks : tuple of str
        What is worth knowing and costs nothing.
    footnote : str
        What the notes of the parts mean for the points.
    """

    check: str
    parts: tuple[Part, ...]
    headline: str
    findings: tuple[tuple[str, ...], ...] = ()
    mistakes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    footnote: str = ""

    @property
    def points(self) -> float:
        """Points to be had."""
        return sum(part.points for part in self.parts)

    @property
    def earned(self) -> float:
        """Points earned."""
        return sum(part.earned for part in self.parts)

    @property
    def right(self) -> bool:
        """Whether every part is right."""
        return all(part.earned == part.points for part in self.parts)

    def text(self, colour: bool = False) -> str:
        """The verdict as a student reads it, in lines of at most 80 columns.

        Parameters
        ----------
        colour : bool, optional
            Colour the marks; the words say the same without.
        """
        points = f"{self.earned:g} of {self.points:g} point{'s' * (self.points != 1)}"
        lines = [f"{'✓' if self.right else '✗'} {self.check}: {self.headline} ({points})"]
        for finding in self.findings:
            lines += ["", *_wrap(finding[0], "  ")]
            for paragraph in finding[1:]:
                lines += _wrap(paragraph, "    ")
        if not self.right and self._tells():
            lines += ["", *self._table()]
        if self.footnote:
            lines += ["", *_wrap(self.footnote, "  ")]
        if self.remarks and not self.right:
            lines.append("")
        for remark in self.remarks:
            lines += _wrap(f"! {remark}", "  ", "    ")
        return "\n".join(map(_paint, lines) if colour else lines)

    def _tells(self) -> bool:
        """Whether the parts say more than the headline."""
        return self.earned > 0 or any(part.note for part in self.parts)

    def _table(self) -> list[str]:
        width = max(len(part.name) for part in self.parts)
        lines = []
        for part in self.parts:
            right = part.earned == part.points
            start = f"  {'✓' if right else '✗'} {part.name:<{width}}  "
            words = "right" if right else f"wrong{part.note and ', '}{part.note}"
            lines += _wrap(words, start, " " * len(start))
        return lines


def _wrap(text: str, first: str, then: str | None = None) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=first if then is None else then,
                         break_on_hyphens=False)


def _paint(line: str) -> str:
    """Colour the mark a line begins with, and the first word with it on the first line."""
    mark = line.lstrip()[:1]
    return line.replace(mark, f"{_COLOURS[mark]}{mark}\x1b[0m", 1) if mark in _COLOURS else line
