"""Pictures of what a network reads: a sequence with its target, step by step, and the graph of the Reber grammar."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ._style import SUBSCRIPT, TEXT
from ._svg import GATE, MARK, MEMORY, Drawing, Svg

_WIDTH, _LABELS, _ROW, _GAP = 656, 112, 46, 16          # of a strip: all, the names at the left, a row, between rows
_WIDEST, _DOTS = 40, 26                                 # of a step, however few there are; of what stands for the rest
_SMALLEST = 11                                          # letters smaller than this are not put in a box


def sequence_strip(rows: Mapping[str, Sequence], *, title: str, alt: str, marked: Mapping[str, Iterable[int]] | None =
                   None, elide: Iterable[tuple[int, int]] = (), first: int = 1) -> Svg:
    """Draw one sequence as rows over a common time axis: what goes in, and what is asked for.

    Parameters
    ----------
    rows : mapping of str to sequence
        By name, from top to bottom, all with one entry for each of the T steps. What the entries are decides how they
        are drawn: numbers as bars from zero, on the row's own scale, and nan as nothing; truth values as a filled
        place where they are true; strings in a box, or without one where they do not fit into it, ``""`` as nothing.
    title : str
        A short name.
    alt : str
        What the strip shows, in words, for a reader who cannot see it.
    marked : mapping of str to iterable of int, optional
        For a row's name the steps, counted from 0, that are drawn in the ink that asks to be looked at.
    elide : iterable of (int, int), optional
        Stretches ``start, stop``, counted from 0, that are left out; dots stand for them.
    first : int, optional
        The number under the first step.

    Returns
    -------
    Svg
        The strip; a notebook shows it.

    Raises
    ------
    ValueError
        If there is no row, if rows differ in length, if a stretch is not within the sequence, or if words are missing.

    Examples
    --------
    >>> strip = sequence_strip({"input": list("BTXSE"), "target": ["", "", "", "", "T"]}, title="A string",
    ...                        alt="The symbols B, T, X, S, E; at the last T is asked for.", marked={"target": [4]})
    >>> strip.title
    'A string'
    """
    if not title.strip() or not alt.strip():
        raise ValueError(f"title is {title!r} and alt is {alt!r}; a strip needs both, in words")
    lengths = {name: len(entries) for name, entries in rows.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"rows have the lengths {lengths}; expected at least one row, and one length of 1 or more")
    steps = next(iter(lengths.values()))
    stretches = sorted(elide)
    if any(not 0 <= start < stop <= steps for start, stop in stretches):
        raise ValueError(f"elide is {stretches}; expected stretches start, stop with 0 <= start < stop <= {steps}")
    runs = _runs(steps, stretches)
    lefts, cell = _places(runs)
    marked = {name: set(places) for name, places in (marked or {}).items()}
    d = Drawing(_WIDTH, len(rows) * (_ROW + _GAP) + 34)
    for number, (name, entries) in enumerate(rows.items()):
        top = 6 + number * (_ROW + _GAP)
        _draw_row(d, name, list(entries), top, lefts, cell, marked.get(name, set()))
        for (_, stop), (start, _) in itertools.pairwise(runs):
            if any(not isinstance(entry, str) or entry for entry in (entries[stop - 1], entries[start])):
                d.word("elided", lefts[start] - _DOTS / 2, top + _ROW / 2 + 4, "⋯")
    for start, stop in runs:
        for step in sorted({start, stop - 1} if (stop - start) * cell > 60 else {start}):
            _number(d, step + first, lefts[step], cell, step > start)
    d.word("time", _LABELS - 14, d.height - 12, "step" if first == 1 else "", anchor="end", size=SUBSCRIPT)
    return d.finish(title, alt)


def _runs(steps: int, stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is drawn of `steps` steps: start and stop of each run between the stretches that are left out."""
    edges = [0, *(edge for stretch in stretches for edge in stretch), steps]
    return [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]


