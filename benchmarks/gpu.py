"""How fast the layers are on a GPU, beside torch.nn's, the Python loop, FlashRNN and what the machine allows.

    python benchmarks/gpu.py                        # everything, on the current NVIDIA GPU
    python benchmarks/gpu.py --minutes 9            # what fits; the same command again goes on where it stopped
    python benchmarks/gpu.py --section speed --repeats 50 --again

Times are taken with the GPU's own events, after runs to warm up; a time is a median, and ours and theirs take turns in
the same process. They begin when the GPU is idle and Python asks for the first operation, on both sides. Like is
compared with like: float32 with TF32 off on both sides, TF32 with TF32, and so on. All times have the input projection
in them. A floor is what no program for this machine could beat: the larger of the bytes that have to move over the
measured bandwidth, and the operations over the measured rate of the unit that does them.

Sections: ``speed``, ``accuracy`` (against the loop in float64) and ``gradcheck`` (the batched check beside torch's).
The file of results is whole after every row, and rows of another GPU or of other libraries are never mixed with these.
A row that cannot be measured is told and left out. Kernels are compiled before the first time is taken, by all
processors. Without an NVIDIA GPU the script says so, exits with status
1 and writes nothing.
"""

import argparse
import concurrent.futures
import datetime
import functools
import itertools
import json
import multiprocessing
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

RESULTS = pathlib.Path(__file__).parent / "results" / "gpu.json"
DEVICE = "cuda"
SHAPES = [(1024, 16, 768), (512, 64, 256), (256, 128, 128), (1024, 16, 1024)]            # T, B, H; I = H
ACCURACY_SHAPE = 256, 16, 256
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


def median_ms(runs, repeats, warm=3):
    """Medians, in milliseconds by the GPU's clock, of runs that take turns, after some runs each to warm up."""
    import torch
    times = {run: [] for run in runs}
    for run in [*runs] * (repeats + warm):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times[run].append(start.elapsed_time(end))
    return [statistics.median(times[run][warm:]) for run in runs]


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


# -- the sections: each a list of what a row is about, and a function that measures the row -----------------


def ceilings(repeats):
    """Bandwidth of a large copy (bytes read plus written), and the rate of large products in every precision."""
    import torch
    source = torch.randn(2**28, device=DEVICE)
    target = torch.empty_like(source)
    ms, = median_ms([functools.partial(target.copy_, source)], repeats)
    found = {"bandwidth_GB_s": round(2 * source.nbytes / ms / 1e6, 1), "rates_Tflop_s": {}}
    for precision, dtype in PRECISIONS.items():
        set_precision(precision)
        a, b = (torch.randn(8192, 8192, device=DEVICE, dtype=getattr(torch, dtype)) for _ in range(2))
        ms, = median_ms([functools.partial(torch.mm, a, b)], repeats)
        found["rates_Tflop_s"][precision] = round(2 * 8192**3 / ms / 1e9, 1)
    return found


def speed_rows():
    """Every shape, precision and cell, forward and with the backward pass."""
    return [{"cell": name, "T": T, "B": B, "H": H, "precision": precision, "backward": backward}
            for (T, B, H), precision, name, backward in itertools.product(SHAPES, PRECISIONS, CELLS, (False, True))]


