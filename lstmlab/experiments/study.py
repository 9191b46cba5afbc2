"""A study: networks by problems, each trained from many seeds, at a rate that was chosen for it from other seeds.

What each configuration gave stands in a journal, one line of JSON a configuration, with a fingerprint of all that
decides it; so a study that is stopped goes on where it was, and what ran under other settings is never mixed in.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import inspect
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import STUDIES, problems, training
from .problems import Problem
from .runs import append, entries, without_words
from .training import Network, Plan, Trained, train

RATES = (0.003, 0.01, 0.03)
TUNING_SEEDS = tuple(range(1000, 1004))                 # none of them is a trial
TRIALS = 10


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared, on what, and how.

    Attributes
    ----------
    name : str
    networks : mapping of str to Network
        By what they are called.
    problems : mapping of str to Problem
    plan : Plan
    sized : callable
        ``sized(network, problem)`` is the network with its hidden size for that problem.
    tuned_on : callable
        ``tuned_on(problem_name)`` names the problems on which the rate for that one is chosen.
    measure : callable
        ``measure(network, problem, trained, seeds)``, what is reported beside, a list with an entry for each seed by
        name.
    """

    name: str
    networks: Mapping[str, Network]
    problems: Mapping[str, Problem]
    plan: Plan
    sized: Callable[[Network, Problem], Network]
    tuned_on: Callable[[str], Sequence[str]]
    measure: Callable[[Network, Problem, Trained, Sequence[int]], dict[str, list[float]]]


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One network on one problem at one rate, from some seeds; `tuning` if only its rate is judged by it."""

    network: str
    problem: str
    rate: float
    seeds: tuple[int, ...]
    tuning: bool


def fingerprint(study: Study, one: Configuration) -> str:
    """Hash of what decides a configuration's outcome: its settings, and the program that trains and measures."""
    problem = study.problems[one.problem]
    network = study.sized(study.networks[one.network], problem)
    settings = [dataclasses.asdict(network), type(problem).__name__, dataclasses.asdict(problem),
                dataclasses.asdict(study.plan), one.rate, one.seeds, one.tuning]
    words = [json.dumps(settings), *_program()]
    if not one.tuning:
        words.append(without_words(inspect.getsource(study.measure)))
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


@functools.cache
def _program() -> tuple[str, ...]:
    """The program of training and problems, as it was when first asked for."""
    return tuple(without_words(inspect.getsource(module)) for module in (training, problems))


class Journal:
    """What the configurations of a study have given so far.

    Parameters
    ----------
    study : Study
    folder : Path
        It holds the journal, ``NAME.jsonl``.
    """

    def __init__(self, study: Study, folder: Path):
        self.study, self.path = study, folder / f"{study.name}.jsonl"
        self._known = {line["fingerprint"]: line for line in entries(self.path)}

    def find(self, one: Configuration) -> dict[str, Any] | None:
        """What a configuration has given; None if it did not run."""
        return self._known.get(fingerprint(self.study, one))

    def run(self, one: Configuration) -> dict[str, Any]:
        """What a configuration gives: found, or run and saved."""
        found = self.find(one)
        if found is None:
            found = {"fingerprint": fingerprint(self.study, one), **dataclasses.asdict(one), **_run(self.study, one)}
            append(self.path, found)
            found = self._known[found["fingerprint"]] = json.loads(json.dumps(found))
        return found


def _run(study: Study, one: Configuration) -> dict[str, Any]:
    problem, start, threads = study.problems[one.problem], time.perf_counter(), torch.get_num_threads()
    network = study.sized(study.networks[one.network], problem)
    torch.set_num_threads(1)                            # products as small as these gain nothing from more
    try:
        trained = train(network, problem, study.plan, one.rate, one.seeds)
        measured = {} if one.tuning else study.measure(network, problem, trained, one.seeds)
    finally:
        torch.set_num_threads(threads)
    return {"scores": trained.scores, "updates": trained.updates, "met": trained.met, "measured": measured,
            "seconds": round(time.perf_counter() - start, 2)}


# -- rates -----------------------------------------------------------------------------------------------------


def tuning(study: Study, network: str, problem: str) -> dict[float, list[Configuration]]:
    """For each rate the configurations by which it is judged: the same grid for all networks."""
    return {rate: [Configuration(network, tuned_on, rate, TUNING_SEEDS, True) for tuned_on in study.tuned_on(problem)]
            for rate in RATES}


