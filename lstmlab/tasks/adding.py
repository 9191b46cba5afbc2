"""The adding problem: two numbers among many, far apart, and their sum at the end."""

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
