"""Temporal order: two or three marked symbols among many; which, and in which order?"""

from __future__ import annotations

import numpy as np

from .lags import Lag

SYMBOLS = "EBabcdXY"
PLACES = ((10, 20), (50, 60)), ((10, 20), (33, 43), (66, 76))         # where X or Y stands, both ends included


def temporal_order(rng: np.random.Generator, batch: int, marks: int = 2) -> Lag:
    """Draw sequences that begin with E, end with B, and hold X or Y at a few places among a, b, c and d.

    Parameters
    ----------
    rng : numpy.random.Generator
    batch : int
        B, the number of sequences, 1 or more.
    marks : {2, 3}, optional
        How many places: two make four classes (experiment 6a), three make eight (6b).

    Returns
    -------
    Lag
        Symbols are places in `SYMBOLS`. Lengths are 100 to 110; the marks stand at places drawn from `PLACES`, the
        first step being number 0. The class is asked for at B: the marks read as a binary number, X being 0, the first
        mark first.

    Raises
    ------
    ValueError
        If `marks` is neither 2 nor 3, or `batch` below 1.

    Notes
    -----
    **Baseline.** Without a memory one of 4, or of 8, is right by chance; knowing which marks there were but not in
    which order, 3 of 4 and 1/2 of 8.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, experiments 6a and 6b.

    Examples
    --------
    >>> task = temporal_order(np.random.default_rng(0), 1)
    >>> string = "".join(SYMBOLS[s] for s in task.symbols[:, 0])
    >>> string[0], string[-1], string.replace("Y", "X").count("X"), int(task.targets[-1, 0])
    ('E', 'B', 2, 3)
    """
    if marks not in (2, 3) or batch < 1:
        raise ValueError(f"marks is {marks} and batch is {batch}; expected 2 or 3 marks and at least 1 sequence")
    lengths, each = rng.integers(100, 111, batch), np.arange(batch)
    mask = np.arange(lengths.max())[:, None] < lengths
    symbols = rng.integers(2, 6, mask.shape)
    symbols[0], symbols[lengths - 1, each] = 0, 1
    classes = np.zeros(batch, int)
    for first, last in PLACES[marks - 2]:
        mark = rng.integers(0, 2, batch)
        symbols[rng.integers(first, last + 1, batch), each] = 6 + mark
        classes = 2 * classes + mark
    targets = np.full(mask.shape, -1)
    targets[lengths - 1, each] = classes
    return Lag(np.where(mask, symbols, -1), targets, mask)
