"""How the steps reach the device: launch by launch, as a CUDA graph, or in one launch that stays."""

from __future__ import annotations

import collections
import contextlib
import gc
import math
import threading

import torch
import triton
import triton.language as tl

_DTYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}
_CHUNK = 64                             # steps of one captured graph
_GRAPHS_KEPT = 64
_WORTH_A_GRAPH = 4                      # steps, from which on replaying `_CHUNK` of them takes less than a few launches
_H100 = 132, 232_448                    # multiprocessors, bytes of shared memory: where there is no device to ask
_MODES = ("steps", "graph", "persistent")
_WARPS, _WARPS_STAYING = 4, 8            # of a program that does a step, and of one that stays
_default = "graph"
_graphs: collections.OrderedDict = collections.OrderedDict()
_lock = threading.RLock()               # a graph's table is filled and read by one thread at a time


@contextlib.contextmanager
def launches(mode):
    """Within the block, send the steps to the GPU in another way.

    Parameters
    ----------
    mode : {"graph", "steps", "persistent"}
        ``"graph"``, the default: a launch per step, captured once as a CUDA graph and replayed; three steps or fewer
        are launched as they are. ``"steps"``: a launch per step. ``"persistent"``: one launch whose programs keep the
        weights on the chip and wait for each other at every step, for weights of 16 bits; a RuntimeError says so where
        they do not fit.

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
    constants = {**constants, **settings(constants["ROWS"], B, H, dtype, device, mode)}
    table = torch.tensor([0, T, *(0 if a is None else a.data_ptr() for a in addresses)], dtype=torch.int64)
    grid = (math.ceil(H / constants["BH"]), math.ceil(B / constants["BB"]))
    each = (1,) if phases == 1 else (1, 2)
    if device.type == "cuda":
        table = table.pin_memory()                               # so that copying it waits for nothing
    if mode == "graph" and T >= _WORTH_A_GRAPH:
        _replay(kernel, grid, constants, each, table, T, B, H, device)
        return
    table = table.to(device, non_blocking=True)
    if mode == "persistent":
        kernel[grid](table, 0, T, B, H, PHASES=1 if phases == 1 else 3, **constants)
        return
    for begin in range(T):
        for phase in each:
            kernel[grid](table, begin, 1, B, H, PHASES=phase, **constants)


def settings(rows, B, H, dtype, device, mode):
    """What depends on the shape and the device: the kernels' constants, and how Triton is to compile them.

    Parameters
    ----------
    rows : tuple of int
        The row block of the recurrent weights of each slot; -1 is none.
    """
    slots, precision = sum(row >= 0 for row in rows), _precision(dtype)
    if mode == "persistent":
        if dtype == torch.float32 and device.type == "cuda":
            raise RuntimeError("a program keeps weights of 16 bits on the chip; use launches('graph') for float32")
        sizes = _staying(B, H, device, slots)
    else:
        sizes = _stepping(B, H, dtype, device, slots, precision)
    return {"DTYPE": _DTYPES[dtype], "PRECISION": precision, "ON_CHIP": mode == "persistent", **sizes}


def _replay(kernel, grid, constants, each, table, T, B, H, device):
    """The steps as replays of a captured graph of some, which finds its place in the sequence in its own table."""
    stream = torch.cuda.current_stream(device)
    key = (kernel, device, stream.cuda_stream, B, H, tuple(constants.items()))
    with _lock:
        if key not in _graphs:
            with torch.inference_mode(False), torch.no_grad(), _nothing_collected():
                _graphs[key] = _capture(kernel, grid, constants, each, B, H, device)
            if len(_graphs) > _GRAPHS_KEPT:
                torch.cuda.synchronize(device)                   # the oldest may still be running
                _graphs.popitem(last=False)
        _graphs.move_to_end(key)
        graph, home = _graphs[key]
        home.copy_(table, non_blocking=True)
        for _ in range(math.ceil(T / _CHUNK)):
            graph.replay()


@contextlib.contextmanager
def _nothing_collected():
    """No garbage is collected: what it frees on the device would end a capture."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _capture(kernel, grid, constants, each, B, H, device):
    """A graph of `_CHUNK` steps, and the table that it reads; steps beyond T do nothing.

    The table serves every later call, so it must not belong to an inference mode in which the first one was.
    """
    home = torch.zeros(2 + 11, dtype=torch.int64, device=device)

    def launch(begin):
        for phase in each:
            kernel[grid](home, begin, 1, B, H, PHASES=phase, **constants)

    launch(0)                                                    # compiles; T = 0, so that no step is run
    home[:1].add_(0)                                             # loads its kernel, which a capture must not
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            for begin in range(_CHUNK):
                launch(begin)
            home[:1].add_(_CHUNK)
        finally:
            graph.capture_end()
    torch.cuda.current_stream(device).wait_stream(stream)
    return graph, home


