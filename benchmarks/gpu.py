"""How fast the layers are on a GPU, beside torch.nn's, the Python loop, FlashRNN and what the machine allows.

    python benchmarks/gpu.py                        # everything, on the current NVIDIA GPU
    python benchmarks/gpu.py --section speed --repeats 50

Times are taken with the GPU's own events, after runs to warm up; a time is a median, and ours and theirs take turns in
the same process. Like is compared with like: float32 with TF32 off on both sides, TF32 with TF32, and so on. All times
have the input projection in them. A floor is what no program for this machine could beat: the larger of the bytes that
have to move over the measured bandwidth, and the operations over the measured rate of the unit that does them.

Sections: ``speed``, ``accuracy`` (against the loop in float64) and ``gradcheck`` (the batched check beside torch's).
Without an NVIDIA GPU it says so, exits with status 1 and writes nothing.
"""

import argparse
import datetime
import functools
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

RESULTS = pathlib.Path(__file__).parent / "results" / "gpu.json"
SHAPES = [(1024, 16, 768), (512, 64, 256), (256, 128, 128), (1024, 16, 1024)]            # T, B, H; I = H
PRECISIONS = {"float32": "float32", "tf32": "float32", "bfloat16": "bfloat16", "float16": "float16"}
CELLS = {
    "LSTM": ("LSTM", {}, 4), "peephole": ("PeepholeLSTM", {}, 4), "CIFG": ("CIFGLSTM", {}, 3),
    "1997": ("LSTM1997", {}, 3), "GRU, reset after": ("GRU", {"reset": "after"}, 3),
    "GRU, reset before": ("GRU", {"reset": "before"}, 3),
}                                               # the layer, its options and the number of its gates
GOALS = {"LSTM over cuDNN's": {"float32": 1.0, "tf32": 1.0, "bfloat16": 1.0, "float16": 1.3},
         "GRU, reset before, over cuDNN's LSTM": 1.7, "loop over ours": 50, "memory over cuDNN's": 1.2,
         "torch's gradcheck over ours": 200}


def work(T, B, I, H, gates, itemsize, backward):
    """Operations and bytes that a layer cannot do without.

    Parameters
    ----------
    T, B, I, H : int
        Steps, batch, inputs and units.
    gates : int
        Gates G with weights; a step's products have G·H rows.
    itemsize : int
        Bytes of a number.
    backward : bool
        Count the backward pass too.

    Returns
    -------
    operations : int
        Multiplications and additions of the products: 2·T·B·G·H·(I + H) forward, twice that again backward, where
        each product of the forward pass has one for the gradient of either factor.
    bytes : int
        Forward: inputs and weights read, outputs written. Backward, on top: what was kept, G + 1 values a unit and
        step, written once and read once; the gradients of the outputs, and inputs, outputs and weights once more,
        read; the gradients of inputs and weights written.
    """
    operations = 2 * T * B * gates * H * (I + H)
    weights, inputs, units = gates * H * (I + H), T * B * I, T * B * H
    numbers = inputs + weights + units
    if backward:
        operations *= 3
        numbers += 2 * (gates + 1) * units + units + inputs + units + weights + inputs + weights
    return operations, numbers * itemsize


# -- measuring ----------------------------------------------------------------------------------------------


