"""What the studies say about many trials: intervals, and tests that are corrected for their number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats


def mean_interval(values: Iterable[float]) -> tuple[float, float] | None:
    """The 95 % interval of a mean by Student's t; None for fewer than two values.

    Examples
    --------
    >>> [round(float(end), 2) for end in mean_interval([1, 2, 3])]
    [-0.48, 4.48]
    """
    values = np.array(list(values), float)
    if len(values) < 2:
        return None
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def share_interval(hits: int, count: int) -> tuple[float, float] | None:
    """The 95 % interval of a share by Wilson's score; None where there is nothing to count.

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(20, 20)]
    [0.839, 1.0]
    """
    if not count:
        return None
    low, high = stats.binomtest(hits, count).proportion_ci(method="wilson")
    return float(low), float(high)


def median_interval(values: Iterable[float]) -> tuple[float, float] | None:
    """An interval of the median by order statistics, of at least 95 %; None for fewer than six values.

    The k-th smallest and the k-th largest of n values have the median between them with the probability
    :math:`1 - 2 P(X < k)`, X binomial with n and 1/2: for ten values the second smallest and the second largest.

    Examples
    --------
    >>> median_interval(range(1, 11))
    (2.0, 9.0)
    """
    values = np.sort(np.array(list(values), float))
    k = int(stats.binom.ppf(0.025, len(values), 0.5))
    return (float(values[k - 1]), float(values[-k])) if k else None


def compare(scores: Mapping[str, Sequence[float]], reference: str) -> dict[str, Any]:
    r"""Is any group different, and which from the reference?

    Parameters
    ----------
    scores : mapping of str to sequence of float
        The scores of each group's trials, smaller is better.
    reference : str
        The group with which each other is compared.

    Returns
    -------
    dict
        Ready for JSON. ``kruskal`` has H and p of the Kruskal–Wallis test that all groups are alike; ``pairs`` for each
        other group ``p``, of the two-sided Mann–Whitney test, ``p_holm``, the same corrected for the number of pairs by
        Holm's procedure, and ``worse``, the share of pairs of trials in which the reference is the better one, ties
        counted half: 0.5 is no difference, 1 is *always worse than the reference*.

    Notes
    -----
    Holm: the smallest of m values is multiplied by m, the next by m − 1, and so on; none becomes smaller than one
    before it, or greater than 1. The chance of one false alarm or more among all of them stays below the level.

    Raises
    ------
    ValueError
        If the reference is none of the groups.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2), 1979.

    Examples
    --------
    >>> found = compare({"a": [1, 2, 3, 4], "b": [5, 6, 7, 8], "c": [1.5, 2.5, 3.5, 4.5]}, "a")
    >>> {name: (round(pair["p_holm"], 3), pair["worse"]) for name, pair in found["pairs"].items()}
    {'b': (0.057, 1.0), 'c': (0.686, 0.625)}
    """
    from statsmodels.stats.multitest import multipletests

    if reference not in scores:
        raise ValueError(f"reference is {reference!r}; expected one of {', '.join(scores)}")
    H, p = stats.kruskal(*scores.values())
    others = [name for name in scores if name != reference]
    tests = [stats.mannwhitneyu(scores[name], scores[reference]) for name in others]
    corrected = multipletests([test.pvalue for test in tests], method="holm")[1]
    count = len(scores[reference])
    pairs = {name: {"p": float(test.pvalue), "p_holm": float(holm),
                    "worse": float(test.statistic / (len(scores[name]) * count))}
             for name, test, holm in zip(others, tests, corrected, strict=True)}
    return {"kruskal": {"H": float(H), "p": float(p)}, "pairs": pairs}
