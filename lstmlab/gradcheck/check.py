"""Check a cell's `backward` against numerical gradients of its `forward`."""

from __future__ import annotations

import numpy as np

from .numerical import CENTRAL_STEP, complex_step_gradient, directional_derivative, numerical_gradient
from .report import GradientReport


def check_gradients(cell, params, xs, state=None, *, mask=None, method: str = "central", seed: int = 0,
                    tolerance: float | None = None) -> GradientReport:
    r"""Compare every gradient that ``cell.backward`` returns with a numerical one of ``cell.forward``.

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
    method : {"central", "complex", "directional"}, optional
        ``"central"``: central differences, entry by entry. Entries that they cannot resolve, because their
        own rounding error is larger than what is asked, are taken by complex step where `forward` allows.
        ``"complex"``: complex steps, exact to rounding; `forward` must carry complex numbers.
        ``"directional"``: one random direction per array; two runs each, for large models.
    seed : int, optional
        Seed of the projection and of directions (and of the state, if none is given).
    tolerance : float, optional
        Largest difference, relative to the largest entry of the array (for a direction, to the norm of the
        gradient), that counts as agreement. By default 1e-7, for complex steps 1e-10.

    Returns
    -------
    GradientReport
        ``report.ok``, ``report.max_error``, ``report.errors[name]``; ``print(report)`` shows them,
        ``report.plot()`` draws them.

    Raises
    ------
    TypeError
        If an array is not float64: differences need the digits.
    ValueError
        If `backward` lacks a gradient, returns one of a wrong shape, or the cell changes what it is given.

    Examples
    --------
    >>> from lstmlab import LSTM, check_gradients
    >>> rng = np.random.default_rng(0)
    >>> cell = LSTM(2, 3)
    >>> params, xs = cell.init(rng), rng.normal(size=(4, 2, 2))
    >>> check_gradients(cell, params, xs).ok
    True
    >>> check_gradients(cell, params, xs, method="complex").max_error < 1e-13
    True
    """
    if method not in _METHODS:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(map(repr, _METHODS))}")
    rng = np.random.default_rng(seed)
    if state is None:
        state = cell.State(*(rng.normal(size=(xs.shape[1], cell.hidden_size)) for _ in cell.State._fields))
    problem = _Problem(cell, params, xs, state, mask, rng)
    compare, usual_tolerance = _METHODS[method]
    return compare(problem, usual_tolerance if tolerance is None else tolerance)


class _Problem:
    """A cell at a point: its inputs by name, the loss as a function of any one of them, and `backward`'s gradients."""

    def __init__(self, cell, params, xs, state, mask, rng):
        fields = [f"{field}0" for field in cell.State._fields]
        self.inputs = {"xs": xs, **dict(zip(fields, state, strict=True)), **params}
        self.rng = rng
        self._cell, self._fields, self._names, self._mask = cell, fields, tuple(params), mask
        for name, value in self.inputs.items():
            if value.dtype != np.float64:
                raise TypeError(f"{name} has dtype {value.dtype}; expected float64: differences need the digits")
        before = _copies(self.inputs)
        hs, last, tape = self._run(self.inputs)
        _require_unchanged("forward", before, self.inputs)
        self._dhs = rng.normal(size=hs.shape)
        self._dlast = cell.State(*(rng.normal(size=s.shape) for s in last))
        given = {**self.inputs, "dhs": self._dhs, **self._dlast._asdict()}
        before = _copies(given)
        dxs, dstate0, dparams = cell.backward(params, tape, self._dhs, self._dlast)
        _require_unchanged("backward", before, given)
        self.analytic = {"xs": dxs, **dict(zip(fields, dstate0, strict=True)), **dparams}
        self._require_gradients()
        terms = [self._dhs * hs, *(d * s for d, s in zip(self._dlast, last, strict=True))]
        self.rounding = 4 * np.finfo(np.float64).eps * sum(np.abs(term).sum() for term in terms)

    def scale(self, analytic, numerical, tolerance):
        """What errors are relative to: the largest entry, but never so small that rounding alone would be an error.

        A saturated gate's y (1 − y) keeps only the digits that 1 − y has left: no float64 code does better.
        """
        return max(np.abs(analytic).max(), np.abs(numerical).max(), self.rounding / tolerance)

    def loss(self, name):
        """The loss as a function of the input of that name."""
        def f(value):
            hs, last, _ = self._run({**self.inputs, name: value})
            return (self._dhs * hs).sum() + sum((d * s).sum() for d, s in zip(self._dlast, last, strict=True))
        return f

    def _run(self, inputs):
        state = self._cell.State(*(inputs[field] for field in self._fields))
        return self._cell.forward({k: inputs[k] for k in self._names}, inputs["xs"], state, self._mask)

    def _require_gradients(self):
        for name, value in self.inputs.items():
            if name not in self.analytic:
                raise ValueError(f"backward returned no gradient of {name}")
            if np.shape(self.analytic[name]) != value.shape:
                raise ValueError(f"the gradient of {name} has shape {np.shape(self.analytic[name])}; "
                                 f"expected {value.shape}, that of {name}")
        self.analytic = {name: self.analytic[name] for name in self.inputs}


