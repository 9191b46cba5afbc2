"""The NumPy engine as one torch operation, on views of torch's own memory."""

from __future__ import annotations

import torch
from torch.autograd import forward_ad

from ._loop import run_loop

_DTYPES = (torch.float32, torch.float64)


def why_not_fused(xs):
    """The reason why the fused backend cannot run on this input, or None."""
    if torch.compiler.is_compiling():
        return "is not traced by torch.compile"
    if torch._C._are_functorch_transforms_active():
        return "does not run under the transforms of torch.func (vmap, grad, jacrev, ...)"
    if forward_ad._current_level >= 0:
        return "has no forward-mode derivative"
    if xs.device.type != "cpu":
        return f"runs on the CPU; the input is on {xs.device}"
    if xs.dtype not in _DTYPES:
        return f"computes in float32 and float64; the input has dtype {xs.dtype}"
    return None


def run_fused(layer, cell, params, xs, state, mask=None):
    """As `run_loop`, without the gates: one node in the graph, whose gradients are the cell's own `backward`."""
    hs, *last = _Engine.apply(layer, cell, mask, tuple(params), xs, *state, *params.values())
    return hs, tuple(last)


class _Engine(torch.autograd.Function):
    """``cell.forward`` and ``cell.backward``; a gradient of the gradient replays the loop."""

    @staticmethod
    def forward(ctx, layer, cell, mask, names, *tensors):
        ctx.layer, ctx.cell, ctx.mask, ctx.names = layer, cell, mask, names
        ctx.save_for_backward(*tensors)
        xs, state, params = _sort(ctx, [t.detach().numpy() for t in tensors])
        hs, last, ctx.tape = cell.forward(params, xs, cell.State(*state), None if mask is None else mask.numpy())
        return tuple(torch.from_numpy(a) for a in (hs, *last))

    @staticmethod
    def backward(ctx, dhs, *dlast):
        tensors = ctx.saved_tensors                     # raises if a parameter was changed since
        if torch.is_grad_enabled():                     # create_graph=True
            return None, None, None, None, *_replay(ctx, tensors, (dhs, *dlast))
        params = _sort(ctx, [t.detach().numpy() for t in tensors])[2]
        dlast = ctx.cell.State(*(d.numpy() for d in dlast))
        dxs, dstate, dparams = ctx.cell.backward(params, ctx.tape, dhs.numpy(), dlast)
        return None, None, None, None, *(torch.from_numpy(d) for d in (dxs, *dstate, *(dparams[k] for k in ctx.names)))


def _sort(ctx, arrays):
    """The operation's flat arguments as inputs, state and parameters by name."""
    n = 1 + len(ctx.cell.State._fields)
    return arrays[0], tuple(arrays[1:n]), dict(zip(ctx.names, arrays[n:], strict=True))


def _replay(ctx, tensors, grads):
    """Gradients by the loop, with a graph of their own."""
    tensors = [t.view_as(t) for t in tensors]           # a node each, even where one tensor came in two places
    xs, state, params = _sort(ctx, tensors)
    hs, last, _ = run_loop(ctx.layer.step, ctx.layer.weights(ctx.cell, params), xs, state, ctx.mask)
    wanted = [t for t in tensors if t.requires_grad]
    found = iter(torch.autograd.grad((hs, *last), wanted, grads, create_graph=True, allow_unused=True))
    return [next(found) if t.requires_grad else None for t in tensors]
