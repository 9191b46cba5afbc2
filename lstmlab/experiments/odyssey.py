"""A small search-space odyssey: the vanilla LSTM and the eight of Greff et al., each with one part out or in.

The report, `results/odyssey.json` (`odyssey-long.json` with ten times the updates), has

- ``problems``, ``variants``, ``trials``, ``plan``, ``rates``, ``hidden_size``: what was the same for all;
- ``rows``: for each problem and variant ``problem``, ``variant``, ``parameters`` with the readout, ``ran`` (false: not
  run, and all that follows is null), ``rate``, ``tuning``, ``seeds``, ``scores`` (on test, of each seed; smaller is
  better), ``median`` and its ``interval`` (95 %, by order statistics);
- ``tests``: for each problem ``kruskal`` and ``pairs``, as `lstmlab.experiments.statistics.compare` gives them; null
  where a variant did not run;
- ``claims``: what the paper found, ``paper``, whether it ``holds`` here (null where a variant did not run), and where
  not, ``exceptions``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmlab.cells.ablated import VARIANTS

from .problems import Adding, Digits, EmbeddedReber, Problem
from .statistics import compare, median_interval
from .study import RATES, TRIALS, Journal, Study, chosen_rate, trial, tuned
from .training import Network, Plan, Trained, scores_on_test

HIDDEN, VANILLA, LEVEL = 16, "vanilla", 0.05
NETWORKS = {VANILLA: Network("PeepholeLSTM", HIDDEN, 1.0),
            **{variant: Network("AblatedLSTM", HIDDEN, 1.0, variant) for variant in VARIANTS}}
PROBLEMS = {"embedded Reber": EmbeddedReber(), "adding": Adding(30), "digits": Digits()}
SCORES = {"embedded Reber": "divergence, nats", "adding": "mean squared error", "digits": "share of wrong digits"}
PLAN, LONG_PLAN = Plan(updates=400, batch=16, every=50), Plan(updates=4000, batch=16, every=100)


def study(long: bool = False) -> Study:
    """The study; with `long`, ten times the updates."""
    return Study("odyssey-long" if long else "odyssey", NETWORKS, PROBLEMS, LONG_PLAN if long else PLAN,
                 lambda network, problem: network, lambda problem: [problem], measured_on_test)


def measured_on_test(network: Network, problem: Problem, trained: Trained,
                     seeds: Sequence[int]) -> dict[str, list[float]]:
    """The scores that the variants are compared by."""
    return {"test": scores_on_test(network, problem, trained.params, seeds)}


# -- the report ------------------------------------------------------------------------------------------------


def report(journal: Journal, trials: int = TRIALS) -> dict[str, Any]:
    """All that was found, ready for JSON; the layout is told at the top of this file."""
    rows = [_row(journal, problem, variant, trials) for problem in PROBLEMS for variant in NETWORKS]
    scores = {problem: {row["variant"]: row["scores"] for row in rows if row["problem"] == problem}
              for problem in PROBLEMS}
    tests = {problem: compare(found, VANILLA) if all(found.values()) else None for problem, found in scores.items()}
    return {"study": journal.study.name, "problems": SCORES, "variants": list(NETWORKS), "trials": trials,
            "rates": list(RATES), "hidden_size": HIDDEN, "level": LEVEL, "plan": dataclasses.asdict(journal.study.plan),
            "rows": rows, "tests": tests, "claims": claims(tests)}


def _row(journal: Journal, problem: str, variant: str, trials: int) -> dict[str, Any]:
    one = trial(journal, variant, problem, trials)
    found = journal.find(one) if one else None
    head = {"problem": problem, "variant": variant,
            "parameters": NETWORKS[variant].parameter_count(PROBLEMS[problem]), "ran": found is not None}
    if found is None:
        return head | dict.fromkeys(("rate", "tuning", "seeds", "scores", "median", "interval"))
    scores = found["measured"]["test"]
    return head | {"rate": chosen_rate(journal, variant, problem),
                   "tuning": tuned(journal, variant, problem),
                   "seeds": len(scores), "scores": scores, "median": float(np.median(scores)),
                   "interval": median_interval(scores)}


def claims(tests: dict[str, Any]) -> list[dict[str, Any]]:
    """What Greff et al. found, held against tests at the 5 % level after Holm's correction.

    Parameters
    ----------
    tests : dict
        For each problem what `lstmlab.experiments.statistics.compare` gives, or None.

    References
    ----------
    K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink and J. Schmidhuber, "LSTM: A search space
    odyssey", IEEE Transactions on Neural Networks and Learning Systems 28(10), 2017, section V.
    """
    def said(paper, variants, wanted):
        if None in tests.values():
            return {"paper": paper, "holds": None, "exceptions": []}
        exceptions = [f"{variant} on {problem}: {found}" for problem, test in tests.items() for variant in variants
                      if (found := verdict(test["pairs"][variant])) not in wanted]
        return {"paper": paper, "holds": not exceptions, "exceptions": exceptions}

    return [said("no variant is significantly better than vanilla", VARIANTS, ("worse", "no different")),
            said("without the forget gate (NFG) or the output activation (NOAF) it is significantly worse on every "
                 "task", ("NFG", "NOAF"), ("worse",)),
            said("coupling the gates (CIFG) or leaving the peepholes out (NP) makes no significant difference",
                 ("CIFG", "NP"), ("no different",))]


def verdict(pair: dict[str, float]) -> str:
    """What a comparison with vanilla says, corrected for the number of comparisons.

    Examples
    --------
    >>> verdict({"p_holm": 0.01, "worse": 0.9}), verdict({"p_holm": 0.2, "worse": 0.9})
    ('worse', 'no different')
    """
    if pair["p_holm"] >= LEVEL:
        return "no different"
    return "worse" if pair["worse"] > 0.5 else "better"


def markdown(report: dict[str, Any]) -> str:
    """Medians with intervals, and corrected p-values against vanilla: a row for each variant."""
    names = list(report["problems"])
    lines = ["| variant | " + " | ".join(f"{name} ({report['problems'][name]}) | p" for name in names) + " |",
             "|---|" + "---:|---:|" * len(names)]
    for variant in report["variants"]:
        cells = [cell for name in names for cell in _said(report, name, variant)]
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _said(report: dict[str, Any], problem: str, variant: str) -> tuple[str, str]:
    row, = (row for row in report["rows"] if (row["problem"], row["variant"]) == (problem, variant))
    if not row["ran"]:
        return "not run", "–"
    middle = f"{row['median']:.3g}"
    if row["interval"]:
        middle += " [{:.3g}, {:.3g}]".format(*row["interval"])
    test = report["tests"][problem]
    if variant == VANILLA or test is None:
        return middle, "–"
    pair = test["pairs"][variant]
    return middle, f"{pair['p_holm']:.2g}, {verdict(pair)}"


# -- the picture -----------------------------------------------------------------------------------------------


def pictures(report: dict[str, Any]) -> dict[str, Any]:
    """By the end of the file's name: one picture of all scores."""
    return {"": scores_picture(report)}


