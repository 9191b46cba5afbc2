"""Sunspots: the yearly numbers since 1700, to be forecast a year ahead."""

from __future__ import annotations

import numpy as np

FIRST_YEAR = 1700


Pairs = tuple[np.ndarray, np.ndarray]


def sunspots(window: int, held_out: int) -> tuple[Pairs, Pairs, np.ndarray]:
    """Cut the series into windows, the last years kept apart.

    Parameters
    ----------
    window : int
        T, the years that are seen before each forecast.
    held_out : int
        How many of the last years are to be forecast and not learnt from.

    Returns
    -------
    learn, test : tuple of ndarray
        ``xs`` (T, B, 1) and ``targets`` (B, 1): the numbers of `window` years, and that of the year after. Windows of
        `test` reach back into years that were learnt from, as they would in use; its targets do not.
    series : ndarray (years,)
        The numbers themselves, from `FIRST_YEAR` to 2008.

    Raises
    ------
    ValueError
        If the series is too short for what is asked.

    Notes
    -----
    **Baselines.** Persistence says the last year's number once more; seasonal persistence that of 11 years ago, about
    one cycle.

    References
    ----------
    The data are the yearly mean sunspot numbers of the Royal Observatory of Belgium, as they come with statsmodels.

    Examples
    --------
    >>> (xs, targets), (test_xs, test_targets), series = sunspots(22, 60)
    >>> xs.shape, test_xs.shape, len(series)
    ((22, 227, 1), (22, 60, 1), 309)
    >>> bool(test_targets[-1, 0] == series[-1])
    True
    """
    from statsmodels.datasets import sunspots as source

    series = source.load_pandas().data["SUNACTIVITY"].to_numpy(float)
    if window < 1 or held_out < 1 or window + held_out >= len(series):
        raise ValueError(f"window is {window} and held_out is {held_out}; expected at least 1 of each, and together "
                         f"less than the {len(series)} years there are")
    windows = np.lib.stride_tricks.sliding_window_view(series, window + 1)
    xs, targets = windows[:, :-1].T[..., None], windows[:, -1:]
    cut = len(windows) - held_out
    return (xs[:, :cut], targets[:cut]), (xs[:, cut:], targets[cut:]), series
