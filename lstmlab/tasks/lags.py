"""Long time lags: a first symbol that decides the last, with noise-free, random or distracting symbols between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Lag(NamedTuple):
    """Sequences of symbols, side by side.

    Attributes
    ----------
    symbols : ndarray of int (T, B)
        Inputs; −1 after a sequence's end.
    targets : ndarray of int (T, B)
        What should be said after each symbol; −1 where nothing is asked.
    mask : ndarray of bool (T, B)
        Where a sequence still runs.
    """

    symbols: np.ndarray
    targets: np.ndarray
    mask: np.ndarray


def local_lag(rng: np.random.Generator, length: int, batch: int, middle: str = "ordered") -> Lag:
    r"""Draw sequences :math:`(y, a_1, \dots, a_{p-1}, y)` and :math:`(x, a_1, \dots, a_{p-1}, x)`.

    The next symbol is asked for after each one. All but the last follow from the one before; the last is the first
    once more, p steps later.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
        p, the lag, 2 or more. There are p + 1 symbols: 0 and 1 are x and y, k + 1 is :math:`a_k`.
    batch : int
        B, the number of sequences, 1 or more.
    middle : {"ordered", "random"}, optional
        Whether what stands between is always :math:`a_1, \dots, a_{p-1}` (experiment 2a), or drawn from these anew for
        every sequence, so that nothing can be told from the symbol before (2b).

    Returns
    -------
    Lag
        Of p steps each: the last symbol is never an input, only a target.

    Raises
    ------
    ValueError
        If a number is too small, or `middle` is neither of the two.

    Notes
    -----
    **Baseline.** Without a memory the last symbol can only be guessed: half of the sequences are right.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, experiments 2a and 2b.

    Examples
    --------
    >>> task = local_lag(np.random.default_rng(0), 4, 2)
    >>> task.symbols.T.tolist(), task.targets.T.tolist()
    ([[1, 2, 3, 4], [1, 2, 3, 4]], [[2, 3, 4, 1], [2, 3, 4, 1]])
    """
    if length < 2 or batch < 1:
        raise ValueError(f"length is {length} and batch is {batch}; expected at least 2 steps and 1 sequence")
    if middle not in ("ordered", "random"):
        raise ValueError(f"middle is {middle!r}; expected 'ordered' or 'random'")
    first = rng.integers(0, 2, batch)
    between = np.broadcast_to(np.arange(2, length + 1)[:, None], (length - 1, batch))
    if middle == "random":
        between = rng.integers(2, length + 1, (length - 1, batch))
    symbols = np.vstack([first, between])
    return Lag(symbols, np.vstack([between, first]), np.ones(symbols.shape, bool))


def distracted_lag(rng: np.random.Generator, lag: int, distractors: int, batch: int) -> Lag:
    """Draw sequences b, x or y, at least `lag` distractors, e — and ask for the x or y.

    Parameters
    ----------
    rng : numpy.random.Generator
    lag : int
        q: after q distractors each further one comes with probability 9/10, so there are q + 9 on average.
    distractors : int
        p: how many different ones there are, each as likely.
    batch : int
        B, the number of sequences, 1 or more.

    Returns
    -------
    Lag
        Of p + 4 symbols: 0 and 1 are x and y, 2 and 3 are b and e, the distractors follow. The one target, 0 or 1, is
        asked for at e.

    Raises
    ------
    ValueError
        If a number is below 1.

    Notes
    -----
    **Baseline.** Without a memory half of the answers are right.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, experiment 2c.

    Examples
    --------
    >>> task = distracted_lag(np.random.default_rng(0), 3, 5, 1)
    >>> task.symbols[:, 0].tolist(), task.targets[:, 0].tolist()
    ([2, 1, 5, 4, 4, 4, 4, 8, 7, 8, 6, 3], [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1])
    """
    if min(lag, distractors, batch) < 1:
        raise ValueError(f"lag is {lag}, distractors is {distractors} and batch is {batch}; expected at least 1 of "
                         "each")
    lengths = 3 + lag + rng.geometric(0.1, batch) - 1
    steps, each = lengths.max(), np.arange(batch)
    symbols = rng.integers(4, 4 + distractors, (steps, batch))
    symbols[0], symbols[1] = 2, rng.integers(0, 2, batch)
    symbols[lengths - 1, each] = 3
    mask = np.arange(steps)[:, None] < lengths
    targets = np.full(symbols.shape, -1)
    targets[lengths - 1, each] = symbols[1]
    return Lag(np.where(mask, symbols, -1), targets, mask)