def scores_picture(report: dict[str, Any]) -> Any:
    """Draw the score of every seed, a panel for each problem, a row for each variant.

    Parameters
    ----------
    report : dict
        As `report` makes it, or as read from its file.

    Returns
    -------
    lstmlab.figures.Svg
        Discs are seeds, bars are medians; what differs from vanilla after Holm's correction is in the ink of the things
        to look at.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    from lstmlab.figures import plot_style, themed_svg

    variants = report["variants"]
    with plt.rc_context({**plot_style(), "axes.titlesize": 15, "axes.labelsize": 13, "xtick.labelsize": 12}):
        figure, panels = plt.subplots(1, len(report["problems"]), figsize=(8.6, 4.8), sharey=True)
        for axes, (problem, unit) in zip(panels, report["problems"].items(), strict=True):
            for row in report["rows"]:
                if row["problem"] == problem and row["ran"]:
                    _draw_row(axes, variants.index(row["variant"]), row, report["tests"][problem])
            middle = next((row["median"] for row in report["rows"] if row["problem"] == problem
                           and row["variant"] == VANILLA and row["ran"]), None)
            if middle is not None:
                axes.axvline(middle, color="black", alpha=0.4, linewidth=1)
            axes.set(title=problem, xlabel=unit, xscale="log", ylim=(len(variants) - 0.4, -0.6))
            axes.set_yticks(range(len(variants)), variants)
            low, high = axes.get_xlim()
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 30 * low else (1,)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
    return themed_svg(figure, title="A small odyssey", alt=_words(report))


def _draw_row(axes: Any, place: int, row: dict[str, Any], test: dict[str, Any] | None) -> None:
    differs = test and row["variant"] != VANILLA and verdict(test["pairs"][row["variant"]]) != "no different"
    colour = "C3" if differs else "C0"
    axes.plot(row["scores"], [place] * row["seeds"], "o", color=colour, alpha=0.4, markersize=5)
    axes.plot([row["median"]] * 2, [place - 0.32, place + 0.32], color=colour)


def _words(report: dict[str, Any]) -> str:
    said = []
    for problem, unit in report["problems"].items():
        rows = [row for row in report["rows"] if row["problem"] == problem]
        medians = ", ".join(f"{row['variant']} {row['median']:.2g}" if row["ran"] else f"{row['variant']} not run"
                            for row in rows)
        said.append(f"{problem}, {unit}, medians: {medians}")
    return f"Scores on test, smaller is better, one disc a seed and one row a variant. {'; '.join(said)}."
