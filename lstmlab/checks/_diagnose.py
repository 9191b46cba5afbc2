"""Which mistake is it? Found by making each mistake in the reference and comparing what comes out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ._answers import Answer
from ._compare import close
from ._edits import Mistake, Source, mutant

Args = dict[str, Any]


def diagnose(sources: tuple[Source, ...], run: Callable, mistakes: tuple[Mistake, ...], tolerance: float,
             cases: list[Args], answers: list[Answer], telling: int) -> list[list[Mistake]]:
    """The mistakes whose outputs equal the student's in every case: one, else two, else none.

    Parameters
    ----------
    sources, run, mistakes, tolerance
        As the check has them.
    cases : list of dict
        Arguments by name.
    answers : list of Answer
        The student's.
    telling : int
        Index of a case that they get wrong: most candidates fall there, before the others are tried.

    Returns
    -------
    list of list of Mistake
        One list per mistake made: it holds that mistake, and those that cannot be told from it by what comes out.
    """
    order = [telling, *(n for n in range(len(cases)) if n != telling)]

    def fits(candidate: tuple[Mistake, ...]) -> bool:
        function = mutant(sources, candidate)
        return function is not None and all(
            _same(run, function, cases[n], answers[n], tolerance) for n in order)

    for size in (1, 2):
        found = [candidate for candidate in itertools.combinations(mistakes, size) if fits(candidate)]
        if found:
            return _alternatives(found)
    return []


def _alternatives(found: list[tuple[Mistake, ...]]) -> list[list[Mistake]]:
    """Several candidates that fit, place by place; a place where they cannot be untangled is left out."""
    if not found or len(found[0]) == 1:
        return [[mistake for mistake, in found]] if found else []
    pairs = [frozenset(pair) for pair in found]
    first, second = found[0]
    places = [[m for pair in pairs for m in pair - {other} if other in pair] for other in (second, first)]
    if {frozenset(pair) for pair in itertools.product(*places)} == set(pairs):
        return places
    return [[mistake] for mistake in found[0] if all(mistake in pair for pair in pairs)]


def _same(run: Callable, function: Callable, args: Args, answer: Answer, tolerance: float) -> bool:
    """Whether a mutant gives what the student gave, be it an exception of the same type."""
    try:
        outputs = run(function, args)
    except Exception as error:                       # an edit may ask for the impossible, as students do
        return answer.raised is not None and answer.raised.type == type(error).__name__
    return bool(answer.outputs) and all(_equal(answer.outputs[name], array, tolerance)
                                        for name, array in outputs.items())


def _equal(came: Any, array: np.ndarray, tolerance: float) -> bool:
    return isinstance(came, np.ndarray) and close(came, array, tolerance)
