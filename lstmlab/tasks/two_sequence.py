"""The two-sequence problem: the first few numbers say the class, the rest is noise."""

from __future__ import annotations

import numpy as np


def two_sequence(rng: np.random.Generator, length: int, signal: int, batch: int, signal_noise: float = 0.0,
                 target_noise: float = 0.0, answers: tuple[float, float] = (1.0, 0.0),
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Draw sequences of two classes.

    The first `signal` numbers are 1 in one class and −1 in the other; all that follow are Gaussian noise of mean 0 and
    **variance** 0.2 (a standard deviation of 0.45). The class is asked for after the last step.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
        T; each sequence has a length drawn from T to T + T/10.
    signal : int
        N, how many numbers tell the class; below `length`.
    batch : int
        B, the number of sequences, 1 or more.
    signal_noise : float, optional
        Variance of noise on the signal too: 0.2 in experiment 3b.
    target_noise : float, optional
        Variance of Gaussian noise on the targets: 0.1 in experiment 3c.
    answers : tuple of float, optional
        Targets of the class that begins with 1 and of the one that begins with −1: 0.2 and 0.8 in experiment 3c.

    Returns
    -------
    xs : ndarray (T, B, 1)
    targets : ndarray (B, 1)
    mask : ndarray of bool (T, B)

    Raises
    ------
    ValueError
        If there is no room for the signal, or no sequence.

    Notes
    -----
    **Baseline.** Without a memory half of the classes are guessed right; the best constant answer 1/2 has a mean
    squared error of 1/4.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, experiments 3a to 3c.
    Y. Bengio, P. Simard and P. Frasconi, "Learning long-term dependencies with gradient descent is difficult", IEEE
    Transactions on Neural Networks 5(2), 1994.

    Examples
    --------
    >>> xs, targets, mask = two_sequence(np.random.default_rng(0), 100, 3, batch=4)
    >>> np.array_equal(xs[0], 2 * targets - 1), bool((mask.sum(axis=0) >= 100).all())
    (True, True)
    """
    if not 0 < signal < length or batch < 1:
        raise ValueError(f"signal is {signal}, length is {length} and batch is {batch}; expected 0 < signal < length "
                         "and at least 1 sequence")
    lengths = rng.integers(length, length + length // 10 + 1, batch)
    mask = np.arange(lengths.max())[:, None] < lengths
    first = rng.integers(0, 2, batch)
    xs = rng.normal(0.0, np.sqrt(0.2), mask.shape)
    xs[:signal] = 2.0 * first - 1.0 + rng.normal(0.0, np.sqrt(signal_noise), (signal, batch))
    targets = np.where(first == 1, *answers)
    if target_noise:
        targets += rng.normal(0.0, np.sqrt(target_noise), batch)
    return np.where(mask, xs, 0.0)[..., None], targets[:, None], mask
