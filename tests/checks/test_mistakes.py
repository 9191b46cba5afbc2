"""The catalogue: every mistake is a mutant that its check catches, and that it names."""

import itertools
import random
import re
from pathlib import Path

import numpy as np
import pytest

from lstmlab.checks import get, probe, problem_set, problem_sets
from lstmlab.checks._edits import edited, home, mutant
from lstmlab.checks._training import TrainingCheck

SEED = 20_000
CHECKS = [check for name in problem_sets() for check in problem_set(name)]
CATALOGUE = [pytest.param(check, mistake, id=f"{check.name}: {mistake.name}")
             for check in CHECKS for mistake in check.mistakes]
# Training runs are judged by signs in their results: see test_training.py.
BY_OUTPUTS = [check for check in CHECKS if not isinstance(check, TrainingCheck)]
RECOGNISED = [param for param in CATALOGUE if param.values[0] in BY_OUTPUTS]
SAMPLED = [param if n % 4 == 0 else pytest.param(*param.values, id=param.id, marks=pytest.mark.full)
           for n, param in enumerate(RECOGNISED)]
BOOK = Path(__file__).parents[2] / "book"

# From outside these give the same numbers: all that can honestly be said is "one of them".
EQUIVALENT = {
    "lstm_forward": [
        {"f and i exchanged", "f and i swapped in the cell state"},
        {"f computed with the parameters of i", "the old cell state multiplied by i"},
        {"o computed with the parameters of f", "the forget gate in place of the output gate in h"},
        {"o computed with the parameters of i", "the input gate in place of the output gate in h"},
    ],
    "lstm_backward": [{"dC from the next step missing", "dC not handed to the step before"}],
    "LSTMStep": [{"f and i swapped in the cell state", "torch's order of the gates taken for the book's"}],
    "complex_step": [{"not divided by the step", "no imaginary part left"}],
    "half_life_bias": [{"digits lost in 2^(1/n)−1", "digits lost in exp(ln2/n)−1"}],
}
# Strangers that are none: whoever uses neither the loss on the outputs nor that on the final state gets zeros, and so
# does whoever loses the imaginary part of a complex step.
IN_THE_CATALOGUE = {("lstm_backward", "zeros"), ("complex_step", "zeros")}


def verdict(check, fn, seed=SEED):
    return check.judge(seed, probe.call(fn, check.requests(seed)))


def alike(check, name):
    """The names that may stand for `name` in a verdict."""
    return next((group for group in EQUIVALENT.get(check.name, []) if name in group), {name})


def named(found):
    """A verdict's diagnosis: one set of alternatives per mistake."""
    return [set(name.split(", or ")) for name in found.mistakes]


@pytest.mark.parametrize(("check", "mistake"), CATALOGUE)
def test_an_edit_applies_exactly_once(check, mistake):
    """The old text stands exactly once in the sources of the reference, and the new one differs."""
    assert home(mistake, check.sources).text.count(mistake.old) == 1
    assert mistake.new != mistake.old


@pytest.mark.parametrize(("check", "mistake"), SAMPLED)
def test_a_mistake_is_caught(check, mistake):
    """No seed lets a mistake pass, or changes the marks it gets."""
    marks = {tuple(part.earned for part in verdict(check, mutant(check.sources, (mistake,)), seed).parts)
             for seed in range(3)}
    assert len(marks) == 1
    assert sum(marks.pop()) < check.points


@pytest.mark.parametrize(("check", "mistake"), RECOGNISED)
def test_a_mistake_is_diagnosed_as_itself(check, mistake):
    """The verdict names the mistake that was made, and no other but a known equivalent."""
    found = named(verdict(check, mutant(check.sources, (mistake,))))
    assert len(found) == 1
    assert mistake.name in found[0]
    assert found[0] <= alike(check, mistake.name)


def pairs(check):
    """Eight pairs of mistakes that can be made at once, drawn by the check's name; two of them for every day."""
    possible = [pair for pair in itertools.combinations(check.mistakes, 2) if edited(check.sources, pair)]
    drawn = random.Random(check.name).sample(possible, min(8, len(possible)))
    return [(pair, [] if n < 2 else [pytest.mark.full]) for n, pair in enumerate(drawn)]


@pytest.mark.parametrize(("check", "pair"), [
    pytest.param(check, pair, id=f"{check.name}: {pair[0].name} & {pair[1].name}", marks=marks)
    for check in BY_OUTPUTS for pair, marks in pairs(check)])
