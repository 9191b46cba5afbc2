"""Diagrams of the cells, drawn from the same wires, boxes and nodes.

What a cell has in common with the LSTM stands in the same place and in the same ink; what differs is drawn in the ink
that figures use for what they want looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ._svg import GATE, MARK, MEMORY, SQUASH, Drawing, Svg

_NOW, _PREVIOUS = "t", "t−1"


class _Columns(NamedTuple):
    """Where the columns of a cell with a memory stand: the four boxes, the way to the output, the right end."""

    f: float
    i: float
    c: float
    o: float
    out: float
    right: float


_TOP, _MIDDLE, _LOW, _BUS = 62, 138, 214, 278                   # heights: road of C, i ⊙ C̃, boxes, joined inputs
_LEFT = 52
_PLAIN = _Columns(162, 240, 318, 396, 466, 540)
_ROOMY = _Columns(186, 280, 358, 460, 530, 604)                 # room for a peephole beside each gate

_LSTM = (
    "The cell state runs along the top from C at time t minus 1 to C at time t. On its way it is multiplied by the "
    "forget gate f, and the product of the input gate i and the candidate C tilde is added to it. The hidden state "
    "h at time t minus 1 and the input x at time t are joined at the bottom and feed four boxes: f, i and o squashed "
    "by the logistic function sigma, C tilde by tanh. The new cell state goes on to the right and also, through "
    "tanh, to a product with the output gate o; this product is the new hidden state h at time t."
)


def lstm_diagram(highlight: Iterable[str] = (), values: Mapping[str, float] | None = None) -> Svg:
    """Draw one step of the LSTM.

    Parameters
    ----------
    highlight : iterable of str, optional
        Parts to bring out while the others fade: any of ``"C"`` (the road of the cell state), ``"f"``, ``"i"``,
        ``"C_tilde"``, ``"o"``, ``"h"`` (the way to the output), ``"hx"`` (the joined inputs).
    values : mapping of str to float, optional
        Numbers of one unit to write beside the symbols: any of ``"x"``, ``"h_prev"``, ``"C_prev"``, ``"f"``, ``"i"``,
        ``"C_tilde"``, ``"C"``, ``"o"``, ``"h"``, and of what stands between them, ``"f*C_prev"``, ``"i*C_tilde"``
        and ``"tanh(C)"``.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Raises
    ------
    ValueError
        If `highlight` or `values` names something that the LSTM does not have.

    Examples
    --------
    >>> lstm_diagram().title
    'The LSTM cell'
    >>> lstm_diagram(highlight=["C", "f"]).title
    'The LSTM cell: C, f'
    >>> lstm_diagram(values={"f": 0.5}).description[-42:]
    'Numbers stand beside the symbols: f 0.500.'
    """
    highlight = list(highlight)
    at = _PLAIN
    d = Drawing(592, 378, highlight, values)
    _memory_cell(d, at, "fico")
    _forget_gate(d, at)
    _input_gate(d, at)
    return _finish(d, "The LSTM cell", _LSTM, highlight)


def peephole_diagram(peepholes: str = "fio", highlight: Iterable[str] = (),
                     values: Mapping[str, float] | None = None) -> Svg:
    """Draw one step of the LSTM with peepholes, these brought out.

    Parameters
    ----------
    peepholes : str, optional
        The gates that have one, any of the letters f, i and o.
    highlight : iterable of str, optional
        As in `lstm_diagram`; the parts ``"p_f"``, ``"p_i"`` and ``"p_o"`` are there for the letters given.
    values : mapping of str to float, optional
        As in `lstm_diagram`.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Raises
    ------
    ValueError
        If `peepholes` has another letter, or `highlight` or `values` names something that is not drawn.

    Examples
    --------
    >>> peephole_diagram("fo").title
    'The peephole LSTM with peepholes at f, o'
    """
    if not isinstance(peepholes, str) or len(set(peepholes)) != len(peepholes) or not set(peepholes) <= set("fio"):
        raise ValueError(f"peepholes is {peepholes!r}; expected some of the letters 'f', 'i', 'o', each once")
    peepholes, highlight = [g for g in "fio" if g in peepholes], list(highlight)
    at = _ROOMY
    d = Drawing(656, 378, highlight, values)
    _memory_cell(d, at, "fico")
    _forget_gate(d, at)
    _input_gate(d, at)
    before, beside_i, after = at.f - 50, at.i - 46, at.o - 44    # where C_{t−1} is tapped, the way to i, where C_t is
    for gate, points in (("f", ((before, _TOP), (before, _LOW), (at.f - 28, _LOW))),
                         ("i", ((before, _TOP), (before, 108), (beside_i, 108), (beside_i, _LOW), (at.i - 28, _LOW))),
                         ("o", ((after, _TOP), (after, _LOW), (at.o - 28, _LOW)))):
        if gate in peepholes:
            d.wire(f"p_{gate}", *points, colour=MARK, bold=True)
            d.dot(f"p_{gate}", *points[0], MARK)
            x, y, anchor = {"f": (before - 8, 160, "end"), "i": (beside_i + 7, 130, "start"),
                            "o": (after + 8, 130, "start")}[gate]
            d.symbol(f"p_{gate}", x, y, ("p", gate), anchor=anchor, size=20)
    seen = {"f": "the forget gate f sees the cell state of time t minus 1, before the product",
            "i": "the input gate i sees the cell state of time t minus 1 as well",
            "o": "the output gate o sees the new cell state of time t, after the sum"}
    added = ("Brought out by colour are the peepholes, wires from the cell state to the gates: "
             + "; ".join(seen[g] for g in peepholes) + "." if peepholes else "No gate has a peephole.")
    title = "The peephole LSTM" + (f" with peepholes at {', '.join(peepholes)}" if peepholes else " without peepholes")
    return _finish(d, title, f"{_LSTM} {added}", highlight)


def carousel_diagram(highlight: Iterable[str] = ()) -> Svg:
    """Draw one step of today's LSTM without its forget gate, the road without a gate brought out.

    Parameters
    ----------
    highlight : iterable of str, optional
        As in `lstm_diagram`; there is no part ``"f"``.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Raises
    ------
    ValueError
        If `highlight` names a part that is not drawn.

    Examples
    --------
    >>> carousel_diagram().title
    'The LSTM without a forget gate'
    """
    highlight = list(highlight)
    at = _PLAIN
    d = Drawing(592, 378, highlight)
    _memory_cell(d, at, "ico")
    _input_gate(d, at)
    description = (
        "The cell state runs along the top from C at time t minus 1 to C at time t. Its road is brought out by colour: "
        "nothing stands on it but a sum, where the product of the input gate i and the candidate C tilde is added. The "
        "hidden state h at time t minus 1 and the input x at time t are joined at the bottom and feed three boxes: i "
        "and the output gate o, squashed by the logistic function sigma, and C tilde, by tanh. The new cell state goes "
        "on to the right and also, through tanh, to a product with o, which is the new hidden state h at time t.")
    return _finish(d, "The LSTM without a forget gate", description, highlight)


def cifg_diagram(highlight: Iterable[str] = (), values: Mapping[str, float] | None = None) -> Svg:
    """Draw one step of the LSTM with coupled forget and input gates, the coupling brought out.

    Parameters
    ----------
    highlight : iterable of str, optional
        As in `lstm_diagram`; the part ``"i"`` is the coupling.
    values : mapping of str to float, optional
        As in `lstm_diagram`.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Raises
    ------
    ValueError
        If `highlight` or `values` names something that is not drawn.

    Examples
    --------
    >>> cifg_diagram().title
    'The LSTM with coupled gates'
    """
    highlight = list(highlight)
    at = _PLAIN
    d = Drawing(592, 378, highlight, values)
    _memory_cell(d, at, "fco")
    _forget_gate(d, at, above=_MIDDLE)
    d.dot("i", at.f, _MIDDLE, MARK)
    d.wire("i", (at.f, _MIDDLE), (at.i - 34, _MIDDLE), colour=MARK, bold=True)
    d.function("i", at.i - 6, _MIDDLE, "1−", MARK)
    d.wire("i", (at.i + 22, _MIDDLE), (at.c - 13, _MIDDLE), colour=MARK, bold=True)
    d.symbol("i", at.i + 38, _MIDDLE + 24, ("i", _NOW))
    d.reading("i", "i", at.i + 26, _MIDDLE - 8)
    d.node("i", at.c, _MIDDLE, "⊙")
    d.wire("i", (at.c, _MIDDLE - 13), (at.c, _TOP + 13))
    d.reading("i", "i*C_tilde", at.c + 8, _MIDDLE - 30)
    description = (
        "As the LSTM, but with three boxes: the forget gate f, the candidate C tilde and the output gate o. The cell "
        "state runs along the top and is multiplied by f. Brought out by colour is the coupling: a branch of f goes "
        "through one-minus and becomes the input gate i, which multiplies the candidate; that product is added to the "
        "cell state. There is no box for i. The new cell state, through tanh and times o, is the new hidden state.")
    return _finish(d, "The LSTM with coupled gates", description, highlight)


def gru_diagram(reset: str = "after", carry: str = "z", highlight: Iterable[str] = (),
                values: Mapping[str, float] | None = None) -> Svg:
    """Draw one step of the GRU in one of its four conventions, what it does not share with the LSTM brought out.

    Parameters
    ----------
    reset : {"after", "before"}, optional
        Whether the reset gate multiplies the recurrent product or the state that enters it.
    carry : {"z", "1-z"}, optional
        What multiplies the old state.
    highlight : iterable of str, optional
        Parts to bring out while the others fade: any of ``"h"`` (the road of the state), ``"z"``, ``"r"`` (the gate
        and the way of the state through it), ``"n"``, ``"hx"`` (the inputs).
    values : mapping of str to float, optional
        Numbers of one unit to write beside the symbols: any of ``"x"``, ``"h_prev"``, ``"z"``, ``"r"``, ``"n"``,
        ``"h"``, and of the two products on the road, ``"kept"`` and ``"taken"``; with reset ``"after"`` also ``"m"``.

    Returns
    -------
    Svg
        The diagram; a notebook shows it.

    Raises
    ------
    ValueError
        If `reset` or `carry` is another word, or `highlight` or `values` names something that is not drawn.

    Examples
    --------
    >>> gru_diagram("before", "1-z").title
    'The GRU, reset before, carry 1−z'
    """
    for name, value, known in (("reset", reset, ("after", "before")), ("carry", carry, ("z", "1-z"))):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; expected {known[0]!r} or {known[1]!r}")
    highlight = list(highlight)
    top, mix, meet, low, bus, lane = 62, 146, 204, 272, 334, 366    # heights; mix: z and n, meet: r and h, lane: x
    r, z, n, right = 172, 266, 424, 516
    entry = 106
    d = Drawing(568, 426, highlight, values)
    d.frame(78, 10, 412, 374)

    for start, stop in ((_LEFT, z - 13), (z + 13, n - 13), (n + 13, right)):
        d.wire("h", (start, top), (stop, top), colour=MEMORY, road=True)
    d.node("h", z, top, "⊙", MEMORY)
    d.node("h", n, top, "+", MEMORY)
    d.symbol("h", _LEFT - 8, top + 6, ("h", _PREVIOUS), anchor="end")
    d.symbol("h", right + 8, top + 6, ("h", _NOW), anchor="start")
    d.reading("h", "h_prev", _LEFT - 4, top + 27, "end")
    d.reading("h", "kept", (z + n) / 2, top - 9, "middle")
    d.reading("h", "h", right + 51, top + 27, "end")

    d.dot("hx", entry, top, MEMORY)
    d.wire("hx", (entry, top), (entry, bus), arrow=False)
    d.wire("hx", (entry, 394), (entry, bus), arrow=False)
    d.symbol("hx", entry, 415, ("x", _NOW))
    d.reading("hx", "x", entry + 18, 415)
    d.dot("hx", entry, bus)
    d.wire("hx", (entry, bus), (z, bus), (z, low + 20))
    d.dot("hx", r, bus)
    d.wire("hx", (r, bus), (r, low + 20))
    d.dot("hx", entry, lane)
    d.wire("hx", (entry, lane), (n, lane), (n, low + 20))
    d.symbol("hx", 188, bus - 9, ("[h", _PREVIOUS), (", x", _NOW), ("]", ""), anchor="start", size=17)
    d.symbol("hx", n - 12, lane - 9, ("x", _NOW), anchor="end", size=17)

    d.box("r", r, low, "σ", GATE)
    d.symbol("r", r - 10, low - 30, ("r", _NOW), anchor="end")
    d.reading("r", "r", r - 17, low - 50, "end")
    d.wire("r", (r, low - 20), (r, meet + 13), colour=GATE)
    d.node("r", r, meet, "⊙", MARK)
    d.dot("r", r, top, MARK)
    if reset == "after":
        d.wire("r", (r, top), (r, 108), colour=MARK, bold=True)
        d.box("r", r, 128, "W", MARK)
        d.wire("r", (r, 148), (r, meet - 13), colour=MARK, bold=True)
        d.symbol("r", r + 9, 178, ("m", _NOW), anchor="start")
        d.reading("r", "m", r + 36, 177)
    else:
        d.wire("r", (r, top), (r, meet - 13), colour=MARK, bold=True)
    d.wire("r", (r + 13, meet), (n - 58, meet), (n - 58, low), (n - 28, low), colour=MARK, bold=True)

    d.box("z", z, low, "σ", GATE)
    d.symbol("z", z + 10, low - 30, ("z", _NOW), anchor="start")
    d.reading("z", "z", z + 9, low - 49)
    d.dot("z", z, mix, GATE)
    one_minus = (z + n - 13) / 2
    if carry == "z":
        d.wire("z", (z, low - 20), (z, top + 13), colour=GATE)
        d.wire("z", (z, mix), (one_minus - 28, mix), colour=MARK, bold=True)
        d.function("z", one_minus, mix, "1−", MARK)
        d.wire("z", (one_minus + 28, mix), (n - 13, mix), colour=MARK, bold=True)
    else:
        d.wire("z", (z, low - 20), (z, mix), colour=GATE, arrow=False)
        d.wire("z", (z, mix), (z, 122), colour=MARK, bold=True)
        d.function("z", z, 107, "1−", MARK)
        d.wire("z", (z, 92), (z, top + 13), colour=MARK, bold=True)
        d.wire("z", (z, mix), (n - 13, mix), colour=GATE)

    d.box("n", n, low, "tanh", SQUASH)
    d.symbol("n", n + 10, low - 30, ("n", _NOW), anchor="start")
    d.reading("n", "n", n + 9, low - 49)
    d.wire("n", (n, low - 20), (n, mix + 13), colour=SQUASH)
    d.node("n", n, mix, "⊙")
    d.wire("n", (n, mix - 13), (n, top + 13))
    d.reading("n", "taken", n + 8, top + 46)

    keep, take = ("z", "1 minus z") if carry == "z" else ("1 minus z", "z")
    description = (
        "The hidden state runs along the top from h at time t minus 1 to h at time t. On its way it is multiplied by "
        f"{keep}, and the candidate n times {take} is added to it. The gates r and z read the joined h and x. Brought "
        "out by colour are the one-minus and the way of the old state through the reset gate into the candidate: "
        + ("it passes a box of weights W first, and r multiplies the result m. " if reset == "after" else
           "r multiplies it first, and the weights come after, in the candidate's own box. ")
        + "The candidate's box, tanh, reads the input x beside it.")
    return _finish(d, f"The GRU, reset {reset}, carry {carry.replace('-', '−')}", description, highlight)


# -- what the cells with a memory share ----------------------------------------------------------------

def _memory_cell(d: Drawing, at: _Columns, boxes: str) -> None:
    """All but the forget and the input gate: inputs to these `boxes`, the road of C, the candidate, the output.

    Without a box f the road has no product, and is brought out.
    """
    d.frame(78, 10, at.right - 104, 312)

    d.wire("hx", (_LEFT, _BUS), (at.o, _BUS), (at.o, _LOW + 20))
    d.wire("hx", (106, 346), (106, _BUS), arrow=False)
    d.dot("hx", 106, _BUS)
    for box in boxes.replace("o", ""):
        x = getattr(at, box)
        d.dot("hx", x, _BUS)
        d.wire("hx", (x, _BUS), (x, _LOW + 20))
    d.symbol("hx", _LEFT - 8, _BUS + 6, ("h", _PREVIOUS), anchor="end")
    d.symbol("hx", 106, 367, ("x", _NOW))
    d.reading("hx", "h_prev", _LEFT - 4, _BUS + 27, "end")
    d.reading("hx", "x", 124, 367)
    d.symbol("hx", 120, _BUS + 27, ("[h", _PREVIOUS), (", x", _NOW), ("]", ""), anchor="start", size=20)

    if "f" in boxes:
        d.wire("C", (_LEFT, _TOP), (at.f - 13, _TOP), colour=MEMORY, road=True)
        d.wire("C", (at.f + 13, _TOP), (at.c - 13, _TOP), colour=MEMORY, road=True)
        d.node("C", at.f, _TOP, "⊙", MEMORY)
    else:
        d.wire("C", (_LEFT, _TOP), (at.c - 13, _TOP), colour=MARK, road=True)
    d.wire("C", (at.c + 13, _TOP), (at.right, _TOP), colour=MEMORY, road=True)
    d.node("C", at.c, _TOP, "+", MEMORY)
    d.symbol("C", _LEFT - 8, _TOP + 6, ("C", _PREVIOUS), anchor="end")
    d.symbol("C", at.right + 8, _TOP + 6, ("C", _NOW), anchor="start")
    d.reading("C", "C_prev", _LEFT - 4, _TOP + 27, "end")
    d.reading("C", "C", at.right + 51, _TOP + 27, "end")

    d.wire("C_tilde", (at.c, _LOW - 20), (at.c, _MIDDLE + 13), colour=SQUASH)
    d.box("C_tilde", at.c, _LOW, "tanh", SQUASH)
    d.symbol("C_tilde", at.c + 10, _LOW - 32, ("C˜", _NOW), anchor="start")
    d.reading("C_tilde", "C_tilde", at.c + 13, _MIDDLE + 17)

    d.dot("h", at.out, _TOP, MEMORY)
    d.wire("h", (at.out, _TOP), (at.out, 91), colour=MEMORY)
    d.function("h", at.out, 106, "tanh", SQUASH)
    d.reading("h", "tanh(C)", at.out - 9, 150, "end")
    d.wire("h", (at.out, 121), (at.out, 156), colour=SQUASH)
    d.node("h", at.out, 169, "⊙")
    d.wire("h", (at.out, 182), (at.out, _BUS), (at.right, _BUS))
    d.symbol("h", at.right + 8, _BUS + 6, ("h", _NOW), anchor="start")
    d.reading("h", "h", at.right + 51, _BUS + 27, "end")

    d.wire("o", (at.o, _LOW - 20), (at.o, 169), (at.out - 13, 169), colour=GATE)
    d.box("o", at.o, _LOW, "σ", GATE)
    d.symbol("o", at.o - 10, _LOW - 32, ("o", _NOW), anchor="end")
    d.reading("o", "o", at.o + 8, 188)


def _forget_gate(d: Drawing, at: _Columns, above: float = _LOW - 43) -> None:
    """The forget gate's box and its way up; its value stands `above` a height that something else may take."""
    d.wire("f", (at.f, _LOW - 20), (at.f, _TOP + 13), colour=GATE)
    d.box("f", at.f, _LOW, "σ", GATE)
    d.symbol("f", at.f + 10, _LOW - 32, ("f", _NOW), anchor="start")
    d.reading("f", "f", at.f + 9, above - 9)
    d.reading("C", "f*C_prev", (at.f + at.c) / 2, _TOP - 9, "middle")


def _input_gate(d: Drawing, at: _Columns) -> None:
    """The input gate with a box of its own, and its product with the candidate."""
    d.wire("i", (at.i, _LOW - 20), (at.i, _MIDDLE), (at.c - 13, _MIDDLE), colour=GATE)
    d.box("i", at.i, _LOW, "σ", GATE)
    d.symbol("i", at.i + 10, _LOW - 32, ("i", _NOW), anchor="start")
    d.reading("i", "i", at.i + 9, _LOW - 52)
    d.node("i", at.c, _MIDDLE, "⊙")
    d.wire("i", (at.c, _MIDDLE - 13), (at.c, _TOP + 13))
    d.reading("i", "i*C_tilde", at.c + 8, _MIDDLE - 30)


def _finish(d: Drawing, title: str, description: str, highlight: list[str]) -> Svg:
    parts = ", ".join(highlight)
    return d.finish(f"{title}: {parts}" if parts else title,
                    f"{description} Brought out: {parts}." if parts else description)