def speed(row, args, limits):
    """One cell at one shape, beside the others; what does not run on this machine is said, not hidden."""
    import torch

    import lstmlab.torch as lt
    from lstmlab.torch.kernels import launches
    T, B, H, precision, backward = (row[name] for name in ("T", "B", "H", "precision", "backward"))
    set_precision(precision)
    kind, options, gates = CELLS[row["cell"]]
    dtype = getattr(torch, PRECISIONS[precision])
    x, dh = (torch.randn(T, B, H, device=DEVICE, dtype=dtype) for _ in range(2))
    fused, loop = (getattr(lt, kind)(H, H, backend=backend, device=DEVICE, dtype=dtype, **options)
                   for backend in ("fused", "loop"))
    torch.backends.cudnn.CUDNN_TENSOR_DTYPES.add(torch.bfloat16)     # or cuDNN would put its weights together each time
    lstm, gru = (getattr(torch.nn, nn)(H, H, device=DEVICE, dtype=dtype) for nn in ("LSTM", "GRU"))

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
    found = {}
    optional = {"ours_persistent": functools.partial(train, fused, "persistent")}
    if row["cell"] == "LSTM":
        optional["flashrnn"] = flashrnn_run(x, dh, H, backward)
    for other, run in optional.items():
        try:
            if other in args.leave_out:
                raise RuntimeError("left out")
            run()
            torch.cuda.synchronize()
            runs[other] = run
        except Exception as reason:
            found[f"{other}_missing"] = f"{type(reason).__name__}: {str(reason).partition(chr(10))[0]}"
    for key, ms in zip(runs, median_ms(list(runs.values()), args.repeats), strict=True):
        found[f"{key}_ms"] = round(ms, 4)
    found["loop_ms"] = round(median_ms([functools.partial(train, loop)], min(args.repeats, 2), warm=1)[0], 2)
    found["memory"] = {key: peak_bytes(runs[key]) for key in ("ours", "cudnn_lstm", "cudnn_gru")}
    operations, moved = work(T, B, H, H, gates, dtype.itemsize, backward)
    found["floor_ms"] = {"bytes": round(moved / limits["bandwidth_GB_s"] / 1e6, 4),
                         "operations": round(operations / limits["rates_Tflop_s"][precision] / 1e9, 4)}
    best = min(found["ours_ms"], found.get("ours_persistent_ms", found["ours_ms"]))
    found["ratios"] = {"cudnn_lstm": round(found["ours_ms"] / found["cudnn_lstm_ms"], 4),
                       "cudnn_gru": round(found["ours_ms"] / found["cudnn_gru_ms"], 4),
                       "loop": round(found["loop_ms"] / found["ours_ms"], 1),
                       "floor": round(best / max(found["floor_ms"].values()), 2),
                       "memory": round(found["memory"]["ours"] / max(1, found["memory"]["cudnn_lstm"]), 3)}
    return found


def flashrnn_run(x, dh, H, backward):
    """FlashRNN's LSTM of one head with its input projection, by its fused CUDA kernels."""
    def run():
        import torch
        from flashrnn import flashrnn
        T, B, _ = x.shape
        for value in weights:
            value.grad = None
        W, R, b = (value.requires_grad_(backward) for value in weights)
        projected = (x.detach().requires_grad_(backward).transpose(0, 1) @ W.t()).view(B, T, 4, 1, H)
        start = torch.zeros(2, B, 1, 1, H, device=x.device, dtype=x.dtype)
        states, _ = flashrnn(projected, R, b, states=start, function="lstm", backend="cuda_fused")
        if backward:
            states[0].backward(dh.transpose(0, 1).reshape(states[0].shape))

    weights = [x.new_empty(shape).uniform_(-H**-0.5, H**-0.5) for shape in ((4 * H, H), (4, 1, H, H), (4, 1, H))]
    return run


def accuracy_rows():
    T, B, H = ACCURACY_SHAPE
    return [{"cell": name, "T": T, "B": B, "H": H, "precision": precision}
            for precision, name in itertools.product(PRECISIONS, CELLS)]


def accuracy(row, args, limits):
    """The largest relative error, in norm, of any output or gradient against the loop in float64."""
    import torch

    import lstmlab.torch as lt
    set_precision(row["precision"])
    T, B, H = (row[name] for name in "TBH")
    kind, options, _ = CELLS[row["cell"]]
    dtype = getattr(torch, PRECISIONS[row["precision"]])
    torch.manual_seed(0)
    layer = getattr(lt, kind)(H, H, backend="fused", device=DEVICE, dtype=dtype, **options)
    exact = getattr(lt, kind)(H, H, backend="loop", device=DEVICE, dtype=torch.float64, **options)
    exact.load_state_dict(layer.state_dict())
    x, dh = (torch.randn(T, B, H, device=DEVICE, dtype=dtype) for _ in range(2))

    def everything(layer, dtype):
        leaf = x.detach().to(dtype).requires_grad_()
        output = layer(leaf)[0]
        return [output.detach(), *torch.autograd.grad(output, (leaf, *layer.parameters()), dh.to(dtype))]

    pairs = zip(everything(layer, dtype), everything(exact, torch.float64), strict=True)
    return {"error": max(float((found.double() - value).norm() / value.norm()) for found, value in pairs)}


