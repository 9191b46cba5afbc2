"""Diagrams of the cells, drawn from the same wires, boxes and nodes."""

from __future__ import annotations

from collections.abc import Iterable

from ._svg import GATE, MEMORY, SQUASH, Drawing, Svg

_LSTM = (
    "The cell state runs along the top from C at time t minus 1 to C at time t. On its way it is multiplied by the "
    "forget gate f, and the product of the input gate i and the candidate C tilde is added to it. The hidden state "
    "h at time t minus 1 and the input x at time t are joined at the bottom and feed four boxes: f, i and o squashed "
    "by the logistic function sigma, C tilde by tanh. The new cell state goes on to the right and also, through "
    "tanh, to a product with the output gate o; this product is the new hidden state h at time t."
)


def lstm_diagram(highlight: Iterable[str] = ()) -> Svg:
    """Draw one step of the LSTM.

    Parameters
    ----------
    highlight : iterable of str, optional
        Parts to bring out while the others fade: any of ``"C"`` (the road of the cell state), ``"f"``, ``"i"``,
        ``"C_tilde"``, ``"o"``, ``"h"`` (the way to the output), ``"hx"`` (the joined inputs).

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Raises
    ------
    ValueError
        If `highlight` names a part that the LSTM does not have.

    Examples
    --------
    >>> lstm_diagram().title
    'The LSTM cell'
    >>> lstm_diagram(highlight=["C", "f"]).title
    'The LSTM cell: C, f'
    """
    highlight = list(highlight)
    d = Drawing(592, 378, highlight)
    top, middle, low, bus = 62, 138, 214, 278                   # heights: road of C, i ⊙ C̃, boxes, joined inputs
    f, i, c, o, out = 162, 240, 318, 396, 466                   # columns: the four boxes, the way to the output
    left, right = 52, 540
    previous, now = "t−1", "t"

    d.frame(78, 10, 436, 312)

    d.wire("hx", (left, bus), (o, bus), (o, low + 20))
    d.wire("hx", (106, 346), (106, bus), arrow=False)
    d.dot("hx", 106, bus)
    for x in (f, i, c):
        d.dot("hx", x, bus)
        d.wire("hx", (x, bus), (x, low + 20))
    d.symbol("hx", left - 8, bus + 6, ("h", previous), anchor="end")
    d.symbol("hx", 106, 367, ("x", now))
    d.symbol("hx", 120, bus + 27, ("[h", previous), (", x", now), ("]", ""), anchor="start", size=20)

    for start, stop in ((left, f - 13), (f + 13, c - 13), (c + 13, right)):
        d.wire("C", (start, top), (stop, top), colour=MEMORY, road=True)
    d.node("C", f, top, "⊙", MEMORY)
    d.node("C", c, top, "+", MEMORY)
    d.symbol("C", left - 8, top + 6, ("C", previous), anchor="end")
    d.symbol("C", right + 8, top + 6, ("C", now), anchor="start")

    d.wire("f", (f, low - 20), (f, top + 13), colour=GATE)
    d.box("f", f, low, "σ", GATE)
    d.symbol("f", f + 10, low - 32, ("f", now), anchor="start")

    d.wire("i", (i, low - 20), (i, middle), (c - 13, middle), colour=GATE)
    d.box("i", i, low, "σ", GATE)
    d.symbol("i", i + 10, low - 32, ("i", now), anchor="start")
    d.node("i", c, middle, "⊙")
    d.wire("i", (c, middle - 13), (c, top + 13))

    d.wire("C_tilde", (c, low - 20), (c, middle + 13), colour=SQUASH)
    d.box("C_tilde", c, low, "tanh", SQUASH)
    d.symbol("C_tilde", c + 10, low - 32, ("C˜", now), anchor="start")

    d.dot("h", out, top, MEMORY)
    d.wire("h", (out, top), (out, 91), colour=MEMORY)
    d.function("h", out, 106, "tanh", SQUASH)
    d.wire("h", (out, 121), (out, 156), colour=SQUASH)
    d.node("h", out, 169, "⊙")
    d.wire("h", (out, 182), (out, bus), (right, bus))
    d.symbol("h", right + 8, bus + 6, ("h", now), anchor="start")

    d.wire("o", (o, low - 20), (o, 169), (out - 13, 169), colour=GATE)
    d.box("o", o, low, "σ", GATE)
    d.symbol("o", o - 10, low - 32, ("o", now), anchor="end")

    title = "The LSTM cell" + (f": {', '.join(highlight)}" if highlight else "")
    return d.finish(title, _LSTM + (f" Brought out: {', '.join(highlight)}." if highlight else ""))
