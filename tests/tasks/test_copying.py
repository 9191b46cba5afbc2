"""Copying: what its docstring promises."""

import numpy as np
import pytest

from lstmlab.tasks import copying


def test_the_word_is_asked_for_after_the_pause():
    """Ten symbols, blanks, one sign to begin; the targets are blank until the last ten steps."""
    symbols, targets = copying(np.random.default_rng(0), 30, 200)
    assert symbols.shape == targets.shape == (50, 200)
    assert np.array_equal(symbols[:10], targets[-10:])
    assert set(np.unique(symbols[:10])) == set(range(8))
    assert (targets[:-10] == 8).all()
    assert (np.flatnonzero(symbols[:, 0] == 9) == [40]).all()
    assert (symbols[10:40] == 8).all()
    assert (symbols[41:] == 8).all()


def test_the_baseline():
    """Sure of the blanks and guessing the symbols, the cross-entropy is 10 ln 8 / (pause + 20)."""
    _, targets = copying(np.random.default_rng(1), 30, 4000)
    shares = np.bincount(targets[-10:].ravel()) / 40_000
    entropy = -(shares * np.log(shares)).sum() * 10 / 50
    assert entropy == pytest.approx(10 * np.log(8) / 50, rel=1e-3)


@pytest.mark.parametrize(("pause", "batch"), [(0, 1), (1, 0)])
def test_nothing_to_draw_is_refused(pause, batch):
    """A pause and a sequence."""
    with pytest.raises(ValueError, match="expected at least 1 of each"):
        copying(np.random.default_rng(0), pause, batch)
