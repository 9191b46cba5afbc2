"""The experiments of 1997 as published: each row's task, network, settings, criterion, and the figures of the paper.

Where the paper leaves something open, every reading of it is a row of its own, and says what it reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from lstmlab import tasks
from lstmlab.tasks import Lag

from .network1997 import Network1997, Sequences, Weights1997

NOTHING = np.zeros((0, 0))
NO_VALUES = np.zeros((0, 0, 0))


class Outcome(NamedTuple):
    """How one trial ended.

    Attributes
    ----------
    success : bool
        Whether the criterion was met within the limit.
    sequences : int
        Training sequences until it was met, or until the limit.
    extra : dict of str to float
        What else the paper's row reports.
    """

    success: bool
    sequences: int
    extra: dict[str, float]


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    name, table, title : str
        Key, the paper's table, and what the row is.
    published : dict of str to float
        The paper's figures: ``sequences``, ``success`` (per cent), and others of the row.
    network : Network1997
    rate, spread : float
        Learning rate; initial weights are uniform in ± `spread`.
    draw : callable
        ``draw(rng, count) -> Sequences``.
    met : callable
        ``met(trial) -> Outcome``: trains until the criterion is met.
    trials, limit : int
        Trials of the paper; sequences after which a trial has failed.
    input_gate_bias, output_gate_bias : tuple of float
        Where the gates' biases start.
    reading : str
        What the paper leaves open here, and how this row reads it.
    long : bool
        Whether it takes hours.
    """

    name: str
    table: str
    title: str
    published: dict[str, float]
    network: Network1997
    rate: float
    spread: float
    draw: Callable[[np.random.Generator, int], Sequences]
    met: Callable[[Trial], Outcome]
    trials: int
    limit: int
    input_gate_bias: tuple[float, ...] = ()
    output_gate_bias: tuple[float, ...] = ()
    reading: str = ""
    long: bool = False


