"""Trials of many rows: in several processes, each outcome saved as it comes, summed up with intervals.

A row's outcomes stand in one file of JSON lines, one line a trial. A line is written whole or not at all, and carries
a fingerprint of all that decides the outcome: what was run under other settings or another program is never mixed in.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
import json
import multiprocessing
import os
import signal
import textwrap
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from scipy import stats

from lstmlab import tasks

from . import network1997
from .paper1997 import ROWS, Outcome, Row, Trial, run_trial
from .statistics import mean_interval, share_interval

THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Record:
    """One trial.

    Attributes
    ----------
    fingerprint : str
        Of the row it belongs to.
    seed : int
        Number of the trial, from which all its chance comes.
    success : bool
    sequences : int
        Training sequences until success, or until the trial was given up.
    extra : dict of str to float
        What else the row reports.
    seconds : float
    """

    fingerprint: str
    seed: int
    success: bool
    sequences: int
    extra: dict[str, float]
    seconds: float


# -- what a row is -----------------------------------------------------------------------------------------


def settings(row: Row) -> dict[str, Any]:
    """All of a row that can be put in words and numbers."""
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return {name: dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
            for name, value in fields.items() if not callable(value) and value is not None}


def fingerprint(row: Row) -> str:
    """Hash of what decides a row's outcomes: its settings, its criterion, and the program of network and tasks.

    Comments, docstrings, titles and the paper's figures do not enter; nor does the number of trials, nor tasks that
    the row has no part in.
    """
    decisive = {key: value for key, value in settings(row).items()
                if key not in ("table", "title", "published", "trials", "reading", "deviation", "long")}
    judging, drawing = _reached(row.met, {}), _reached(row.draw, {}) if row.draw else {}
    parts = [json.dumps(decisive, sort_keys=True, default=str), without_words(inspect.getsource(Trial)),
             *map(_code, judging.values())]
    if row.draw is not None:
        parts.append(hashlib.sha256(b"".join(array.tobytes() for array in row.draw(np.random.default_rng(0), 8))
                                    ).hexdigest())
    files = {network1997.__file__, inspect.getsourcefile(type(row.network)),
             *_task_files((*judging.values(), *drawing.values()))}
    return hashlib.sha256("\n".join((*parts, *map(_program, sorted(files)))).encode()).hexdigest()[:16]


@functools.cache
def _program(path: str) -> str:
    """The program in a file as it was when first asked for."""
    return without_words(Path(path).read_text(encoding="utf-8"))


def _reached(function: Callable, seen: dict[str, Callable]) -> dict[str, Callable]:
    """A function, and the functions among what it closes over or in its module that it calls, by name."""
    if function.__qualname__ not in seen:
        seen[function.__qualname__] = function
        variables = inspect.getclosurevars(function)
        for _, value in sorted({**variables.globals, **variables.nonlocals}.items()):
            if isinstance(value, FunctionType) and value.__module__ == function.__module__:
                _reached(value, seen)
    return seen


def _code(function: Callable) -> str:
    """A function's program, and the values that it closes over."""
    held = inspect.getclosurevars(function).nonlocals.items()
    return "\n".join((without_words(textwrap.dedent(inspect.getsource(function))),
                      repr(sorted((key, value) for key, value in held if not isinstance(value, FunctionType)))))


def _task_files(functions: Iterable[Callable]) -> set[str]:
    """Files of the tasks that functions name."""
    named = {name for function in functions for name in function.__code__.co_names}
    return {inspect.getsourcefile(value) for name in named
            if isinstance(value := getattr(tasks, name, None), FunctionType)}


def without_words(source: str) -> str:
    """The program that a source is, without its comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list):
            node.body = [part for part in node.body
                         if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
    return ast.unparse(tree)


# -- files ---------------------------------------------------------------------------------------------------


def records(row: Row, folder: Path) -> list[Record]:
    """The trials of a row that `folder` holds, by seed; those of another fingerprint are passed over."""
    path, mark = folder / f"{row.name}.jsonl", fingerprint(row)
    found = [Record(**entry) for entry in entries(path)]
    return [each for _, each in sorted({each.seed: each for each in found if each.fingerprint == mark}.items())]


def save(row: Row, record: Record, folder: Path) -> None:
    """Append a trial to its row's file."""
    append(folder / f"{row.name}.jsonl", dataclasses.asdict(record))


def entries(path: Path) -> list[dict[str, Any]]:
    """What `append` has written into a file, in order; half a line that a crash has left does not count."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []      # what has no end is no line
    return [json.loads(line) for line in lines]


def append(path: Path, entry: dict[str, Any]) -> None:
    """Append a line of JSON to a file, by one write to the disk; half a line that a crash has left is cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(entry).encode() + b"\n")
        os.fsync(file.fileno())


