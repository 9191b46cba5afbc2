"""A training run as an exercise: the student trains, and what counts is the error on data that nobody has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from . import probe
from ._answers import Answer, Trouble, outputs_of, read
from ._check import Case, Check, Judgement
from ._verdict import Part, Verdict

Params = dict[str, np.ndarray]


class Run(NamedTuple):
    """One training run, as the signs of a mistake see it.

    Attributes
    ----------
    given, trained : dict of str to ndarray
        The parameters before and after.
    batch : tuple of ndarray
        The first batch that was handed out.
    error : callable
        ``error(params, xs, targets)``, as the check has it.
    fresh : float
        The error on fresh data.
    """

    given: Params
    trained: Params
    batch: tuple[np.ndarray, np.ndarray]
    error: Callable[..., float]
    fresh: float


@dataclass(frozen=True, eq=False, repr=False)
class TrainingCheck(Check):
    """A check of a function ``train(params, batches) -> params``, judged by its result alone.

    Seed and budget go in: the batches are drawn where the function runs, by `probe.stream`, and are all there are.
    The parameters come back, and the error of the reference's network with them, on fresh data, is compared with
    `limits`. How the student trains is their own affair; so a mistake is recognised by a sign in the result, and not
    by outputs that equal those of its edit.

    Parameters
    ----------
    error : callable
        ``error(params, xs, targets) -> float`` of the network with these parameters.
    fresh : callable
        ``fresh(rng, case) -> (xs, targets)``, data of the case's kind.
    baseline : float
        The error without any memory.
    limits : dict of str to float
        By part: the error below which it is earned, in every case.
    signs : dict of str to callable
        By name of a mistake: whether it shows in a `Run`; a mistake is named when it shows in every case.
    """

    kind: str = "training run"
    error: Callable[..., float] = None
    fresh: Callable[[np.random.Generator, Case], tuple[np.ndarray, np.ndarray]] = None
    baseline: float = 0.0
    limits: Mapping[str, float] = field(default_factory=dict)
    signs: Mapping[str, Callable[[Run], bool]] = field(default_factory=dict)

    def judge(self, seed: int | bytes, answers: Any) -> Verdict:
        """Form the verdict, as `Check.judge` does; the fresh data are drawn from the seed too, but never sent."""
        cases = self.cases(seed)
        if not isinstance(answers, list) or len(answers) != len(cases):
            return super().judge(seed, answers)
        number = int.from_bytes(seed, "big") if isinstance(seed, bytes) else seed
        drawn = [self.fresh(np.random.default_rng([number, place]), case) for place, case in enumerate(cases)]
        return _TrainingJudgement(self, cases, [read(answer, self.returns) for answer in answers], drawn).verdict()


class _TrainingJudgement(Judgement):
    """Trained parameters beside what they achieve on fresh data."""

    def __init__(self, check: TrainingCheck, cases: list[Case], answers: list[Answer], fresh: list[tuple]):
        self.check, self.cases, self.answers = check, cases, answers
        self.expected = [case.args["params"] for case in cases]       # for the shapes
        self.notes = [self._notes(*pair) for pair in zip(answers, self.expected, strict=True)]
        self.fresh = fresh

    def verdict(self) -> Verdict:
        if unwritten := self._unwritten():
            return self.check._nothing(*unwritten)
        if wrong := {name: note for notes in self.notes for name, note in notes.items() if note}:
            findings = [*self._troubles(), *((f"{name}: {note}.",) for name, note in list(wrong.items())[:3]
                                             if note != "nothing came")]
            return Verdict(self.check.name, self._earned([np.inf]), "wrong", tuple(findings),
                           remarks=self._remarks())
        with np.errstate(all="ignore"):                               # the student's parameters may be anything
            runs = list(self._runs())
            shown = [mistake for mistake in self.check.mistakes
                     if all(self.check.signs[mistake.name](run) for run in runs)][:1]
        parts = self._earned([run.fresh for run in runs])
        if all(part.earned for part in parts):
            return Verdict(self.check.name, parts, f"right, {self._errors(runs)}", remarks=self._remarks())
        findings = [*(self._explain([mistake]) for mistake in shown), self._result(runs, bool(shown))]
        return Verdict(self.check.name, parts, "wrong", tuple(findings), tuple(m.name for m in shown),
                       self._remarks())

    def _notes(self, answer: Answer, expected: Params) -> dict[str, str]:
        """What is wrong with the form of each array; empty where nothing is."""
        notes = {}
        for output in outputs_of(self.check.returns):
            came = answer.outputs.get(output.name)
            if isinstance(came, np.ndarray):
                form, shape = f"{came.dtype} of shape {came.shape}", expected[output.name].shape
                right = came.shape == shape and came.dtype.kind == "f"
                notes[output.name] = "" if right else f"{form} came; expected floats of shape {shape}"
            else:
                notes[output.name] = came.text if isinstance(came, Trouble) else "nothing came"
        return notes

    def _runs(self) -> Iterator[Run]:
        for case, answer, fresh in zip(self.cases, self.answers, self.fresh, strict=True):
            trained = {name: array.astype(float) for name, array in answer.outputs.items()}
            batch = next(probe.stream(case.args["batches"]))
            reached = self.check.error(trained, *fresh)
            yield Run(case.args["params"], trained, batch, self.check.error,
                      reached if np.isfinite(reached) else np.inf)

    def _earned(self, errors: list[float]) -> tuple[Part, ...]:
        return tuple(Part(name, points, points if max(errors) < self.check.limits[name] else 0, "")
                     for name, points in self.check.parts.items())

    def _errors(self, runs: list[Run]) -> str:
        found = " and ".join(f"{run.fresh:.2g}" for run in runs)
        return f"error {found} on new sequences"

    def _result(self, runs: list[Run], explained: bool) -> tuple[str, ...]:
        """What was reached, what was asked, and how to read it."""
        worst = max(run.fresh for run in runs)
        asked = min(self.check.limits.values())
        reached = (f"In {len(runs)} runs, mean squared {self._errors(runs)}. Below {asked:g} is asked; without a "
                   f"memory {self.check.baseline:.3g} can be had.")
        if explained or not np.isfinite(worst):
            return (reached,)
        if worst > 0.8 * self.check.baseline:
            return (reached, "So far it answers hardly better than one constant number would. Does every batch make "
                             "one step, from where the last one ended?")
        return (reached, "It learns, but the batches run out too early. Try another learning rate; with momentum the "
                         "velocity has to go from one step to the next.")


# -- signs ---------------------------------------------------------------------------------------------


def unchanged(*names: str) -> Callable[[Run], bool]:
    """The sign that these parameters, or all, came back as they were, though not everything else did."""
    def shows(run: Run) -> bool:
        still = {name for name in run.given if np.array_equal(run.given[name], run.trained[name])}
        return still == set(names or run.given)

    return shows


def not_finite(run: Run) -> bool:
    """The sign of a run that blew up."""
    return not all(np.isfinite(array).all() for array in run.trained.values())


def one_step_of(gradient: Callable[..., Params]) -> Callable[[Run], bool]:
    """The sign of a single step: the change points exactly against the first batch's gradient."""
    def shows(run: Run) -> bool:
        slope = gradient(run.given, *run.batch)
        change = np.concatenate([(run.trained[name] - run.given[name]).ravel() for name in run.given])
        down = -np.concatenate([slope[name].ravel() for name in run.given])
        return bool(change @ down > (1 - 1e-9) * np.linalg.norm(change) * np.linalg.norm(down) > 0)

    return shows


def uphill(run: Run) -> bool:
    """The sign of steps that go up, or far too wide: on the data it trained on, it is far worse than it began."""
    return bool(run.error(run.trained, *run.batch) > 2 * run.error(run.given, *run.batch))
