"""Diagrams of the simple recurrent network: one step, the steps in a row, and the gradient's way back."""

from __future__ import annotations

from collections.abc import Iterable

from ._style import ink
from ._svg import SQUASH, Drawing, Svg

MARK = ink("mark")

_RNN = (
    "The hidden state h at time t minus 1 comes in from the left, the input x at time t from below. They are joined "
    "and feed one box, squashed by tanh. What leaves the box is the new hidden state h at time t. Nothing goes past "
    "the box."
)
_UNROLLED = (
    "Three copies of the same step stand in a row. Copy t reads the input x at time t from below and the state h at "
    "time t minus 1 from its left; it hands h at time t to its right neighbour and, upwards, to the loss L at time t."
)
_BACK = (
    " Gradients run the other way, from right to left below the states and from the losses down: each state receives a "
    "share from its loss and a share from the step after it."
)


def rnn_diagram(highlight: Iterable[str] = ()) -> Svg:
    """Draw one step of the simple recurrent network.

    Parameters
    ----------
    highlight : iterable of str, optional
        Parts to bring out while the others fade: ``"h"`` (the box and what it writes), ``"hx"`` (the joined inputs).

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Raises
    ------
    ValueError
        If `highlight` names a part that the network does not have.

    Examples
    --------
    >>> rnn_diagram().title
    'The simple recurrent network'
    """
    highlight = list(highlight)
    d = Drawing(592, 190, highlight)
    bus, box, left, right, join = 70, 320, 52, 540, 150
    d.frame(78, 10, 436, 124)
    d.wire("hx", (left, bus), (box - 28, bus))
    d.wire("hx", (join, 158), (join, bus), arrow=False)
    d.dot("hx", join, bus)
    d.symbol("hx", left - 8, bus + 6, ("h", "t−1"), anchor="end")
    d.symbol("hx", join, 180, ("x", "t"))
    d.symbol("hx", join + 14, bus + 30, ("[h", "t−1"), (", x", "t"), ("]", ""), anchor="start", size=20)
    d.box("h", box, bus, "tanh", SQUASH)
    d.wire("h", (box + 28, bus), (right, bus))
    d.symbol("h", right + 8, bus + 6, ("h", "t"), anchor="start")
    title = "The simple recurrent network" + (f": {', '.join(highlight)}" if highlight else "")
    return d.finish(title, _RNN + (f" Brought out: {', '.join(highlight)}." if highlight else ""))


def unrolled_diagram() -> Svg:
    """Draw three steps of a recurrent network in a row, with a loss on each.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Examples
    --------
    >>> unrolled_diagram().title
    'A recurrent network, unrolled'
    """
    d = Drawing(592, 258)
    _steps(d, 138)
    return d.finish("A recurrent network, unrolled", _UNROLLED)


def backward_diagram(detached: bool = False) -> Svg:
    """Draw the way of the gradient back through three steps.

    Parameters
    ----------
    detached : bool, optional
        Cut the way between the second and the third step, as truncation does: the state still goes forward.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Examples
    --------
    >>> backward_diagram(detached=True).title
    'The way back, cut between two chunks'
    """
    d = Drawing(592, 258)
    y, below = 138, 165
    _steps(d, y)
    for k, (x, _) in enumerate(_COLUMNS):
        d.wire("loss", (x + 52, 62), (x + 52, y - 9), colour=MARK)
        start = x + 122
        if k < 2 and not (detached and k == 1):
            d.wire("gradient", (start, below), (x + 28, below), colour=MARK)
        if k == 0:
            d.wire("gradient", (x - 28, below), (52, below), colour=MARK)
    if detached:
        cut = (_COLUMNS[1][0] + _COLUMNS[2][0]) / 2
        d.wire("cut", (_COLUMNS[2][0] - 28, below), (cut + 8, below), colour=MARK)
        d.wire("cut", (cut, below - 16), (cut, below + 16), colour=MARK, arrow=False, road=True)
        d.symbol("cut", cut, below + 38, ("detached", ""), size=18)
    title = "The way back, cut between two chunks" if detached else "The way back through three steps"
    cut_words = " Between the second and the third step the state goes on, but the gradient stops." if detached else ""
    return d.finish(title, _UNROLLED + _BACK + cut_words)


_COLUMNS = ((132, "t−1"), (282, "t"), (432, "t+1"))


def _steps(d: Drawing, y: float) -> None:
    """Three boxes in a row on height `y`, their inputs, their states and the losses that read them."""
    d.wire("state", (52, y), (_COLUMNS[0][0] - 28, y))
    d.symbol("state", 44, y + 6, ("h", "t−2"), anchor="end")
    for x, time in _COLUMNS:
        d.wire("x", (x, 222), (x, y + 20))
        d.symbol("x", x, 246, ("x", time))
        d.box("state", x, y, "tanh", SQUASH)
        stop = x + 122 if time != "t+1" else 540
        d.wire("state", (x + 28, y), (stop, y))
        d.dot("state", x + 66, y)
        d.wire("loss", (x + 66, y), (x + 66, 62))
        d.symbol("loss", x + 66, 50, ("L", time))
        d.symbol("state", x + 78, y - 12, ("h", time), anchor="start")