def median_ms(runs, repeats):
    """Medians, in milliseconds by the GPU's clock, of runs that take turns, after three runs each to warm up."""
    import torch
    times = {run: [] for run in runs}
    for run in [*runs] * (repeats + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times[run].append(start.elapsed_time(end))
    return [statistics.median(times[run][3:]) for run in runs]


def peak_bytes(run):
    """How much more memory a run takes at its peak than there was before."""
    import torch
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def set_precision(precision):
    """Let float32 products be float32 or TF32, in cuDNN, in cuBLAS and in our kernels."""
    import torch
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def ceilings(repeats):
    """Bandwidth of a large copy (bytes read plus written), and the rate of large products in every precision."""
    import torch
    source = torch.randn(2**28, device="cuda")
    target = torch.empty_like(source)
    ms, = median_ms([functools.partial(target.copy_, source)], repeats)
    found = {"bandwidth_GB_s": round(2 * source.nbytes / ms / 1e6, 1), "rates_Tflop_s": {}}
    for precision, dtype in PRECISIONS.items():
        set_precision(precision)
        a, b = (torch.randn(8192, 8192, device="cuda", dtype=getattr(torch, dtype)) for _ in range(2))
        ms, = median_ms([functools.partial(torch.mm, a, b)], repeats)
        found["rates_Tflop_s"][precision] = round(2 * 8192**3 / ms / 1e9, 1)
    return found


# -- the sections -------------------------------------------------------------------------------------------


def speed_section(repeats):
    """Every cell, shape and precision, forward and with the backward pass."""
    limits = ceilings(repeats)
    yield {"section": "ceilings", **limits}
    for shape, precision in itertools.product(SHAPES, PRECISIONS):
        set_precision(precision)
        for name in CELLS:
            for backward in (False, True):
                yield {"section": "speed", **speed_row(name, shape, precision, backward, limits, repeats)}


def speed_row(name, shape, precision, backward, limits, repeats):
    import torch

    import lstmlab.torch as lt
    from lstmlab.torch.kernels import launches
    T, B, H = shape
    kind, options, gates = CELLS[name]
    dtype = getattr(torch, PRECISIONS[precision])
    x, dh = (torch.randn(T, B, H, device="cuda", dtype=dtype) for _ in range(2))
    fused, loop = (getattr(lt, kind)(H, H, backend=backend, device="cuda", dtype=dtype, **options)
                   for backend in ("fused", "loop"))
    lstm, gru = (getattr(torch.nn, nn)(H, H, device="cuda", dtype=dtype) for nn in ("LSTM", "GRU"))

    def train(layer, mode="graph"):
        with launches(mode):
            if backward:
                layer.zero_grad()
                layer(x.detach().requires_grad_())[0].backward(dh)
            else:
                with torch.no_grad():
                    layer(x)

    runs = {"ours": functools.partial(train, fused), "cudnn_lstm": functools.partial(train, lstm),
            "cudnn_gru": functools.partial(train, gru)}
    row = {"cell": name, "T": T, "B": B, "H": H, "precision": precision, "backward": backward, "repeats": repeats}
    optional = {"ours_persistent": functools.partial(train, fused, "persistent")}
    if name == "LSTM":
        optional["flashrnn"] = flashrnn_run(x, dh, H, backward)
    for other, run in optional.items():
        try:
            run()
            torch.cuda.synchronize()
            runs[other] = run
        except Exception as reason:                  # what does not run on this machine is said, not hidden
            row[f"{other}_missing"] = f"{type(reason).__name__}: {str(reason).splitlines()[0] if str(reason) else ''}"
    for key, ms in zip(runs, median_ms(list(runs.values()), repeats), strict=True):
        row[f"{key}_ms"] = round(ms, 4)
    row["loop_ms"] = round(median_ms([functools.partial(train, loop)], min(repeats, 3))[0], 2)
    row["memory"] = {key: peak_bytes(runs[key]) for key in ("ours", "cudnn_lstm", "cudnn_gru")}
    operations, moved = work(T, B, H, H, gates, dtype.itemsize, backward)
    row["floor_ms"] = {"bytes": round(moved / limits["bandwidth_GB_s"] / 1e6, 4),
                       "operations": round(operations / limits["rates_Tflop_s"][precision] / 1e9, 4)}
    best = min(row["ours_ms"], row.get("ours_persistent_ms", row["ours_ms"]))
    row["ratios"] = {"cudnn_lstm": round(row["ours_ms"] / row["cudnn_lstm_ms"], 4),
                     "cudnn_gru": round(row["ours_ms"] / row["cudnn_gru_ms"], 4),
                     "loop": round(row["loop_ms"] / row["ours_ms"], 1),
                     "floor": round(best / max(row["floor_ms"].values()), 2),
                     "memory": round(row["memory"]["ours"] / max(1, row["memory"]["cudnn_lstm"]), 3)}
    return row


def flashrnn_run(x, dh, H, backward):
    """FlashRNN's LSTM of one head with its input projection, by its fused CUDA kernels."""
    def run():
        import torch
        from flashrnn import flashrnn
        T, B, _ = x.shape
        W, R, b = (value.requires_grad_(backward) for value in weights)
        projected = (x.detach().requires_grad_(backward).transpose(0, 1) @ W.t()).view(B, T, 4, 1, H)
        start = torch.zeros(2, B, 1, 1, H, device=x.device, dtype=x.dtype)
        states, _ = flashrnn(projected, R, b, states=start, function="lstm", backend="cuda_fused")
        if backward:
            states[0].backward(dh.transpose(0, 1).reshape(states[0].shape))

    weights = [x.new_empty(shape).uniform_(-H**-0.5, H**-0.5) for shape in ((4 * H, H), (4, 1, H, H), (4, 1, H))]
    return run


def accuracy_section(repeats):
    """The largest relative error, in norm, of any output or gradient against the loop in float64."""
    import torch

    import lstmlab.torch as lt
    for precision, (name, (kind, options, _)) in itertools.product(PRECISIONS, CELLS.items()):
        set_precision(precision)
        T, B, H = 256, 16, 256
        torch.manual_seed(0)
        layer = getattr(lt, kind)(H, H, backend="fused", device="cuda", dtype=getattr(torch, PRECISIONS[precision]),
                                  **options)
        exact = getattr(lt, kind)(H, H, backend="loop", device="cuda", dtype=torch.float64, **options)
        exact.load_state_dict(layer.state_dict())
        x, dh = (torch.randn(T, B, H, device="cuda", dtype=next(layer.parameters()).dtype) for _ in range(2))

        def everything(layer, x=x, dh=dh):
            dtype = next(layer.parameters()).dtype
            x = x.detach().to(dtype).requires_grad_()
            output = layer(x)[0]
            return [output, *torch.autograd.grad(output, (x, *layer.parameters()), dh.to(dtype))]

        pairs = zip(everything(layer), everything(exact), strict=True)
        error = max(float((found.double() - value).norm() / value.norm()) for found, value in pairs)
        yield {"section": "accuracy", "cell": name, "T": T, "B": B, "H": H, "precision": precision, "error": error}


def gradcheck_section(repeats, memory=8 * 2**30, sample=64):
    """All entries of an H = 256 layer's weights in one batched check, beside torch's check of some of them.

    Torch's exhaustive check runs the layer twice for every entry, so its time grows in proportion to their number; it
    is timed on a sample and scaled.
    """
    import torch

    import lstmlab.torch as lt
    T, B, I, H = 8, 1, 1, 256
    layer = lt.LSTM(I, H, device="cuda", dtype=torch.float64)
    for name, value in layer.named_parameters():
        value.requires_grad_(name.startswith("W_"))
    entries = sum(value.numel() for value in layer.parameters() if value.requires_grad)
    x = torch.randn(T, B, I, device="cuda", dtype=torch.float64)
    state = tuple(torch.randn(1, B, H, device="cuda", dtype=torch.float64) for _ in range(2))
    part = layer.W_f_l0.detach()[0, :sample].clone().requires_grad_()

    def ours():
        assert lt.check_gradients(layer, x, state, memory=memory).ok

    def theirs():
        def run(part):
            W = torch.cat([torch.cat([part, layer.W_f_l0[0, sample:]])[None], layer.W_f_l0[1:]])
            return torch.func.functional_call(layer, {"W_f_l0": W}, (x, state))[0]
        assert torch.autograd.gradcheck(run, (part,), fast_mode=False)

    used = peak_bytes(ours)
    (mine,), (other,) = median_ms([ours], 3), median_ms([theirs], 1)
    yield {"section": "gradcheck", "T": T, "B": B, "I": I, "H": H, "entries": entries, "ours_ms": round(mine, 1),
           "torch_ms_per_entry": round(other / sample, 3), "torch_entries_timed": sample,
           "ratio": round(other / sample * entries / mine, 1), "memory_budget": memory, "memory_used": used}


SECTIONS = {"accuracy": accuracy_section, "speed": speed_section, "gradcheck": gradcheck_section}


def machine():
    """What the numbers were measured on."""
    import torch
    import triton
    device = torch.cuda.current_device()
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "-i", str(device)]
    driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    properties = torch.cuda.get_device_properties(device)
    return {"gpu": properties.name, "multiprocessors": properties.multi_processor_count,
            "memory_bytes": properties.total_memory, "driver": driver, "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(), "torch": torch.__version__, "triton": triton.__version__,
            "python": platform.python_version(), "cores": os.cpu_count()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--section", action="append", choices=SECTIONS, help="all by default")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    args = parser.parse_args()
    import torch
    if not torch.cuda.is_available():
        sys.exit("This benchmark needs an NVIDIA GPU, a build of torch for CUDA, and triton; torch "
                 f"{torch.__version__} finds no GPU here. Nothing was measured and nothing written.")
    rows, chosen = [], args.section or list(SECTIONS)
    if args.output.exists():
        redone = {*chosen, *(("ceilings",) if "speed" in chosen else ())}
        rows = [row for row in json.loads(args.output.read_text())["rows"] if row["section"] not in redone]
    for section in chosen:
        for row in SECTIONS[section](args.repeats):
            print(json.dumps(row), flush=True)
            rows.append(row)
            report = {"date": datetime.date.today().isoformat(), "machine": machine(), "goals": GOALS, "rows": rows}
            args.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
