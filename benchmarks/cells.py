"""How fast a cell's forward and backward are, beside the layers of torch.nn on the same machine.

    python benchmarks/cells.py                      # all sections, 1 and 2 threads
    python benchmarks/cells.py --section numpy --threads 1 --repeats 5
    python benchmarks/cells.py --plot               # draw what is recorded, measure nothing

Each setting runs in a process of its own, since a thread count holds for a process's life. Ours and torch's
runs alternate, so that whatever else the machine does meets both; a time is the median, a ratio is ours over
torch's. OpenBLAS, which does NumPy's matrix products, picks its kernels by the processor, unless the environment
says which (``OPENBLAS_CORETYPE``). Where it does, the benchmark runs once more with OpenBLAS's own choice, since
that is what others meet, and the rows say which kernels they are. They also say how loaded the machine was: a
load well above the thread count means that others were at work, and ratios with 2 threads then mean little.

A section is a function from the number of repeats to a list of rows; `SECTIONS` names them.
"""

import argparse
import ctypes
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
import time

import numpy as np

RESULTS = pathlib.Path(__file__).parent / "results" / "cells.json"
LARGE, SMALL = {"T": 200, "B": 64, "I": 128, "H": 256}, {"T": 100, "B": 32, "I": 64, "H": 128}


def numpy_section(repeats):
    """The NumPy cells that torch.nn has too, forward and backward over a sequence."""
    return [numpy_row(name, size, dtype, repeats)
            for name, size, dtype in itertools.product(("LSTM", "GRU", "RNN"), (LARGE, SMALL), ("float32", "float64"))]


def numpy_row(name, size, dtype, repeats):
    import torch

    import lstmlab
    T, B, I, H = size.values()
    rng = np.random.default_rng(0)
    cell, layer = getattr(lstmlab, name)(I, H), getattr(torch.nn, name)(I, H, dtype=getattr(torch, dtype))
    params = cell.init(rng, dtype=dtype)
    xs, dhs = rng.normal(size=(T, B, I)).astype(dtype), rng.normal(size=(T, B, H)).astype(dtype)

    def ours():
        _, _, tape = cell.forward(params, xs)
        cell.backward(params, tape, dhs)

    def theirs():
        layer.zero_grad()
        output, _ = layer(torch.from_numpy(xs).requires_grad_())
        output.backward(torch.from_numpy(dhs))

    return {"cell": name, "dtype": dtype, **size, **compare(*take_turns((ours, theirs), repeats), repeats)}


def torch_section(repeats):
    """The torch layers by their fused backend, beside torch.nn's and beside their own loop, forward and backward."""
    kinds = [("LSTM", {}), ("PeepholeLSTM", {}), ("CIFGLSTM", {}), ("GRU", {"reset": "after"}),
             ("GRU", {"reset": "before"})]
    return [layer_row(*kind, size, repeats) for kind, size in itertools.product(kinds, (LARGE, SMALL))]


def growth_section(repeats):
    """What the fused LSTM costs as the sequence, the batch or the state grows, the rest being as in SMALL."""
    sizes = [{**SMALL, letter: value} for letter, values in
             (("T", (25, 50, 200, 400)), ("B", (1, 8, 64, 128)), ("H", (16, 32, 64, 256))) for value in values]
    return [layer_row("LSTM", {}, size, repeats) for size in sizes]


def layer_row(name, options, size, repeats):
    import torch

    import lstmlab.torch as lt
    T, B, I, H = size.values()
    x, dh = torch.randn(T, B, I), torch.randn(T, B, H)
    layers = [getattr(lt, name)(I, H, backend=backend, **options) for backend in ("fused", "loop")]
    layers.append(getattr(torch.nn, "GRU" if name == "GRU" else "LSTM")(I, H))

    def train(layer):
        layer.zero_grad()
        layer(x.clone().requires_grad_())[0].backward(dh)

    fused, loop, theirs = take_turns([functools.partial(train, layer) for layer in layers], repeats)
    label = ", ".join([name, *options.values()])
    return {"cell": label, "dtype": "float32", **size, **compare(fused, theirs, repeats), "loop_ms": round(loop, 2)}


def gradcheck_section(repeats):
    """lt.check_gradients beside torch.autograd.gradcheck, exhaustive and fast, of the same layer and entries."""
    return [gradcheck_row(backend, fast, 1 if not fast else repeats)
            for backend, fast in itertools.product(("fused", "loop"), (False, True))]


def gradcheck_row(backend, fast, repeats):
    import torch

    import lstmlab.torch as lt
    size = {"T": 10, "B": 2, "I": 8, "H": 16}
    T, B, I, H = size.values()
    layer = lt.LSTM(I, H, dtype=torch.float64, backend=backend)
    names = [name for name, _ in layer.named_parameters()]
    x, *state = (torch.randn(shape, dtype=torch.float64) for shape in ((T, B, I), (1, B, H), (1, B, H)))
    inputs = [value.detach().clone().requires_grad_() for value in (x, *state, *layer.parameters())]

    def run(x, h, C, *params):
        output, last = torch.func.functional_call(layer, dict(zip(names, params, strict=True)), (x, (h, C)))
        return output, *last

    def ours():
        assert lt.check_gradients(layer, x, tuple(state)).ok

    def theirs():
        assert torch.autograd.gradcheck(run, inputs, fast_mode=fast)

    label = f"LSTM ({backend}) gradient check, {'fast' if fast else 'exhaustive'}"
    times = take_turns((ours, theirs), repeats)
    return {"cell": label, "dtype": "float64", **size, **compare(*times, repeats)}