def _precision(dtype):
    """How a product of float32 is formed: as cuBLAS forms torch's own."""
    return "tf32" if dtype == torch.float32 and torch.backends.cuda.matmul.fp32_precision == "tf32" else "ieee"


def _resources(device):
    """Multiprocessors of a device, and the bytes of shared memory that a program may have."""
    if device.type != "cuda":
        return _H100
    properties = torch.cuda.get_device_properties(device)
    return properties.multi_processor_count, properties.shared_memory_per_block_optin


def _stepping(B, H, dtype, device, slots, precision):
    """Sizes of the blocks of programs that are launched for a step, and how they are compiled.

    A program has BB rows of the batch and BH units, and takes BK places of the sum at a time, in SPLIT pieces. Small
    blocks spread a step over many multiprocessors; once all have work, larger ones read less twice. As many loads are
    under way as shared memory has room for, 4 at most.
    """
    sms, shared = _resources(device)

    def programs(rows, units):
        return math.ceil(B / rows) * math.ceil(H / units)

    rows, units = (16, 8) if 2 * programs(16, 16) <= sms else (16, 16)
    for more in ((32, 16), (32, 32), (64, 32), (64, 64)):
        if programs(*more) >= sms:
            rows, units = more
    exact = dtype == torch.float32 and precision == "ieee"       # no matrix unit: a thread takes many pieces itself
    split = 1 if rows * units > 1024 else 16 if exact and rows * units <= 256 else _WARPS
    piece = min(256, 8192 // (rows + units)) // dtype.itemsize
    BK = max(16 * split, 1 << piece.bit_length() - 1)
    while split > 1 and 2 * max(16, H) <= BK:                    # no more than there is to add up
        BK, split = BK // 2, split // 2

    def stage():
        return slots * (rows + units) * BK * dtype.itemsize

    while split > 1 and 2 * stage() > shared:                    # smaller chips
        BK, split = BK // 2, split // 2
    stages = 1 + max(1, min(3, (shared - 4096) // stage()))
    return {"BB": rows, "BH": units, "BK": BK, "SPLIT": split, "num_warps": _WARPS, "num_stages": stages}


def _staying(B, H, device, slots):
    """The same of programs that stay, whose shared memory holds the weights of all slots beside the other factors.

    They wait for each other, so all of them must run at once: one on a multiprocessor. A cooperative launch makes sure
    of it.
    """
    sms, shared = _resources(device)
    options = {"num_warps": _WARPS_STAYING, "num_stages": 1}
    if device.type == "cuda":
        options["launch_cooperative_grid"] = True
    else:
        sms = 1                                                  # the interpreter runs one program at a time
    whole = max(16, triton.next_power_of_2(H))
    split = min(_WARPS_STAYING, whole // 16)
    for rows, units in ((16, 16), (32, 16), (16, 8), (64, 16), (32, 8)):
        programs = math.ceil(B / rows) * math.ceil(H / units)
        factors, pieces = 2 * max(1, slots - 1) * rows * whole, 16 * split * rows * units      # one after the other
        if programs <= sms and 2 * slots * units * whole + max(factors, pieces) + 2048 <= shared:
            return {"BB": rows, "BH": units, "BK": whole, "SPLIT": split, **options}
    raise RuntimeError(f"the recurrent weights of {slots} gates of {H} units do not stay on a chip of {sms} "
                       f"multiprocessors for a batch of {B}; use launches('graph')")
