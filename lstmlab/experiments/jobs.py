"""Jobs of a study: each run once, in processes, and what comes of it kept in one file of JSON lines.

A line carries the job and a fingerprint of the program that ran it: what another program found is passed over.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .runs import append, entries, in_processes, without_words


class Step(NamedTuple):
    """How far a stage of a study is.

    Attributes
    ----------
    stage : str
    done, total : int
    """

    stage: str
    done: int
    total: int


def fingerprint(program: Iterable[Any], settings: Any) -> str:
    """Hash of the source of functions and classes, without their words, and of settings that print as what they are."""
    sources = [without_words(textwrap.dedent(inspect.getsource(part))) for part in program]
    return hashlib.sha256("\n".join([*sources, repr(settings)]).encode()).hexdigest()[:16]


def journal(path: Path, mark: str) -> dict[tuple, dict[str, Any]]:
    """What a file holds of the program with this fingerprint, by job: the stage and its arguments."""
    return {tuple(entry["job"]): entry for entry in entries(path) if entry["fingerprint"] == mark}


def run(path: Path, mark: str, stage: str, function: Callable[..., dict[str, Any]], jobs: list[tuple],
        workers: int | None = None) -> Iterator[Step]:
    """Run the jobs of a stage that the file does not hold yet; yield when one is saved.

    Parameters
    ----------
    path : Path
    mark : str
        The fingerprint that new lines carry.
    stage : str
    function : callable
        ``function(*job)`` gives what is kept, ready for JSON; it stands in a module, so that another process finds it.
    jobs : list of tuple
    workers : int, optional
        Processes, by default one for each processor; 1 runs in this one.
    """
    have = journal(path, mark)
    left = [(stage, function, job) for job in jobs if (stage, *job) not in have]
    workers = min(workers or os.cpu_count() or 1, len(left))
    outcomes = in_processes(_timed, left, workers) if workers > 1 else (_timed(*job) for job in left)
    for done, entry in enumerate(outcomes, len(jobs) - len(left) + 1):
        append(path, {"fingerprint": mark, **entry})
        yield Step(stage, done, len(jobs))


def _timed(stage: str, function: Callable[..., dict[str, Any]], job: tuple) -> dict[str, Any]:
    start = time.perf_counter()
    found = function(*job)
    return {"job": (stage, *job), **found, "seconds": round(time.perf_counter() - start, 2)}


def write(folder: Path, name: str, study: dict[str, Any], table: str, picture: Any) -> None:
    """Write a study's summary, its table and its picture, side by side under one name."""
    (folder / f"{name}.json").write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(table + "\n", encoding="utf-8")
    (folder / f"{name}.svg").write_text(str(picture), encoding="utf-8")


def show(steps: Iterable[Step], title: str, console: Any = None) -> None:
    """Go through the steps with a bar for each stage."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                  console=console) as progress:
        bars: dict[str, Any] = {}
        for step in steps:
            if step.stage not in bars:
                bars[step.stage] = progress.add_task(f"{title}, {step.stage}")
            progress.update(bars[step.stage], completed=step.done, total=step.total)