def gradcheck_rows():
    return [{"T": 8, "B": 1, "I": 1, "H": 256}]


def gradcheck(row, args, limits, memory=8 * 2**30, sample=64):
    """All entries of a layer's weights in one batched check, beside torch's check of some of them.

    Both check a random projection of the outputs to one number. Torch's exhaustive check runs the layer twice for every
    entry, and once or twice backward for all of them. So its time is a constant and a share per entry; they are told
    apart by timing two samples, of which one is twice as large, and scaled to all entries.
    """
    import torch

    import lstmlab.torch as lt
    T, B, I, H = (row[name] for name in "TBIH")
    layer = lt.LSTM(I, H, device=DEVICE, dtype=torch.float64)
    for name, value in layer.named_parameters():
        value.requires_grad_(name.startswith("W_"))
    entries = sum(value.numel() for value in layer.parameters() if value.requires_grad)
    x, projection = (torch.randn(T, B, size, device=DEVICE, dtype=torch.float64) for size in (I, H))
    state = tuple(torch.randn(1, B, H, device=DEVICE, dtype=torch.float64) for _ in range(2))

    def ours():
        assert lt.check_gradients(layer, x, state, memory=memory).ok

    def theirs(count):
        def run(part):
            W = torch.cat([torch.cat([part, layer.W_f_l0[0, count:]])[None], layer.W_f_l0[1:]])
            output = torch.func.functional_call(layer, {"W_f_l0": W}, (x, state))[0]
            return (output * projection).sum()
        part = layer.W_f_l0.detach()[0, :count].clone().requires_grad_()
        assert torch.autograd.gradcheck(run, (part,), fast_mode=False)

    used = peak_bytes(ours)
    mine, = median_ms([ours], min(args.repeats, 3))
    few, many = median_ms([functools.partial(theirs, count) for count in (sample, 2 * sample)],
                          min(args.repeats, 5))
    each = max(0.0, many - few) / sample
    whole = few + (entries - sample) * each
    return {"entries": entries, "ours_ms": round(mine, 1), "torch_ms_per_entry": round(each, 3),
            "torch_entries_timed": [sample, 2 * sample], "torch_ms": round(whole, 1), "ratio": round(whole / mine, 1),
            "memory_budget": memory, "memory_used": used}


SECTIONS = {"accuracy": (accuracy_rows, accuracy), "speed": (speed_rows, speed),
            "gradcheck": (gradcheck_rows, gradcheck)}


# -- running them -------------------------------------------------------------------------------------------


def compile_kernels(name, precision, shapes, modes):
    """Run a cell's kernels over some steps in every way, so that Triton's cache on the disk has them."""
    import torch

    import lstmlab.torch as lt
    from lstmlab.torch.kernels import launches
    set_precision(precision)
    kind, options, _ = CELLS[name]
    for B, H in shapes:
        layer = getattr(lt, kind)(H, H, backend="fused", device=DEVICE, dtype=getattr(torch, PRECISIONS[precision]),
                                  **options)
        x = torch.randn(8, B, H, device=DEVICE, dtype=next(layer.parameters()).dtype)
        for mode in modes:
            try:
                with launches(mode):
                    layer(x)[0].sum().backward()
                    with torch.no_grad():
                        layer(x)
            except Exception as reason:          # the row that asks for it will say so
                print(f"{name}, {precision}, B={B}, H={H}, {mode}: {reason}", file=sys.stderr)


def compile_ahead(rows, leave_out=()):
    """Compile what the rows need, each cell and precision in a process of its own."""
    modes = ("graph",) if "ours_persistent" in leave_out else ("graph", "persistent")
    needed = {}
    for row in rows:
        if "cell" in row:
            needed.setdefault((row["cell"], row["precision"]), {})[row["B"], row["H"]] = None
    workers = max(1, min(len(needed), os.cpu_count() or 1))
    with concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        compiling = {pool.submit(compile_kernels, *key, list(shapes), modes): key for key, shapes in needed.items()}
        for done in concurrent.futures.as_completed(compiling):
            if done.exception():                 # its rows will compile for themselves, and say so if they cannot
                print(*compiling[done], repr(done.exception()), file=sys.stderr)


