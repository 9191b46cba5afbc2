"""A cell over a sequence in plain torch operations: everything that torch can do to a function works on it."""

from __future__ import annotations

import torch
from torch.nn import functional as F


class Weights:
    """The parameters of one layer and direction, arranged as the equations read them.

    Parameters
    ----------
    cell : lstmlab.cells.Cell
        The cell whose parameters these are; it says which gates there are.
    params : dict of str to Tensor
        Its parameters by name.
    sources : dict of str to tuple of str
        What the recurrent weights act on, and the gates that see it: ``{"h": ("f", "i", "C", "o")}``. One product
        serves all gates of a source.
    """

    def __init__(self, cell, params, sources):
        H = cell.hidden_size
        self.matrices = {source: torch.cat([params[f"W_{g}"][:, :H] for g in gates])
                         for source, gates in sources.items()}
        self.matrices |= {name: R for name, R in params.items() if name.startswith("R_")}
        self.W_x = torch.cat([params[f"W_{g}"][:, H:] for g in cell.gates])           # (G*H, I)
        self.b = torch.cat([params[f"b_{g}"] for g in cell.gates])
        gates = {f"{kind}_{g}" for kind in "Wb" for g in cell.gates}
        self.vectors = {name: v for name, v in params.items() if name not in gates and name not in self.matrices}

    def inputs(self, xs):
        """The inputs' share of every pre-activation, ``(T, ..., B, G*H)``: one product, before the time loop."""
        return F.linear(xs, self.W_x, self.b)

    def product(self, source, v):
        """What the matrices of a source make of its value v; a gate's own matrix ``R_ab`` is a source too."""
        return F.linear(v, self.matrices[source])

    def pre_activations(self, zx, h):
        """Pre-activations, gate by gate, of a cell whose gates all see h_{t-1}; zx is the inputs' share."""
        z = zx + self.product("h", h)
        return z.chunk(z.shape[-1] // h.shape[-1], dim=-1)

    def peep(self, gate, z, C):
        """Pre-activation with the gate's view of the cell state, where the gate has one."""
        name = f"p_{gate}"
        return z + self.vectors[name] * C if name in self.vectors else z


def run_loop(step, weights, xs, state, mask=None):
    """Run the equations of a cell over a sequence.

    Time is cut by `unbind` and joined by `stack`: indexing ``zs[t]`` in the loop would make the backward
    pass write a gradient of the whole sequence at every step.

    Parameters
    ----------
    step : callable
        ``step(weights, zx, *state) -> state, gates``.
    weights : Weights
    xs : Tensor (T, ..., B, I)
    state : tuple of Tensor (..., B, H)
    mask : Tensor (T, B) of bool, optional
        False carries the state on and outputs 0.

    Returns
    -------
    hs : Tensor (T, ..., B, H)
    state : tuple of Tensor (..., B, H)
    tape : list of dict of str to Tensor (..., B, H)
        The gates of every step.
    """
    hs, tape = [], []
    steps = [None] * len(xs) if mask is None else mask[..., None].unbind(0)           # (B, 1) each
    for zx, on in zip(weights.inputs(xs).unbind(0), steps, strict=True):
        before = state
        state, gates = step(weights, zx, *before)
        h = state[0]
        if on is not None:
            h = torch.where(on, h, torch.zeros_like(h))
            state = tuple(torch.where(on, now, past) for now, past in zip(state, before, strict=True))
        hs.append(h)
        tape.append(gates)
    return torch.stack(hs), state, tape
