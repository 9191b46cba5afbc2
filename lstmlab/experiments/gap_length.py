"""How long a gap can each cell learn to bridge, and how much of the gradient crosses it?

The report, `results/gap-length.json`, has

- ``lags``, ``trials``, ``plan``, ``rates``: what was the same for all;
- ``cells``: for each ``label`` its ``cell``, ``forget_bias`` (or null), ``hidden_size``, ``parameters`` with the
  readout, the ``rate`` that was chosen, and ``tuning``, what every rate gave;
- ``rows``: for each cell and lag ``label``, ``cell``, ``forget_bias``, ``lag``, ``ran`` (false: not run, and all that
  follows is null), ``rate``, ``seeds``, ``successes``, ``success_rate``, ``interval`` (95 %, Wilson),
  ``median_updates`` (of the successful seeds), ``updates`` (of each seed; null if it failed), ``wrong`` (mean share of
  wrong answers at the best validation), and ``gradient_norm`` with ``initial`` and ``trained``: each a ``median`` over
  the seeds, its ``interval`` (95 %, by order statistics) and ``values``, a value for each seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lstmlab.torch.ensemble import run_stacked

from .problems import OneBit, Problem
from .statistics import median_interval, share_interval
from .study import RATES, TRIALS, Journal, Study, chosen_rate, trial, tuned
from .training import Network, Params, Plan, Trained, held_out, with_budget

LAGS, LONG_LAGS = (5, 10, 20, 50, 100, 200), (500,)
TUNED_AT = (20, 50)
BUDGET = 1489                                           # of an LSTM with 16 units
CELLS = {
    "RNN": Network("RNN", 1),
    "LSTM1997": Network("LSTM1997", 1),
    "LSTM, forget bias 0": Network("LSTM", 1, 0.0),
    "LSTM, forget bias 1": Network("LSTM", 1, 1.0),
    "LSTM, forget bias 5": Network("LSTM", 1, 5.0),
    "PeepholeLSTM, forget bias 1": Network("PeepholeLSTM", 1, 1.0),
    "CIFGLSTM, forget bias 1": Network("CIFGLSTM", 1, 1.0),
    "GRU": Network("GRU", 1),
}
PLAN = Plan(updates=1000, batch=16, every=25, goal=0.0)
SEQUENCES = 16                                          # in which a gradient is measured
FLOOR = 1e-300                                          # a logarithmic axis has no 0


def study(long: bool = False) -> Study:
    """The study; with `long`, the lag of 500 too."""
    lags = LAGS + LONG_LAGS if long else LAGS
    return Study("gap-length", CELLS, {str(lag): OneBit(lag) for lag in lags}, PLAN,
                 lambda network, problem: with_budget(network, problem, BUDGET),
                 lambda problem: [str(lag) for lag in TUNED_AT], gradient_norms)


def gradient_norms(network: Network, problem: Problem, trained: Trained,
                   seeds: Sequence[int]) -> dict[str, list[float]]:
    """What arrives at the first step, before and after training."""
    return {"initial": arriving(network, problem, network.init(problem, seeds), seeds),
            "trained": arriving(network, problem, trained.params, seeds)}


def arriving(network: Network, problem: Problem, params: Params, seeds: Sequence[int]) -> list[float]:
    r"""What is left of the gradient at the state after the first step, p − 1 steps before the answer.

    For a sequence :math:`\lVert \partial L / \partial s_1 \rVert / \lVert \partial L / \partial h_p \rVert`, where
    :math:`s = h`, or :math:`(h, C)` where there is a C. The loss sees the last state through one output, so the
    quotient is the same for every loss, and is taken of the output itself. In float64.

    Parameters
    ----------
    network, problem, params, seeds
        As for training; the sequences are test sequences.

    Returns
    -------
    list of float
        For each seed the mean over its sequences.
    """
    batch, layer = held_out(problem, seeds, "test"), network.layer(problem.inputs)
    params = {name: value.double() for name, value in params.items()}
    xs = batch.xs[:, :, :SEQUENCES].double()
    state = tuple(s.detach().requires_grad_() for s in run_stacked(layer, params, xs[:1])[1])
    _, last = run_stacked(layer, params, xs[1:], state)
    output = (last[0] @ params["W_out"].mT).sum()
    *back, dh = torch.autograd.grad(output, (*state, last[0]))
    arrived = sum(d.square().sum(dim=-1) for d in back).sqrt()                       # (S, B)
    return (arrived / dh.norm(dim=-1)).mean(dim=1).tolist()


# -- the report ------------------------------------------------------------------------------------------------


def report(journal: Journal, trials: int = TRIALS) -> dict[str, Any]:
    """All that was found, ready for JSON; the layout is told at the top of this file."""
    lags = LAGS + LONG_LAGS
    return {"study": "gap-length", "task": "one bit across a gap of p steps, answered without an error on "
            f"{OneBit.HELD_OUT} sequences, twice in a row", "chance": 0.5, "lags": list(lags), "trials": trials,
            "rates": list(RATES), "tuned_at": list(TUNED_AT), "budget": BUDGET, "plan": dataclasses.asdict(PLAN),
            "cells": [_cell(journal, label) for label in CELLS],
            "rows": [_row(journal, label, lag, trials) for label in CELLS for lag in lags]}


def _head(label: str) -> dict[str, Any]:
    network = CELLS[label]
    return {"label": label, "cell": network.cell, "forget_bias": network.forget_bias}


def _cell(journal: Journal, label: str) -> dict[str, Any]:
    problem = OneBit(LAGS[0])
    network = with_budget(CELLS[label], problem, BUDGET)
    return {**_head(label), "hidden_size": network.hidden, "parameters": network.parameter_count(problem),
            "rate": chosen_rate(journal, label, str(LAGS[0])), "tuning": tuned(journal, label, str(LAGS[0]))}


def _row(journal: Journal, label: str, lag: int, trials: int) -> dict[str, Any]:
    one = trial(journal, label, str(lag), trials) if str(lag) in journal.study.problems else None
    found = journal.find(one) if one else None
    head = {**_head(label), "lag": lag, "ran": found is not None}
    if found is None:
        return head | dict.fromkeys(("rate", "seeds", "successes", "success_rate", "interval", "median_updates",
                                     "updates", "wrong", "gradient_norm"))
    met = found["met"]
    took = [updates if success else None for updates, success in zip(found["updates"], met, strict=True)]
    return head | {
        "rate": found["rate"], "seeds": len(met), "successes": sum(met), "success_rate": sum(met) / len(met),
        "interval": share_interval(sum(met), len(met)),
        "median_updates": float(np.median([count for count in took if count])) if any(met) else None,
        "updates": took, "wrong": float(np.mean(found["scores"])),
        "gradient_norm": {when: {"median": float(np.median(values)), "interval": median_interval(values),
                                 "values": values} for when, values in found["measured"].items()}}


def markdown(report: dict[str, Any]) -> str:
    """The rates of success as a table, with their intervals: a row for each cell, a column for each lag."""
    lines = ["| cell | H | rate | " + " | ".join(f"lag {lag}" for lag in report["lags"]) + " |",
             "|---|---:|---:|" + "---:|" * len(report["lags"])]
    for cell in report["cells"]:
        said = [_said(row) for row in report["rows"] if row["label"] == cell["label"]]
        rate = "–" if cell["rate"] is None else f"{cell['rate']:g}"
        lines.append(f"| {cell['label']} | {cell['hidden_size']} | {rate} | {' | '.join(said)} |")
    return "\n".join(lines)


def _said(row: dict[str, Any]) -> str:
    if not row["ran"]:
        return "not run"
    return "{} of {} [{:.0%}, {:.0%}]".format(row["successes"], row["seeds"], *row["interval"])


# -- pictures --------------------------------------------------------------------------------------------------


def pictures(report: dict[str, Any]) -> dict[str, Any]:
    """By the end of the file's name: success, and ``-gradient``, each a panel for each cell."""
    return {"": success_picture(report), "-gradient": gradient_picture(report)}