def tuned(journal: Journal, network: str, problem: str) -> list[dict[str, Any]]:
    """What each rate of the grid gave, ready for JSON: seeds, successes, mean score and mean updates until the best."""
    tried = {rate: [journal.find(one) for one in of_rate]
             for rate, of_rate in tuning(journal.study, network, problem).items()}
    return [{"rate": rate, "seeds": sum(len(line["met"]) for line in lines),
             "successes": sum(sum(line["met"]) for line in lines),
             "score": float(np.mean([line["scores"] for line in lines])),
             "updates": float(np.mean([line["updates"] for line in lines]))}
            for rate, lines in tried.items() if all(lines)]


def chosen_rate(journal: Journal, network: str, problem: str) -> float | None:
    """The rate with the most seeds that met the goal; then with the smallest mean score; then the fastest.

    None where the grid has not run yet.
    """
    tried = tuned(journal, network, problem)
    if len(tried) < len(RATES):
        return None
    return min(tried, key=lambda one: (-one["successes"], one["score"], one["updates"]))["rate"]


def trial(journal: Journal, network: str, problem: str, trials: int = TRIALS) -> Configuration | None:
    """The configuration of a network on a problem at its chosen rate; None where none is chosen yet."""
    rate = chosen_rate(journal, network, problem)
    return None if rate is None else Configuration(network, problem, rate, tuple(range(trials)), False)


# -- runs ------------------------------------------------------------------------------------------------------


def grid(study: Study) -> list[tuple[str, str]]:
    """Networks and problems, all networks for the first problem, then for the next."""
    return [(network, problem) for problem in study.problems for network in study.networks]


def total(study: Study) -> int:
    """How many configurations a study has."""
    return len(_tunings(study)) + len(grid(study))


def _tunings(study: Study) -> list[Configuration]:
    return list(dict.fromkeys(one for pair in grid(study)
                              for of_rate in tuning(study, *pair).values() for one in of_rate))


def run(study: Study, folder: Path, trials: int = TRIALS) -> Iterator[dict[str, Any]]:
    """Run what the journal in `folder` does not hold yet; yield each configuration's line, found or run.

    Ctrl-C, or closing the generator, loses the configuration under way; the same call goes on with it.
    """
    journal = Journal(study, folder)
    for one in _tunings(study):
        yield journal.run(one)
    for pair in grid(study):
        yield journal.run(trial(journal, *pair, trials))


def run_with_progress(study: Study, folder: Path, trials: int = TRIALS, console: Any = None,
                      after: Callable[[], None] = lambda: None) -> None:
    """As `run`, with a bar; `after` is called when a configuration is saved."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.fields[last]}"))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(study.name, total=total(study), last="")
        for line in run(study, folder, trials):
            what = "choosing a rate" if line["tuning"] else f"mean score {np.mean(line['scores']):.3g}"
            progress.update(bar, advance=1, last=f"{line['network']}, {line['problem']}, {line['rate']:g}: {what}")
            after()


# -- what came of it -------------------------------------------------------------------------------------------


def find(name: str) -> Any:
    """The module of one of `STUDIES`, which has ``study``, ``report``, ``markdown`` and ``pictures``."""
    if name not in STUDIES:
        raise ValueError(f"there is no study {name!r}; expected one of {', '.join(STUDIES)}")
    return importlib.import_module(f".{name.replace('-', '_')}", __package__)


def write_all(module: Any, study: Study, folder: Path, trials: int = TRIALS) -> str:
    """Write the report of a study as NAME.json, NAME.md and plots into the folder of its journal; return the table.

    Parameters
    ----------
    module : module
        As `find` gives it.
    study : Study
    folder : Path
    trials : int
    """
    report = module.report(Journal(study, folder), trials)
    table = module.markdown(report)
    write_report(folder / f"{report['study']}.json", report)
    (folder / f"{report['study']}.md").write_text(table + "\n", encoding="utf-8")
    for end, picture in module.pictures(report).items():
        (folder / f"{report['study']}{end}.svg").write_text(str(picture), encoding="utf-8")
    return table


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a report anew; a reader finds the old one or the new one, and never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
