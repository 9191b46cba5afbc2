"""What diagrams are made of: wires, boxes, nodes and symbols, collected into one accessible inline SVG."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

from ._style import BOLD, FONT, FRAME, LINE, READING, ROAD, STYLESHEET, SUBSCRIPT, TEXT, ink

Point = tuple[float, float]


@dataclass(frozen=True)
class Svg:
    """A figure as inline SVG; a notebook and the book show it in the colours of their theme.

    Attributes
    ----------
    title : str
        A short name, for a reader who cannot see the figure.
    description : str
        What the figure shows, in words.
    width, height : float
        Of the view box.
    body : str
        The markup between title and end.
    """

    title: str
    description: str
    width: float
    height: float
    body: str = field(repr=False)

    def __str__(self) -> str:
        # Ids are shared by everything on a page: a name made from the content keeps two figures apart.
        name = "lstmlab-" + hashlib.sha256((self.title + self.description + self.body).encode()).hexdigest()[:12]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="lstmlab-svg" role="img" '
            f'aria-labelledby="{name}-title {name}-desc" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'style="display:block;width:100%;max-width:{self.width:g}px;height:auto;margin:0 auto" '
            f'fill="currentColor">'
            f'<title id="{name}-title">{escape(self.title)}</title>'
            f'<desc id="{name}-desc">{escape(self.description)}</desc>'
            f"<style>{STYLESHEET}</style>{self.body}</svg>"
        )

    def _repr_html_(self) -> str:
        return f'<div class="lstmlab-figure">{self}</div>'


class Drawing:
    """A diagram in the making: each call draws one thing and says which part of the cell it belongs to.

    Parameters
    ----------
    width, height : float
        Of the view box; the origin is at the top left.
    highlight : iterable of str
        Parts to bring out; the others fade. With none, every part is drawn alike.
    values : mapping of str to float, optional
        Numbers to write beside the symbols, by the name of what has them.
    """

    def __init__(self, width: float, height: float, highlight: Iterable[str] = (),
                 values: Mapping[str, float] | None = None):
        self.width, self.height = width, height
        self.highlight = frozenset(highlight)
        self.values = dict(values or {})
        self.parts: set[str] = set()
        self._places: set[str] = set()
        self._marks: list[str] = []

    def finish(self, title: str, description: str) -> Svg:
        """The finished figure, or ValueError if a part to highlight or the place of a value was never drawn."""
        for word, named, known in (("highlight", self.highlight, self.parts),
                                   ("values", set(self.values), self._places)):
            if unknown := sorted(named - known):
                raise ValueError(f"{word} names {', '.join(unknown)}; this diagram has {', '.join(sorted(known))}")
        if self.values:
            numbers = ", ".join(f"{name} {_number(value)}" for name, value in self.values.items())
            description += f" Numbers stand beside the symbols: {numbers}."
        return Svg(title, description, self.width, self.height, "".join(self._marks))

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        """The outline of the cell; it belongs to no part and never fades."""
        self._marks.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="20" '
                           f'fill="currentColor" fill-opacity="0.035" stroke="currentColor" stroke-opacity="0.35" '
                           f'stroke-width="{FRAME}"/>')

    def wire(self, part: str, *points: Point, colour: str = "currentColor", road: bool = False,
             bold: bool = False, arrow: bool = True) -> None:
        """A line through `points` with rounded corners; a road is the wide line of what is carried on, bold is new."""
        width = ROAD if road else BOLD if bold else LINE
        (x, y), (x_before, y_before) = points[-1], points[-2]
        length = abs(x - x_before) + abs(y - y_before)              # wires run along the axes
        along = ((x - x_before) / length, (y - y_before) / length)
        head = 10.0 if arrow else 0.0
        path = _rounded([*points[:-1], (x - along[0] * head * 0.7, y - along[1] * head * 0.7)])
        mark = f'<path d="{path}" fill="none" style="stroke:{colour}" stroke-width="{width}"/>'
        if arrow:
            (back_x, back_y), (side_x, side_y) = (x - along[0] * head, y - along[1] * head), (-along[1], along[0])
            half = head * (0.52 if road else 0.42)
            mark += (f'<path d="M{x:g} {y:g}L{back_x + side_x * half:g} {back_y + side_y * half:g}'
                     f'L{back_x - side_x * half:g} {back_y - side_y * half:g}Z" style="fill:{colour}"/>')
        self._add(part, mark)

    def dot(self, part: str, x: float, y: float, colour: str = "currentColor") -> None:
        """A point where a wire divides: both branches carry the same values."""
        self._add(part, f'<circle cx="{x:g}" cy="{y:g}" r="3.6" style="fill:{colour}"/>')

    def box(self, part: str, x: float, y: float, text: str, colour: str, width: float = 56, height: float = 40,
            size: float = TEXT) -> None:
        """A labelled box around (x, y): a layer with its own weights, squashed by the function it names; a symbol."""
        mark = (f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" height="{height:g}" '
                f'rx="{min(7, width / 4):g}" style="fill:{colour};stroke:{colour}" fill-opacity="0.14" '
                f'stroke-width="{LINE}"/>')
        self._add(part, mark + _text(x, y + 6.5 * size / TEXT, (text, ""), italic=False, size=size))

    def bar(self, part: str, x: float, top: float, width: float, height: float, colour: str) -> None:
        """A filled bar: a number, by its height, or a place that is marked."""
        self._add(part, f'<rect x="{x:g}" y="{top:g}" width="{width:g}" height="{max(height, 0.8):g}" '
                        f'style="fill:{colour}"/>')

    def state(self, part: str, x: float, y: float, text: str) -> None:
        """A circle with a name: a state of a machine."""
        self._add(part, f'<circle cx="{x:g}" cy="{y:g}" r="20" fill="none" stroke="currentColor" '
                        f'stroke-width="{LINE}"/>' + _text(x, y + 6, (text, ""), italic=False, size=SUBSCRIPT + 2))

    def function(self, part: str, x: float, y: float, text: str, colour: str) -> None:
        """A rounded, dashed box: a function applied entry by entry, without weights."""
        mark = (f'<rect x="{x - 28:g}" y="{y - 15:g}" width="56" height="30" rx="15" fill="none" '
                f'style="stroke:{colour}" stroke-width="{LINE}" stroke-dasharray="4 3"/>')
        self._add(part, mark + _text(x, y + 6, (text, ""), italic=False, size=TEXT - 2))

    def node(self, part: str, x: float, y: float, sign: str, colour: str = "currentColor") -> None:
        """A circle where two wires meet: ``"⊙"`` multiplies them entry by entry, ``"+"`` adds them."""
        arm = 6.0
        inside = {"⊙": f'<circle cx="{x:g}" cy="{y:g}" r="2.8" style="fill:{colour}"/>',
                  "+": f'<path d="M{x - arm:g} {y:g}H{x + arm:g}M{x:g} {y - arm:g}V{y + arm:g}" fill="none" '
                       f'style="stroke:{colour}" stroke-width="{LINE}"/>'}[sign]
        self._add(part, f'<circle cx="{x:g}" cy="{y:g}" r="13" fill="none" style="stroke:{colour}" '
                        f'stroke-width="{LINE}"/>{inside}')

    def symbol(self, part: str, x: float, y: float, *pieces: tuple[str, str], anchor: str = "middle",
               size: float = TEXT) -> None:
        """Symbols of the notation page in a row, each with its index: ``("h", "t−1")``; ``˜`` sits on its letter."""
        self._add(part, _text(x, y, *pieces, anchor=anchor, size=size))

    def word(self, part: str, x: float, y: float, text: str, anchor: str = "middle", size: float = TEXT) -> None:
        """Upright text: a name, a number, a letter of an alphabet."""
        self._add(part, _text(x, y, (text, ""), anchor=anchor, italic=False, size=size))

    def reading(self, part: str, name: str, x: float, y: float, anchor: str = "start") -> None:
        """The place of the value of `name`; the number stands there if one was given."""
        self._places.add(name)
        if name in self.values:
            self._add(part, f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{READING}" '
                            f'class="lstmlab-reading" data-value="{escape(name)}" '
                            f'style="font-family:{escape(FONT)}">{_number(self.values[name])}</text>')

    def _add(self, part: str, mark: str) -> None:
        self.parts.add(part)
        opacity = 0.28 if self.highlight and part not in self.highlight else 1
        self._marks.append(f'<g data-part="{part}" opacity="{opacity}">{mark}</g>')


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _rounded(points: list[Point], radius: float = 9.0) -> str:
    """Path data of a polyline along the axes whose corners are quarter turns."""
    path = f"M{points[0][0]:g} {points[0][1]:g}"
    for (x0, y0), (x, y), (x1, y1) in zip(points, points[1:], points[2:], strict=False):
        into, out = abs(x - x0) + abs(y - y0), abs(x1 - x) + abs(y1 - y)
        path += (f"L{x - (x - x0) / into * radius:g} {y - (y - y0) / into * radius:g}"
                 f"Q{x:g} {y:g} {x + (x1 - x) / out * radius:g} {y + (y1 - y) / out * radius:g}")
    return path + f"L{points[-1][0]:g} {points[-1][1]:g}"


def _text(x: float, y: float, *pieces: tuple[str, str], anchor: str = "middle", italic: bool = True,
          size: float = TEXT) -> str:
    row, level = "", 0.0                                            # level: how far below y the row runs

    def write(text: str, new_level: float, scale: float = 1.0, shift: float = 0.0) -> None:
        nonlocal row, level
        if text:
            row += (f'<tspan dx="{shift:g}" dy="{new_level - level:g}" font-size="{scale * size:.4g}">'
                    f"{escape(text)}</tspan>")
            level = new_level

    for name, index in pieces:
        letter, tilde, _ = name.partition("˜")
        write(letter, 0.0)
        write(tilde, -0.22 * size, shift=-0.52 * size)              # no font is sure to hold the combined letter
        write(index, 5.0, SUBSCRIPT / TEXT, shift=0.1 * size if tilde else 0.0)
    slant = ' font-style="italic"' if italic else ""
    return (f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{slant} style="font-family:{escape(FONT)}">'
            f"{row}</text>")


MEMORY, GATE, SQUASH, MARK = ink("memory"), ink("gate"), ink("squash"), ink("mark")
