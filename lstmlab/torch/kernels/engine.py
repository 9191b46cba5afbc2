"""A cell's forward and backward pass by the kernels: the products outside of time, and what is kept between the two."""

from __future__ import annotations

import functools

import torch

from . import body, launch
from .plan import plan_of


def _in_its_dtype(method):
    """A pass in the dtype that it was given: autocast, which may be on in one pass and not in the other, is over."""
    @functools.wraps(method)
    def run(self, params, xs, *arguments):
        with torch.autocast(xs.device.type, enabled=False):
            return method(self, params, xs, *arguments)
    return run


class Kernels:
    """The fused engine of one cell, as `lstmlab.torch._fused` asks for it.

    The work array ``(T, B, width * H)`` is all that grows with the number of gates: the inputs' shares become the
    pre-activations in place, and those become their gradients. So the two passes hold no more than that array, the
    states and, for a cell with a memory apart from h, that memory.
    """

    def __init__(self, cell, device):
        self.cell, self.plan, self.mode = cell, plan_of(cell), launch.current_mode(device)

    @_in_its_dtype
    def forward(self, params, xs, state, mask, keep):
        """Outputs, final state, and what the way back needs: tensors, to be saved by autograd."""
        plan, H = self.plan, self.cell.hidden_size
        T, B, _ = xs.shape
        work = xs.new_empty(T, B, plan.width * H)
        self._inputs(params, xs, work.view(T * B, -1))
        start = [_aligned(s) for s in state]
        memory = _single(start[-1])                                                        # C, or h
        states = xs.new_empty(T, B, H)
        outputs = states if mask is None else torch.empty_like(states)
        two = len(plan.forward) == 2
        tape = torch.empty_like(states) if two or (plan.tape and keep) else None
        first, second = plan.forward[0], plan.forward[-1]
        constants = {
            "ROWS": plan.slots, "V": tuple(int(name != "") for name in plan.vectors), "OPTIONS": plan.options,
            "WIDTH": plan.width, "MASKED": mask is not None, "KEEP": keep, "SINGLE": not two, "TAPE": plan.tape,
            "POINTWISE1": first.pointwise, "D1": first.rows, "X1": first.read, "Z1": first.write,
            "POINTWISE2": second.pointwise, "D2": second.rows, "X2": second.read, "Z2": second.write,
        }
        weights, vectors = self._recurrent(params), self._vectors(params)
        bytes_ = None if mask is None else mask.to(torch.uint8).contiguous()
        addresses = [work, states, outputs, start[0], memory, tape, weights, vectors, bytes_, self._arrivals(xs), None]
        launch.run(body.forward, constants, len(plan.forward), addresses, T, B, H, xs.dtype, xs.device, self.mode)
        last = [states[-1].clone(), memory.to(xs.dtype)][:len(state)]
        return outputs, last, (work, outputs, None if mask is None else states, tape, bytes_) if keep else ()

    @_in_its_dtype
    def backward(self, params, xs, state, kept, dhs, dlast, wanted, again):
        """Gradients of the inputs (None unless `wanted`), of the initial state and of the parameters by name.

        The gradients overwrite the work array; `again` says that it will be needed once more, and copies it.
        """
        plan, H = self.plan, self.cell.hidden_size
        work, outputs, states, tape, bytes_ = kept
        states = outputs if states is None else states
        T, B, _ = xs.shape
        work = work.clone() if again else work
        start = [_aligned(s) for s in state]
        dh = _single(dlast[0])
        dc = _single(dlast[-1]) if plan.tape else None
        recurrent = self._recurrent(params)
        blocks = -(-B // 16)                                                             # as many as there can be
        totals = xs.new_zeros(blocks, 3, H, dtype=torch.float32) if any(plan.vectors) else None
        first, second = plan.backward[0], plan.backward[-1]
        constants = {
            "ROWS": plan.slots, "V": tuple(int(name != "") for name in plan.vectors), "OPTIONS": plan.options,
            "WIDTH": plan.width, "SEEN": len(plan.recurrent), "MASKED": bytes_ is not None, "MEMORY": plan.tape,
            "POINTWISE1": first.pointwise, "D1": first.rows, "FROM1": first.source, "X1": first.read,
            "Z1": first.write, "POINTWISE2": second.pointwise, "D2": second.rows, "FROM2": second.source,
            "X2": second.read, "Z2": second.write,
        }
        transposed = recurrent.t().contiguous()
        addresses = [work, _aligned(dhs), tape if plan.tape else states, start[-1], dc, dh, transposed,
                     self._vectors(params), bytes_, self._arrivals(xs), totals]
        launch.run(body.backward, constants, len(plan.backward), addresses, T, B, H, xs.dtype, xs.device, self.mode)
        flat, seen = work.view(T * B, -1), plan.width - len(plan.recurrent)
        dx, dz = flat[:, :len(plan.inputs) * H], flat[:, seen * H:]
        direct = plan.from_h * H
        dh_0 = dh.to(xs.dtype) + work[0, :, seen * H:seen * H + direct] @ recurrent[:direct]
        dW_h = dz.new_empty(len(plan.recurrent) * H, H)
        before = states.view(T * B, H)
        torch.mm(dz[B:, :direct].t(), before[:-B], out=dW_h[:direct]).addmm_(dz[:B, :direct].t(), start[0])
        if direct < len(dW_h):
            torch.mm(dz[:, direct:].t(), tape.view(T * B, H), out=dW_h[direct:])
        dW_x, db = dx.t() @ xs.reshape(T * B, -1), dx.sum(0)
        dparams = {name: totals[:, k].sum(0).to(xs.dtype) for k, name in enumerate(plan.vectors) if name}
        for k, gate in enumerate(plan.inputs):
            j = plan.recurrent.index(gate)
            dparams[f"W_{gate}"] = torch.cat([dW_h[j * H:(j + 1) * H], dW_x[k * H:(k + 1) * H]], dim=1)
            dparams[f"b_{gate}"] = db[k * H:(k + 1) * H]
        dxs = (dx @ self._of_inputs(params)).view(xs.shape) if wanted else None
        return dxs, [dh_0, *((dc.to(xs.dtype),) if plan.tape else ())], dparams

    # -- the parameters as the kernels read them -------------------------------------------------------

    def _inputs(self, params, xs, work):
        """Write the inputs' shares of the pre-activations: the one product of the forward pass outside of time."""
        b = torch.cat([params[f"b_{gate}"] for gate in self.plan.inputs])
        columns = work[:, :len(b)]
        torch.addmm(b, xs.reshape(len(work), -1), self._of_inputs(params).t(), out=columns)

    def _of_inputs(self, params):
        return torch.cat([params[f"W_{gate}"][:, self.cell.hidden_size:] for gate in self.plan.inputs])

    def _recurrent(self, params):
        return torch.cat([params[f"W_{gate}"][:, :self.cell.hidden_size] for gate in self.plan.recurrent])

    def _vectors(self, params):
        if not any(self.plan.vectors):
            return None
        like = params[next(filter(None, self.plan.vectors))]
        return torch.stack([params[name] if name else torch.zeros_like(like) for name in self.plan.vectors]).float()

    def _arrivals(self, xs):
        return torch.zeros(4, dtype=torch.int32, device=xs.device) if self.mode == "persistent" else None


def _single(value):
    """A copy in single precision, to be written in."""
    return value.to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def _aligned(value):
    """The tensor in one piece that begins at 16 bytes."""
    value = value.contiguous()
    return value.clone() if value.data_ptr() % 16 else value
