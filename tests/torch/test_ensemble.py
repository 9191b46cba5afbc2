"""Several layers at once are the layers by themselves."""

import pytest
import torch

import lstmlab.torch as lt
from lstmlab.torch.ensemble import run_stacked


def test_stacked_layers_are_each_layer_by_itself(make):
    """Outputs, final states and gradients of three layers with a mask, each as if it ran alone."""
    layer = make(3, 4, backend="loop")
    own = layer.parameters_of("_l0")
    params = {name: torch.stack([value.detach(), -value.detach(), 0.5 * value.detach()]).requires_grad_()
              for name, value in own.items()}
    xs = torch.randn(5, 3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    hs, last = run_stacked(layer, params, xs, mask=torch.ones(5, 3, 2, dtype=torch.bool))
    found = torch.autograd.grad(hs.pow(2).sum() + last[-1].sum(), params.values())
    for n in range(3):
        alone = {f"{name}_l0": value[n].detach().requires_grad_() for name, value in params.items()}
        output, state = torch.func.functional_call(layer, alone, (xs[:, n],))
        state = state if isinstance(state, tuple) else (state,)
        assert torch.allclose(hs[:, n], output, rtol=0, atol=1e-13)
        expected = torch.autograd.grad(output.pow(2).sum() + state[-1].sum(), alone.values())
        assert all(torch.allclose(a[n], b, rtol=0, atol=1e-11) for a, b in zip(found, expected, strict=True))


def test_masked_steps_carry_the_state_on():
    """Where the mask is False the output is 0 and the state stays."""
    layer = lt.GRU(2, 3)
    params = {name: value[None] for name, value in layer.parameters_of("_l0").items()}
    xs = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([True, True, False, False])[:, None, None].expand(4, 1, 2)
    hs, (last,) = run_stacked(layer, params, xs, mask=mask)
    assert torch.equal(last, hs[1])
    assert not hs[2:].any()


def test_a_deep_layer_is_refused():
    """One clear error."""
    layer = lt.RNN(2, 3, num_layers=2)
    with pytest.raises(ValueError, match="num_layers=2 and bidirectional=False; expected one level"):
        run_stacked(layer, {}, torch.zeros(1, 1, 1, 2))
