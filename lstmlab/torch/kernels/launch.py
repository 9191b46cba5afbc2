"""How the steps reach the device: launch by launch, as a CUDA graph, or in one launch that stays."""

from __future__ import annotations

import collections
import contextlib
import math

import torch
import triton
import triton.language as tl

_DTYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}
_CHUNK = 64                             # steps of one captured graph
_GRAPHS_KEPT = 64
_H100 = 132, 232_448                    # multiprocessors, bytes of shared memory: where there is no device to ask
_MODES = ("steps", "graph", "persistent")
_default = "graph"
_graphs: collections.OrderedDict = collections.OrderedDict()


@contextlib.contextmanager
def launches(mode):
    """Within the block, send the steps to the GPU in another way.

    Parameters
    ----------
    mode : {"graph", "steps", "persistent"}
        ``"graph"``, the default: a launch per step, captured once as a CUDA graph and replayed. ``"steps"``: a
        launch per step. ``"persistent"``: one launch whose programs keep the weights on the chip and wait for each
        other at every step, for weights of 16 bits; a RuntimeError says so where they do not fit.

    Examples
    --------
    >>> from lstmlab.torch.kernels import launches
    >>> with launches("persistent"):
    ...     output, state = layer(input)
    """
    global _default
    if mode not in _MODES:
        raise ValueError(f"mode is {mode!r}; expected one of {', '.join(map(repr, _MODES))}")
    before, _default = _default, mode
    try:
        yield
    finally:
        _default = before


def current_mode(device):
    """The mode for a device: what `launches` asked for; launch by launch where there is no GPU to capture."""
    return "steps" if device.type != "cuda" and _default == "graph" else _default


def run(kernel, constants, phases, addresses, T, B, H, dtype, device, mode):
    """Run T steps.

    Parameters
    ----------
    kernel : JITFunction
        `body.forward` or `body.backward`.
    constants : dict of str to object
        Its constants but those set here.
    phases : int
        Phases of a step, 1 or 2.
    addresses : list of Tensor or None
        What the table holds from its third entry on.
    """
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        _run(kernel, constants, phases, addresses, T, B, H, dtype, device, mode)


def _run(kernel, constants, phases, addresses, T, B, H, dtype, device, mode):
    slots = sum(row >= 0 for row in constants["ROWS"])
    if mode == "persistent" and dtype == torch.float32 and device.type == "cuda":
        raise RuntimeError("a program keeps weights of 16 bits on the chip; use launches('graph') for float32")
    blocks = _blocks(B, H, dtype, device, slots if mode == "persistent" else 0)
    constants = {**constants, **blocks, "DTYPE": _DTYPES[dtype], "PRECISION": _precision(dtype),
                 "ON_CHIP": mode == "persistent"}
    table = torch.tensor([0, T, *(0 if a is None else a.data_ptr() for a in addresses)], dtype=torch.int64)
    grid = (math.ceil(H / blocks["BH"]), math.ceil(B / blocks["BB"]))
    each = (1,) if phases == 1 else (1, 2)
    if mode == "graph":
        _replay(kernel, grid, constants, each, table, T, B, H, device)
        return
    table = table.to(device)
    if mode == "persistent":
        cooperative = {"launch_cooperative_grid": True} if device.type == "cuda" else {}
        kernel[grid](table, 0, T, B, H, PHASES=1 if phases == 1 else 3, **constants, num_warps=8, num_stages=1,
                     **cooperative)
        return
    for begin in range(T):
        for phase in each:
            kernel[grid](table, begin, 1, B, H, PHASES=phase, **constants, num_warps=4, num_stages=4)


def _replay(kernel, grid, constants, each, table, T, B, H, device):
    """The steps as replays of a captured graph of some, which finds its place in the sequence in its own table."""
    stream = torch.cuda.current_stream(device)
    key = (kernel, device, stream.cuda_stream, B, H, tuple(constants.items()))
    if key not in _graphs:
        _graphs[key] = _capture(kernel, grid, constants, each, B, H, device)
        if len(_graphs) > _GRAPHS_KEPT:
            torch.cuda.synchronize(device)                       # the oldest may still be running
            _graphs.popitem(last=False)
    _graphs.move_to_end(key)
    graph, home = _graphs[key]
    home.copy_(table.pin_memory(), non_blocking=True)
    for _ in range(math.ceil(T / _CHUNK)):
        graph.replay()


def _capture(kernel, grid, constants, each, B, H, device):
    """A graph of `_CHUNK` steps, and the table that it reads; steps beyond T do nothing."""
    home = torch.zeros(2 + 11, dtype=torch.int64, device=device)

    def launch(begin):
        for phase in each:
            kernel[grid](home, begin, 1, B, H, PHASES=phase, **constants, num_warps=4, num_stages=4)

    launch(0)                                                    # compiles; T = 0, so that no step is run
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        graph.capture_begin(capture_error_mode="thread_local")
        for begin in range(_CHUNK):
            launch(begin)
        home[:1].add_(_CHUNK)
        graph.capture_end()
    torch.cuda.current_stream(device).wait_stream(stream)
    return graph, home


def _precision(dtype):
    """How a product of float32 is formed: as torch's own matrix products are."""
    return "tf32" if dtype == torch.float32 and torch.get_float32_matmul_precision() != "highest" else "ieee"


def _blocks(B, H, dtype, device, slots):
    """Sizes of a program's block of the batch and of units, and of the piece of the sum that it takes at a time.

    Small blocks spread a step over many multiprocessors; once all have work, larger ones read less twice. With
    `slots` > 0 the weights of so many gates are to stay on the chip: a program then takes the whole sum at once, its
    shared memory holds the weights beside the other factors, and the grid must fit the device, since its programs
    wait for each other.
    """
    sms, shared = _H100
    if slots:
        sms = 1                                                  # the interpreter runs one program at a time
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        sms, shared = properties.multi_processor_count, properties.shared_memory_per_block_optin

    def programs(rows, units):
        return math.ceil(B / rows) * math.ceil(H / units)

    whole = max(16, triton.next_power_of_2(H))
    if slots:
        for rows, units in ((16, 16), (32, 16), (16, 8), (64, 16), (32, 8)):
            if programs(rows, units) <= sms and (slots * units + max(1, slots - 1) * rows) * whole * 2 + 2048 <= shared:
                return {"BB": rows, "BH": units, "BK": whole}
        raise RuntimeError(f"the recurrent weights of {slots} gates of {H} units do not stay on a chip of {sms} "
                           f"multiprocessors for a batch of {B}; use launches('graph')")
    rows, units = 16, 16
    for more in ((32, 16), (32, 32), (64, 32), (64, 64)):
        if programs(*more) >= sms:
            rows, units = more
    piece = min(256, triton.next_power_of_2(8192 // (rows + units) + 1) // 2) // dtype.itemsize
    return {"BB": rows, "BH": units, "BK": max(16, min(piece, whole))}