# -- runs ----------------------------------------------------------------------------------------------------


def run(rows: Iterable[Row], folder: Path, trials: int | None = None,
        workers: int | None = None) -> Iterator[tuple[Row, Record]]:
    """Run the trials that `folder` does not hold yet; yield each when it is saved.

    Ctrl-C, or closing the generator, ends the trials under way; what was saved stays, and the same call goes on there.

    Parameters
    ----------
    rows : iterable of Row
    folder : Path
        Where the rows' files are.
    trials : int, optional
        Of each row, seeds 0, 1, …; as many as in the paper if not given.
    workers : int, optional
        Processes, by default one for each processor; 1 runs in this process. More than 1 need rows of `ROWS`.
    """
    known = {row.name: row for row in rows}
    done = {row.name: {record.seed for record in records(row, folder)} for row in known.values()}
    jobs = [(row.name, seed) for row in known.values() for seed in range(row.trials if trials is None else trials)
            if seed not in done[row.name]]
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    marks = {row.name: fingerprint(row) for row in known.values()}
    outcomes = in_processes(_named_trial, jobs, workers) if workers > 1 else _in_this_process(known, jobs)
    for name, seed, (outcome, seconds) in outcomes:
        record = Record(marks[name], seed, outcome.success, outcome.sequences, outcome.extra, round(seconds, 2))
        save(known[name], record, folder)
        yield known[name], record


def _named_trial(name: str, seed: int) -> tuple[str, int, tuple[Outcome, float]]:
    return name, seed, run_trial(find(name)[0], seed)


def _in_this_process(known: dict[str, Row],
                     jobs: list[tuple[str, int]]) -> Iterator[tuple[str, int, tuple[Outcome, float]]]:
    """As `in_processes`, one after the other."""
    for name, seed in jobs:
        try:
            yield name, seed, run_trial(known[name], seed)
        except SystemError as error:                # what becomes of Ctrl-C where it meets compiled code
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, KeyboardInterrupt):
                cause = cause.__cause__
            raise (cause or error) from None


def in_processes(function: Callable, jobs: list[tuple], workers: int) -> Iterator[Any]:
    """What comes of ``function(*job)``, in the order in which they end; whatever stops it ends those under way."""
    others = set(multiprocessing.active_children())
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))                  # a new process reads them when it starts
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _quiet)
    try:
        for future in as_completed([pool.submit(function, *job) for job in jobs]):
            yield future.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        pool.shutdown(wait=False)


def _quiet() -> None:
    """Ctrl-C is for the parent, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_with_progress(rows: Iterable[Row], folder: Path, trials: int | None = None, workers: int | None = None,
                      console: Any = None) -> int:
    """As `run`, with a bar for all together and one for each row under way; return how many trials were run.

    A row that is done leaves a line, so that what is under way stays on the screen however many rows there are.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    rows = list(rows)
    totals = {row.name: row.trials if trials is None else trials for row in rows}
    have = {row.name: sum(record.seed < totals[row.name] for record in records(row, folder)) for row in rows}
    left = {name: totals[name] - have[name] for name in totals if have[name] < totals[name]}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.fields[last]}"))
    count, several = 0, len(left) > 1
    with Progress(*columns, console=console) as progress:
        whole = progress.add_task("all trials", total=sum(left.values()), last="", visible=several)
        bars = {name: progress.add_task(name, total=totals[name], completed=have[name], last="", start=False,
                                        visible=False) for name in left}
        _show_what_runs(progress, bars, left, workers)
        for row, record in run(rows, folder, trials, workers):
            words = f"{record.sequences:,}" if record.success else f"given up at {record.sequences:,}"
            progress.update(bars[row.name], advance=1, last=words)
            progress.update(whole, advance=1)
            count, left[row.name] = count + 1, left[row.name] - 1
            if several and not left[row.name]:
                progress.console.print(f"{row.name}: done", highlight=False)
                progress.update(bars[row.name], visible=False)
            _show_what_runs(progress, bars, left, workers)
    return count


def _show_what_runs(progress: Any, bars: dict[str, Any], left: dict[str, int], workers: int | None) -> None:
    """Show the bars of the rows whose trials are next, as many as there are processes."""
    free = workers or os.cpu_count() or 1
    for name, bar in bars.items():
        if left[name] and free > 0:
            progress.start_task(bar)
            progress.update(bar, visible=True)
            free -= left[name]


def find(name: str, long: bool = False) -> list[Row]:
    """Rows by name: a row's own, or ``"1997"`` for all short ones, and with `long` for all.

    Raises
    ------
    ValueError
        If there is no such row.

    Examples
    --------
    >>> [row.table for row in find("6a")], len(find("1997")) < len(find("1997", long=True))
    (['9'], True)
    """
    if name == "1997":
        return [row for row in ROWS if long or not row.long]
    found = [row for row in ROWS if row.name == name]
    if not found:
        raise ValueError(f"there is no experiment {name!r}; expected 1997 or one of "
                         f"{', '.join(row.name for row in ROWS)}")
    return found