def take_turns(runs, repeats):
    """Medians, in milliseconds, of runs that take turns, after one run each to warm up."""
    times = {run: [] for run in runs}
    for run in [*runs] * (repeats + 1):
        start = time.perf_counter()
        run()
        times[run].append(1e3 * (time.perf_counter() - start))
    return [statistics.median(times[run][1:]) for run in runs]


def compare(ours, theirs, repeats):
    return {"ours_ms": round(ours, 2), "torch_ms": round(theirs, 2), "ratio": round(ours / theirs, 4),
            "repeats": repeats}


SECTIONS = {"numpy": numpy_section, "torch": torch_section, "growth": growth_section, "gradcheck": gradcheck_section}


def openblas_kernels():
    """The name of the kernels that NumPy's own OpenBLAS has chosen; None where NumPy has another BLAS."""
    for path in pathlib.Path(np.__file__).parent.parent.glob("numpy.libs/*openblas64*"):
        name = ctypes.CDLL(str(path)).scipy_openblas_get_corename64_
        name.restype = ctypes.c_char_p
        return name().decode()
    return None


def kernel_choices():
    """Changes of the environment to run under: none and, where it forces OpenBLAS's choice, one that frees it."""
    return [{}, {"OPENBLAS_CORETYPE": ""}] if os.environ.get("OPENBLAS_CORETYPE") else [{}]


def machine():
    """What the numbers were measured on."""
    import torch
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else [])
             if line.startswith("model name")]
    return {"processor": names[0] if names else platform.processor(), "cores": os.cpu_count(),
            "system": platform.system(), "python": platform.python_version(),
            "numpy": np.__version__, "torch": torch.__version__}


def run_apart(section, threads, kernels, repeats):
    """Run a section in a process with that many threads and those kernels; return its rows."""
    count = str(threads)
    env = {**os.environ, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count, "MKL_NUM_THREADS": count, **kernels}
    command = [sys.executable, __file__, "--worker", section, "--threads", count, "--repeats", str(repeats)]
    rows = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    return [{"section": section, "threads": threads, **row} for row in rows]


def work(section, threads, repeats):
    """The inside of `run_apart`: print the rows as JSON."""
    import torch
    torch.set_num_threads(threads)
    rows = [{"kernels": openblas_kernels(), **row} for row in SECTIONS[section](repeats)]
    print(json.dumps([{**row, "load": round(os.getloadavg()[0], 1)} for row in rows]))


def plot(path):
    """Draw the growth rows beside the results file: cost against T, B and H, and for T and B the line that fits."""
    import matplotlib.pyplot as plt
    rows = [row for row in json.loads(path.read_text())["rows"] if row["section"] in ("growth", "torch")
            and row["cell"] == "LSTM" and row["threads"] == 1]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True, layout="constrained")
    for axis, letter in zip(axes, "TBH", strict=True):
        others = [other for other in SMALL if other not in (letter, "I")]
        points = sorted((row[letter], row) for row in rows if all(row[other] == SMALL[other] for other in others))
        x = np.array([value for value, _ in points])
        for key, color in (("ours_ms", "C0"), ("torch_ms", "C1"), ("loop_ms", "C2")):
            y, label = np.array([row[key] for _, row in points]), key[:-3]
            if letter != "H":                                    # H enters a product of H by H
                slope, start = np.polyfit(x, y, 1)
                fit = start + slope * x
                unexplained = ((y - fit) ** 2).mean() / y.var()
                label += f": {start:.1f} + {slope:.2f} {letter}, R² = {1 - unexplained:.3f}"
                axis.plot(x, fit, "--", color=color, linewidth=1)
            axis.plot(x, y, "o" if letter != "H" else "o-", color=color, label=label)
        axis.set(xlabel=letter, title=", ".join(f"{other} = {SMALL[other]}" for other in others))
        axis.legend(fontsize="small")
    axes[0].set_ylabel("forward and backward, ms")
    figure.savefig(path.with_name("cells-growth.svg"))


def kept_rows(path, section, threads):
    """The rows of earlier runs but those of this setting, which are replaced."""
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    return [row for row in rows if (row["section"], row["threads"]) != (section, threads)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--section", action="append", choices=SECTIONS, help="all by default")
    parser.add_argument("--threads", action="append", type=int, help="1 and 2 by default")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    parser.add_argument("--plot", action="store_true", help="draw how the recorded cost grows; measure nothing")
    parser.add_argument("--worker", choices=SECTIONS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(args.worker, args.threads[0], args.repeats)
    if args.plot:
        return plot(args.output)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    for section, threads in itertools.product(args.section or SECTIONS, args.threads or (1, 2)):
        rows = [row for kernels in kernel_choices() for row in run_apart(section, threads, kernels, args.repeats)]
        for row in rows:
            print("{section} {cell} {dtype} T={T} B={B} I={I} H={H}  {threads} thread(s), {kernels}: "
                  "{ours_ms:8.1f} ms, torch {torch_ms:8.1f} ms, ratio {ratio:.3f}".format(**row), flush=True)
        rows = [*kept_rows(args.output, section, threads), *rows]
        report = {"date": datetime.date.today().isoformat(), "machine": machine(), "rows": rows}
        args.output.write_text(json.dumps(report, indent=1) + "\n")
    return plot(args.output)


if __name__ == "__main__":
    main()
