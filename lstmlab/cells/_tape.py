"""What a sequence leaves behind for its gradient, and how the drive lays it out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


def rows(columns: np.ndarray) -> np.ndarray:
    """Turn the drive's ``(..., H, B)`` into the reader's ``(..., B, H)``, or back: a view."""
    return columns.swapaxes(-1, -2)


class Sequence(NamedTuple):
    """Tape of a whole sequence: what `Cell.forward` saves and `Cell.backward` reads.

    The names of a step's tape give its values stacked over time: ``tape.f``, ``tape.C_tilde`` or
    ``tape.C`` is ``(T, B, H)``.

    Attributes
    ----------
    xs : ndarray (T, B, I)
        The inputs (0 where masked).
    mask : ndarray (T, B) of bool, or None
        True where a step counts.
    states : NamedTuple of ndarray (T+1, B, H)
        The cell's state at times 0, ..., T; entry 0 is the initial state.
    gates : ndarray (T, B, G, H)
        The activations of the G gates, in the order of ``cell.gates``.
    saved : dict of str to ndarray (T, B, H)
        The activations by name, and what else the cell keeps for its gradient.
    """

    inputs: np.ndarray              # (T, B, I+1): the x_t, and a 1 that the bias multiplies
    mask: np.ndarray | None
    columns: Any                    # states, (T+1, H, B) each
    slots: np.ndarray               # (T, S, H, B)
    names: tuple[str, ...]          # of the S slots
    gate_slots: list[int]           # which of them are the gates

    @property
    def xs(self) -> np.ndarray:
        return self.inputs[..., :-1]

    @property
    def states(self) -> Any:
        return type(self.columns)(*map(rows, self.columns))

    @property
    def gates(self) -> np.ndarray:
        return self.slots[:, self.gate_slots].transpose(0, 3, 1, 2)

    @property
    def saved(self) -> dict[str, np.ndarray]:
        return {name: rows(self.slots[:, k]) for k, name in enumerate(self.names)}

    def __getattr__(self, name: str) -> np.ndarray:
        if name in self.names:
            return self.saved[name]
        if name in self.columns._fields:
            return getattr(self.states, name)[1:]
        raise AttributeError(f"the tape has no {name!r}; it has {', '.join((*self.names, *self.columns._fields))}")


class Read(NamedTuple):
    """One line of `Cell._reads`: the slots from `first` on take a product of the source, in order for `gates`."""

    first: int
    gates: tuple[str, ...]

    @property
    def slots(self) -> slice:
        return slice(self.first, self.first + len(self.gates))
