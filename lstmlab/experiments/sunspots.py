r"""Sunspots: yearly numbers forecast some years ahead, by networks and by what they have to be compared with.

The years are split in three, in their order. On the first span everything is fitted and the scale is taken; on the
second the sizes are chosen; then what was chosen is fitted again on both, and the third is forecast, once. Every
method gets the same numbers: for the year y and the horizon k those until the year y − k.

=================== ========================================================================================
mean                the mean of the years that were fitted
persistence         the last number once more
seasonal            the number of the year that lies 11 years, about one cycle, before the one in question
AR                  :math:`z_t = a_0 + \sum_{j=1}^p a_j z_{t-j}`, by least squares, its forecasts put in where the
                    numbers end; the order p by AIC or BIC on the first span, or chosen on the second
LSTM                reads a window of years and forecasts all horizons at once, trained by Adam on the squared error
=================== ========================================================================================

References
----------
G. U. Yule, "On a method of investigating periodicities in disturbed series", Philosophical Transactions A 226, 1927.
F. X. Diebold and R. S. Mariano, "Comparing predictive accuracy", Journal of Business & Economic Statistics 13(3), 1995.
D. Harvey, S. Leybourne and P. Newbold, "Testing the equality of prediction mean squared errors", International Journal
of Forecasting 13(2), 1997.
H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17(3), 1989.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from lstmlab import tasks

from . import jobs
from .statistics import mean_interval

FIRST_YEAR = 1700
SPANS = {"training": (1700, 1893), "validation": (1894, 1948), "test": (1949, 2008)}      # first and last year
HORIZONS = (1, 2, 5, 11)
PERIOD = 11
ORDERS = range(1, 31)
TRIALS = 20             # networks that are fitted again and tested
SEEDS = 3               # networks of each candidate that is compared on the validation span
UPDATES, EVERY = 400, 20

Forecaster = Callable[[np.ndarray, np.ndarray], np.ndarray]     # (series, places (n,)) -> forecasts (n, horizons)


class Scale(NamedTuple):
    """From numbers to about −1 to 1 and back, by the mean and standard deviation of the training span.

    Attributes
    ----------
    root : bool
        Whether of the numbers' square roots, whose fluctuation depends less on their size.
    mean, deviation : float
    """

    root: bool
    mean: float
    deviation: float

    @classmethod
    def of(cls, numbers: np.ndarray, root: bool) -> Scale:
        """The scale of these numbers."""
        values = np.sqrt(numbers) if root else numbers
        return cls(root, float(values.mean()), float(values.std()))

    def there(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers to scaled values."""
        return ((np.sqrt(numbers) if self.root else numbers) - self.mean) / self.deviation

    def back(self, values: np.ndarray) -> np.ndarray:
        """Scaled values to numbers, which are not negative."""
        numbers = np.maximum(values * self.deviation + self.mean, 0.0)
        return numbers ** 2 if self.root else numbers


@dataclass(frozen=True)
class Candidate:
    """A network that is tried.

    Attributes
    ----------
    hidden : int
        H, its units.
    window : int
        T, the years it reads before each forecast.
    root : bool
        Whether it reads and forecasts square roots.
    rate : float
        Adam's.
    """

    hidden: int
    window: int
    root: bool
    rate: float = 0.01

    @property
    def name(self) -> str:
        """Short, for tables."""
        return f"H={self.hidden}, {self.window} years{', roots' if self.root else ''}"


CANDIDATES = tuple(Candidate(hidden, window, root) for root in (False, True) for hidden in (4, 8, 16)
                   for window in (22, 44))


@functools.cache
def _numbers() -> np.ndarray:
    return tasks.sunspots(1, 1)[2]


def places(span: str) -> np.ndarray:
    """Where a span's years are in the series.

    Examples
    --------
    >>> len(places("training")), len(places("validation")), len(places("test"))
    (194, 55, 60)
    """
    first, last = SPANS[span]
    return np.arange(first - FIRST_YEAR, last - FIRST_YEAR + 1)


# -- the simple ones -----------------------------------------------------------------------------------------


def constant(series: np.ndarray) -> Forecaster:
    """The mean of the series that was given to fit."""
    mean = series.mean()
    return lambda _, at: np.full((len(at), len(HORIZONS)), mean)


