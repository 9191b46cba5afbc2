"""A cell run by the lines of its `step` and `step_backward`, so that a check judges the lines that a reader reads."""

from __future__ import annotations

import inspect
import sys
import textwrap

import numpy as np


def by_steps(cell, *delete: str, instead: str = ""):
    """The cell with a `forward` and a `backward` that loop over `step` and `step_backward`.

    Parameters
    ----------
    cell : Cell
        Any cell of the package.
    *delete : str
        Pieces of the source of its `step_backward`, to be lost: what does a check say about a gradient without them?
    instead : str, optional
        What stands in the place of each.

    Returns
    -------
    Steps
        For `check_gradients`. It knows no mask.

    Raises
    ------
    ValueError
        If a piece does not stand exactly once in `step_backward`.

    Examples
    --------
    >>> from lstmlab import LSTM, check_gradients
    >>> from lstmlab.gradcheck import by_steps
    >>> rng = np.random.default_rng(0)
    >>> cell, xs = LSTM(2, 3), rng.normal(size=(4, 2, 2))
    >>> check_gradients(by_steps(cell), cell.init(rng), xs).ok
    True
    >>> check_gradients(by_steps(cell, "dC + "), cell.init(rng), xs).ok
    False
    """
    return Steps(cell, _edited(type(cell), delete, instead) if delete else type(cell).step_backward)


class Steps:
    """What `by_steps` returns."""

    def __init__(self, cell, step_backward):
        self.State, self.hidden_size = cell.State, cell.hidden_size
        self._cell, self._step_backward = cell, step_backward

    def forward(self, params, xs, state=None, mask=None):
        """As `Cell.forward`; the tape is a list of the steps' tapes."""
        if mask is not None:
            raise ValueError("mask is given; single steps know none")
        state = self._cell.initial_state(xs.shape[1]) if state is None else state
        hs, tapes = [], []
        for x in xs:
            state, tape = self._cell.step(params, x, state)
            hs.append(state.h)
            tapes.append(tape)
        return np.stack(hs), state, tapes

    def step_backward(self, params, tape, dstate):
        """As that of the cell, less what was to be lost."""
        return self._step_backward(self._cell, params, tape, dstate)

    def backward(self, params, tapes, dhs, dstate=None):
        """As `Cell.backward`."""
        dstate = self.State(*(np.zeros_like(dhs[0]) for _ in self.State._fields)) if dstate is None else dstate
        dparams, dxs = {name: np.zeros_like(value) for name, value in params.items()}, []
        for tape, dh in zip(reversed(tapes), reversed(dhs), strict=True):
            dx, dstate, here = self.step_backward(params, tape, dstate._replace(h=dstate.h + dh))
            dxs.append(dx)
            dparams = {name: dparams[name] + here[name] for name in dparams}
        return np.stack(dxs[::-1]), dstate, dparams


def _edited(kind, pieces, new):
    """The function `step_backward` of a class with pieces of its source replaced."""
    source = textwrap.dedent(inspect.getsource(kind.step_backward))
    for old in pieces:
        if (times := source.count(old)) != 1:
            raise ValueError(f"{old!r} stands {times} times in {kind.__name__}.step_backward; expected once")
        source = source.replace(old, new)
    namespace = dict(vars(sys.modules[kind.__module__]))
    exec(source, namespace)  # the package's own source, less some terms
    return namespace["step_backward"]
