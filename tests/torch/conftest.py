"""The layers under test: every cell, with the options that change its equations."""

from functools import partial

import pytest
import torch

import lstmlab.torch as lt

collect_ignore = ["side_by_side.py"]               # needs triton, which there is for Linux

KINDS = {
    "RNN": partial(lt.RNN), "LSTM": partial(lt.LSTM), "LSTM1997": partial(lt.LSTM1997),
    "CIFGLSTM": partial(lt.CIFGLSTM),
    **{f"peephole-{p}": partial(lt.PeepholeLSTM, peepholes=p) for p in ("fio", "o", "fi")},
    **{f"GRU-{r}-{c}": partial(lt.GRU, reset=r, carry=c) for r in ("before", "after") for c in ("z", "1-z")},
    **{v: partial(lt.AblatedLSTM, variant=v) for v in ("NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR")},
}


@pytest.fixture(params=KINDS)
def make(request):
    """Make a float64 layer of one kind, every parameter drawn at random (peepholes too)."""
    def make(*sizes, **arguments):
        torch.manual_seed(0)
        layer = KINDS[request.param](*sizes, **{"dtype": torch.float64, **arguments})
        with torch.no_grad():
            for value in layer.parameters():
                value.normal_(std=0.5)
        return layer
    return make


@pytest.fixture
def random_state():
    """Draw an initial state of a layer for a batch (None: one sequence)."""
    def draw(layer, batch):
        count = layer.num_layers * (1 + layer.bidirectional)
        shape = (count, layer.hidden_size) if batch is None else (count, batch, layer.hidden_size)
        return tuple(torch.randn(shape, dtype=torch.float64) for _ in layer.cells[0].State._fields)
    return draw


@pytest.fixture
def run():
    """Run a layer and take the gradients of a loss on every output: all values and gradients by name."""
    def run(layer, input, state):
        packed = not isinstance(input, torch.Tensor)
        leaf = (input.data if packed else input).detach().clone().requires_grad_()
        state = tuple(s.detach().clone().requires_grad_() for s in state)
        output, last = layer(input._replace(data=leaf) if packed else leaf, state if len(state) > 1 else state[0])
        values = [output.data if packed else output, *(last if isinstance(last, tuple) else (last,))]
        generator = torch.Generator().manual_seed(1)
        loss = sum((v * torch.randn(v.shape, generator=generator, dtype=v.dtype)).sum() for v in values)
        params = dict(layer.named_parameters())
        gradients = torch.autograd.grad(loss, (leaf, *state, *params.values()))
        counts = range(len(state))
        names = ("output", *(f"last {n}" for n in counts), "dinput", *(f"dstate {n}" for n in counts), *params)
        return dict(zip(names, (*values, *gradients), strict=True))
    return run