@dataclass
class Trial:
    """A network on its way."""

    row: Row
    rng: np.random.Generator
    weights: Weights1997 = field(init=False)

    def __post_init__(self):
        row = self.row
        self.weights = row.network.init(self.rng, row.spread, row.input_gate_bias, row.output_gate_bias)

    def chunks(self, size: int, draw: Callable | None = None) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Train on `size` sequences at a time up to the limit; yield how many there were, and their errors."""
        for done in range(0, self.row.limit, size):
            sequences = (draw or self.row.draw)(self.rng, size)
            trained = self.row.network.train(self.weights, sequences, self.row.rate)
            yield done + size, trained.worst, trained.squared


def run_trial(row: Row, seed: int) -> tuple[Outcome, float]:
    """One trial, and the seconds it took; the same seed gives the same outcome.

    Examples
    --------
    >>> row = next(row for row in ROWS if row.name == "2c-50-50")
    >>> outcome, _ = run_trial(replace(row, limit=2000), 0)
    >>> outcome.success, outcome.sequences
    (False, 2000)
    """
    begun = time.perf_counter()
    outcome = row.met(Trial(row, np.random.default_rng([seed, *row.name.encode()])))
    return outcome, time.perf_counter() - begun


# -- criteria --------------------------------------------------------------------------------------------


def successive(bound: float, count: int = 10_000, chunk: int = 1000) -> Callable[[Trial], Outcome]:
    """All errors below `bound` on `count` successive sequences; what counts is where those begin."""
    def met(trial: Trial) -> Outcome:
        begin = 0
        for done, worst, _ in trial.chunks(chunk):
            wrong = np.flatnonzero(worst >= bound)
            if wrong.size:
                begin = done - chunk + int(wrong[-1]) + 1
            if done - begin >= count:
                return Outcome(True, begin, {})
        return Outcome(False, trial.row.limit, {})

    return met


def recent(bound: float, mean: float, allowed: int = 0, count: int = 2000, test: int = 2560,
           chunk: int = 500) -> Callable[[Trial], Outcome]:
    """Of the last `count` sequences at most `allowed` are off by `bound` or more, and the mean error is below `mean`.

    The criterion is met at the first sequence at which it holds. Afterwards `test` new sequences are counted, on the
    weights at the end of the chunk in which that was.
    """
    def met(trial: Trial) -> Outcome:
        off, squares, seen = np.ones(count, bool), np.full(count, np.inf), 0
        for done, worst, squared in trial.chunks(chunk):
            off, squares = np.concatenate([off, worst >= bound]), np.concatenate([squares, squared])
            many = np.convolve(off, np.ones(count, int), "valid")[1:]
            average = np.convolve(np.where(np.isinf(squares), 1e9, squares), np.full(count, 1 / count), "valid")[1:]
            good = np.flatnonzero((many <= allowed) & (average < mean))
            if good.size:
                fresh = trial.row.network.train(trial.weights, trial.row.draw(trial.rng, test), 0.0)
                return Outcome(True, seen + int(good[0]) + 1, {
                    "wrong": float((fresh.worst >= bound).sum()), "tested": float(test),
                    "mse": float(fresh.squared.mean())})
            off, squares, seen = off[-count:], squares[-count:], done
        return Outcome(False, trial.row.limit, {})

    return met


def predicts_legal_symbols(trial: Trial, every: int = 100, strings: int = 256) -> Outcome:
    """All strings of a training and a test set are right: at each step no illegal symbol is as active as a legal one."""
    learn, test = (tasks.embedded_reber(trial.rng, strings) for _ in range(2))
    sets = [(reber_sequences(strings), strings.legal.transpose(1, 0, 2)) for strings in (learn, test)]
    for done, _, _ in trial.chunks(every, lambda rng, size: pick(sets[0][0], rng.integers(0, strings, size))):
        if all(says_what_is_legal(trial.row.network.predict(trial.weights, sequences), legal)
               for sequences, legal in sets):
            return Outcome(True, done, {})
    return Outcome(False, trial.row.limit, {})


def says_what_is_legal(outputs: np.ndarray, legal: np.ndarray) -> bool:
    """Whether the least active legal symbol is above the most active illegal one, wherever something is asked."""
    asked = ~np.isnan(outputs[..., 0])
    lowest = np.where(legal, outputs, np.inf).min(axis=-1)
    highest = np.where(legal, -np.inf, outputs).max(axis=-1)
    return bool((lowest > highest)[asked].all())


def classifies(trial: Trial, every: int = 200, test: int = 256) -> Outcome:
    """First none of `test` sequences is misclassified (ST1), then their mean absolute error is below 0.01 too (ST2)."""
    first = None
    for done, _, _ in trial.chunks(every):
        fresh = trial.row.draw(trial.rng, test)
        error = trial.row.network.train(trial.weights, fresh, 0.0).worst
        if first is None and (error < 0.5).all():
            first = done
        if (error < 0.5).all() and error.mean() < 0.01:
            proof = trial.row.network.train(trial.weights, trial.row.draw(trial.rng, 2560), 0.0).worst
            return Outcome(True, done, {"ST1": float(first), "wrong": float((proof >= 0.5).sum()), "tested": 2560.0})
    return Outcome(False, trial.row.limit, {} if first is None else {"ST1": float(first)})


# -- from tasks to sequences -----------------------------------------------------------------------------


def pick(sequences: Sequences, which: np.ndarray) -> Sequences:
    """Some of the sequences, in the order asked for."""
    return Sequences(*(array[which] if len(array) else array for array in sequences))


def lag_sequences(task: Lag) -> Sequences:
    """A task of symbols and classes."""
    return Sequences(np.ascontiguousarray(task.symbols.T), NO_VALUES, task.mask.sum(axis=0),
                     np.ascontiguousarray(task.targets.T), NOTHING)


def at_the_end(task: Lag) -> Sequences:
    """The same task, asked about the last symbol alone."""
    sequences = lag_sequences(task)
    last = np.arange(task.symbols.shape[0]) == sequences.lengths[:, None] - 1
    return sequences._replace(classes=np.where(last, sequences.classes, -1))


def reber_sequences(strings: tasks.Reber) -> Sequences:
    """Strings of which each symbol asks for the next."""
    symbols = np.ascontiguousarray(strings.symbols.T)
    classes = np.concatenate([symbols[:, 1:], np.full((len(symbols), 1), -1)], axis=1)
    return Sequences(symbols, NO_VALUES, (symbols >= 0).sum(axis=1) - 1, classes, NOTHING)


def number_sequences(xs: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> Sequences:
    """A task of numbers, with a target after the last step."""
    nothing = np.full(mask.T.shape, -1)
    return Sequences(nothing, np.ascontiguousarray(xs.transpose(1, 0, 2)), mask.sum(axis=0), nothing, targets)


# -- the rows --------------------------------------------------------------------------------------------

_OPEN_OUTPUT = "The paper does not say what the output unit is, nor the error measure. Here: "
_OUTPUTS = {"linear": ({"output": "linear"}, "linear, squared error"),
            "logistic": ({}, "logistic, squared error"),
            "cross-entropy": ({"cross_entropy": True}, "logistic, cross-entropy")}


def _reber() -> Iterator[Row]:
    published = {(4, 1): {0.1: (39_740, 100), 0.5: (9_500, 97)},
                 (3, 2): {0.1: (21_730, 100), 0.2: (14_060, 97), 0.5: (8_440, 100)}}
    for (blocks, cells), rows in published.items():
        for rate, (sequences, success) in rows.items():
            for online, words in (("step", "after each symbol"), ("sequence", "after each string")):
                yield Row(f"1-{blocks}x{cells}-{rate:g}-{online}", "1",
                          f"embedded Reber grammar, {blocks} blocks of {cells}, learning rate {rate:g}",
                          {"sequences": sequences, "success": success},
                          Network1997(7, 7, blocks, cells, "gates", online=online), rate, 0.2, draw=None,
                          met=predicts_legal_symbols, trials=30, limit=300_000,
                          output_gate_bias=(-1.0, -2.0, -3.0, -4.0)[:blocks],
                          reading=f"Online: here the weights change {words}.")


def _lags() -> Iterator[Row]:
    for online, words in (("step", "after each symbol"), ("sequence", "after each sequence")):
        one_cell = Network1997(101, 101, 1, 1, "none", output_gates=False, recurrent=False, direct=True, g="logistic",
                               h="identity", online=online)
        yield Row(f"2a-{online}", "2", "lag 100, no noise, local regularities", {"sequences": 5_040, "success": 100},
                  one_cell, 1.0, 0.2, lambda rng, n: lag_sequences(tasks.local_lag(rng, 100, n)),
                  successive(0.25), trials=18, limit=100_000,
                  reading=f"Online: here the weights change {words}.")
    for name, convert, words in (("all", lag_sequences, "after every symbol"), ("end", at_the_end, "at the end alone")):
        yield Row(f"2b-{name}", "2", "lag 100, no noise, no local regularities", {"sequences": 5_680, "success": 100},
                  replace(one_cell, online="step"), 1.0, 0.2,
                  lambda rng, n, convert=convert: convert(tasks.local_lag(rng, 100, n, middle="random")),
                  successive_at_the_end(0.25), trials=18, limit=100_000,
                  reading=f"Success is judged at the end; here an error is also sent {words}.")
    for lag, distractors, sequences in ((50, 50, 30_000), (100, 100, 31_000), (200, 200, 33_000), (500, 500, 38_000),
                                        (1000, 1000, 49_000), (1000, 500, 49_000), (1000, 200, 75_000),
                                        (1000, 100, 135_000), (1000, 50, 203_000)):
        yield Row(f"2c-{lag}-{distractors}", "3", f"lag {lag} and more, {distractors} distractors",
                  {"sequences": sequences}, Network1997(distractors + 4, 2, 2, 1, "none"), 0.01, 0.2,
                  lambda rng, n, q=lag, p=distractors: lag_sequences(tasks.distracted_lag(rng, q, p, n)),
                  successive(0.2), trials=20, limit=10 * sequences, long=lag > 200)


def successive_at_the_end(bound: float) -> Callable[[Trial], Outcome]:
    """As `successive`, where the last symbol alone has to be right: it is asked for without learning."""
    def met(trial: Trial) -> Outcome:
        begin, row = 0, trial.row
        for done in range(1, row.limit + 1, 100):
            sequences = row.draw(trial.rng, 100)
            outputs = row.network.train(trial.weights, sequences, row.rate, keep_outputs=True).outputs
            each, last = np.arange(100), sequences.lengths - 1
            wanted = np.eye(row.network.outputs)[sequences.classes[each, last]]
            wrong = np.flatnonzero(np.abs(outputs[each, last] - wanted).max(axis=1) >= bound)
            if wrong.size:
                begin = done + int(wrong[-1])
            if done + 99 - begin >= 10_000:
                return Outcome(True, begin, {})
        return Outcome(False, row.limit, {})

    return met


def _two_sequence() -> Iterator[Row]:
    for length, signal, st1, st2 in ((100, 3, 27_380, 39_850), (100, 1, 58_370, 64_330), (1000, 3, 446_850, 452_460)):
        yield Row(f"3a-{length}-{signal}", "4", f"two sequences, T = {length}, N = {signal}",
                  {"sequences": st2, "ST1": st1}, Network1997(1, 1, 3, 1, "hidden"), 1.0, 0.1,
                  lambda rng, n, T=length, N=signal: number_sequences(*tasks.two_sequence(rng, T, N, n)),
                  classifies, trials=10, limit=10 * st2, input_gate_bias=(-1.0, -3.0, -5.0),
                  output_gate_bias=(-2.0, -4.0, -6.0), long=length > 100)


def _adding() -> Iterator[Row]:
    for name, (settings, words) in _OUTPUTS.items():
        network = Network1997(2, 1, 2, 2, **settings)
        for length, sequences, wrong in ((100, 74_000, 1), (500, 209_000, 0), (1000, 853_000, 1)):
            yield Row(f"4-{length}-{name}", "7", f"adding, T = {length}, shortest lag {length // 2}",
                      {"sequences": sequences, "wrong": wrong, "tested": 2560}, network, 0.5, 0.1,
                      lambda rng, n, T=length: number_sequences(*tasks.adding_1997(rng, T, n)),
                      recent(0.04, 0.01), trials=10, limit=20 * sequences, input_gate_bias=(-3.0, -6.0),
                      reading=_OPEN_OUTPUT + words + ".", long=length > 100)
        for allowed, sequences, mse in ((140, 482_000, 0.0223), (13, 1_273_000, 0.0139)):
            yield Row(f"5-{allowed}-{name}", "8", f"multiplication, T = 100, fewer than {allowed} of 2,000 off",
                      {"sequences": sequences, "mse": mse}, network, 0.1, 0.1,
                      lambda rng, n: number_sequences(*tasks.adding_1997(rng, 100, n, multiply=True)),
                      recent(0.04, np.inf, allowed - 1), trials=10, limit=10 * sequences, input_gate_bias=(-3.0, -6.0),
                      reading=_OPEN_OUTPUT + words + ".")


def _order() -> Iterator[Row]:
    for marks, blocks, rate, sequences, trials in ((2, 2, 0.5, 31_390, 20), (3, 3, 0.1, 571_100, 10)):
        yield Row("6a" if marks == 2 else "6b", "9", f"temporal order, {marks} marks",
                  {"sequences": sequences}, Network1997(8, 2 ** marks, blocks, 2), rate, 0.1,
                  lambda rng, n, marks=marks: lag_sequences(tasks.temporal_order(rng, n, marks)),
                  recent(0.3, 0.1), trials, limit=20 * sequences, input_gate_bias=(-2.0, -4.0, -6.0)[:blocks],
                  long=marks == 3)


ROWS = (*_reber(), *_lags(), *_two_sequence(), *_adding(), *_order())
