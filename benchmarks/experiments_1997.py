"""The tables of the paper of 1997, run as published, beside the paper's figures.

    python benchmarks/experiments_1997.py                       # all short rows, with the paper's number of trials
    python benchmarks/experiments_1997.py --long                # the rows that take hours too
    python benchmarks/experiments_1997.py --rows 6a --rows 2c-50-50 --trials 3 --workers 1
    python benchmarks/experiments_1997.py --table               # print what is recorded, run nothing

Ctrl-C stops it, and the same command goes on where it stopped: outcomes are kept trial by trial in
``_build/experiments``. What is written, ``results/experiments-1997.json``, has one entry for each row of the paper and
each reading of it. A row that was not run as published, or that does not succeed as the paper's does, says so in its
label; rows that were recorded before stay as long as nothing that decides their outcome has changed.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "experiments-1997.json"


def provenance():
    """What the trials were run with."""
    import numba
    import numpy
    import scipy
    return {"date": datetime.date.today().isoformat(), "python": platform.python_version(), "numpy": numpy.__version__,
            "numba": numba.__version__, "scipy": scipy.__version__, "machine": platform.machine(),
            "cores": os.cpu_count()}


def recorded(path):
    """The entries of a results file, by name."""
    return {row["name"]: row for row in json.loads(path.read_text())["rows"]} if path.exists() else {}


def entry(row, folder, earlier):
    """A row's entry: from its trials in the folder or, if that holds fewer, the one that was recorded before.

    What is told of the day and the versions stays while the outcomes are the same: they are those of the run.
    """
    from lstmlab.experiments import runs
    trials = runs.records(row, folder)
    before = earlier.get(row.name)
    if before and before["fingerprint"] != runs.fingerprint(row):
        before = None
    if before and before["trials"] > len(trials):
        words = {key: value for key, value in runs.settings(row).items()
                 if key in ("title", "reading", "deviation", "published")}
        return {**before, **words, "label": runs.label(row, before["successes"], before["trials"])}
    now = runs.summary(row, trials)
    if before and before["outcomes"] == now["outcomes"]:
        return {**now, "ran": before["ran"]}
    return {**now, "ran": provenance() if trials else None}


def write(path, folder):
    """Write the results file anew, whole."""
    from lstmlab.experiments.paper1997 import ROWS
    earlier = recorded(path)
    rows = [entry(row, folder, earlier) for row in ROWS]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"rows": rows}, indent=1, ensure_ascii=False)
    whole = path.with_suffix(".part")
    whole.write_text(text + "\n", encoding="utf-8")
    whole.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", action="append", metavar="NAME", help="a row; may be repeated; all by default")
    parser.add_argument("--trials", type=int, help="of each row; as many as in the paper by default")
    parser.add_argument("--long", action="store_true", help="the rows that take hours too")
    parser.add_argument("--workers", type=int, help="processes; one for each processor by default")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "_build" / "experiments")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print what is recorded as Markdown; run nothing")
    args = parser.parse_args()
    from lstmlab.experiments import runs
    if not args.table:
        try:
            for row in [row for name in args.rows or ["1997"] for row in runs.find(name, args.long)]:
                runs.run_with_progress([row], args.folder, args.trials, args.workers)
                write(args.output, args.folder)
        except ValueError as error:
            parser.error(str(error))
        except KeyboardInterrupt:
            print("Stopped; what ran is saved. The same command goes on from here.")
            write(args.output, args.folder)
    print(runs.markdown(recorded(args.output).values()))


if __name__ == "__main__":
    main()
