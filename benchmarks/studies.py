"""Two studies of the package's cells: how long a gap they learn to bridge, and what the parts of an LSTM are worth.

    python benchmarks/studies.py gap-length                 # ten trials of each configuration
    python benchmarks/studies.py gap-length --long          # the longest lag too
    python benchmarks/studies.py odyssey
    python benchmarks/studies.py odyssey --long             # ten times the updates, in odyssey-long.json
    python benchmarks/studies.py odyssey --table            # print what is recorded, run nothing

Ctrl-C stops it, and the same command goes on where it stopped: outcomes are kept configuration by configuration in
``_build/experiments``. What is written after each of them, ``results/gap-length.json`` or ``results/odyssey.json``, is
told at the top of ``lstmlab/experiments/gap_length.py`` and ``odyssey.py``. What did not run is there, and says so.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def provenance():
    """What the trials were run with."""
    import numpy
    import torch
    return {"date": datetime.date.today().isoformat(), "python": platform.python_version(), "numpy": numpy.__version__,
            "torch": torch.__version__, "machine": platform.machine(), "cores": os.cpu_count(), "threads": 1}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["gap-length", "odyssey"])
    parser.add_argument("--trials", type=int, default=10, help="seeds of each configuration (10)")
    parser.add_argument("--long", action="store_true", help="what takes hours too")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "_build" / "experiments")
    parser.add_argument("--output", type=pathlib.Path, help="by default results/STUDY.json")
    parser.add_argument("--table", action="store_true", help="print what is recorded as Markdown; run nothing")
    args = parser.parse_args()
    from lstmlab.experiments.study import Journal, find, run_with_progress, write_report
    module = find(args.name)
    study = module.study(args.long)
    output = args.output or RESULTS / f"{study.name}.json"
    if not args.table:
        ran = provenance()

        def write():
            write_report(output, {**module.report(Journal(study, args.folder), args.trials), "ran": ran})

        try:
            run_with_progress(study, args.folder, args.trials, after=write)
        except KeyboardInterrupt:
            print("Stopped; what ran is saved. The same command goes on from here.")
    print(module.markdown(json.loads(output.read_text())))


if __name__ == "__main__":
    main()
