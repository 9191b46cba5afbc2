"""What every recurrent layer shares: parameters, stacking, directions, layouts, and the choice of a backend."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ._fused import run_fused, why_not_fused
from ._layout import layout_of
from ._loop import Weights, run_loop

_BACKENDS = ("auto", "loop", "fused")


class Recurrent(nn.Module):
    """Base of the recurrent layers: a NumPy cell as ``torch.nn.Module``, stacked and in both directions.

    A subclass sets ``cell_type``, the NumPy cell that it is; ``options``, the names of that cell's own arguments;
    and ``step``, the cell's equations in torch.
    """

    cell_type: type
    options: tuple[str, ...] = ()

    def __init__(self, input_size, hidden_size, num_layers=1, *, bidirectional=False, batch_first=False, dropout=0.0,
                 backend="auto", device=None, dtype=None, **options):
        super().__init__()
        if isinstance(num_layers, bool) or not isinstance(num_layers, int) or num_layers < 1:
            raise ValueError(f"num_layers is {num_layers!r}; expected an integer >= 1")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is {dropout!r}; expected a probability between 0 and 1")
        if backend not in _BACKENDS:
            raise ValueError(f"backend is {backend!r}; expected one of {', '.join(map(repr, _BACKENDS))}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(f"dropout={dropout} has no effect with num_layers=1: it acts between layers", stacklevel=2)
        directions = 2 if bidirectional else 1
        self.cells = [self.cell_type(hidden_size * directions if k else input_size, hidden_size, **options)
                      for k in range(num_layers)]
        self.input_size, self.hidden_size = self.cells[0].input_size, self.cells[0].hidden_size
        self.num_layers, self.bidirectional, self.batch_first = num_layers, bool(bidirectional), bool(batch_first)
        self.dropout, self.backend = float(dropout), backend
        self.suffixes = [[f"_l{k}{end}" for end in ("", "_reverse")[:directions]] for k in range(num_layers)]
        self.parameter_names = tuple(self.cells[0].parameter_shapes())
        for cell, suffixes in zip(self.cells, self.suffixes, strict=True):
            for suffix in suffixes:
                for name, shape in cell.parameter_shapes().items():
                    self.register_parameter(name + suffix, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, as the NumPy cell's `init` does; `torch.manual_seed` makes it repeatable."""
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        with torch.no_grad():
            for cell, suffixes in zip(self.cells, self.suffixes, strict=True):
                for suffix in suffixes:
                    for name, value in cell.init(rng).items():
                        getattr(self, name + suffix).copy_(torch.from_numpy(value))

    def extra_repr(self) -> str:
        said = [str(self.input_size), str(self.hidden_size)]
        said += [f"{name}={getattr(self.cells[0], name)!r}" for name in self.options]
        said += [f"{name}={getattr(self, name)!r}" for name, default in
                 (("num_layers", 1), ("bidirectional", False), ("batch_first", False), ("dropout", 0.0),
                  ("backend", "auto")) if getattr(self, name) != default]
        return ", ".join(said)

    # -- the call --------------------------------------------------------------------------------------

    def forward(self, input, state=None, return_gates=False):
        """Run the layer over a batch of sequences; the call of `torch.nn.LSTM`.

        Parameters
        ----------
        input : Tensor or PackedSequence
            ``(T, B, input_size)``, or ``(B, T, input_size)`` if ``batch_first``, or ``(T, input_size)`` for one
            sequence; or a PackedSequence of sequences of several lengths.
        state : Tensor or tuple of Tensor, optional
            State before the first input, ``(num_layers * directions, B, hidden_size)`` each (no B for one sequence):
            ``h_0`` for cells whose state is h alone, else a tuple such as ``(h_0, C_0)``. Zeros by default.
        return_gates : bool, optional
            Return the gates too. They come from the loop, whatever the backend, and can be differentiated.

        Returns
        -------
        output : Tensor or PackedSequence
            h_t of the last layer at every step, laid out as the input, the directions side by side.
        state : Tensor or tuple of Tensor
            State after the last step, as the argument `state`.
        gates : dict of str to Tensor or PackedSequence
            Only with ``return_gates=True``: every gate over time, laid out as the output, named with its layer and
            direction as parameters are (``"f_l0"``, ``"f_l0_reverse"``, ...).
        """
        layout = layout_of(input, self.batch_first)
        xs = layout.inputs()
        self._check_input(layout, xs)
        first = self._initial_state(layout, xs, state)
        tape = {}
        run = self._run_recorded(tape) if return_gates else self._run(xs)
        hs, last = self.stack(xs, first, layout.mask, run)
        last = self._hand_back(layout, last)
        if not return_gates:
            return layout.outputs(hs), last
        return layout.outputs(hs), last, {name: layout.outputs(gate) for name, gate in tape.items()}

    def step(self, w, zx, *state):
        """One time step from the inputs' share of the pre-activations, ``zx (..., B, G*H)``: ``state, gates``."""
        raise NotImplementedError

    def stack(self, xs, state, mask, run):
        """Layer upon layer, direction beside direction.

        Parameters
        ----------
        xs : Tensor (T, ..., B, input_size)
        state : tuple of Tensor (..., num_layers * directions, B, hidden_size)
        mask : Tensor (T, B) of bool, or None
        run : callable
            ``run(k, suffix, xs, state, mask) -> hs, state`` runs layer k in the direction that the suffix names.

        Returns
        -------
        hs : Tensor (T, ..., B, directions * hidden_size)
        last : list of tuple of Tensor (..., B, hidden_size)
            The final state of every layer and direction.
        """
        last, begin = [], iter(zip(*(s.unbind(-3) for s in state), strict=True))
        for k, suffixes in enumerate(self.suffixes):
            if k and self.dropout:
                xs = F.dropout(xs, self.dropout, self.training)
            outs = []
            for suffix in suffixes:
                backward = suffix.endswith("_reverse")
                turned = mask.flip(0) if backward and mask is not None else mask
                hs, end = run(k, suffix, xs.flip(0) if backward else xs, next(begin), turned)
                outs.append(hs.flip(0) if backward else hs)
                last.append(end)
            xs = torch.cat(torch.broadcast_tensors(*outs), dim=-1) if len(outs) > 1 else outs[0]
        return xs, last

    def parameters_of(self, suffix):
        """The parameters of one layer and direction by the NumPy cell's names."""
        return {name: getattr(self, name + suffix) for name in self.parameter_names}

    def weights(self, cell, params):
        """The parameters as `step` reads them."""
        return Weights(cell, params, self.sources(cell))

    def sources(self, cell):
        """What the recurrent weights act on, and for which gates: h_{t-1}, for all."""
        return {"h": cell.gates}

    def _run(self, xs):
        """The function that runs one layer and direction by the backend that serves these inputs."""
        reason = None if self.backend == "loop" else why_not_fused(self.cells[0], xs)
        if self.backend == "fused" and reason is not None:
            raise RuntimeError(f"backend='fused' {reason}; use backend='loop', or 'auto', which picks what serves")

        def loop(k, suffix, xs, state, mask):
            cell = self.cells[k]
            return run_loop(self.step, self.weights(cell, self.parameters_of(suffix)), xs, state, mask)[:2]

        def fused(k, suffix, xs, state, mask):
            return run_fused(self, self.cells[k], self.parameters_of(suffix), xs, state, mask)

        return loop if self.backend == "loop" or reason is not None else fused

    def _run_recorded(self, tape):
        """The loop, which writes every gate into `tape` with time in the input's order."""
        def run(k, suffix, xs, state, mask):
            weights = self.weights(self.cells[k], self.parameters_of(suffix))
            hs, state, steps = run_loop(self.step, weights, xs, state, mask)
            for name in steps[0]:
                gate = torch.stack([gates[name] for gates in steps])
                tape[name + suffix] = gate.flip(0) if suffix.endswith("_reverse") else gate
            return hs, state
        return run

    # -- states and checks -----------------------------------------------------------------------------

    def _initial_state(self, layout, xs, state):
        fields = self.cells[0].State._fields
        count = self.num_layers * len(self.suffixes[0])
        shape = (count, xs.shape[1], self.hidden_size)
        if state is None:
            return tuple(xs.new_zeros(shape) for _ in fields)
        names = [f"{field}_0" for field in fields]
        if len(fields) == 1:
            state = (state,)
        elif not isinstance(state, (tuple, list)) or len(state) != len(fields):
            raise TypeError(f"state is {_say(state)}; expected a tuple ({', '.join(names)})")
        return tuple(layout.state_in(self._check_state(layout, xs, name, s, shape))
                     for name, s in zip(names, state, strict=True))

    def _hand_back(self, layout, last):
        """Final states, one per layer and direction, as the caller gets them."""
        state = self.cells[0].State(*(layout.state_out(torch.stack(s)) for s in zip(*last, strict=True)))
        return state if len(state) > 1 else state[0]

    def _check_input(self, layout, xs):
        weight = getattr(self, self.parameter_names[0] + self.suffixes[0][0])
        shape = tuple(layout.input.data.shape if layout.mask is not None else layout.input.shape)
        if xs.shape[-1] != self.input_size:
            raise ValueError(f"input has shape {shape}; expected {layout.words} with input_size {self.input_size}")
        if 0 in shape:
            raise ValueError(f"input has shape {shape}; every length must be at least 1")
        if xs.dtype != weight.dtype and not torch.is_autocast_enabled(xs.device.type):
            raise TypeError(f"input has dtype {xs.dtype}; expected {weight.dtype}, that of the layer's parameters")
        if xs.device != weight.device:
            raise ValueError(f"input is on {xs.device}; expected {weight.device}, where the layer's parameters are")

    def _check_state(self, layout, xs, name, s, shape):
        expected = layout.state_shape(*shape)
        if not isinstance(s, torch.Tensor):
            raise TypeError(f"{name} is {_say(s)}; expected a Tensor of shape {expected} = {layout.state_words}")
        if s.shape != expected:
            raise ValueError(f"{name} has shape {tuple(s.shape)}; expected {expected} = {layout.state_words}")
        if s.dtype != xs.dtype:
            raise TypeError(f"{name} has dtype {s.dtype}; expected {xs.dtype}, that of the input")
        if s.device != xs.device:
            raise ValueError(f"{name} is on {s.device}; expected {xs.device}, where the input is")
        return s

    # -- to and from NumPy -----------------------------------------------------------------------------

    def to_numpy(self):
        """The parameters as the NumPy cell takes them: a dict of arrays, copied.

        Only a layer of one level and one direction is one cell; any other raises a ValueError.
        """
        if self.num_layers > 1 or self.bidirectional:
            raise ValueError(f"the layer has num_layers={self.num_layers} and bidirectional={self.bidirectional}; "
                             "a NumPy cell is one layer in one direction")
        return {name: value.detach().cpu().numpy().copy() for name, value in self.parameters_of("_l0").items()}


def _say(value):
    """What came, in a few words."""
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__
