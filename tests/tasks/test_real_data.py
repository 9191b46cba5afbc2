"""Sunspots and digits: what is held out is never learnt from."""

import subprocess
import sys

import numpy as np
import pytest

from lstmlab.tasks import digits, sunspots


def test_windows_are_followed_by_their_targets():
    """Each window is a stretch of the series, and the target is the year after."""
    (xs, targets), (test_xs, test_targets), series = sunspots(22, 60)
    assert len(series) == 309
    for n in (0, 100, 226):
        assert np.array_equal(xs[:, n, 0], series[n:n + 22])
        assert targets[n, 0] == series[n + 22]
    assert np.array_equal(test_targets[:, 0], series[-60:])
    assert np.array_equal(test_xs[:, 0, 0], series[-82:-60])


def test_the_series_is_the_known_one():
    """The great maximum of 1957, and the quiet year 1712."""
    _, _, series = sunspots(22, 60)
    assert series[1957 - 1700] == pytest.approx(190.2)
    assert series[1712 - 1700] == 0


@pytest.mark.parametrize(("window", "held_out"), [(0, 10), (10, 0), (200, 109)])
def test_too_much_is_refused(window, held_out):
    """A window, a test, and something to learn from."""
    with pytest.raises(ValueError, match="expected at least 1 of each"):
        sunspots(window, held_out)


def test_digits_are_split_without_overlap():
    """Every picture is on one side; seen row by row it is the picture again."""
    from sklearn.datasets import load_digits

    (xs, targets), (test_xs, test_targets) = digits(np.random.default_rng(0), 360)
    images, labels = load_digits(return_X_y=True)
    together = np.concatenate([test_xs, xs], axis=1)[..., 0].T * 16
    order = np.lexsort(together.T)
    assert np.array_equal(together[order], images[np.lexsort(images.T)])
    assert np.array_equal(np.bincount(np.concatenate([test_targets, targets])), np.bincount(labels))
    assert np.bincount(labels).max() / len(labels) == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("held_out", [0, 1797])
def test_all_or_nothing_is_refused(held_out):
    """Both sides need a picture."""
    with pytest.raises(ValueError, match="expected a number between 1 and 1796"):
        digits(np.random.default_rng(0), held_out)


@pytest.mark.parametrize("module", ["numba", "statsmodels", "sklearn", "scipy"])
def test_importing_the_tasks_is_light(module):
    """Students have none of these."""
    code = f"import sys, lstmlab.tasks; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
