"""The two-sequence problem: what its docstring promises."""

import numpy as np
import pytest

from lstmlab.tasks import two_sequence


def test_the_signal_comes_first_and_alone():
    """The first N numbers are 1 or −1 by the class; what follows has mean 0 and variance 0.2."""
    xs, targets, mask = two_sequence(np.random.default_rng(0), 100, 3, 500)
    assert (xs[:3, :, 0] == 2 * targets[:, 0] - 1).all()
    noise = xs[3:, :, 0][mask[3:]]
    assert noise.mean() == pytest.approx(0.0, abs=0.01)
    assert noise.var() == pytest.approx(0.2, rel=0.02)


def test_lengths_are_from_t_to_a_tenth_more():
    """All lengths from T to T + T/10 occur, and nothing comes after the end."""
    xs, _, mask = two_sequence(np.random.default_rng(1), 100, 1, 500)
    assert set(mask.sum(axis=0)) == set(range(100, 111))
    assert (xs[~mask] == 0).all()


def test_noise_on_the_signal():
    """3b: the signal has noise of the variance asked for."""
    xs, targets, _ = two_sequence(np.random.default_rng(2), 50, 3, 4000, signal_noise=0.2)
    assert (xs[:3, :, 0] - (2 * targets[:, 0] - 1)).var() == pytest.approx(0.2, rel=0.05)


def test_noise_on_the_targets():
    """3c: targets are 0.2 and 0.8 with noise of variance 0.1."""
    xs, targets, _ = two_sequence(np.random.default_rng(3), 50, 1, 8000, target_noise=0.1, answers=(0.2, 0.8))
    for signal, mean in ((1, 0.2), (-1, 0.8)):
        there = targets[xs[0, :, 0] == signal]
        assert there.mean() == pytest.approx(mean, abs=0.02)
        assert there.var() == pytest.approx(0.1, rel=0.08)


def test_the_baseline():
    """Half of the sequences are of either class, and the constant 1/2 has a mean squared error of 1/4."""
    _, targets, _ = two_sequence(np.random.default_rng(4), 30, 1, 4000)
    assert targets.mean() == pytest.approx(0.5, abs=0.03)
    assert np.mean((targets - 0.5) ** 2) == 0.25


@pytest.mark.parametrize(("length", "signal", "batch"), [(3, 3, 1), (5, 0, 1), (5, 2, 0)])
def test_no_room_is_refused(length, signal, batch):
    """There has to be noise after the signal, and a sequence."""
    with pytest.raises(ValueError, match="expected 0 < signal < length"):
        two_sequence(np.random.default_rng(0), length, signal, batch)
