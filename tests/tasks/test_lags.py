"""Long time lags: what the docstrings promise."""

import numpy as np
import pytest

from lstmlab.tasks import distracted_lag, local_lag


def test_each_symbol_asks_for_the_next_and_the_last_for_the_first():
    """2a: y or x, then a1 to a(p−1) in order; after p steps the first once more."""
    task = local_lag(np.random.default_rng(0), 100, 50)
    assert task.symbols.shape == (100, 50)
    assert np.array_equal(task.targets[:-1], task.symbols[1:])
    assert np.array_equal(task.targets[-1], task.symbols[0])
    assert (task.symbols[1:] == np.arange(2, 101)[:, None]).all()
    assert set(task.symbols[0]) == {0, 1}


def test_a_random_middle_tells_nothing():
    """2b: the symbols between are drawn from all but x and y, and differ between sequences."""
    task = local_lag(np.random.default_rng(1), 100, 200, middle="random")
    between = task.symbols[1:]
    assert (between.min(), between.max()) == (2, 100)
    assert len({tuple(column) for column in between.T}) == 200
    counts = np.bincount(between.ravel(), minlength=101)[2:]
    assert counts.min() > 0.7 * counts.mean()


def test_the_lag_is_at_least_q_plus_one():
    """2c: from the second symbol to e there are q + 1 steps or more, 9 more on average."""
    task = distracted_lag(np.random.default_rng(2), 50, 7, 4000)
    lengths = task.mask.sum(axis=0)
    assert lengths.min() == 53
    assert lengths.mean() == pytest.approx(53 + 9, abs=0.5)


def test_what_stands_where():
    """2c: b first, x or y second, e last and distractors elsewhere; only e asks, and for the second symbol."""
    task = distracted_lag(np.random.default_rng(3), 5, 7, 300)
    last, each = task.mask.sum(axis=0) - 1, np.arange(300)
    assert (task.symbols[0] == 2).all()
    assert set(task.symbols[1]) == {0, 1}
    assert (task.symbols[last, each] == 3).all()
    steps = np.arange(len(task.mask))[:, None]
    between = task.symbols[(steps > 1) & (steps < last)]
    assert (between.min(), between.max()) == (4, 10)
    assert (task.symbols[~task.mask] == -1).all()
    assert np.array_equal(task.targets[last, each], task.symbols[1])
    assert (task.targets >= 0).sum() == 300


@pytest.mark.parametrize("draw", [lambda rng: local_lag(rng, 10, 4000), lambda rng: distracted_lag(rng, 3, 4, 4000)])
def test_the_baseline(draw):
    """The answer is one of two, each in half of the sequences."""
    task = draw(np.random.default_rng(4))
    answers = task.targets[task.mask.sum(axis=0) - 1, np.arange(4000)]
    assert np.mean(answers == 0) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("draw", [lambda rng: local_lag(rng, 10, 6, "random"),
                                  lambda rng: distracted_lag(rng, 3, 4, 6)])
def test_the_same_seed_gives_the_same_batch(draw):
    """And another seed another."""
    first, again, other = (draw(np.random.default_rng(seed)).symbols for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("call", "words"), [
    (lambda rng: local_lag(rng, 1, 3), "length is 1"), (lambda rng: local_lag(rng, 3, 0), "batch is 0"),
    (lambda rng: local_lag(rng, 3, 3, "noisy"), "expected 'ordered' or 'random'"),
    (lambda rng: distracted_lag(rng, 0, 4, 3), "lag is 0")])
def test_a_wrong_number_is_refused(call, words):
    """The message says what came."""
    with pytest.raises(ValueError, match=words):
        call(np.random.default_rng(0))
