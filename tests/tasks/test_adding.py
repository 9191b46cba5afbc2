"""The adding problem: what its docstring promises."""

import numpy as np
import pytest

from lstmlab.tasks import adding


@pytest.mark.parametrize("length", [2, 3, 9, 50])
def test_one_mark_in_each_half(length):
    """Two steps are marked, the first in the first half, the second in the second."""
    xs, _ = adding(np.random.default_rng(1), length, 200)
    markers = xs[..., 1]
    assert set(np.unique(markers)) <= {0.0, 1.0}
    assert (markers[: length // 2].sum(axis=0) == 1).all()
    assert (markers[length // 2:].sum(axis=0) == 1).all()


def test_the_target_is_the_sum_of_the_marked_values():
    """One target a sequence, the sum of two values."""
    xs, targets = adding(np.random.default_rng(2), 12, 30)
    for n in range(30):
        assert targets[n, 0] == pytest.approx(sum(xs[xs[:, n, 1] == 1, n, 0]))


def test_the_same_seed_gives_the_same_batch():
    """And another seed another."""
    first, again, other = (adding(np.random.default_rng(seed), 7, 3)[0] for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def test_the_baseline():
    """Always answering 1 has a mean squared error of 1/6."""
    _, targets = adding(np.random.default_rng(3), 4, 100_000)
    assert np.mean((targets - 1.0) ** 2) == pytest.approx(1 / 6, rel=0.02)


@pytest.mark.parametrize(("length", "batch"), [(1, 3), (4, 0)])
def test_too_short_is_refused(length, batch):
    """There have to be two halves and a sequence."""
    with pytest.raises(ValueError, match="expected at least 2 steps"):
        adding(np.random.default_rng(0), length, batch)
