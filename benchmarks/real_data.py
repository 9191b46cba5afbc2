"""Studies of real data: sunspots forecast, and digits read pixel by pixel, each beside what it has to be compared with.

    python benchmarks/real_data.py                     # both, about half an hour on two processors
    python benchmarks/real_data.py sunspots --workers 1
    python benchmarks/real_data.py --table             # print what is recorded, run nothing

Ctrl-C stops it, and the same command goes on where it stopped: what ran is kept in ``_build/experiments``. Written are
``results/sunspots.json`` and ``results/digits.json``. How years are split and what is compared stands in
``lstmlab/experiments/sunspots.py`` and ``digits.py``.
"""

import argparse
import datetime
import importlib
import json
import os
import pathlib
import platform

ROOT = pathlib.Path(__file__).parent.parent


def provenance():
    """What the study was run with."""
    import numpy
    import sklearn
    import statsmodels
    import torch
    return {"date": datetime.date.today().isoformat(), "python": platform.python_version(), "numpy": numpy.__version__,
            "torch": torch.__version__, "statsmodels": statsmodels.__version__, "scikit-learn": sklearn.__version__,
            "machine": platform.machine(), "cores": os.cpu_count()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="sunspots or digits; both by default")
    parser.add_argument("--workers", type=int, help="processes; one for each processor by default")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "_build" / "experiments")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--table", action="store_true", help="print what is recorded as Markdown; run nothing")
    args = parser.parse_args()
    from lstmlab.experiments import REAL_DATA, jobs
    if unknown := set(args.studies) - set(REAL_DATA):
        parser.error(f"there is no study {', '.join(sorted(unknown))}; expected {' or '.join(REAL_DATA)}")
    for name in args.studies or REAL_DATA:
        study, path = importlib.import_module(f"lstmlab.experiments.{name}"), args.output / f"{name}.json"
        if not args.table:
            try:
                jobs.show(study.run(args.folder, workers=args.workers), name)
            except KeyboardInterrupt:
                print("Stopped; what ran is saved. The same command goes on from here.")
                return
            found = {"ran": provenance(), **study.summary(args.folder)}
            path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(study.markdown(json.loads(path.read_text())), end="\n\n")


if __name__ == "__main__":
    main()
