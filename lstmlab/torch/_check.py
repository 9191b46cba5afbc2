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
    left out. Every entry of the input, of the initial state and of every parameter is moved both ways.

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
    analytic = problem.analytic()
    with torch.no_grad():
        numerical = problem.numerical(memory)
    return GradientReport(*({name: g.detach().cpu().double().numpy() for name, g in gradients.items()}
                            for gradients in (analytic, numerical)), tolerance)


class _Problem:
    """A layer, the point at which it is checked, and the projection that makes its outputs one loss."""

    def __init__(self, layer, input, state, draw):
        self.layer, self.input = layer, input
        self.layout = layout_of(input, layer.batch_first)
        self.fields = layer.cells[0].State._fields
        xs = self.layout.inputs()
        D = len(layer.suffixes[0])

        def normal(*shape):
            return torch.randn(shape, dtype=torch.float64, generator=draw).to(xs.device)

        shape = (layer.num_layers * D, xs.shape[1], layer.hidden_size)
        if state is None:
            state = tuple(self.layout.state_out(normal(*shape)).to(xs.dtype) for _ in self.fields)
        self.state = tuple(state) if isinstance(state, (tuple, list)) else (state,)
        first = layer._initial_state(self.layout, xs, self.state if len(self.fields) > 1 else self.state[0])
        self.first = tuple(s.detach().double() for s in first)
        self.xs = xs.detach().double()[:, None]                                          # (T, 1, B, I): copies to come
        self.dhs = normal(*xs.shape[:2], layer.hidden_size * D)
        self.dlast = tuple(normal(*shape) for _ in self.fields)

    # -- by autograd -----------------------------------------------------------------------------------

    def analytic(self):
        """Gradients of the loss through the layer's own call."""
        data = self.input.data if isinstance(self.input, PackedSequence) else self.input
        leaf = data.detach().clone().requires_grad_()
        state = tuple(s.detach().clone().requires_grad_() for s in self.state)
        input = self.input._replace(data=leaf) if isinstance(self.input, PackedSequence) else leaf
        output, last = self.layer(input, state if len(state) > 1 else state[0])
        pairs = zip((output, *(last if isinstance(last, tuple) else (last,))),
                    (self.layout.outputs(self.dhs), *map(self.layout.state_out, self.dlast)), strict=True)
        loss = sum((_data(value) * _data(weight).to(_data(value).dtype)).sum() for value, weight in pairs)
        params = dict(self.layer.named_parameters())
        names = ("input", *(f"{field}_0" for field in self.fields), *params)
        return dict(zip(names, torch.autograd.grad(loss, (leaf, *state, *params.values())), strict=True))

    # -- by differences --------------------------------------------------------------------------------

    def numerical(self, memory):
        """Central differences of the loss, in the shapes and under the names of `analytic`."""
        copies = self._copies(memory)
        found = {"input": _data(self.layout.outputs(self._by_input(copies)))}
        for n, field in enumerate(self.fields):
            found[f"{field}_0"] = self.layout.state_out(self._by_state(n, copies))
        for k, suffixes in enumerate(self.layer.suffixes):
            for suffix in suffixes:
                for name in self.layer.parameter_names:
                    found[name + suffix] = self._by_parameter(k, suffix, name, copies)
        return {name: found[name] for name in ("input", *(f"{f}_0" for f in self.fields),
                                               *dict(self.layer.named_parameters()))}

    def _by_input(self, copies):
        gradient = torch.empty_like(self.xs[:, 0])
        for entries in torch.ones_like(gradient[:, 0], dtype=torch.bool).nonzero().split(copies):
            (t, i), P = entries.T, len(entries)
            steps = _STEP * self.xs[t, 0, :, i].abs().clamp(min=1)                       # (P, B)
            xs = self.xs.repeat(1, 2 * P, 1, 1)
            copy = torch.arange(2 * P, device=t.device)
            xs[t.repeat(2), copy, :, i.repeat(2)] += torch.cat((steps, -steps))
            gradient[t, :, i] = self._difference(xs, self.first, self._run()) / (2 * steps)
        return gradient

    def _by_state(self, n, copies):
        gradient = torch.empty_like(self.first[n])
        for entries in torch.ones_like(gradient[:, 0], dtype=torch.bool).nonzero().split(copies):
            (k, j), P = entries.T, len(entries)
            steps = _STEP * self.first[n][k, :, j].abs().clamp(min=1)                    # (P, B)
            moved = self.first[n].repeat(2 * P, 1, 1, 1)                                 # (2P, L*D, B, H)
            copy = torch.arange(2 * P, device=k.device)
            moved[copy, k.repeat(2), :, j.repeat(2)] += torch.cat((steps, -steps))
            first = (*self.first[:n], moved, *self.first[n + 1:])
            gradient[k, :, j] = self._difference(self.xs, first, self._run()) / (2 * steps)
        return gradient

    def _by_parameter(self, k, suffix, name, copies):
        cell, params = self.layer.cells[k], self._params(suffix)
        gradient = torch.empty_like(params[name])
        for block in _blocks(name, gradient, cell.hidden_size):
            for entries in block.split(copies):
                steps = _STEP * params[name][tuple(entries.T)].abs().clamp(min=1)        # (P,)
                moved = _Copies(cell, params, self.layer.sources(cell), name, entries.repeat(2, 1),
                                torch.cat((steps, -steps)))
                difference = self._difference(self.xs, self.first, self._run({suffix: moved}))
                gradient[tuple(entries.T)] = difference.sum(dim=-1) / (2 * steps)
        return gradient

    def _difference(self, xs, first, run):
        """Loss of the copies moved up less that of those moved down, per sample: ``(P, B)``."""
        hs, last = self.layer.stack(xs, first, self.layout.mask, run)
        loss = torch.einsum("tpbh,tbh->pb", hs, self.dhs)
        for end, weights in zip(last, zip(*self.dlast, strict=True), strict=True):
            for s, weight in zip(end, weights, strict=True):
                loss = loss + (s * weight).sum(dim=-1)
        up, down = loss.chunk(2)
        return up - down

    def _run(self, moved=None):
        """The float64 loop as `Recurrent.stack` calls it, with some layers' weights replaced."""
        def run(k, suffix, xs, state, mask):
            weights = (moved or {}).get(suffix) or self.layer.weights(self.layer.cells[k], self._params(suffix))
            return run_loop(self.layer.step, weights, xs, state, mask)[:2]
        return run

    def _params(self, suffix):
        return {name: value.detach().double() for name, value in self.layer.parameters_of(suffix).items()}

    def _copies(self, memory):
        """How many entries to move at a time: two copies each, of all that a layer holds over time."""
        T, _, B, I = self.xs.shape
        D, H, G = len(self.layer.suffixes[0]), self.layer.hidden_size, len(self.layer.cells[0].gates)
        sequence = 8 * T * B * (I + H * (G + 3 * D))
        step = 8 * B * H * (G + 4)
        limit = min(memory // sequence, _CACHE // step) if self.xs.device.type == "cpu" else memory // sequence
        return max(1, limit // 2)


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
    entries = torch.ones_like(value, dtype=torch.bool).nonzero()
    if not name.startswith("W_"):
        return (entries,)
    recurrent = entries[:, 1] < hidden_size
    return entries[recurrent], entries[~recurrent]


def _data(value):
    """The numbers of a Tensor or PackedSequence."""
    return value.data if isinstance(value, PackedSequence) else value