def success_picture(report: dict[str, Any]) -> Any:
    """Draw the rate of success against the lag, with Wilson's intervals.

    Parameters
    ----------
    report : dict
        As `report` makes it, or as read from its file.

    Returns
    -------
    lstmlab.figures.Svg
    """
    def draw(axes, rows):
        low, high = np.array([row["interval"] for row in rows]).T
        lags = [row["lag"] for row in rows]
        axes.fill_between(lags, low, high, color="C0", alpha=0.2, linewidth=0)
        axes.plot(lags, [row["success_rate"] for row in rows], "o-", color="C0", markersize=5)

    words = "; ".join(f"{label}: " + ", ".join(f"{row['successes']} of {row['seeds']} at {row['lag']}" for row in rows)
                      for label, rows in _by_cell(report).items())
    return _panels(report, draw, "share of seeds that learn it", {"ylim": (-0.05, 1.08), "yticks": (0, 0.5, 1)},
                   "Who bridges which gap",
                   f"A panel for each cell: the share of seeds that learn the task, against the lag. {words}.")


def gradient_picture(report: dict[str, Any]) -> Any:
    """Draw what is left of the gradient at the first step against the lag, before and after training.

    Parameters
    ----------
    report : dict
        As `report` makes it, or as read from its file.

    Returns
    -------
    lstmlab.figures.Svg
    """
    def draw(axes, rows):
        for when, colour, style in (("initial", "C1", "o-"), ("trained", "C2", "s--")):
            kept = [(row["lag"], row["gradient_norm"][when]) for row in rows if row["gradient_norm"][when]["median"]]
            lags = [lag for lag, _ in kept]
            if all(norm["interval"] for _, norm in kept):
                low, high = np.array([norm["interval"] for _, norm in kept]).T
                axes.fill_between(lags, np.maximum(low, FLOOR), high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(lags, [norm["median"] for _, norm in kept], style, color=colour, markersize=5)
        axes.axhline(1, color="black", alpha=0.4, linewidth=1)

    words = "; ".join(f"{label}: " + ", ".join(
        "{:.0e} to {:.0e} at {}".format(*(row["gradient_norm"][when]["median"] for when in ("initial", "trained")),
                                        row["lag"]) for row in rows) for label, rows in _by_cell(report).items())
    return _panels(report, draw, "gradient left at the first step", {"yscale": "log", "ylim": (1e-40, 1e5)},
                   "What is left of the gradient",
                   "A panel for each cell: the norm of the gradient at the first state over that at the last, "
                   f"against the lag, on a logarithmic scale. Medians before training and after it. {words}.")


def _by_cell(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows that ran, for each cell."""
    return {cell["label"]: [row for row in report["rows"] if row["label"] == cell["label"] and row["ran"]]
            for cell in report["cells"]}


def _panels(report, draw, ylabel, settings, title, alt):
    import matplotlib.pyplot as plt

    from lstmlab.figures import plot_style, themed_svg

    with plt.rc_context({**plot_style(), "axes.titlesize": 14, "xtick.labelsize": 11, "ytick.labelsize": 12}):
        figure, grid = plt.subplots(2, 4, figsize=(8.6, 4.8), sharex=True, sharey=True)
        for axes, (label, rows) in zip(grid.flat, _by_cell(report).items(), strict=False):
            axes.set(title=label.replace("forget bias", "$b_f$ ="), xscale="log", **settings)
            axes.set_xticks([5, 50, 500], ["5", "50", "500"])
            axes.set_xlim(4, 650)
            if rows:
                draw(axes, rows)
            missing = [lag for lag in report["lags"] if lag not in {row["lag"] for row in rows}]
            if missing:
                axes.text(0.97, 0.9, f"{', '.join(map(str, missing))} not run", transform=axes.transAxes, ha="right",
                          fontsize=11)
        figure.supxlabel("lag $p$", fontsize=16)
        figure.supylabel(ylabel, fontsize=16)
    missing = sum(not row["ran"] for row in report["rows"])
    return themed_svg(figure, title=title, alt=alt + f" Not run: {missing} of {len(report['rows'])}." * (missing > 0))
