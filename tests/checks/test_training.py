"""A training run is judged by what it achieves on data that nobody has seen."""

import itertools

import numpy as np
import pytest

from lstmlab.checks import get, probe, wire
from lstmlab.checks._edits import mutant

CHECK = get("train")
SEED = 20_000


def verdict(fn, seed=SEED):
    return CHECK.judge(seed, probe.KINDS[CHECK.kind](fn, CHECK.requests(seed)))


def test_the_batches_are_the_budget():
    """The function gets as many batches as were announced, each once, the same for the same seed."""
    description = CHECK.requests(1)[0]["args"]["batches"]
    first, second = list(probe.stream(description)), list(probe.stream(description))
    assert len(first) == description["count"]
    assert all(np.array_equal(a, b) for one, two in zip(first, second, strict=True)
               for a, b in zip(one, two, strict=True))
    assert not np.array_equal(first[0][0], first[1][0])


def test_what_is_sent_does_not_hold_the_data_of_the_verdict():
    """The fresh sequences come from the seed of the check, which is not in the request."""
    sent = CHECK.requests(SEED)
    drawn = {batch[0].tobytes() for request in sent for batch in probe.stream(request["args"]["batches"])}
    fresh = [CHECK.fresh(np.random.default_rng([SEED, n]), case) for n, case in enumerate(CHECK.cases(SEED))]
    assert not any(xs[:, start:start + 32].tobytes() in drawn for xs, _ in fresh
                   for start in range(xs.shape[1] - 31))
    assert str(SEED).encode() not in wire.encode(sent)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.full), pytest.param(2, marks=pytest.mark.full)])
@pytest.mark.parametrize("mistake", CHECK.mistakes, ids=lambda mistake: mistake.name)
def test_a_mistake_is_caught_and_named(mistake, seed):
    """Every edit of the reference loses points, with any seed, and shows its own sign and no other's."""
    found = verdict(mutant(CHECK.sources, (mistake,)), seed)
    assert not found.right
    assert found.mistakes == (mistake.name,)


def no_momentum_and_slow(params, batches):
    from lstmlab.checks.ps4_lstm_backward import train_step

    rest = {name: np.zeros_like(value) for name, value in params.items()}
    for xs, targets in batches:
        _, params, _ = train_step(params, rest, xs, targets, 0.02, 0.0, 1.0)
    return params


STRANGERS = {
    "too slow": no_momentum_and_slow,
    "noise": lambda params, batches: {k: v + np.random.default_rng(0).normal(0.0, 0.3, v.shape)
                                      for k, v in params.items()},
    "halved": lambda params, batches: {k: 0.5 * v for k, v in params.items()},
    "zeros": lambda params, batches: {k: np.zeros_like(v) for k, v in params.items()},
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_given_no_name(name):
    """What no sign explains is told its error, what was asked, and what can be had without a memory."""
    found = verdict(STRANGERS[name])
    assert not found.right
    assert found.mistakes == ()
    assert "0.167 can be had" in found.text()


def test_learning_half_way_earns_its_part():
    """Better than half of the baseline, but not solved: one part of two."""
    found = verdict(lambda params, batches: CHECK.reference(params, itertools.islice(batches, 280)))
    assert [part.earned for part in found.parts] == [1, 0]
    assert "batches run out" in found.text()


def test_unused_batches_are_a_remark():
    """Whoever solves it early is right, and is told what was left."""
    found = verdict(lambda params, batches: CHECK.reference(params, itertools.islice(batches, 390)))
    assert found.right
    assert "10 of the 400 batches were not used" in found.text()


def test_every_line_fits():
    """No line is wider than a notebook's output or a terminal shows."""
    texts = [verdict(fn).text() for fn in (CHECK.reference, STRANGERS["noise"])]
    assert max(len(line) for text in texts for line in text.splitlines()) <= 80


@pytest.mark.parametrize(("fn", "words"), [
    (lambda params, batches: None, "None came"),
    (lambda params, batches: params["W_f"], "expected a dict"),
    (lambda params, batches: {k: v[:1] for k, v in params.items()}, "expected floats of shape"),
    (lambda params, batches: {k: v.astype(int) for k, v in params.items()}, "int64 of shape"),
    (lambda params, batches: {k: v for k, v in params.items() if k != "W_y"}, "no key 'W_y'"),
    (lambda params, batches: 1 / 0, "ZeroDivisionError"),
], ids=["None", "array", "shape", "dtype", "key", "exception"])
def test_what_is_no_set_of_parameters_is_said(fn, words):
    """Form has messages of its own, and earns nothing."""
    found = verdict(fn)
    assert found.earned == 0
    assert words in found.text()


def test_the_reference_is_right_whatever_the_seed():
    """Bytes and whole numbers of any size serve as seeds."""
    for seed in (0, 2**256 - 1, b"\xff" * 32):
        assert verdict(CHECK.reference, seed).right


@pytest.mark.parametrize("answers", [
    None, [], [{}], [{}, {}], [{"value": None}, {"value": 3}], [{"error": 7}] * 2, [{"error": {}}] * 2,
    [{"value": {"items": {"W_f": {"array": np.ones((8, 10), complex)}}}}] * 2,
    [{"value": {"items": {name: {"array": np.full(array.shape, value)}
                          for name, array in case.args["params"].items()}}, "changed": [3], "warnings": {}}
     for case, value in zip(CHECK.cases(SEED), (np.nan, 1e308), strict=True)]],
    ids=["None", "nothing", "too few", "empty", "no node", "odd error", "empty error", "complex", "extreme"])
def test_nothing_that_comes_back_raises(answers):
    """An answer is not trusted: what cannot be read, or is no number, earns nothing."""
    assert CHECK.judge(SEED, answers).earned == 0


def test_the_parameters_given_stay_as_they_were():
    """Training in place is noticed, and works."""
    def in_place(params, batches):
        trained = CHECK.reference(params, batches)
        for name in params:
            params[name][...] = trained[name]
        return params

    found = verdict(in_place)
    assert found.right
    assert "The argument params was changed in place" in found.text()
