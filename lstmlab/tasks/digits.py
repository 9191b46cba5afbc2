"""Handwritten digits, read pixel by pixel."""

from __future__ import annotations

import numpy as np

Pairs = tuple[np.ndarray, np.ndarray]


def digits(rng: np.random.Generator, held_out: int) -> tuple[Pairs, Pairs]:
    """Split the 1,797 digits of 8 × 8 pixels at random into those to learn from and those to be tested on.

    Parameters
    ----------
    rng : numpy.random.Generator
    held_out : int
        How many are kept for the test.

    Returns
    -------
    learn, test : tuple of ndarray
        ``xs`` (64, B, 1), the brightness from 0 to 1 of one pixel after the other, row by row; ``targets`` (B,) of int,
        the digit, asked for after the last pixel.

    Raises
    ------
    ValueError
        If none or all are held out.

    Notes
    -----
    **Baseline.** Always the most frequent digit is right in one of ten cases.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998, the
    part that comes with scikit-learn.

    Examples
    --------
    >>> (xs, targets), (test_xs, _) = digits(np.random.default_rng(0), 360)
    >>> xs.shape, targets.shape, test_xs.shape, float(xs.max())
    ((64, 1437, 1), (1437,), (64, 360, 1), 1.0)
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    if not 0 < held_out < len(labels):
        raise ValueError(f"held_out is {held_out}; expected a number between 1 and {len(labels) - 1}")
    order = rng.permutation(len(labels))
    xs, targets = images[order].T[..., None] / 16.0, labels[order]
    return (xs[:, held_out:], targets[held_out:]), (xs[:, :held_out], targets[:held_out])