def persistence(series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The last number that is known when the forecast is made."""
    return np.stack([series[at - k] for k in HORIZONS], axis=1)


def seasonal(series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The number one period before, or as many periods as it takes to know it."""
    return np.stack([series[at - PERIOD * -(-k // PERIOD)] for k in HORIZONS], axis=1)


def autoregression(series: np.ndarray, order: int, scale: Scale) -> Forecaster:
    """Fit an autoregressive model with a constant; beyond what is known, its forecasts take the numbers' place."""
    from statsmodels.tsa.ar_model import AutoReg

    weights = np.asarray(AutoReg(scale.there(series), order, trend="c").fit().params)

    def forecast(series: np.ndarray, at: np.ndarray) -> np.ndarray:
        values, found = scale.there(series), []
        for ahead in HORIZONS:
            known = np.stack([values[at - ahead - j] for j in range(order)], axis=1)       # newest first
            for _ in range(ahead):
                known = np.column_stack([weights[0] + known @ weights[1:], known[:, :-1]])
            found.append(scale.back(known[:, 0]))
        return np.stack(found, axis=1)

    return forecast


def order_by(series: np.ndarray, criterion: str) -> int:
    """The order that ``"aic"`` or ``"bic"`` prefers on a series."""
    from statsmodels.tsa.ar_model import ar_select_order

    return len(ar_select_order(series, max(ORDERS), ic=criterion).ar_lags)


# -- the network ---------------------------------------------------------------------------------------------


def windows(values: np.ndarray, ends: np.ndarray, length: int) -> np.ndarray:
    """The last `length` values up to and with each end: (T, B, 1)."""
    return np.stack([values[ends - back] for back in range(length - 1, -1, -1)])[..., None]


def train(series: np.ndarray, candidate: Candidate, scale: Scale, seed: int,
          updates: int) -> Iterator[tuple[int, Forecaster]]:
    """Train a network on all windows of a series; yield updates done and forecaster, every so many updates.

    The loss is the mean squared error over the horizons whose years lie in `series`.
    """
    import torch

    import lstmlab.torch as lt

    torch.manual_seed(seed)
    cell = lt.LSTM(1, candidate.hidden, dtype=torch.float64)
    readout = torch.nn.Linear(candidate.hidden, len(HORIZONS), dtype=torch.float64)
    weights = [*cell.parameters(), *readout.parameters()]
    optimiser = torch.optim.Adam(weights, candidate.rate)

    def predict(values: np.ndarray, ends: np.ndarray) -> torch.Tensor:
        hs, _ = cell(torch.from_numpy(windows(values, ends, candidate.window)))
        return readout(hs[-1])

    def forecast(series: np.ndarray, at: np.ndarray) -> np.ndarray:
        values = scale.there(series)
        with torch.no_grad():
            found = [predict(values, at - k)[:, column].numpy() for column, k in enumerate(HORIZONS)]
        return scale.back(np.stack(found, axis=1))

    values = scale.there(series)
    ends = np.arange(candidate.window - 1, len(values) - 1)
    asked = ends[:, None] + np.array(HORIZONS)
    inside = torch.from_numpy(asked < len(values))
    targets = torch.from_numpy(values[np.minimum(asked, len(values) - 1)])
    for update in range(1, updates + 1):
        loss = (predict(values, ends) - targets)[inside].square().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        if update % EVERY == 0:
            yield update, forecast


# -- errors --------------------------------------------------------------------------------------------------


def root_mean_squares(forecasts: np.ndarray, series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Root mean squared error for each horizon."""
    return np.sqrt(np.mean((forecasts - series[at, None]) ** 2, axis=-2))


def score(errors: np.ndarray) -> float:
    """What choices are made by: the mean, over the horizons, of the root mean squared errors."""
    return float(np.mean(errors))


def diebold_mariano(difference: np.ndarray, horizon: int) -> tuple[float, float]:
    r"""Test whether two forecasts have the same expected loss.

    .. math::

        \mathrm{DM} = \bar d \,\Big/ \sqrt{\tfrac1n \Bigl(\gamma_0 + 2 \sum_{k=1}^{h-1} (1 - \tfrac kh) \gamma_k\Bigr)}

    with the autocovariances :math:`\gamma_k` of the differences, times the correction of Harvey, Leybourne and Newbold
    for small samples, beside Student's t with n − 1 degrees of freedom. (Bartlett's weights 1 − k/h keep the variance
    from being negative.)

    Parameters
    ----------
    difference : ndarray (n,)
        Loss of the one minus loss of the other, in the order of time.
    horizon : int
        h, in steps.

    Returns
    -------
    statistic, p : float
        Positive where the first loses more; two-sided.

    Examples
    --------
    >>> statistic, p = diebold_mariano(np.tile([1.0, 3.0], 30), 1)
    >>> round(statistic, 3), p < 1e-6
    (15.362, True)
    """
    n, centred = len(difference), difference - difference.mean()
    variance = sum((1 if k == 0 else 2) * (1 - k / horizon) * (centred[k:] @ centred[:n - k]) / n
                   for k in range(horizon))
    small = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    statistic = float(small * difference.mean() / np.sqrt(variance / n))
    return statistic, float(2 * stats.t.sf(abs(statistic), n - 1))


def skill(ours: np.ndarray, theirs: np.ndarray, draws: int = 10_000) -> tuple[float, float, float]:
    """By how much smaller one mean squared error is than another: 1 − ours/theirs, and its 95 % interval.

    The interval is a bootstrap's, of circular blocks as long as a period: errors of neighbouring years are alike.

    Parameters
    ----------
    ours, theirs : ndarray (n,)
        Squared errors of the same years.
    draws : int, optional

    Returns
    -------
    value, low, high : float
        Positive where ours is the smaller.
    """
    n, rng = len(ours), np.random.default_rng(0)
    starts = rng.integers(0, n, (draws, -(-n // PERIOD)))
    drawn = ((starts[..., None] + np.arange(PERIOD)) % n).reshape(draws, -1)[:, :n]
    low, high = np.quantile(1 - ours[drawn].mean(axis=1) / theirs[drawn].mean(axis=1), (0.025, 0.975))
    return float(1 - ours.mean() / theirs.mean()), float(low), float(high)


# -- the study -----------------------------------------------------------------------------------------------


def validate(name: str, seed: int) -> dict[str, Any]:
    """Train a candidate on the training span; its errors on the validation span, every so many updates."""
    candidate, series = _find(name), _numbers()
    known, at = series[places("training")], places("validation")
    scale, seen = Scale.of(known, candidate.root), series[:at[-1] + 1]
    return {"errors": [root_mean_squares(forecast(seen, at), series, at).round(3).tolist()
                       for _, forecast in train(known, candidate, scale, seed, UPDATES)]}


def finish(name: str, updates: int, seed: int) -> dict[str, Any]:
    """Train a candidate on training and validation span; its forecasts of the test span."""
    candidate, series, at = _find(name), _numbers(), places("test")
    scale = Scale.of(series[places("training")], candidate.root)
    *_, (_, forecast) = train(series[:at[0]], candidate, scale, seed, updates)
    return {"forecasts": forecast(series, at).round(3).tolist()}


def fingerprint() -> str:
    """Of what decides the networks: their program, the settings, and the numbers."""
    program = Scale, Candidate, windows, train, validate, finish, places
    return jobs.fingerprint(program, (CANDIDATES, SPANS, HORIZONS, UPDATES, EVERY, _numbers().tolist()))


def _find(name: str) -> Candidate:
    return next(candidate for candidate in CANDIDATES if candidate.name == name)


def choose(found: dict[tuple, dict[str, Any]]) -> tuple[Candidate, int, list[dict[str, Any]]]:
    """The candidate and the number of updates with the least score on the validation span, and the table of all.

    Raises
    ------
    ValueError
        If a candidate has not been validated yet.
    """
    table = []
    for candidate in CANDIDATES:
        runs = [found[key]["errors"] for seed in range(SEEDS) if (key := ("validation", candidate.name, seed)) in found]
        if len(runs) < SEEDS:
            raise ValueError(f"{candidate.name} has {len(runs)} of {SEEDS} networks; run the study to its end first")
        errors = np.mean(runs, axis=0)                              # (checkpoints, horizons)
        best = int(np.argmin(errors.mean(axis=1)))
        table.append({**asdict(candidate), "name": candidate.name, "updates": (best + 1) * EVERY,
                      "errors": errors[best].round(2).tolist(), "score": round(score(errors[best]), 3)})
    winner = min(range(len(table)), key=lambda n: table[n]["score"])
    return CANDIDATES[winner], table[winner]["updates"], table


def run(folder: Path, trials: int | None = None, workers: int | None = None) -> Iterator[jobs.Step]:
    """Run what `folder` does not hold yet: first the candidates, then `trials` networks of the one that was chosen."""
    path, mark = folder / "sunspots.jsonl", fingerprint()
    tried = [(candidate.name, seed) for candidate in CANDIDATES for seed in range(SEEDS)]
    yield from jobs.run(path, mark, "validation", validate, tried, workers)
    candidate, updates, _ = choose(jobs.journal(path, mark))
    last = [(candidate.name, updates, seed) for seed in range(trials or TRIALS)]
    yield from jobs.run(path, mark, "test", finish, last, workers)


# -- what came of it -----------------------------------------------------------------------------------------


def best_autoregression(series: np.ndarray) -> tuple[int, bool]:
    """Order and scale of the autoregressive model with the least score on the validation span."""
    known, at = series[places("training")], places("validation")
    scored = [(score(root_mean_squares(autoregression(known, order, Scale.of(known, root))(series[:at[-1] + 1], at),
                                       series, at)), order, root) for order in ORDERS for root in (False, True)]
    return min(scored)[1:]


def simple_forecasts(series: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Forecasts of the test span without a network, and how the autoregressive models were chosen."""
    training, known, at = series[places("training")], series[:places("test")[0]], places("test")
    orders = {criterion: order_by(training, criterion) for criterion in ("aic", "bic")}
    order, root = best_autoregression(series)
    methods = {"mean": constant(known), "persistence": persistence, "seasonal": seasonal,
               "AR by BIC": autoregression(known, orders["bic"], Scale.of(training, False)),
               "AR by AIC": autoregression(known, orders["aic"], Scale.of(training, False)),
               "AR by validation": autoregression(known, order, Scale.of(training, root))}
    return {name: method(series, at) for name, method in methods.items()}, {**orders, "order": order, "root": root}


def summary(folder: Path) -> dict[str, Any]:
    """Errors on the test span, comparisons and forecasts, ready for JSON.

    Parameters
    ----------
    folder : Path
        In which the study was run.

    Returns
    -------
    dict
        ``errors``: for each method the root mean squared error by horizon; of the LSTM the mean over the networks and
        its 95 % interval by Student's t; ``LSTM, mean of N`` is the error of the mean of their forecasts.
        ``comparisons``: the skill of networks beside the autoregressive model and the seasonal forecast, with the test
        of Diebold and Mariano. The squared error of the LSTM at a year is there the mean over the networks.
    """
    found, series, at = jobs.journal(folder / "sunspots.jsonl", fingerprint()), _numbers(), places("test")
    candidate, updates, table = choose(found)
    forecasts, orders = simple_forecasts(series)
    networks = np.array([entry["forecasts"] for job, entry in sorted(found.items())
                         if job[:3] == ("test", candidate.name, updates)])      # (networks, years, horizons)
    together = f"LSTM, mean of {len(networks)}"
    forecasts[together] = networks.mean(axis=0)
    squared = {name: (values - series[at, None]) ** 2 for name, values in forecasts.items()}
    squared["LSTM"] = np.mean((networks - series[at, None]) ** 2, axis=0)
    each = root_mean_squares(networks, series, at)                              # (networks, horizons)
    errors = {name: {"rmse": root_mean_squares(values, series, at).round(2).tolist()}
              for name, values in forecasts.items()}
    errors["LSTM"] = {"rmse": each.mean(axis=0).round(2).tolist(),
                      "intervals": [mean_interval(column) for column in each.T]}
    errors[together] = errors.pop(together)                                     # last in the table
    comparisons = [{"ours": ours, "theirs": theirs, **_compare(squared[ours], squared[theirs])}
                   for ours in ("LSTM", together) for theirs in ("AR by validation", "seasonal")]
    return {"fingerprint": fingerprint(), "spans": SPANS, "horizons": HORIZONS, "period": PERIOD,
            "trials": len(networks), "orders": orders, "network": {**asdict(candidate), "updates": updates},
            "candidates": table, "largest": {span: float(series[places(span)].max()) for span in SPANS},
            "errors": errors, "comparisons": comparisons, "observed": series[at].tolist(),
            "forecasts": {name: forecasts[name].round(1).tolist()
                          for name in ("seasonal", "AR by validation", together)},
            "seconds": round(sum(entry["seconds"] for entry in found.values()), 1)}


def _compare(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    tests = [diebold_mariano(ours[:, n] - theirs[:, n], k) for n, k in enumerate(HORIZONS)]
    return {"skill": [skill(ours[:, n], theirs[:, n]) for n in range(len(HORIZONS))],
            "p": [p for _, p in tests]}


def markdown(study: dict[str, Any]) -> str:
    """The errors as a Markdown table."""
    lines = ["| method | " + " | ".join(f"{k} year{'s' * (k > 1)}" for k in study["horizons"]) + " |",
             "|---|" + "---:|" * len(study["horizons"])]
    for name, entry in study["errors"].items():
        cells = [f"{value:.1f}" for value in entry["rmse"]]
        if entry.get("intervals", [None])[0]:
            cells = [f"{value} [{low:.1f}, {high:.1f}]"
                     for value, (low, high) in zip(cells, entry["intervals"], strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(folder: Path) -> dict[str, Any]:
    """Write sunspots.json, sunspots.md and sunspots.svg into `folder`; return the summary."""
    study = summary(folder)
    jobs.write(folder, "sunspots", study, markdown(study), picture(study))
    return study


def picture(study: dict[str, Any]) -> Any:
    """Draw the errors by horizon, and the test span with the forecasts of one year ahead and of eleven.

    Parameters
    ----------
    study : dict
        As `summary` makes it.

    Returns
    -------
    lstmlab.figures.Svg
    """
    import matplotlib.pyplot as plt

    from lstmlab.figures import plot_style, themed_svg

    together = f"LSTM, mean of {study['trials']}"
    looks = {"mean": "C4-.", "persistence": "C4--", "seasonal": "C4:", "AR by BIC": "C1:", "AR by AIC": "C1-.",
             "AR by validation": "C1--", "LSTM": "C0:", together: "C0-"}
    looks = {name: {"color": look[:2], "linestyle": look[2:]} for name, look in looks.items()}
    years = np.arange(study["spans"]["test"][0], study["spans"]["test"][1] + 1)
    ahead = [f"{k} year{'s' * (k > 1)}" for k in study["horizons"]]
    with plt.rc_context(plot_style()):
        figure, axes = plt.subplots(3, 1, figsize=(8.6, 11.5), height_ratios=(1.25, 1, 1))
        for name, entry in study["errors"].items():
            axes[0].plot(range(len(ahead)), entry["rmse"], marker="o", markersize=6, label=name, **looks[name])
        axes[0].set_xticks(range(len(ahead)), study["horizons"])
        axes[0].set(xlabel="years ahead", ylabel="error", ylim=(0, None))
        figure.legend(loc="outside upper center", ncols=3)
        figure.get_layout_engine().set(hspace=0.08)
        for ax, column in zip(axes[1:], (0, len(ahead) - 1), strict=True):
            ax.plot(years, study["observed"], color="black", alpha=0.55, label="observed")
            for name, forecasts in study["forecasts"].items():
                ax.plot(years, np.array(forecasts)[:, column], linewidth=1.8, **looks[name])
            ax.set(ylabel="sunspot number", title=f"forecast {ahead[column]} ahead", ylim=(0, 215))
            ax.legend(loc="upper right")
    words = "; ".join(f"{name} {', '.join(f'{value:.0f}' for value in entry['rmse'])}"
                      for name, entry in study["errors"].items())
    highest = "; ".join(f"{name} {np.array(forecasts)[:, 0].max():.0f}" for name, forecasts in
                        study["forecasts"].items())
    return themed_svg(figure, title="Sunspots forecast",
                      alt=f"Root mean squared errors {', '.join(ahead)} ahead: {words}. Below, the observed numbers of "
                          f"{years[0]} to {years[-1]} and the forecasts {ahead[0]} and {ahead[-1]} ahead. The highest "
                          f"observed is {max(study['observed']):.0f}; the highest forecast one year ahead: {highest}.")
