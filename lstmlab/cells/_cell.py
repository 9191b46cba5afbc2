"""What every recurrent cell shares: parameters, validation, and the fast drive over a sequence.

A cell is written twice. ``step`` and ``step_backward`` read like the equations, one line each, and are
what the book derives. ``forward`` and ``backward`` are the same mathematics arranged for speed, and live
here once for all cells: the input product of a whole sequence is one matrix product before the time loop,
the weight gradients are one after it. A cell hands the drive two pointwise functions, `_advance` and
`_retreat`. The tests hold the two forms equal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._validate import require_array, require_integer

Params = dict[str, np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    r"""Logistic function, :math:`\sigma(x) = \tfrac12 (1 + \tanh\tfrac x2) = 1 / (1 + e^{-x})`.

    Written with tanh because that form cannot overflow and is analytic: a complex step passes through it.

    Examples
    --------
    >>> float(sigmoid(np.float64(0.0))), float(sigmoid(np.float64(-1e4)))
    (0.5, 0.0)
    """
    return 0.5 * (1.0 + np.tanh(0.5 * x))


class Sequence(NamedTuple):
    """Tape of a whole sequence: what `Cell.forward` saves and `Cell.backward` reads.

    Attributes
    ----------
    xs : ndarray (T, B, I)
        The inputs.
    mask : ndarray (T, B) of bool, or None
        True where a step counts.
    states : NamedTuple of ndarray (T+1, B, H)
        The cell's state at times 0, ..., T; entry 0 is the initial state.
    gates : ndarray (T, B, G, H)
        The activations of the G gates, in the order of ``cell.gates``.
    """

    xs: np.ndarray
    mask: np.ndarray | None
    states: Any
    gates: np.ndarray


class Cell:
    """Base of the NumPy reference cells.

    A subclass sets ``gates`` (the suffixes of its weights, in order), ``State`` (a NamedTuple whose first
    field is ``h``), and the methods ``step``, ``step_backward``, ``_advance`` and ``_retreat``.

    Parameters
    ----------
    input_size : int
        I, the number of features of one input x_t.
    hidden_size : int
        H, the number of units of the state h_t.

    Raises
    ------
    TypeError, ValueError
        If a size is not a positive integer.
    """

    gates: tuple[str, ...]
    State: type

    def __init__(self, input_size: int, hidden_size: int):
        self.input_size = require_integer("input_size", input_size)
        self.hidden_size = require_integer("hidden_size", hidden_size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(input_size={self.input_size}, hidden_size={self.hidden_size})"

    # -- parameters and states -------------------------------------------------------------------------

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter: per gate one ``W (H, H+I)`` and one ``b (H,)``."""
        H, I = self.hidden_size, self.input_size
        return {k: v for g in self.gates for k, v in ((f"W_{g}", (H, H + I)), (f"b_{g}", (H,)))}

    def init(self, rng: np.random.Generator, forget_bias: float = 1.0, dtype: Any = np.float64) -> Params:
        r"""Draw parameters, uniform in :math:`\pm 1/\sqrt H`; the forget bias is set apart.

        Parameters
        ----------
        rng : numpy.random.Generator
            The source of the numbers; the same generator state gives the same parameters.
        forget_bias : float, optional
            Value of every entry of ``b_f`` (1 by default: at the start a cell remembers rather than
            forgets; Gers, Schmidhuber & Cummins 2000).
        dtype : dtype, optional
            float32 or float64.

        Returns
        -------
        dict of str to ndarray
            The parameters by name.
        """
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng is {type(rng).__name__}; expected numpy.random.Generator, "
                            "as from np.random.default_rng(0)")
        bound = 1.0 / np.sqrt(self.hidden_size)
        params = {name: rng.uniform(-bound, bound, shape).astype(dtype)
                  for name, shape in self.parameter_shapes().items()}
        if "b_f" in params:
            params["b_f"][:] = forget_bias
        return params

    def initial_state(self, batch: int, dtype: Any = np.float64) -> Any:
        """State of zeros, each array ``(batch, H)``: what the cell knows before the first input."""
        batch = require_integer("batch", batch)
        return self.State(*(np.zeros((batch, self.hidden_size), dtype) for _ in self.State._fields))

    # -- a whole sequence ------------------------------------------------------------------------------

    def forward(self, params: Params, xs: np.ndarray, state: Any = None, mask: np.ndarray | None = None):
        """Run the cell over a sequence.

        Parameters
        ----------
        params : dict of str to ndarray
            As `init` returns.
        xs : ndarray (T, B, I)
            Inputs, time first.
        state : NamedTuple of ndarray (B, H), optional
            State before the first input; zeros by default.
        mask : ndarray (T, B) of bool, optional
            False carries the state on unchanged and outputs 0: a sequence shorter than T.

        Returns
        -------
        hs : ndarray (T, B, H)
            Output h_t at every step (0 where masked).
        state : NamedTuple of ndarray (B, H)
            State after the last step.
        tape : Sequence
            What `backward` needs.

        Raises
        ------
        TypeError, ValueError
            If an array has the wrong shape or dtype; the message says what was expected and what came.
        """
        xs = require_array("xs", xs, (None, None, self.input_size), "(T, B, input_size)")
        T, B, _ = xs.shape
        self._check_params(params)
        if state is None:
            state = self.initial_state(B, xs.dtype)
        state = self._check_state("state", state, B)
        if mask is not None:
            mask = require_array("mask", mask, (T, B), "(T, B)", kinds="b")

        H = self.hidden_size
        W_h, W_x, b = self._stack(params)
        zs = xs.reshape(T * B, -1) @ W_x.T + b                    # (T*B, G*H): the input's share, at once
        zs = zs.reshape(T, B, len(self.gates), H)
        states = self.State(*(np.empty((T + 1, B, H), zs.dtype) for _ in state))
        for past, now in zip(states, state, strict=True):
            past[0] = now
        for t in range(T):
            zs[t] += (states.h[t] @ W_h.T).reshape(B, -1, H)
            self._advance(params, zs[t], *(s[t] for s in states), *(s[t + 1] for s in states))
            if mask is not None:
                for s in states:
                    np.copyto(s[t + 1], s[t], where=~mask[t, :, None])
        hs = states.h[1:].copy()
        if mask is not None:
            hs[~mask] = 0.0
        return hs, self.State(*(s[T].copy() for s in states)), Sequence(xs, mask, states, zs)

    def backward(self, params: Params, tape: Sequence, dhs: np.ndarray, dstate: Any = None):
        """Backpropagation through time: gradients of a loss on the outputs and on the final state.

        Parameters
        ----------
        params : dict of str to ndarray
            As given to `forward`.
        tape : Sequence
            As `forward` returned.
        dhs : ndarray (T, B, H)
            Gradient of the loss with respect to every output h_t.
        dstate : NamedTuple of ndarray (B, H), optional
            Gradient with respect to the final state; zeros by default.

        Returns
        -------
        dxs : ndarray (T, B, I)
        dstate0 : NamedTuple of ndarray (B, H)
            Gradient with respect to the initial state.
        dparams : dict of str to ndarray
            Gradient of every parameter, in its shape.
        """
        T, B, _ = tape.xs.shape
        H = self.hidden_size
        dhs = require_array("dhs", dhs, (T, B, H), "(T, B, hidden_size)")
        if dstate is None:
            dstate = self.initial_state(B, dhs.dtype)
        dstate = self.State(*(d.copy() for d in self._check_state("dstate", dstate, B)))

        W_h, W_x, _ = self._stack(params)
        states, mask = tape.states, tape.mask
        dzs = np.empty_like(tape.gates)                           # (T, B, G, H): of the pre-activations
        for t in reversed(range(T)):
            later = dstate
            dstate = later._replace(h=later.h + dhs[t])
            dstate = self._retreat(params, dzs[t], tape.gates[t], dstate,
                                   *(s[t] for s in states), *(s[t + 1] for s in states))
            if mask is not None:
                on = mask[t, :, None]
                dzs[t] *= on[..., None]
                dstate = self.State(*(np.where(on, d, keep) for d, keep in zip(dstate, later, strict=True)))
            dh_recurrent = dzs[t].reshape(B, -1) @ W_h
            dstate = dstate._replace(h=dstate.h + dh_recurrent)
        dz = dzs.reshape(T * B, -1)                               # (T*B, G*H)
        dW = np.concatenate([dz.T @ states.h[:T].reshape(T * B, H),
                             dz.T @ tape.xs.reshape(T * B, -1)], axis=1)
        return (dz @ W_x).reshape(tape.xs.shape), dstate, self._unstack(dW, dz.sum(axis=0))

    # -- what the drive asks of a cell -----------------------------------------------------------------

    def _advance(self, params, z, *states):
        """Turn pre-activations ``z (B, G, H)`` into gates in place; write the state after from the one before."""
        raise NotImplementedError

    def _retreat(self, params, dz, gates, dstate, *states):
        """Write ``dz (B, G, H)``; return the state gradient without the part that comes through the gates."""
        raise NotImplementedError

    def _stack(self, params: Params):
        """One matrix for all gates, cut where h ends and x begins: ``W_h (G*H, H)``, ``W_x (G*H, I)``, ``b``."""
        W = np.concatenate([params[f"W_{g}"] for g in self.gates])
        b = np.concatenate([params[f"b_{g}"] for g in self.gates])
        H = self.hidden_size
        return np.ascontiguousarray(W[:, :H]), np.ascontiguousarray(W[:, H:]), b

    def _unstack(self, dW: np.ndarray, db: np.ndarray) -> Params:
        """Undo `_stack` for the gradients: ``dW (G*H, H+I)`` and ``db (G*H,)`` by parameter name."""
        H = self.hidden_size
        return {k: v for n, g in enumerate(self.gates)
                for k, v in ((f"W_{g}", dW[n * H:(n + 1) * H]), (f"b_{g}", db[n * H:(n + 1) * H]))}

    # -- validation ------------------------------------------------------------------------------------

    def _check_params(self, params: Params) -> None:
        shapes = self.parameter_shapes()
        if not isinstance(params, dict):
            raise TypeError(f"params is {type(params).__name__}; expected a dict of arrays, as {self!r}.init returns")
        if missing := sorted(shapes.keys() - params.keys()):
            raise ValueError(f"params lacks {', '.join(missing)}; {type(self).__name__} has {', '.join(shapes)}")
        if extra := sorted(params.keys() - shapes.keys()):
            raise ValueError(f"params has unknown {', '.join(extra)}; {type(self).__name__} has {', '.join(shapes)}")
        for name, shape in shapes.items():
            words = "(hidden_size, hidden_size + input_size)" if len(shape) == 2 else "(hidden_size,)"
            require_array(name, params[name], shape, words)

    def _check_state(self, name: str, state: Any, batch: int):
        fields = self.State._fields
        if not isinstance(state, tuple) or len(state) != len(fields):
            raise TypeError(f"{name} is {type(state).__name__}; expected {self.State.__name__}({', '.join(fields)})")
        shape = (batch, self.hidden_size)
        return self.State(*(require_array(f"{name}.{field}", value, shape, "(B, hidden_size)")
                            for field, value in zip(fields, state, strict=True)))

    def _check_step(self, params: Params, x: np.ndarray, state: Any) -> None:
        x = require_array("x", x, (None, self.input_size), "(B, input_size)")
        self._check_params(params)
        self._check_state("state", state, len(x))
