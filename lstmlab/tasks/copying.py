"""Copying: ten symbols, a long pause, and then all ten again in their order."""

from __future__ import annotations

import numpy as np

SYMBOLS, LENGTH = 8, 10         # different symbols, and how many of them are to be copied


def copying(rng: np.random.Generator, pause: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw a batch of the copying task.

    Parameters
    ----------
    rng : numpy.random.Generator
    pause : int
        Blank steps between the last symbol and the sign to begin, 1 or more.
    batch : int
        B, the number of sequences, 1 or more.

    Returns
    -------
    symbols : ndarray of int (T, B)
        With T = `pause` + 20: ten symbols of 0 to 7, then blanks (8), then the sign to begin (9) and nine blanks.
    targets : ndarray of int (T, B)
        Blanks, and in the last ten steps the ten symbols.

    Raises
    ------
    ValueError
        If a number is below 1.

    Notes
    -----
    **Baseline.** Without a memory: blanks where blanks are due, and 1/8 for each symbol where symbols are. The mean
    cross-entropy is then :math:`10 \ln 8 / (\text{pause} + 20)`.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, introduces such lags; the
    form is that of M. Arjovsky, A. Shah and Y. Bengio, "Unitary evolution recurrent neural networks", ICML 2016.

    Examples
    --------
    >>> symbols, targets = copying(np.random.default_rng(0), pause=3, batch=2)
    >>> symbols.shape, np.array_equal(symbols[:10], targets[-10:]), symbols[10:, 0].tolist()
    ((23, 2), True, [8, 8, 8, 9, 8, 8, 8, 8, 8, 8, 8, 8, 8])
    """
    if pause < 1 or batch < 1:
        raise ValueError(f"pause is {pause} and batch is {batch}; expected at least 1 of each")
    word = rng.integers(0, SYMBOLS, (LENGTH, batch))
    symbols = np.full((pause + 2 * LENGTH, batch), SYMBOLS)
    targets = symbols.copy()
    symbols[:LENGTH], targets[-LENGTH:] = word, word
    symbols[LENGTH + pause] = SYMBOLS + 1
    return symbols, targets
