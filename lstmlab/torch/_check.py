"""Check a layer's gradients against central differences, many perturbed copies at a time."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from ..gradcheck import GradientReport
from ._layer import Recurrent
from ._layout import layout_of
from ._loop import Weights, run_loop

_STEP = np.finfo(np.float64).eps ** (1 / 3)         # truncation and rounding error balance near it
_TOLERANCES = {torch.float64: 1e-7, torch.float32: 1e-4}
_CACHE = 2**21                                      # bytes a chunk's time step may fill: more leaves a CPU's cache


def check_gradients(layer, input, state=None, *, seed=0, tolerance=None, memory=2**30):
    r"""Compare the gradients that autograd gives for a layer with central differences of its equations.

    The loss is a random projection of every output and of the final state, so that no path of the gradient is
    left out. Every entry of the input, of the initial state and of every parameter that requires a gradient is moved
    both ways.

    Parameters
    ----------
    layer : Recurrent
        Any layer of this package, in any of its settings. Its gradients are taken through its own call, by its own
        backend and in its own precision; the differences are taken in float64, from the loop.
    input, state
        As the layer takes them. The state is drawn at random by default, since a state of zeros hides mistakes.
    seed : int, optional
        Seed of the projection (and of the state, if none is given).
    tolerance : float, optional
        Largest difference, relative to the largest entry of the array, that counts as agreement: 1e-7 by default for
        a layer in float64, 1e-4 for float32.
    memory : int, optional
        Bytes that the perturbed copies may fill at a time, 1 GiB by default.

    Returns
    -------
    lstmlab.gradcheck.GradientReport
        Arrays by the names ``input``, ``h_0``, ``C_0`` (what the state has) and those of the layer's parameters.

    Raises
    ------
    TypeError
        If `layer` is not one of this package.
    ValueError
        If dropout would make every run another function.

    Notes
    -----
    Moving entry (j, k) of a weight by :math:`\epsilon` adds :math:`\epsilon v_k` to pre-activation j, where v is what
    the weight multiplies: a change of rank one. So a copy of the layer that differs in one entry needs no weights of
    its own, and a batch of copies runs through one product. An entry of the input or of a state moves in all samples
    of the batch at once, since no sample sees another.

    A difference of two rounded numbers says nothing about a gradient smaller than its own rounding error. An array
    whose largest entry is that small, such as the gradient of an initial state that a long sequence has forgotten, is
    taken by complex steps instead, which subtract nothing; the report calls it unresolved by differences.

    Examples
    --------
    >>> import torch
    >>> import lstmlab.torch as lt
    >>> _ = torch.manual_seed(0)
    >>> layer = lt.GRU(2, 3, bidirectional=True, dtype=torch.float64)
    >>> report = lt.check_gradients(layer, torch.randn(4, 2, 2, dtype=torch.float64))
    >>> report.ok
    True
    """
    if not isinstance(layer, Recurrent):
        raise TypeError(f"layer is {type(layer).__name__}; expected a layer of lstmlab.torch")
    if layer.dropout and layer.training and layer.num_layers > 1:
        raise ValueError(f"layer has dropout={layer.dropout} and is in training: every run is another function; "
                         "call layer.eval() first")
    if tolerance is None:
        tolerance = _TOLERANCES.get(next(layer.parameters()).dtype, 0.05)
    draw = torch.Generator().manual_seed(seed)
    problem = _Problem(layer, input, state, draw)
    with torch.enable_grad():
        analytic = problem.analytic()
    with torch.no_grad():
        numerical, unresolved = problem.numerical(memory, tolerance, analytic)
    return GradientReport(_arrays(analytic), _arrays(numerical), tolerance, unresolved=unresolved)


def _arrays(gradients):
    return {name: value.detach().cpu().double().numpy() for name, value in gradients.items()}


class _Problem:
    """A layer, the point at which it is checked, and the projection that makes its outputs one loss."""

    def __init__(self, layer, input, state, draw):
        self.layer, self.input = layer, input
        self.layout = layout_of(input, layer.batch_first)
        fields = layer.cells[0].State._fields
        self.states = [f"{field}_0" for field in fields]
        self.places = {name + suffix: (k, suffix, name) for k, suffixes in enumerate(layer.suffixes)
                       for suffix in suffixes for name in layer.parameter_names}
        self.size = 0.0                                          # of the terms that the loss adds up, as a norm
        xs = self.layout.inputs()
        D = len(layer.suffixes[0])

        def normal(*shape):
            return torch.randn(shape, dtype=torch.float64, generator=draw).to(xs.device)

        shape = (layer.num_layers * D, xs.shape[1], layer.hidden_size)
        if state is None:
            state = tuple(self.layout.state_out(normal(*shape)).to(xs.dtype) for _ in fields)
        self.state = tuple(state) if isinstance(state, (tuple, list)) else (state,)
        first = layer._initial_state(self.layout, xs, self.state if len(fields) > 1 else self.state[0])
        self.first = tuple(s.detach().double() for s in first)
        self.xs = xs.detach().double()[:, None]                                          # (T, 1, B, I): copies to come
        self.dhs = normal(*xs.shape[:2], layer.hidden_size * D)
        self.dlast = tuple(normal(*shape) for _ in fields)

    # -- by autograd -----------------------------------------------------------------------------------

    def analytic(self):
        """Gradients of the loss through the layer's own call."""
        leaf = _data(self.input).detach().clone().requires_grad_()
        state = tuple(s.detach().clone().requires_grad_() for s in self.state)
        input = self.input._replace(data=leaf) if isinstance(self.input, PackedSequence) else leaf
        output, last = self.layer(input, state if len(state) > 1 else state[0])
        pairs = zip((output, *(last if isinstance(last, tuple) else (last,))),
                    (self.layout.outputs(self.dhs), *map(self.layout.state_out, self.dlast)), strict=True)
        terms = [_data(value) * _data(weight).to(_data(value).dtype) for value, weight in pairs]
        self.size = float(sum(term.detach().double().square().sum() for term in terms)) ** 0.5
        params = {name: value for name, value in self.layer.named_parameters() if value.requires_grad}
        gradients = torch.autograd.grad(sum(term.sum() for term in terms), (leaf, *state, *params.values()),
                                        materialize_grads=True)
        return dict(zip(("input", *self.states, *params), gradients, strict=True))

    # -- numerically -----------------------------------------------------------------------------------

    def numerical(self, memory, tolerance, analytic):
        """Central differences of the loss; of an array that they cannot resolve, complex steps.

        Returns the gradients, and of the arrays that were not resolved a mask of all their entries, by name.
        """
        gradients, unresolved = {}, {}
        floor = 8 * np.finfo(np.float64).eps * self.size / _STEP          # what rounding makes of a difference
        for name, value in analytic.items():
            found = self._gradient(name, _Central, memory)
            if floor > tolerance * max(value.abs().max(), found.abs().max()):
                found = self._gradient(name, _ComplexStep, memory)
                unresolved[name] = np.ones(tuple(value.shape), bool)
            gradients[name] = found
        return gradients, unresolved

    def _gradient(self, name, method, memory):
        """The gradient of one array by one of the methods below."""
        copies = max(1, self._copies(memory) // method.runs)
        xs, first = self.xs.to(method.dtype), tuple(s.to(method.dtype) for s in self.first)
        if name == "input":
            return _data(self.layout.outputs(self._by_input(method, xs, first, copies)))
        if name in self.states:
            return self.layout.state_out(self._by_state(method, xs, first, self.states.index(name), copies))
        return self._by_parameter(method, xs, first, name, copies)

    def _by_input(self, method, xs, first, copies):
        gradient = torch.empty_like(self.xs[:, 0])
        for entries in _every_entry(gradient[:, 0]).split(copies):
            t, i = entries.T
            shifts = method.shifts(self.xs[t, 0, :, i])                                  # (runs, P, B)
            t, i = t.repeat(method.runs), i.repeat(method.runs)
            copy = torch.arange(len(t), device=t.device)
            moved = xs.repeat(1, len(t), 1, 1)                                           # (T, runs*P, B, I)
            moved[t, copy, :, i] += shifts.flatten(0, 1)
            slope = self._change(method, moved, first) / method.width(shifts)
            gradient[entries[:, 0], :, entries[:, 1]] = slope
        return gradient

    def _by_state(self, method, xs, first, n, copies):
        gradient = torch.empty_like(self.first[n])
        for entries in _every_entry(gradient[:, 0]).split(copies):
            k, j = entries.T
            shifts = method.shifts(self.first[n][k, :, j])                               # (runs, P, B)
            k, j = k.repeat(method.runs), j.repeat(method.runs)
            copy = torch.arange(len(k), device=k.device)
            moved = first[n].repeat(len(k), 1, 1, 1)                                     # (runs*P, L*D, B, H)
            moved[copy, k, :, j] += shifts.flatten(0, 1)
            slope = self._change(method, xs, (*first[:n], moved, *first[n + 1:])) / method.width(shifts)
            gradient[entries[:, 0], :, entries[:, 1]] = slope
        return gradient

    def _by_parameter(self, method, xs, first, name, copies):
        k, suffix, name = self.places[name]
        cell, params = self.layer.cells[k], self._params(suffix, method.dtype)
        gradient = torch.empty_like(params[name].real)
        for block in _blocks(name, gradient, cell.hidden_size):
            for entries in block.split(copies):
                at = tuple(entries.T)
                shifts = method.shifts(params[name][at].real)                            # (runs, P)
                moved = _Copies(cell, params, self.layer.sources(cell), name, entries.repeat(method.runs, 1),
                                shifts.flatten())
                gradient[at] = self._change(method, xs, first, {suffix: moved}).sum(dim=-1) / method.width(shifts)
        return gradient

    def _change(self, method, xs, first, moved=None):
        """How the loss of every sample changes in every moved copy, ``(P, B)``; `moved` holds weights by suffix."""
        def run(k, suffix, xs, state, mask):
            weights = (moved or {}).get(suffix)
            if weights is None:
                weights = self.layer.weights(self.layer.cells[k], self._params(suffix, method.dtype))
            return run_loop(self.layer.step, weights, xs, state, mask)[:2]

        hs, last = self.layer.stack(xs, first, self.layout.mask, run)
        change = torch.einsum("tpbh,tbh->pb", method.change(hs), self.dhs)
        for end, weights in zip(last, zip(*self.dlast, strict=True), strict=True):
            for s, weight in zip(end, weights, strict=True):
                if s.dim() == 3 and len(s) == hs.shape[1]:                               # else no copy reaches it
                    change = change + (method.change(s) * weight).sum(dim=-1)
        return change

    def _params(self, suffix, dtype):
        return {name: value.detach().to(dtype) for name, value in self.layer.parameters_of(suffix).items()}

    def _copies(self, memory):
        """How many copies to run at a time: a copy has all that a layer holds over time."""
        T, _, B, I = self.xs.shape
        D, H, G = len(self.layer.suffixes[0]), self.layer.hidden_size, len(self.layer.cells[0].gates)
        sequence = 16 * T * B * (I + H * (G + 3 * D))
        step = 8 * B * H * (G + 4)
        return min(memory // sequence, _CACHE // step) if self.xs.device.type == "cpu" else memory // sequence


class _Central:
    """Central differences: two runs, one on either side."""

    runs, dtype = 2, torch.float64

    @staticmethod
    def shifts(values):
        step = _STEP * values.abs().clamp(min=1)
        return torch.stack((step, -step))

    @staticmethod
    def change(outputs):
        up, down = outputs.chunk(2, dim=-3)
        return up - down

    @staticmethod
    def width(shifts):
        return shifts[0] - shifts[1]


class _ComplexStep:
    """Complex steps: one run off the real axis, whose imaginary part is the derivative without a subtraction."""

    runs, dtype = 1, torch.complex128

    @staticmethod
    def shifts(values):
        return torch.full_like(values, 1e-20, dtype=torch.float64)[None] * 1j

    @staticmethod
    def change(outputs):
        return outputs.imag

    @staticmethod
    def width(shifts):
        return shifts[0].imag


class _Copies(Weights):
    """Weights in P copies, of which copy p has one entry of one parameter, ``entries[p]``, moved by ``steps[p]``."""

    def __init__(self, cell, params, sources, name, entries, steps):
        super().__init__(cell, params, sources)
        H = cell.hidden_size
        self.copy, self.steps = torch.arange(len(steps), device=steps.device), steps
        self.row, self.column = entries[:, 0], entries[:, -1]
        self.site = None                                         # what reads the moved entries: a source or the inputs
        kind, gate = name.split("_", 1)
        if name in self.vectors:
            moved = self.vectors[name].repeat(len(steps), 1)
            moved[self.copy, self.row] += steps
            self.vectors[name] = moved[:, None]                                          # (P, 1, H)
        elif kind == "R":
            self.site = name
        elif kind == "W" and self.column[0] < H:
            self.site = next(source for source, gates in sources.items() if gate in gates)
            self.row = self.row + H * sources[self.site].index(gate)
        else:
            self.site = "inputs"
            self.row = self.row + H * cell.gates.index(gate)
            self.column = self.column - H if kind == "W" else None

    def inputs(self, xs):
        zx = super().inputs(xs)                                                          # (T, 1, B, G*H)
        if self.site == "inputs":
            zx = zx.repeat(1, len(self.copy), 1, 1)
            seen = 1.0 if self.column is None else xs[:, 0].permute(2, 0, 1)[self.column]       # (P, T, B)
            zx[:, self.copy, :, self.row] += self.steps[:, None, None] * seen
        return zx

    def product(self, source, v):
        z = super().product(source, v)
        if self.site == source:
            v = v.expand(len(self.copy), *v.shape[-2:])
            z = z.expand(len(self.copy), *z.shape[-2:]).contiguous()                     # (P, B, ...)
            z[self.copy, :, self.row] += self.steps[:, None] * v[self.copy, :, self.column]
        return z


def _blocks(name, value, hidden_size):
    """Indices of all entries, ``(N, dim)`` each: of a weight those that h meets and those that x meets apart."""
    entries = _every_entry(value)
    if not name.startswith("W_"):
        return (entries,)
    recurrent = entries[:, 1] < hidden_size
    return entries[recurrent], entries[~recurrent]


def _every_entry(value):
    """The indices of all entries of an array, ``(N, dim)``."""
    return torch.ones_like(value, dtype=torch.bool).nonzero()


def _data(value):
    """The numbers of a Tensor or PackedSequence."""
    return value.data if isinstance(value, PackedSequence) else value
