"""The adding problem, and multiplication: two numbers among many, far apart, and what they make at the end."""

from __future__ import annotations

import numpy as np


def adding(rng: np.random.Generator, length: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw a batch of the adding problem.

    At every step the input is a pair: a value, uniform in [0, 1], and a marker. The marker is 1 at two steps, one
    drawn from the first half of the sequence and one from the second, and 0 elsewhere. The target, asked for after
    the last step, is the sum of the two marked values.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of the numbers; the same generator state gives the same batch.
    length : int
        T, the number of steps, 2 or more.
    batch : int
        B, the number of sequences, 1 or more.

    Returns
    -------
    xs : ndarray (T, B, 2)
        Values in ``xs[..., 0]``, markers in ``xs[..., 1]``.
    targets : ndarray (B, 1)
        Sum of the two marked values.

    Raises
    ------
    ValueError
        If `length` is below 2 or `batch` below 1.

    Notes
    -----
    **Baseline.** Without a memory the best answer is always 1. Its mean squared error is the variance of a sum of
    two uniform numbers, :math:`2 \cdot \tfrac1{12} = \tfrac16 \approx 0.167`.

    In the paper of 1997 the values lie in [−1, 1], the markers are −1 at both ends and 1 at two early steps, the
    target is scaled to :math:`\tfrac12 + \tfrac14 (x_1 + x_2)`, and the lengths differ by up to a tenth. The form
    here is the one common since, as in Le et al.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, experiment 4.
    Q. V. Le, N. Jaitly and G. E. Hinton, "A simple way to initialize recurrent networks of rectified linear units",
    arXiv:1504.00941, 2015.

    Examples
    --------
    >>> xs, targets = adding(np.random.default_rng(0), length=10, batch=4)
    >>> xs.shape, targets.shape
    ((10, 4, 2), (4, 1))
    >>> np.allclose((xs[..., 0] * xs[..., 1]).sum(axis=0), targets[:, 0])
    True
    """
    if length < 2 or batch < 1:
        raise ValueError(f"length is {length} and batch is {batch}; expected at least 2 steps and 1 sequence")
    xs = np.zeros((length, batch, 2))
    xs[..., 0] = rng.uniform(0.0, 1.0, (length, batch))
    half, each = length // 2, np.arange(batch)
    xs[rng.integers(0, half, batch), each, 1] = 1.0
    xs[rng.integers(half, length, batch), each, 1] = 1.0
    return xs, (xs[..., 0] * xs[..., 1]).sum(axis=0)[:, None]


def adding_1997(rng: np.random.Generator, length: int, batch: int,
                multiply: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Draw a batch of the adding, or multiplication, problem as published in 1997.

    The input is a pair of a value and a marker. Of the first ten steps one is marked, and of the first T/2 − 1 one
    more; marked is 1, the first and the last step have −1, the others 0. The shortest lag from the second mark to the
    answer is T/2.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
        T, 22 or more; each sequence has a length drawn from T to T + T/10.
    batch : int
        B, the number of sequences, 1 or more.
    multiply : bool, optional
        Ask for the product of values in [0, 1] (experiment 5), not for
        :math:`\tfrac12 + \tfrac14 (X_1 + X_2)` of values in [−1, 1] (experiment 4).

    Returns
    -------
    xs : ndarray (T, B, 2)
        Values in ``xs[..., 0]``, markers in ``xs[..., 1]``; zeros after a sequence's end. If the first step is marked,
        its value counts as 0 in a sum and as 1 in a product, as in the paper.
    targets : ndarray (B, 1)
        Asked for after the last step; in [0, 1].
    mask : ndarray of bool (T, B)

    Raises
    ------
    ValueError
        If a number is too small.

    Notes
    -----
    **Baseline.** Without a memory the best answer is constant. Its mean squared error would be
    :math:`\tfrac1{16} \cdot \tfrac23 \approx 0.042` for sums, and :math:`\tfrac19 - \tfrac1{16} \approx 0.049` for
    products; with the one case in eight in which the first step is marked it is 0.039 and 0.059.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, experiments 4 and 5.

    Examples
    --------
    >>> xs, targets, mask = adding_1997(np.random.default_rng(0), 100, batch=3)
    >>> xs.shape[1:], targets.shape, bool((mask.sum(axis=0) >= 100).all())
    ((3, 2), (3, 1), True)
    """
    if length < 22 or batch < 1:
        raise ValueError(f"length is {length} and batch is {batch}; expected at least 22 steps and 1 sequence")
    lengths, each = rng.integers(length, length + length // 10 + 1, batch), np.arange(batch)
    mask = np.arange(lengths.max())[:, None] < lengths
    first, second = rng.integers(0, 10, batch), rng.integers(0, length // 2 - 2, batch)
    second += second >= first                                    # any step of the first T/2 − 1 but the one taken
    xs = np.zeros((*mask.shape, 2))
    xs[..., 0] = np.where(mask, rng.uniform(0.0 if multiply else -1.0, 1.0, mask.shape), 0.0)
    xs[first, each, 1] = xs[second, each, 1] = 1.0
    xs[0, :, 1] = xs[lengths - 1, each, 1] = -1.0
    one, two = (np.where(place == 0, float(multiply), xs[place, each, 0]) for place in (first, second))
    return xs, (one * two if multiply else 0.5 + (one + two) / 4.0)[:, None], mask
