"""The fused backend: a cell's whole forward and backward pass as one torch operation.

On the CPU an engine runs the NumPy cell on views of torch's own memory, on a GPU it launches the kernels of
`lstmlab.torch.kernels`. Under ``TRITON_INTERPRET=1`` Triton runs the kernels on the CPU, step by step in NumPy: slow,
and a way to check them without a GPU.
"""

from __future__ import annotations

import importlib.util
import os

import torch
from torch.autograd import forward_ad

from ._loop import run_loop

_NUMPY_DTYPES = (torch.float32, torch.float64)
_KERNEL_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_CAPABILITY = (8, 0)                                # of the first NVIDIA GPUs with bfloat16 and TF32 (Ampere)


def why_not_fused(cell, xs):
    """The reason why the fused backend cannot run a cell on this input, or None."""
    if torch.compiler.is_compiling():
        return "is not traced by torch.compile"
    if torch._C._are_functorch_transforms_active():
        return "does not run under the transforms of torch.func (vmap, grad, jacrev, ...)"
    if forward_ad._current_level >= 0:
        return "has no forward-mode derivative"
    if xs.device.type == "cuda":
        return _why_no_kernels(cell, xs)
    if xs.device.type != "cpu":
        return f"runs on the CPU and on NVIDIA GPUs; the input is on {xs.device}"
    if xs.dtype not in _NUMPY_DTYPES and not _interpreted(cell, xs):
        return f"computes in float32 and float64; the input has dtype {xs.dtype}"
    return None


def _why_no_kernels(cell, xs):
    """The reason why the kernels cannot run a cell on this input, or None."""
    dtype = _working_dtype(xs)
    if importlib.util.find_spec("triton") is None:
        return "needs triton, which is not installed"
    if dtype not in _KERNEL_DTYPES:
        return f"computes in float32, bfloat16 and float16 on a GPU; the input has dtype {dtype}"
    if getattr(cell, "variant", None) == "FGR":
        return "has no kernel for variant='FGR', whose gates feed each other"
    if 4 * cell.hidden_size * max(xs.shape[1], cell.hidden_size) >= 2**31:
        return "indexes with 32 bits; a step of this batch is larger"
    if xs.device.type == "cuda":
        if torch.version.hip or torch.cuda.get_device_capability(xs.device) < _CAPABILITY:
            return f"needs an NVIDIA GPU of compute capability {'.'.join(map(str, _CAPABILITY))} or more"
        if torch.cuda.is_current_stream_capturing():
            return "replays a CUDA graph of its own, which cannot be captured in another"
    return None


def _interpreted(cell, xs):
    """Whether Triton's interpreter stands in for a GPU."""
    return os.environ.get("TRITON_INTERPRET") == "1" and _why_no_kernels(cell, xs) is None


def _working_dtype(xs):
    """The dtype to compute in: the input's, or autocast's, as for `torch.nn.LSTM`."""
    on_gpu = xs.device.type == "cuda" and torch.is_autocast_enabled("cuda")
    return torch.get_autocast_dtype("cuda") if on_gpu else xs.dtype


def run_fused(layer, cell, params, xs, state, mask=None):
    """As `run_loop`, without the gates: one node in the graph, whose gradients are the engine's own."""
    if xs.device.type == "cuda" or _interpreted(cell, xs):
        from .kernels import Kernels
        engine, dtype = Kernels(cell, xs.device), _working_dtype(xs)
        xs, state = xs.to(dtype), tuple(s.to(dtype) for s in state)
        params = {name: value.to(dtype) for name, value in params.items()}
    else:
        engine = _NumPyEngine(cell)
    tensors = xs, *state, *params.values()
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    hs, *last = _Fused.apply(layer, engine, mask, keep, tuple(params), *tensors)
    return hs, tuple(last)


class _NumPyEngine:
    """``cell.forward`` and ``cell.backward`` on torch's memory."""

    def __init__(self, cell):
        self.cell = cell

    def forward(self, params, xs, state, mask, keep):
        params = {name: value.numpy() for name, value in params.items()}
        state = self.cell.State(*(s.numpy() for s in state))
        hs, last, self.tape = self.cell.forward(params, xs.numpy(), state, None if mask is None else mask.numpy())
        return torch.from_numpy(hs), [torch.from_numpy(s) for s in last], ()

    def backward(self, params, xs, state, kept, dhs, dlast, wanted, again):
        params = {name: value.numpy() for name, value in params.items()}
        dlast = self.cell.State(*(d.numpy() for d in dlast))
        dxs, dstate, dparams = self.cell.backward(params, self.tape, dhs.numpy(), dlast)
        return (torch.from_numpy(dxs), [torch.from_numpy(d) for d in dstate],
                {name: torch.from_numpy(d) for name, d in dparams.items()})


class _Fused(torch.autograd.Function):
    """An engine's forward and backward pass; a gradient of the gradient, or many at once, replay the loop."""

    @staticmethod
    def forward(ctx, layer, engine, mask, keep, names, *tensors):
        ctx.layer, ctx.engine, ctx.mask, ctx.names = layer, engine, mask, names
        xs, state, params = _sort(ctx, [t.detach() for t in tensors])
        hs, last, kept = engine.forward(params, xs, state, mask, keep)
        ctx.save_for_backward(*tensors, *kept)
        return hs, *last

    @staticmethod
    def backward(ctx, dhs, *dlast):
        saved = ctx.saved_tensors                       # raises if a parameter was changed since
        count = 1 + len(dlast) + len(ctx.names)
        tensors, kept = saved[:count], saved[count:]
        given = dhs, *dlast
        if torch.is_grad_enabled() or any(map(_batched, given)):
            return None, None, None, None, None, *_replay(ctx, tensors, given)
        xs, state, params = _sort(ctx, [t.detach() for t in tensors])
        again = torch._C._autograd._get_current_graph_task_keep_graph()
        dxs, dstate, dparams = ctx.engine.backward(params, xs, state, kept, dhs, dlast, ctx.needs_input_grad[5], again)
        return None, None, None, None, None, dxs, *dstate, *(dparams[name] for name in ctx.names)


def _sort(ctx, arrays):
    """The operation's flat arguments as inputs, state and parameters by name."""
    n = 1 + len(ctx.engine.cell.State._fields)
    return arrays[0], tuple(arrays[1:n]), dict(zip(ctx.names, arrays[n:], strict=True))


def _batched(tensor):
    """Whether it stands for many, as is_grads_batched hands the gradients of all of them to one backward pass."""
    return torch._C._functorch.is_batchedtensor(tensor) or torch._C._functorch.is_legacy_batchedtensor(tensor)


def _replay(ctx, tensors, grads):
    """Gradients by the loop: with a graph of their own, or of many gradients at once."""
    again = torch.is_grad_enabled()                     # create_graph=True
    with torch.enable_grad():
        tensors = [t.view_as(t) for t in tensors]       # a node each, even where one tensor came in two places
        xs, state, params = _sort(ctx, tensors)
        hs, last, _ = run_loop(ctx.layer.step, ctx.layer.weights(ctx.engine.cell, params), xs, state, ctx.mask)
    wanted = [t for t in tensors if t.requires_grad]
    found = iter(torch.autograd.grad((hs, *last), wanted, grads, create_graph=again, allow_unused=True))
    return [next(found) if t.requires_grad else None for t in tensors]