def test_a_pair_of_mistakes_is_diagnosed(check, pair):
    """Two mistakes at once: each that shows is named, and nothing is named that was not made."""
    found = named(verdict(check, mutant(check.sources, pair)))
    assert found
    assert all(any(mistake.name in group for mistake in pair) for group in found)


@pytest.mark.parametrize("names", [
    ("σ on the candidate", "no tanh on the output"), ("f without its bias", "the input gate is not used"),
    ("tanh on the gate o", "f and i swapped in the cell state"), ("σ is too steep by a factor of two",
                                                                 "[x, h] in place of [h, x]")])
def test_two_independent_mistakes_are_both_named(names):
    """Two mistakes in different lines of lstm_step are named both."""
    check = get("lstm_step")
    made = tuple(mistake for mistake in check.mistakes if mistake.name in names)
    assert set(verdict(check, mutant(check.sources, made)).mistakes) == set(names)


def strangers(check):
    """Wrong functions that no entry of the catalogue describes."""
    reference = check.reference

    def spoil(change):
        def walk(value):
            if isinstance(value, dict):
                return {key: walk(item) for key, item in value.items()}
            if isinstance(value, tuple):
                return tuple(map(walk, value))
            return change(np.asarray(value, float))

        return lambda *args: walk(reference(*args))

    rng = np.random.default_rng(0)
    yield "noise", spoil(lambda a: a + rng.normal(0.0, 0.1, a.shape))
    yield "a little too large", spoil(lambda a: a * (1 + 1e-6))
    yield "negative", spoil(lambda a: -a - 0.125)
    yield "zeros", spoil(np.zeros_like)
    yield "ones", spoil(np.ones_like)
    yield "NaN", spoil(lambda a: np.full_like(a, np.nan))
    yield "infinite", spoil(lambda a: np.full_like(a, np.inf))
    yield "rounded", spoil(lambda a: np.round(a, 2) + 1e-3)
    yield "sine", spoil(np.sin)
    yield "reversed", spoil(lambda a: a[..., ::-1] + 0.01 if a.ndim else a + 3)
    yield "squared", spoil(lambda a: a * a + 0.3)


def meetings():
    """Every check with every stranger; on every day each check meets three of them, and the next check three others."""
    for n, check in enumerate(BY_OUTPUTS):
        for k, (name, fn) in enumerate(strangers(check)):
            if (check.name, name) not in IN_THE_CATALOGUE:
                marks = [] if (k - 3 * n) % 11 < 3 else [pytest.mark.full]
                yield pytest.param(check, fn, id=f"{check.name}: {name}", marks=marks)


@pytest.mark.parametrize(("check", "fn"), list(meetings()))
def test_a_stranger_is_given_no_name(check, fn):
    """A wrong answer outside the catalogue is wrong, and no mistake is laid at its door."""
    found = verdict(check, fn)
    assert not found.right
    assert found.mistakes == ()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_names_are_unique(check):
    """Within a check, no two mistakes share a name or an edit."""
    assert len({mistake.name for mistake in check.mistakes}) == len(check.mistakes)
    assert len({(mistake.old, mistake.new) for mistake in check.mistakes}) == len(check.mistakes)
    assert not any(", or " in mistake.name for mistake in check.mistakes)


@pytest.mark.parametrize(("check", "mistake"), CATALOGUE)
def test_the_explanation_is_for_a_reader(check, mistake):
    """It has a sentence, does not contain the edit or what it replaced, and points into the book."""
    assert len(mistake.why) > 40
    assert mistake.why.rstrip("?.)") != mistake.why
    assert mistake.old not in mistake.why
    assert mistake.see.startswith('chapter "')


def test_where_to_look_exists():
    """Every chapter, section and equation label that a mistake points to is in the book."""
    book = "\n".join(path.read_text() for path in BOOK.glob("*.md"))
    places = {mistake.see for check in CHECKS for mistake in check.mistakes}
    labels = {label for see in places for label in re.findall(r"\((eq-[\w-]+)\)", see)}
    titles = {title for see in places for title in re.findall(r'"([^"]+)"', see)}
    assert labels
    assert {label for label in labels if f"$$ ({label})" not in book} == set()
    assert {title for title in titles if not re.search(rf"^#+ {re.escape(title)}$", book, re.MULTILINE)} == set()
