r"""What every recurrent cell shares: parameters, validation, and the fast drive over a sequence.

A cell is written twice. ``step`` and ``step_backward`` read like the equations, one line each, and are
what the book derives. ``forward`` and ``backward`` are the same mathematics arranged for speed, and live
here once for all cells. The tests hold the two forms equal. Three arrangements make the speed:

- The input product, the weight gradients and the input gradient are matrix products of `CHUNK` steps at a
  time, outside the time loop; inside it stays the one product that must wait, of the weights with h_{t-1}.
- The batch comes last inside the drive: a state is ``(H, B)``, so each gate's share of the tape is one
  contiguous block and a gate's equation is the column-vector one, ``W @ h``.
- The sigmoid is :math:`\tfrac12 (1 + \tanh\tfrac x2)`. The drive halves the weights of every sigmoid gate
  beforehand (exactly, a power of two), so one tanh serves all gates of a step.

A cell hands the drive a table, `Cell._reads`, of which source feeds which gates, and three pointwise
functions: `_advance`, a step; `_slopes`, the derivatives of a chunk of steps; `_retreat`, a step back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._tape import Read, Sequence, rows
from ._validate import require_dtype, require_floats, require_integer, require_mask

Params = dict[str, np.ndarray]

CHUNK = 8       # steps whose products are done together: many rows for the product, yet all of it stays in cache


def sigmoid(x: np.ndarray) -> np.ndarray:
    r"""Logistic function, :math:`\sigma(x) = \tfrac12 (1 + \tanh\tfrac x2) = 1 / (1 + e^{-x})`.

    Written with tanh because that form cannot overflow and is analytic: a complex step passes through it.

    Examples
    --------
    >>> float(sigmoid(np.float64(0.0))), float(sigmoid(np.float64(-1e4)))
    (0.5, 0.0)
    """
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def finish_sigmoid(t: np.ndarray) -> None:
    """Turn :math:`t = \\tanh(x/2)` into :math:`\\sigma(x)`, in place."""
    t *= 0.5
    t += 0.5


def sigmoid_slope(y: np.ndarray) -> np.ndarray:
    """Derivative of a sigmoid whose value is `y`, :math:`y (1 - y)`."""
    return (1 - y) * y


def tanh_slope(y: np.ndarray) -> np.ndarray:
    """Derivative of a tanh whose value is `y`, :math:`1 - y^2`."""
    return 1 - y * y


class HState(NamedTuple):
    """State of a cell without a memory cell: hidden state ``h (B, H)``."""

    h: np.ndarray


class Cell:
    """Base of the NumPy reference cells.

    A subclass sets ``gates`` (the suffixes of its weights, in order), ``State`` (a NamedTuple whose first
    field is ``h``), what the drive needs (`_sigmoids`, `_slots`, `_reads`), and the methods ``step``,
    ``step_backward``, ``_advance``, ``_slopes`` and ``_retreat``.

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
    _sigmoids: tuple[str, ...] = ()         # the gates whose activation is a sigmoid; the others' is tanh or none
    _slots: tuple[str, ...]                 # what a step saves, by name, first all that have a pre-activation
    _reads: dict[str, Read]                 # which slots "x", a field of the state or a slot feeds

    def __init__(self, input_size: int, hidden_size: int):
        self.input_size = require_integer("input_size", input_size)
        self.hidden_size = require_integer("hidden_size", hidden_size)
        self._slots = self.gates
        self._reads = {"x": Read(0, self.gates), "h": Read(0, self.gates)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(input_size={self.input_size}, hidden_size={self.hidden_size})"

    # -- parameters and states -------------------------------------------------------------------------

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter: per gate one ``W (H, H+I)`` and one ``b (H,)``."""
        H, I = self.hidden_size, self.input_size
        return {k: v for g in self.gates for k, v in ((f"W_{g}", (H, H + I)), (f"b_{g}", (H,)))}

    def init(self, rng: np.random.Generator, forget_bias: float = 1.0, dtype: Any = np.float64) -> Params:
        r"""Draw parameters, uniform in :math:`\pm 1/\sqrt H`; peepholes are 0, the forget bias is set apart.

        Parameters
        ----------
        rng : numpy.random.Generator
            The source of the numbers; the same generator state gives the same parameters.
        forget_bias : float, optional
            Value of every entry of ``b_f`` (1 by default: at the start a cell remembers rather than
            forgets; Gers, Schmidhuber & Cummins 2000). A cell without a forget gate has no use for it.
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
        dtype = require_dtype(dtype)
        bound = 1.0 / np.sqrt(self.hidden_size)
        params = {name: np.zeros(shape, dtype) if name.startswith("p_")
                  else rng.uniform(-bound, bound, shape).astype(dtype)
                  for name, shape in self.parameter_shapes().items()}
        if "b_f" in params:
            params["b_f"][:] = forget_bias
        return params

    def initial_state(self, batch: int, dtype: Any = np.float64) -> Any:
        """State of zeros, each array ``(batch, H)``: what the cell knows before the first input."""
        batch, dtype = require_integer("batch", batch), require_dtype(dtype)
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
            False carries the state on unchanged and outputs 0, whatever x_t is: a sequence shorter than T.

        Returns
        -------
        hs : ndarray (T, B, H)
            Output h_t at every step (0 where masked).
        state : NamedTuple of ndarray (B, H)
            State after the last step.
        tape : Sequence
            What `backward` needs. It is a copy: later changes to the arguments do not reach it.

        Raises
        ------
        TypeError, ValueError
            If an array has the wrong shape or dtype; the message says what was expected and what came.
        """
        state, dtype = self._check_sequence(params, xs, state, mask)
        T, B, I = xs.shape
        inputs = np.ones((T, B, I + 1), dtype)
        inputs[..., :I] = xs if mask is None else np.where(mask[..., None], xs, 0)
        params = self._halve_sigmoids(params)
        states = self.State(*(np.empty((T + 1, self.hidden_size, B), dtype) for _ in state))
        for past, now in zip(states, state, strict=True):
            past[0] = rows(now)
        slots = np.empty((T, len(self._slots), self.hidden_size, B), dtype)
        slots[:, :self._reads["x"].first] = 0                     # what x does not feed, h adds to
        hs = np.empty((T, B, self.hidden_size), dtype)

        W_x = np.concatenate([self._stack(params, "x"), self._stack_biases(params)], axis=1)     # (G*H, I+1)
        recurrent = [(getattr(states, source), fed, W) for source, fed, W in self._recurrent(params)]
        for chunk in _chunks(T):
            z_x = slots[chunk, self._reads["x"].slots]
            np.matmul(W_x, rows(inputs[chunk]), out=z_x.reshape(len(z_x), -1, B))
            for t in range(chunk.start, chunk.stop):
                for source, fed, W in recurrent:
                    z = slots[t, fed]
                    z += (W @ source[t]).reshape(z.shape)
                self._advance(params, slots[t], _at(states, t), _at(states, t + 1))
                if mask is not None:
                    _carry(_at(states, t), _at(states, t + 1), ~mask[t])
            hs[chunk] = rows(states.h[chunk.start + 1:chunk.stop + 1])
        if mask is not None:
            hs[~mask] = 0
            mask = mask.copy()
        last = self.State(*(rows(s[T]).copy() for s in states))
        return hs, last, Sequence(inputs, mask, states, slots, self._slots, self._gate_slots())

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
        dstate, dtype = self._check_gradient(params, tape, dhs, dstate)
        T, B, H = dhs.shape
        mask, states, slots = tape.mask, tape.columns, tape.slots
        now = self.State(*(rows(d).astype(dtype, order="C") for d in dstate))    # the gradient of the state, (H, B)
        dxs = np.empty((T, B, self.input_size), dtype)
        dz = np.empty((self._pre_activations(), H, min(T, CHUNK), B), dtype)     # of a chunk's pre-activations
        W_x = self._stack(params, "x")
        recurrent = [(getattr(now, source), fed, np.ascontiguousarray(W.T))
                     for source, fed, W in self._recurrent(params)]
        sums = {name: np.zeros((len(read.gates) * H, self.input_size + 1 if name == "x" else H), dtype)
                for name, read in self._reads.items()}
        dparams = {name: np.zeros(shape, dtype) for name, shape in self.parameter_shapes().items()}

        for chunk in reversed(_chunks(T)):
            n, after = chunk.stop - chunk.start, slice(chunk.start + 1, chunk.stop + 1)
            slopes = self._slopes(params, slots[chunk], _at(states, chunk), _at(states, after))
            for t in reversed(range(chunk.start, chunk.stop)):
                dz_t, later = dz[:, :, t - chunk.start], None if mask is None else [d.copy() for d in now]
                np.add(now.h, rows(dhs[t]), out=now.h)
                self._retreat(params, dz_t, slopes[t - chunk.start], now)
                for d, fed, W_T in recurrent:
                    d += W_T @ dz_t[fed].reshape(-1, B)
                if mask is not None:
                    np.copyto(dz_t, 0, where=~mask[t])
                    _carry(later, now, ~mask[t])
            for name, read in self._reads.items():
                flat = dz[read.slots, :, :n].reshape(-1, n * B)
                sums[name] += flat @ self._source(tape, name, chunk)
                if name == "x":
                    np.matmul(flat.T, W_x, out=dxs[chunk].reshape(n * B, -1))
            self._sum_other_gradients(dparams, dz[:, :, :n], tape, chunk)
        self._unstack(sums, dparams)
        return dxs, self.State(*(rows(d).copy() for d in now)), dparams

    # -- what the drive asks of a cell -----------------------------------------------------------------

    def _advance(self, params: Params, slots: np.ndarray, prev: Any, now: Any) -> None:
        """Turn the pre-activations ``slots (S, H, B)`` into activations in place; write the state `now` from `prev`.

        The pre-activations hold the products of `_reads`; those of sigmoid gates, and their `params`, are halved.
        """
        raise NotImplementedError

    def _slopes(self, params: Params, slots: np.ndarray, prev: Any, now: Any) -> np.ndarray:
        """The factors, ``(n, ..., H, B)``, by which `_retreat` multiplies: all that does not wait for a later step.

        It is given a chunk of n steps at once, so that little is left to do within the time loop.
        """
        raise NotImplementedError

    def _retreat(self, params: Params, dz: np.ndarray, slopes: np.ndarray, dstate: Any) -> None:
        """Write ``dz (P, H, B)``, of the pre-activations; turn `dstate` at t into that at t−1, in place.

        The drive then adds what comes through the products of `_reads`.
        """
        raise NotImplementedError

    def _sum_other_gradients(self, dparams: Params, dz: np.ndarray, tape: Sequence, chunk: slice) -> None:
        """Add a chunk's share, ``dz (P, H, n, B)``, to the gradients of parameters that `_reads` does not cover."""

    def _weight(self, params: Params, source: str, gate: str) -> np.ndarray:
        """The block of weights by which `source` feeds `gate`: a view, ``(H, I)`` for x and ``(H, H)`` otherwise."""
        H = self.hidden_size
        return params[f"W_{gate}"][:, H:] if source == "x" else params[f"W_{gate}"][:, :H]

    # -- the drive's own parts -------------------------------------------------------------------------

    def _stack(self, params: Params, source: str) -> np.ndarray:
        """The weights by which `source` feeds its gates, one above the other."""
        return np.concatenate([self._weight(params, source, g) for g in self._reads[source].gates])

    def _recurrent(self, params: Params) -> list[tuple[str, slice, np.ndarray]]:
        """The products that must wait for the step before: source, the slots it feeds, weights."""
        return [(name, read.slots, self._stack(params, name))
                for name, read in self._reads.items() if name in self.State._fields]

    def _stack_biases(self, params: Params) -> np.ndarray:
        return np.concatenate([params[f"b_{g}"] for g in self._reads["x"].gates])[:, None]

    def _unstack(self, sums: Params, dparams: Params) -> None:
        """Cut the stacked gradients of `_stack`, and of the biases beside those of x, into the named ones."""
        H = self.hidden_size
        for source, read in self._reads.items():
            for k, gate in enumerate(read.gates):
                block = sums[source][k * H:(k + 1) * H]
                if source == "x":
                    block, dparams[f"b_{gate}"][:] = block[:, :-1], block[:, -1]
                self._weight(dparams, source, gate)[:] = block

    def _halve_sigmoids(self, params: Params) -> Params:
        """Halve what enters a sigmoid gate; a parameter's last letter is the gate it enters."""
        return {name: 0.5 * value if name[-1] in self._sigmoids else value for name, value in params.items()}

    def _pre_activations(self) -> int:
        """How many of the slots have a pre-activation."""
        return max(read.slots.stop for read in self._reads.values())

    def _gate_slots(self) -> list[int]:
        read = self._reads["x"]
        return [read.first + read.gates.index(g) for g in self.gates]

    def _source(self, tape: Sequence, name: str, chunk: slice) -> np.ndarray:
        """What the steps of a chunk read under that name, as rows: ``(n*B, I+1)`` for x, ``(n*B, H)`` otherwise."""
        if name == "x":
            values = tape.inputs[chunk]
        elif name in tape.columns._fields:
            values = rows(getattr(tape.columns, name)[chunk])
        else:
            values = tape.saved[name][chunk]
        return values.reshape(-1, values.shape[-1])

    # -- validation ------------------------------------------------------------------------------------

    def _check_params(self, params: Params) -> None:
        shapes = self.parameter_shapes()
        if not isinstance(params, dict):
            raise TypeError(f"params is {type(params).__name__}; expected a dict of arrays, as {self!r}.init returns")
        if missing := sorted(shapes.keys() - params.keys()):
            raise ValueError(f"params lacks {', '.join(missing)}; {type(self).__name__} has {', '.join(shapes)}")
        if extra := sorted(params.keys() - shapes.keys()):
            raise ValueError(f"params has unknown {', '.join(map(str, extra))}; "
                             f"{type(self).__name__} has {', '.join(shapes)}")
        for name, shape in shapes.items():
            words = ("(hidden_size,)" if len(shape) == 1 else "(hidden_size, hidden_size)" if name.startswith("R_")
                     else "(hidden_size, hidden_size + input_size)")
            require_floats(name, params[name], shape, words)

    def _check_state(self, name: str, state: Any, batch: int):
        fields = self.State._fields
        if not isinstance(state, tuple) or len(state) != len(fields):
            length = f" of length {len(state)}" if isinstance(state, tuple) else ""
            raise TypeError(f"{name} is {type(state).__name__}{length}; "
                            f"expected {self.State.__name__}({', '.join(fields)})")
        shape = (batch, self.hidden_size)
        return self.State(*(require_floats(f"{name}.{field}", value, shape, "(B, hidden_size)")
                            for field, value in zip(fields, state, strict=True)))

    def _check_step(self, params: Params, x: np.ndarray, state: Any) -> None:
        x = require_floats("x", x, (None, self.input_size), "(B, input_size)")
        self._check_params(params)
        self._check_state("state", state, len(x))

    def _check_sequence(self, params: Params, xs: np.ndarray, state: Any, mask: np.ndarray | None):
        """Check what `forward` is given; return its state, zeros by default, and the dtype of its results."""
        require_floats("xs", xs, (None, None, self.input_size), "(T, B, input_size)")
        self._check_params(params)
        if mask is not None:
            require_mask("mask", mask, xs.shape[:2], "(T, B)")
        dtype = np.result_type(xs, *params.values())
        if state is None:
            return self.initial_state(xs.shape[1], dtype), dtype
        state = self._check_state("state", state, xs.shape[1])
        return state, np.result_type(dtype, *state)

    def _check_gradient(self, params: Params, tape: Sequence, dhs: np.ndarray, dstate: Any):
        """Check what `backward` is given; return its dstate, zeros by default, and the dtype of its results."""
        self._check_params(params)
        if not isinstance(tape, Sequence):
            raise TypeError(f"tape is {type(tape).__name__}; expected the Sequence that forward returned")
        T, B, _ = tape.inputs.shape
        require_floats("dhs", dhs, (T, B, self.hidden_size), "(T, B, hidden_size)")
        dtype = np.result_type(dhs, tape.slots, *params.values())
        if dstate is None:
            return self.initial_state(B, dtype), dtype
        dstate = self._check_state("dstate", dstate, B)
        return dstate, np.result_type(dtype, *dstate)


def _chunks(T: int) -> list[slice]:
    return [slice(start, min(start + CHUNK, T)) for start in range(0, T, CHUNK)]


def _carry(old: Any, new: Any, off: np.ndarray) -> None:
    """Where a sequence of the batch is masked, put `old` back in place of `new`."""
    for a, b in zip(old, new, strict=True):
        np.copyto(b, a, where=off)


def _at(states: Any, t: int) -> Any:
    """The states at time t: views."""
    return states._make([s[t] for s in states])
