"""What torch does to functions works on the layers: vmap, higher gradients, compilation."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacrev, jvp, vmap

import lstmlab.torch as lt


@pytest.fixture
def input():
    """A float64 input (T=4, B=3, I=3)."""
    return torch.randn(4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def parameters(layer):
    return {name: value.detach() for name, value in layer.named_parameters()}


def test_per_sample_gradients(make, input):
    """vmap over grad gives each sample's gradient: together they are the batch's."""
    layer = make(3, 4, bidirectional=True)
    each = vmap(grad(lambda params, x: functional_call(layer, params, (x,))[0].pow(2).sum()), in_dims=(None, 1))
    found = each(parameters(layer), input)
    layer(input)[0].pow(2).sum().backward()
    for name, value in layer.named_parameters():
        assert torch.allclose(found[name].sum(dim=0), value.grad, rtol=0, atol=1e-12)


def test_vmap_over_models(make, input):
    """vmap over stacked parameters runs an ensemble."""
    layer = make(3, 4)
    ensemble = {name: torch.stack([value, -value]) for name, value in parameters(layer).items()}
    found = vmap(lambda params: functional_call(layer, params, (input,))[0])(ensemble)
    assert torch.allclose(found[0], layer(input)[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_double_backward(make, backend, input):
    """Second derivatives agree with differences of the first, by the loop and by the fused backend's replay."""
    layer = make(3, 2, backend=backend)
    params = {name: value.detach().requires_grad_() for name, value in layer.named_parameters()}
    few = dict(list(params.items())[:2])

    def output(x, *values):
        return functional_call(layer, {**params, **dict(zip(few, values, strict=True))}, (x,))[0]

    assert torch.autograd.gradgradcheck(output, (input[:2, :2].clone().requires_grad_(), *few.values()))


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_many_gradients_at_once(make, backend, input):
    """is_grads_batched gives what as many backward passes would: the rows of a Jacobian."""
    layer = make(3, 4, backend=backend)
    output, params = layer(input)[0], tuple(layer.parameters())
    given = torch.randn(2, *output.shape, dtype=output.dtype)
    found = torch.autograd.grad(output, params, given, retain_graph=True, is_grads_batched=True)
    for k, one in enumerate(given):
        for many, alone in zip(found, torch.autograd.grad(output, params, one, retain_graph=True), strict=True):
            assert torch.allclose(many[k], alone, rtol=0, atol=1e-12)


def test_replay_tells_equal_tensors_apart(input):
    """One tensor as h_0 and as C_0 gets the sum of both gradients once, also when the loop is replayed."""
    layer = lt.LSTM(3, 4, dtype=torch.float64, backend="fused")
    s = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    once, = torch.autograd.grad(layer(input, (s, s))[0].sum(), s)
    again, = torch.autograd.grad(layer(input, (s, s))[0].sum(), s, create_graph=True)
    assert torch.allclose(once, again, rtol=0, atol=1e-13)


@pytest.mark.parametrize("backend", [pytest.param("eager", marks=pytest.mark.full), "aot_eager"])
def test_compile_without_graph_break(make, backend, input):
    """torch.compile takes every layer whole, forward and backward."""
    layer = make(3, 4)
    torch._dynamo.reset()
    output = torch.compile(layer, backend=backend, fullgraph=True)(input[:3])[0]
    expected = layer(input[:3])[0]
    assert torch.allclose(output, expected, rtol=0, atol=1e-13)
    params = tuple(layer.parameters())
    for found, true in zip(torch.autograd.grad(output.sum(), params), torch.autograd.grad(expected.sum(), params),
                           strict=True):
        assert torch.allclose(found, true, rtol=0, atol=1e-12)


def test_jacobian(input):
    """jacrev of the output with respect to the input has no entry from the future or from another sample."""
    layer = lt.GRU(3, 4, dtype=torch.float64)
    jacobian = jacrev(lambda x: layer(x)[0])(input)             # (T, B, H, T, B, I)
    assert (jacobian[1, :, :, 2:] == 0).all()
    assert (jacobian[2, 0, :, :, 1] == 0).all()
    assert (jacobian[2, 0, :, 1, 0] != 0).all()


def test_forward_mode(make, input):
    """jvp agrees with a difference along the direction."""
    layer, step = make(3, 4), 1e-6
    direction = torch.ones_like(input)
    _, tangent = jvp(lambda x: layer(x)[0], (input,), (direction,))
    difference = (layer(input + step * direction)[0] - layer(input - step * direction)[0]) / (2 * step)
    assert torch.allclose(tangent, difference, rtol=0, atol=1e-8)


def test_dual_numbers(input):
    """Forward mode by dual numbers is jvp's."""
    layer, direction = lt.LSTM(3, 4, dtype=torch.float64), torch.ones_like(input)
    with forward_ad.dual_level():
        output, _ = layer(forward_ad.make_dual(input, direction))
        tangent = forward_ad.unpack_dual(output).tangent
    assert torch.allclose(tangent, jvp(lambda x: layer(x)[0], (input,), (direction,))[1], rtol=0, atol=1e-13)


def test_backward_of_the_loop_is_linear_in_time():
    """The gradient of a sequence twice as long allocates about twice the bytes, not four times."""
    def allocated(T):
        layer = lt.LSTM(3, 4, backend="loop")
        with torch.profiler.profile(profile_memory=True, acc_events=True) as profile:
            layer(torch.randn(T, 2, 3))[0].sum().backward()
        return sum(max(event.self_cpu_memory_usage, 0) for event in profile.events())

    assert allocated(120) < 2.4 * allocated(60)


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_backward_twice(make, backend, input):
    """With retain_graph a second backward gives the same gradients."""
    layer = make(3, 4, backend=backend)
    loss = layer(input)[0].pow(2).sum()
    params = tuple(layer.parameters())
    once = torch.autograd.grad(loss, params, retain_graph=True)
    assert all(map(torch.equal, once, torch.autograd.grad(loss, params)))


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_an_output_changed_in_place(make, backend, input):
    """Changing the output in place leaves the layer's own record alone."""
    layer = make(3, 4, backend=backend)
    params = tuple(layer.parameters())
    expected = torch.autograd.grad(3 * layer(input)[0].sum(), params)
    found = torch.autograd.grad(layer(input)[0].mul_(3).sum(), params)
    assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(expected, found, strict=True))


def test_a_parameter_changed_between_the_passes_is_noticed(input):
    """The fused backend reads torch's memory in place, so a change between forward and backward is an error."""
    layer = lt.LSTM(3, 4, dtype=torch.float64, backend="fused")
    loss = layer(input)[0].sum()
    with torch.no_grad():
        layer.W_f_l0.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