def _places(runs: list[tuple[int, int]]) -> tuple[dict[int, float], float]:
    """Left end of each step that is drawn, and the width of a step."""
    room = _WIDTH - _LABELS - 8 - _DOTS * (len(runs) - 1)
    cell = min(_WIDEST, room / sum(stop - start for start, stop in runs))
    lefts, x = {}, float(_LABELS)
    for start, stop in runs:
        lefts |= {step: x + (step - start) * cell for step in range(start, stop)}
        x += (stop - start) * cell + _DOTS
    return lefts, cell


def _number(d: Drawing, number: int, left: float, cell: float, last: bool) -> None:
    """The number of a step under it: in the middle of a wide step, within the run's ends where steps are narrow."""
    shift, anchor = (cell / 2, "middle") if cell > 26 else (cell, "end") if last else (0, "start")
    d.word("time", left + shift, d.height - 12, str(number), anchor=anchor, size=SUBSCRIPT)


def _draw_row(d: Drawing, name: str, entries: list, top: float, lefts: dict[int, float], cell: float,
              marked: set[int]) -> None:
    words = all(isinstance(entry, str) for entry in entries)
    numbers = not words and np.asarray(entries).dtype != bool
    d.word("names", _LABELS - 14, top + _ROW / 2 + (0 if numbers else 6), name, anchor="end", size=TEXT - 3)
    if words:
        for step, x in lefts.items():
            _letter(d, entries[step], x, top, cell, MARK if step in marked else "currentColor")
    elif numbers:
        _bars(d, np.asarray(entries, float), top, lefts, cell, marked)
    else:
        for step, x in lefts.items():
            d.bar("grid", x + 0.06 * cell, top + _ROW - 1, 0.88 * cell, 1, "currentColor")
            if entries[step]:
                d.bar("marker", x + 0.06 * cell, top + 6, 0.88 * cell, _ROW - 6, MARK if step in marked else GATE)


def _letter(d: Drawing, text: str, x: float, top: float, cell: float, colour: str) -> None:
    middle = top + _ROW / 2
    size = min(TEXT, 0.86 * cell, 1.5 * cell / max(len(text), 1))
    if text and size >= _SMALLEST:
        d.box("letter", x + cell / 2, middle, text, colour, 0.86 * cell, min(_ROW - 6, 1.4 * cell), size)
    elif text:
        right = x > _WIDTH / 2
        d.word("word", x + cell if right else x, middle + 6, text, anchor="end" if right else "start")


def _bars(d: Drawing, values: np.ndarray, top: float, lefts: dict[int, float], cell: float, marked: set[int]) -> None:
    low, high = min(0.0, np.nanmin(values)), max(0.0, np.nanmax(values))
    scale = _ROW / (high - low) if high > low else 0.0
    zero = top + high * scale
    d.word("names", _LABELS - 14, top + _ROW / 2 + 18, f"{_short(low)} to {_short(high)}", anchor="end", size=SUBSCRIPT)
    for step, x in lefts.items():
        d.bar("grid", x, zero, cell, 1, "currentColor")
        if not np.isnan(values[step]):
            size = values[step] * scale
            d.bar("number", x + 0.12 * cell, zero - max(size, 0.0), 0.76 * cell, abs(size),
                  MARK if step in marked else MEMORY)


def _short(number: float) -> str:
    """A number in two digits, or more if it is large."""
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.2g}".replace("-", "−")


# the Reber grammar: from a state, by a symbol, to a state
_WAYS = {(0, "B"): 1, (1, "T"): 2, (1, "P"): 3, (2, "S"): 2, (2, "X"): 4, (3, "T"): 3, (3, "V"): 5, (4, "X"): 3,
         (4, "S"): 6, (5, "P"): 4, (5, "V"): 6, (6, "E"): 7}
