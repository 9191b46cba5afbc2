"""A picture of rows beside the paper's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lstmlab.figures import plot_style, themed_svg


def picture(summaries: Sequence[dict[str, Any]]) -> Any:
    """Draw sequences until success: each trial, our mean with its interval, and the paper's.

    Parameters
    ----------
    summaries : sequence of dict
        As `lstmlab.experiments.runs.summary` makes them.

    Returns
    -------
    lstmlab.figures.Svg

    Raises
    ------
    ValueError
        If no trial was run.
    """
    rows = [row for row in summaries if row["trials"]][::-1]
    if not rows:
        raise ValueError("no trial was run; expected at least one to draw")
    import matplotlib.pyplot as plt

    with plt.rc_context(plot_style()):
        figure, axes = plt.subplots(figsize=(8.6, 1.7 + 0.31 * len(rows)))
        for place, row in enumerate(rows):
            _draw_row(axes, place, row)
        axes.set_xscale("log")
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel("training sequences until success")
        figure.legend(loc="outside upper center", ncols=4)
    words = "; ".join(_words(row) for row in rows[::-1])
    return themed_svg(figure, title="The experiments of 1997, published and run again", alt=words)


def _draw_row(axes: Any, place: int, row: dict[str, Any]) -> None:
    met = [count for _, success, count in row["outcomes"] if success]
    failed = [count for _, success, count in row["outcomes"] if not success]
    named = (lambda label: label) if place == 0 else (lambda label: None)
    axes.plot(met, [place] * len(met), "o", color="C0", alpha=0.35, markersize=5, label=named("a trial"))
    axes.plot(failed, [place] * len(failed), "x", color="C1", markersize=6, label=named("given up"))
    if met:
        low, high = row["interval"] or (row["sequences"],) * 2
        axes.plot([max(low, 0.3 * min(met)), high], [place] * 2, color="C0", linewidth=3)     # a log axis has no 0
        axes.plot(row["sequences"], place, "o", color="C0", markersize=9, label=named("our mean, 95 %"))
    axes.plot(row["published"]["sequences"], place, "D", color="C3", markersize=8, label=named("published"))


def _words(row: dict[str, Any]) -> str:
    ours = "none" if row["sequences"] is None else f"{row['sequences']:,.0f}"
    return (f"{row['name']}: published {row['published']['sequences']:,.0f}, ours {ours}, "
            f"{row['successes']} of {row['trials']} trials successful")