# -- what came of it -----------------------------------------------------------------------------------------


def summary(row: Row, trials: list[Record]) -> dict[str, Any]:
    """A row beside the paper's: success with Wilson's interval, mean sequences of the successful trials with Student's.

    Parameters
    ----------
    row : Row
    trials : list of Record

    Returns
    -------
    dict
        Ready for JSON; ``label`` says why a row is *not reproduced*, and is empty where it was run as published and
        succeeded as often (Fisher's exact test at 5 %); ``ratio`` is our mean over the paper's.
    """
    met = [record.sequences for record in trials if record.success]
    mean = float(np.mean(met)) if met else None
    extras = sorted({key for record in trials if record.success for key in record.extra})
    extra = {key: float(np.mean([r.extra[key] for r in trials if r.success and key in r.extra])) for key in extras}
    return {**settings(row), "fingerprint": fingerprint(row), "trials": len(trials), "published_trials": row.trials,
            "successes": len(met), "success_interval": share_interval(len(met), len(trials)),
            "sequences": mean, "interval": mean_interval(met), "extra": extra,
            "ratio": mean / row.published["sequences"] if met else None, "label": label(row, len(met), len(trials)),
            "seconds": round(sum(record.seconds for record in trials), 1),
            "outcomes": [[record.seed, record.success, record.sequences] for record in trials]}


def label(row: Row, met: int, count: int) -> str:
    """Why a row is not reproduced; empty where nothing speaks against it.

    Examples
    --------
    >>> row, = find("6a")
    >>> label(row, 20, 20), label(row, 3, 5)
    ('', 'not reproduced: not run as published, 5 of 20 trials')
    """
    if row.deviation:
        return f"not reproduced: {row.deviation}"
    if not count:
        return "not reproduced: not run"
    if count < row.trials:
        return f"not reproduced: not run as published, {count} of {row.trials} trials"
    if not met:
        return f"not reproduced: no trial met the criterion within {row.limit:,} sequences"
    theirs = round(row.published.get("success", 100) / 100 * row.trials)
    if stats.fisher_exact([[met, count - met], [theirs, row.trials - theirs]]).pvalue < 0.05:
        return (f"not reproduced: {met} of {count} trials met the criterion within {row.limit:,} sequences, in the "
                f"paper {theirs} of {row.trials}")
    return ""


def distance(row: dict[str, Any]) -> str:
    """How far the mean of a summary is from the paper's, in words; empty where its interval holds the paper's.

    Examples
    --------
    >>> distance({"interval": (90, 110), "published": {"sequences": 50}, "ratio": 2.0})
    "2 times the paper's figure, which is outside the interval"
    """
    if row["interval"] is None or row["interval"][0] <= row["published"]["sequences"] <= row["interval"][1]:
        return ""
    return f"{row['ratio']:.2g} times the paper's figure, which is outside the interval"


def markdown(summaries: Iterable[dict[str, Any]]) -> str:
    """The summaries as a Markdown table."""
    lines = ["| experiment | what | published | ours, with 95 % interval | success | trials | seconds | remarks |",
             "|---|---|---:|---:|---:|---:|---:|---|"]
    for row in summaries:
        ours = "–" if row["sequences"] is None else f"{row['sequences']:,.0f}"
        if row["interval"]:
            ours += " [{:,.0f}, {:,.0f}]".format(*row["interval"])
        share = f"{row['successes']} of {row['trials']}" if row["trials"] else "–"
        remarks = ". ".join(words.rstrip(".") for words in (row["label"], distance(row), row["reading"]) if words)
        published = f"{row['published']['sequences']:,.0f}"
        if "success" in row["published"]:
            published += f" ({row['published']['success']:g} %)"
        lines.append(f"| {row['name']} | {row['title']} | {published} | {ours} | {share} | "
                     f"{row['trials']} of {row['published_trials']} | {row['seconds']:,.0f} | {remarks} |")
    return "\n".join(lines)


def report(name: str, rows: Iterable[Row], folder: Path) -> list[dict[str, Any]]:
    """Write NAME.json, NAME.md and, if there is anything to draw, NAME.svg into `folder`; return the summaries."""
    from .picture import picture

    summaries = [summary(row, records(row, folder)) for row in rows]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(summaries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(markdown(summaries) + "\n", encoding="utf-8")
    if any(row["trials"] for row in summaries):
        (folder / f"{name}.svg").write_text(str(picture(summaries)), encoding="utf-8")
    return summaries