def _copies(arrays):
    return {name: value.copy() for name, value in arrays.items()}


def _require_unchanged(who, before, after):
    for name, value in before.items():
        if not np.array_equal(after[name], value, equal_nan=True):
            raise ValueError(f"{who} changed {name} in place; expected its arguments to stay as they were")


def _central(problem: _Problem, tolerance: float) -> GradientReport:
    numerical, unresolved = {}, {}
    for name, value in problem.inputs.items():
        analytic, differences = problem.analytic[name], numerical_gradient(problem.loss(name), value)
        floor = problem.rounding / (CENTRAL_STEP * np.maximum(1, np.abs(value)))
        size = np.maximum(np.abs(analytic), np.abs(differences))
        unresolved[name] = (floor > tolerance * size.max()) | (size < floor)
        numerical[name] = differences
        if unresolved[name].any():
            settled = _settle(problem.loss(name), value, analytic, differences, floor)
            numerical[name] = np.where(unresolved[name], settled, differences)
    scales = {name: problem.scale(problem.analytic[name], numerical[name], tolerance) for name in numerical}
    return GradientReport(problem.analytic, numerical, tolerance, "central difference", scales, unresolved)


def _complex(problem: _Problem, tolerance: float) -> GradientReport:
    numerical = {name: complex_step_gradient(problem.loss(name), value) for name, value in problem.inputs.items()}
    scales = {name: problem.scale(problem.analytic[name], numerical[name], tolerance) for name in numerical}
    return GradientReport(problem.analytic, numerical, tolerance, "complex step", scales)


def _directional(problem: _Problem, tolerance: float) -> GradientReport:
    along, numerical, scales, unresolved = {}, {}, {}, {}
    for name, value in problem.inputs.items():
        v = problem.rng.choice([-1.0, 1.0], size=value.shape)
        along[name] = np.asarray((problem.analytic[name] * v).sum())
        difference = np.asarray(directional_derivative(problem.loss(name), value, v))
        floor = problem.rounding / (CENTRAL_STEP * max(1.0, np.abs(value).max()))
        scales[name] = problem.scale(np.linalg.norm(problem.analytic[name]), difference, tolerance)
        unresolved[name] = np.asarray(floor > tolerance * scales[name])
        numerical[name] = difference
        if unresolved[name]:
            line = _along(problem.loss(name), value, v)
            numerical[name] = _settle(line, np.zeros(()), along[name], difference, floor)
    return GradientReport(along, numerical, tolerance, "directional difference", scales, unresolved)


def _along(f, x, v):
    """The function of one number that `f` is on the line through `x` along `v`."""
    return lambda s: f(x + s * v)


def _settle(f, x, analytic, differences, floor):
    """What differences cannot resolve, by complex step; where `f` carries none, noise contradicts nothing."""
    try:
        return complex_step_gradient(f, x)
    except (TypeError, ValueError):
        return np.where(np.abs(analytic - differences) <= floor, analytic, differences)


_METHODS = {"central": (_central, 1e-7), "complex": (_complex, 1e-10), "directional": (_directional, 1e-7)}
