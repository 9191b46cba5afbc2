"""How each cell lies in the kernels' arrays: which gate stands in which column, slot and row, and in what phases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ... import cells
from . import pointwise

_NONE = (-1, -1, -1, -1)


class Phase(NamedTuple):
    """A pointwise function and, for its four slots, where products come from and columns are read and written."""

    pointwise: object
    rows: tuple[int, ...]               # row blocks of the recurrent weights that multiply; -1 is none
    read: tuple[int, ...]               # column blocks of the work array
    write: tuple[int, ...]
    source: tuple[int, ...] = _NONE     # backward: column blocks whose gradients are multiplied


@dataclass(frozen=True)
class Plan:
    """The layout of one cell.

    Attributes
    ----------
    inputs : tuple of str
        The gates in the order of the work array's columns, from the first on.
    recurrent : tuple of str
        The gates in the order of the recurrent weights' row blocks; their gradients are the array's last columns.
    width : int
        Column blocks of the work array: one more than there are gates where the two halves of a candidate differ.
    forward, backward : tuple of Phase
        What a step does; the second phase, if there is one, waits for the first of all units.
    from_h : int
        How many of the recurrent row blocks multiply h itself: all, but for a GRU that resets before.
    tape : bool
        Whether the memory over time is an array of its own, since h does not hold it.
    vectors : tuple of str
        Parameters ``(H,)`` that the pointwise function sees; an empty name is none.
    options : tuple of int
        What the pointwise function may ask.
    """

    inputs: tuple[str, ...]
    recurrent: tuple[str, ...]
    width: int
    forward: tuple[Phase, ...]
    backward: tuple[Phase, ...]
    from_h: int
    tape: bool = False
    vectors: tuple[str, ...] = ("", "", "")
    options: tuple[int, ...] = (0,)

    @property
    def slots(self):
        """The row block of every slot, of whichever phase."""
        return tuple(max(rows) for rows in zip(*(phase.rows for phase in self.forward), strict=True))


def plan_of(cell):
    """The plan of a cell, or None if the kernels have none for it."""
    if isinstance(cell, cells.RNN):
        first = (0, -1, -1, -1)
        return Plan(("h",), ("h",), 1, (Phase(pointwise.rnn_forward, first, first, first),),
                    (Phase(pointwise.rnn_backward, first, first, first, first),), from_h=1)
    if isinstance(cell, cells.GRU):
        return (_reset_before if cell.reset == "before" else _reset_after)(int(cell.carry == "1-z"))
    if getattr(cell, "variant", None) == "FGR":
        return None
    return _memory_cell(cell)


def _memory_cell(cell):
    """The LSTM and its relatives: slots f, i, C, o, of which some may be missing."""
    slots = tuple(cell.gates.index(gate) if gate in cell.gates else -1 for gate in "fiCo")
    options = tuple(map(int, ("f" in cell.gates, "i" in cell.gates, "o" in cell.gates, cell.coupled,
                              cell.squash_candidate, cell.squash_output)))
    vectors = tuple(f"p_{gate}" if gate in cell.peepholes else "" for gate in "fio")
    return Plan(cell.gates, cell.gates, len(cell.gates), (Phase(pointwise.lstm_forward, slots, slots, slots),),
                (Phase(pointwise.lstm_backward, slots, slots, slots, slots),), len(cell.gates), True, vectors, options)


def _reset_after(carry):
    """Slots z, r, n, q; columns n, z, r, q: the inputs' gradients are the first three, the recurrent the last."""
    columns, rows = (1, 2, 0, 3), (0, 1, 2, -1)
    return Plan(("n", "z", "r"), ("z", "r", "n"), 4,
                (Phase(pointwise.gru_after_forward, rows, (1, 2, 0, -1), columns),),
                (Phase(pointwise.gru_after_backward, rows, columns, columns, (1, 2, 3, -1)),),
                from_h=3, vectors=("b_hn", "", ""), options=(carry,))


def _reset_before(carry):
    """Slots, columns and rows z, r, n; n's product is with r * h."""
    gates, state = (0, 1, -1, -1), (-1, -1, 2, -1)
    return Plan(("z", "r", "n"), ("z", "r", "n"), 3,
                (Phase(pointwise.gru_before_gates, gates, gates, gates),
                 Phase(pointwise.gru_before_state, state, (0, -1, 2, -1), state)),
                (Phase(pointwise.gru_before_state_backward, gates, (0, -1, 2, -1), (0, -1, 2, -1), gates),
                 Phase(pointwise.gru_before_gates_backward, state, (-1, 1, -1, -1), (-1, 1, -1, -1), state)),
                from_h=2, options=(carry,))
