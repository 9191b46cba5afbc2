"""Adding and multiplication as published in 1997."""

import numpy as np
import pytest

from lstmlab.tasks import adding_1997


def marks(xs):
    """Steps that are marked, two a sequence."""
    return [np.flatnonzero(xs[:, n, 1] == 1) for n in range(xs.shape[1])]


def test_where_the_marks_are():
    """One of the first ten steps and one more of the first T/2 − 1; −1 at both ends, even where the first is marked."""
    xs, _, mask = adding_1997(np.random.default_rng(0), 100, 3000)
    last = mask.sum(axis=0) - 1
    assert (xs[last, np.arange(3000), 1] == -1).all()
    later = []
    for places in marks(xs):
        assert len(places) == 1 or (len(places) == 2 and places.min() < 10)      # one of two may be at the first step
        later.append(places.max())
    assert max(later) == 48
    assert set(np.unique(xs[..., 1])) == {-1.0, 0.0, 1.0}


def test_the_lag_is_at_least_half_the_length():
    """From the second mark to the answer there are T/2 steps or more."""
    xs, _, mask = adding_1997(np.random.default_rng(1), 100, 500)
    for places, steps in zip(marks(xs), mask.sum(axis=0), strict=True):
        assert steps - 1 - places.max() >= 50


@pytest.mark.parametrize(("multiply", "low"), [(False, -1.0), (True, 0.0)])
def test_the_target(multiply, low):
    """Half plus a quarter of the sum, or the product, of the marked values, where the first step is not one of them."""
    xs, targets, mask = adding_1997(np.random.default_rng(2), 40, 1000, multiply)
    assert xs[mask][:, 0].min() == pytest.approx(low, abs=0.001)
    checked = 0
    for n, places in enumerate(marks(xs)):
        if len(places) == 2:
            one, two = xs[places, n, 0]
            assert targets[n, 0] == pytest.approx(one * two if multiply else 0.5 + (one + two) / 4)
            checked += 1
        else:                                            # the other mark is at the first step, and counts as neutral
            one, = xs[places, n, 0]
            assert targets[n, 0] == pytest.approx(one if multiply else 0.5 + one / 4)
    assert 800 < checked < 950


def test_lengths_are_from_t_to_a_tenth_more():
    """All of them occur, and nothing comes after the end."""
    xs, _, mask = adding_1997(np.random.default_rng(3), 100, 500)
    assert set(mask.sum(axis=0)) == set(range(100, 111))
    assert (xs[~mask] == 0).all()


@pytest.mark.parametrize(("multiply", "baseline"), [(False, 0.039), (True, 0.059)])
def test_the_baseline(multiply, baseline):
    """The best constant has the mean squared error that the docstring says."""
    _, targets, _ = adding_1997(np.random.default_rng(4), 100, 20_000, multiply)
    assert targets.var() == pytest.approx(baseline, rel=0.04)


@pytest.mark.parametrize(("length", "batch"), [(21, 1), (30, 0)])
def test_too_short_is_refused(length, batch):
    """The marks need room."""
    with pytest.raises(ValueError, match="expected at least 22 steps and 1 sequence"):
        adding_1997(np.random.default_rng(0), length, batch)