_STATES = ((46, 150), (146, 150), (246, 84), (246, 216), (410, 84), (410, 216), (510, 150), (610, 150))
# how each way is drawn, and where its symbol stands
_ROUTES = {
    (0, "B"): (((66, 150), (126, 150)), (96, 142)),
    (1, "T"): (((146, 130), (146, 84), (226, 84)), (180, 76)),
    (1, "P"): (((146, 170), (146, 216), (226, 216)), (180, 240)),
    (2, "S"): (((234, 68), (234, 34), (258, 34), (258, 66)), (246, 26)),
    (2, "X"): (((266, 84), (390, 84)), (328, 76)),
    (3, "T"): (((234, 232), (234, 266), (258, 266), (258, 234)), (246, 290)),
    (3, "V"): (((266, 216), (390, 216)), (328, 240)),
    (4, "X"): (((398, 100), (398, 150), (246, 150), (246, 196)), (300, 142)),
    (4, "S"): (((430, 84), (510, 84), (510, 130)), (476, 76)),
    (5, "P"): (((418, 198), (418, 102)), (438, 156)),
    (5, "V"): (((430, 216), (510, 216), (510, 170)), (476, 240)),
    (6, "E"): (((530, 150), (590, 150)), (560, 142)),
}
_REBER = (
    "Eight states, numbered 0 to 7, and arrows between them; each arrow writes a symbol. From 0 to 1: B. From 1 to 2: "
    "T; to 3: P. From 2 back to itself: S; to 4: X. From 3 back to itself: T; to 5: V. From 4 to 3: X; to 6: S. From 5 "
    "to 4: P; to 6: V. From 6 to 7, the end: E."
)
_EMBEDDED = (
    "After B the way divides. The upper one writes T, then a whole string of the Reber grammar, then T again; the "
    "lower one P, then a whole string of the Reber grammar, then P again. Both end with E. The first and the last T of "
    "the upper way are brought out, and so are the two P of the lower."
)


def reber_diagram(string: str = "") -> Svg:
    """Draw the graph of the Reber grammar.

    Parameters
    ----------
    string : str, optional
        A string of the grammar, or its beginning, whose way is brought out while the others fade.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Raises
    ------
    ValueError
        If the grammar does not write `string`.

    References
    ----------
    A. S. Reber, "Implicit learning of artificial grammars", Journal of Verbal Learning and Verbal Behavior 6(6), 1967.
    A. Cleeremans, D. Servan-Schreiber and J. McClelland, "Finite state automata and simple recurrent networks",
    Neural Computation 1(3), 1989.

    Examples
    --------
    >>> reber_diagram("BTXSE").title
    'The Reber grammar: BTXSE'
    """
    walked, state = set(), 0
    for symbol in string:
        if (state, symbol) not in _WAYS:
            raise ValueError(f"string is {string!r}; expected one that the Reber grammar writes, such as 'BTXSE'")
        walked.add(f"{symbol}{state}")
        state = _WAYS[state, symbol]
    d = Drawing(_WIDTH, 304, {*walked, "states"} if walked else ())
    for (state, symbol), (points, (x, y)) in _ROUTES.items():
        part = f"{symbol}{state}"
        d.wire(part, *points, colour=MARK if part in walked else "currentColor", bold=part in walked)
        d.word(part, x, y, symbol)
    for number, (x, y) in enumerate(_STATES):
        d.state("states", x, y, str(number))
    words = f" Brought out: the way of {string}." if string else ""
    return d.finish("The Reber grammar" + (f": {string}" if string else ""), _REBER + words)


def embedded_reber_diagram() -> Svg:
    """Draw the graph of the embedded Reber grammar: two copies of the grammar, between the same symbol twice.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, figure 4.

    Examples
    --------
    >>> embedded_reber_diagram().title
    'The embedded Reber grammar'
    """
    d = Drawing(_WIDTH, 224)
    high, middle, low = 52, 112, 172
    for x in (36, 126, 530, 620):
        d.state("states", x, middle, "")
    d.wire("B", (56, middle), (106, middle))
    d.word("B", 81, middle - 8, "B")
    for symbol, y, edge, below in (("T", high, middle - 20, -8), ("P", low, middle + 20, 24)):
        d.wire("first", (126, edge), (126, y), (208, y), colour=MARK, bold=True)
        d.word("first", 166, y + below, symbol)
        d.box("inner", 328, y, "Reber grammar", MEMORY, 240, 56)
        d.wire("last", (448, y), (530, y), (530, edge), colour=MARK, bold=True)
        d.word("last", 490, y + below, symbol)
    d.wire("E", (550, middle), (600, middle))
    d.word("E", 575, middle - 8, "E")
    return d.finish("The embedded Reber grammar", _EMBEDDED)
