"""How fast a cell's forward and backward are, beside the layers of torch.nn on the same machine.

    python benchmarks/cells.py                      # all sections, 1 and 2 threads
    python benchmarks/cells.py --section numpy --threads 1 --repeats 5

Each setting runs in a process of its own, since a thread count holds for a process's life. Ours and torch's
runs alternate, so that whatever else the machine does meets both; a time is the median, a ratio is ours over
torch's. OpenBLAS, which does NumPy's matrix products, picks its kernels by the name of the processor. Where it
takes AVX2 kernels on a processor that has AVX-512, the benchmark runs once more with AVX-512 kernels asked for
(``OPENBLAS_CORETYPE=SkylakeX``), and the rows say which they are. They also say how loaded the machine was: a
load well above the thread count means that others were at work, and ratios with 2 threads then mean little.

A section is a function from the number of repeats to a list of rows; `SECTIONS` names them.
"""

import argparse
import ctypes
import datetime
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

    return {"cell": name, "dtype": dtype, **size, **alternate(ours, theirs, repeats)}


def alternate(ours, theirs, repeats):
    """Medians, in milliseconds, of runs that take turns, after one run each to warm up."""
    times = {ours: [], theirs: []}
    for run in [ours, theirs] * (repeats + 1):
        start = time.perf_counter()
        run()
        times[run].append(1e3 * (time.perf_counter() - start))
    a, b = (statistics.median(times[run][1:]) for run in (ours, theirs))
    return {"ours_ms": round(a, 2), "torch_ms": round(b, 2), "ratio": round(a / b, 3), "repeats": repeats}


SECTIONS = {"numpy": numpy_section}


def openblas_kernels():
    """The name of the kernels that NumPy's own OpenBLAS has chosen; None where NumPy has another BLAS."""
    for path in pathlib.Path(np.__file__).parent.parent.glob("numpy.libs/*openblas64*"):
        name = ctypes.CDLL(str(path)).scipy_openblas_get_corename64_
        name.restype = ctypes.c_char_p
        return name().decode()
    return None


def kernel_choices():
    """The settings of OPENBLAS_CORETYPE to run under: as it is and, where AVX-512 goes unused, with it."""
    has_avx512 = "X86_V4" in np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return [None, "SkylakeX"] if has_avx512 and openblas_kernels() in ("Haswell", "Zen") else [None]


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
    env = {**os.environ, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count, "MKL_NUM_THREADS": count}
    if kernels:
        env["OPENBLAS_CORETYPE"] = kernels
    command = [sys.executable, __file__, "--worker", section, "--threads", count, "--repeats", str(repeats)]
    rows = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    return [{"section": section, "threads": threads, **row} for row in rows]


def work(section, threads, repeats):
    """The inside of `run_apart`: print the rows as JSON."""
    import torch
    torch.set_num_threads(threads)
    rows = [{"kernels": openblas_kernels(), **row} for row in SECTIONS[section](repeats)]
    print(json.dumps([{**row, "load": round(os.getloadavg()[0], 1)} for row in rows]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--section", action="append", choices=SECTIONS, help="all by default")
    parser.add_argument("--threads", action="append", type=int, help="1 and 2 by default")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    parser.add_argument("--worker", choices=SECTIONS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(args.worker, args.threads[0], args.repeats)
    rows = []
    settings = itertools.product(args.section or SECTIONS, args.threads or (1, 2), kernel_choices())
    for section, threads, kernels in settings:
        for row in run_apart(section, threads, kernels, args.repeats):
            rows.append(row)
            print("{section} {cell:<5} {dtype} T={T} B={B} I={I} H={H}  {threads} thread(s), {kernels}: "
                  "{ours_ms:8.1f} ms, torch {torch_ms:8.1f} ms, ratio {ratio:.2f}".format(**row), flush=True)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    report = {"date": datetime.date.today().isoformat(), "machine": machine(), "rows": rows}
    args.output.write_text(json.dumps(report, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