def machine():
    """What the numbers were measured on."""
    import torch
    import triton
    device = torch.cuda.current_device()
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout if shutil.which(query[0]) else ""
    properties = torch.cuda.get_device_properties(device)
    return {"gpu": properties.name, "multiprocessors": properties.multi_processor_count,
            "memory_bytes": properties.total_memory, "driver": answer.partition("\n")[0].strip(),
            "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
            "torch": str(torch.__version__), "triton": triton.__version__,
            "python": platform.python_version(), "cores": os.cpu_count()}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--section", action="append", choices=SECTIONS, help="all by default")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row after so many")
    parser.add_argument("--leave-out", action="append", default=[], choices=("ours_persistent", "flashrnn"),
                        help="should one of them bring the GPU down")
    parser.add_argument("--again", action="store_true", help="measure the chosen sections anew")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    return parser.parse_args()


THE_SAME = "gpu", "multiprocessors", "cuda", "cudnn", "torch", "triton"


def measured(output, here, again):
    """The rows that there are already, but those of the sections to be measured again.

    They are of a machine with the same GPU and the same libraries. What else was another, such as the driver's last
    digit, is added to what `here` says.
    """
    if not output.exists():
        return []
    report = json.loads(output.read_text())
    there = report["machine"]
    if any(there[name] != here[name] for name in THE_SAME):
        sys.exit(f"{output} was measured on another machine, or with other versions: {there}; this is "
                 f"{here}. Move the file away, or choose another with --output.")
    rows = [row for row in report["rows"] if row["section"] not in again]
    for name in here.keys() & there.keys() if rows else ():
        if str(here[name]) not in str(there[name]).split(" and "):
            here[name] = f"{there[name]} and {here[name]}"
        else:
            here[name] = there[name]
    return rows


def measure(row, rows, args):
    """Measure a row; what it says if that went wrong, or nothing."""
    import torch
    try:
        if row["section"] == "ceilings":
            found = ceilings(args.repeats)
        else:
            limits = next((row for row in rows if row["section"] == "ceilings"), None)
            found = SECTIONS[row["section"]][1](row, args, limits)
    except Exception as reason:
        torch.cuda.synchronize()                 # raises where the GPU takes nothing more from this process
        return f"{type(reason).__name__}: {str(reason).partition(chr(10))[0]}"
    rows.append({**row, "repeats": args.repeats, **found})
    print(json.dumps(rows[-1]), flush=True)
    write(args.output, args.machine, rows)
    return ""


def about(row):
    """What a row is about, of all that it says."""
    return {name: row.get(name) for name in ("section", "cell", "T", "B", "I", "H", "precision", "backward")}


def write(output, here, rows):
    """Put the report in place of the one before in one step, so that there is a whole one at any time."""
    report = {"date": datetime.date.today().isoformat(), "machine": here, "goals": GOALS, "rows": rows}
    part = output.with_suffix(".part")
    part.write_text(json.dumps(report, indent=1) + "\n")
    part.replace(output)


def main():
    began, args = time.monotonic(), arguments()
    import torch
    if not torch.cuda.is_available():
        sys.exit("This benchmark needs an NVIDIA GPU, a build of torch for CUDA, and triton; torch "
                 f"{torch.__version__} finds no GPU here. Nothing was measured and nothing written.")
    here, chosen = machine(), args.section or list(SECTIONS)
    again = {*chosen, *(("ceilings",) if "speed" in chosen else ())} if args.again else ()
    rows = measured(args.output, here, again)
    known = [about(row) for row in rows]
    wanted = [{"section": section, **row} for section in chosen for row in SECTIONS[section][0]()]
    if "speed" in chosen:
        wanted.insert(0, {"section": "ceilings"})
    left = [row for row in wanted if about(row) not in known]
    if left:
        compile_ahead(left, args.leave_out)
    args.machine, failed = here, []
    while left and time.monotonic() - began < 60 * args.minutes:
        row = left.pop(0)
        if reason := measure(row, rows, args):
            failed.append(row)
            print(json.dumps(row), reason, file=sys.stderr, flush=True)
    if left:
        print(f"{len(left)} of {len(wanted)} rows are left; the same command without --again goes on with them.")
    if failed:
        sys.exit(f"{len(failed)} of {len(wanted)} rows could not be measured, for the reasons above; the same command "
                 "without --again tries them again.")


if __name__ == "__main__":
    main()
