"""Check a cell's `backward` against numerical gradients of its `forward`."""

from __future__ import annotations

import numpy as np

from .numerical import numerical_gradient
from .report import GradientReport


def check_gradients(cell, params, xs, state=None, *, mask=None, seed: int = 0,
                    tolerance: float = 1e-7) -> GradientReport:
    r"""Compare every gradient that ``cell.backward`` returns with central differences of ``cell.forward``.

    The loss is a random projection of every output and of the final state,
    :math:`L = \sum_t \langle G_t, h_t \rangle + \langle g, s_T \rangle`, so that no path of the gradient is left out.

    Parameters
    ----------
    cell : Cell
        The cell, with `forward` and `backward`.
    params : dict of str to ndarray of float64
        Its parameters.
    xs : ndarray of float64 (T, B, I)
        Inputs.
    state : NamedTuple of ndarray (B, H), optional
        Initial state; drawn at random by default, since a state of zeros hides mistakes.
    mask : ndarray (T, B) of bool, optional
        As in ``cell.forward``.
    seed : int, optional
        Seed of the projection (and of the state, if none is given).
    tolerance : float, optional
        Largest difference, relative to the largest entry of the array, that counts as agreement.

    Returns
    -------
    GradientReport
        ``report.ok``, ``report.max_error``, ``report.errors[name]``; ``print(report)`` shows them.

    Raises
    ------
    TypeError
        If an array is not float64: central differences need the digits.

    Examples
    --------
    >>> from lstmlab import LSTM, check_gradients
    >>> rng = np.random.default_rng(0)
    >>> cell = LSTM(2, 3)
    >>> report = check_gradients(cell, cell.init(rng), rng.normal(size=(4, 2, 2)))
    >>> report.ok
    True
    """
    rng = np.random.default_rng(seed)
    if state is None:
        state = cell.State(*(rng.normal(size=(xs.shape[1], cell.hidden_size)) for _ in cell.State._fields))
    inputs = {"xs": xs, **{f"{k}0": v for k, v in zip(cell.State._fields, state, strict=True)}, **params}
    for name, value in inputs.items():
        if value.dtype != np.float64:
            raise TypeError(f"{name} has dtype {value.dtype}; expected float64: central differences need the digits")

    def run(inputs):
        state = cell.State(*(inputs[f"{k}0"] for k in cell.State._fields))
        return cell.forward({k: inputs[k] for k in params}, inputs["xs"], state, mask)

    hs, last, tape = run(inputs)
    dhs = rng.normal(size=hs.shape)
    dlast = cell.State(*(rng.normal(size=s.shape) for s in last))
    dxs, dstate0, dparams = cell.backward(params, tape, dhs, dlast)
    analytic = {"xs": dxs, **{f"{k}0": v for k, v in zip(cell.State._fields, dstate0, strict=True)}, **dparams}

    def loss(name, value):
        hs, last, _ = run({**inputs, name: value})
        return (dhs * hs).sum() + sum((d * s).sum() for d, s in zip(dlast, last, strict=True))

    numerical = {name: numerical_gradient(lambda v, name=name: loss(name, v), value) for name, value in inputs.items()}
    return GradientReport(analytic, numerical, tolerance)
