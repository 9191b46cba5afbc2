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
from .whole_gradient import WholeGradient1997

NOTHING = np.zeros((0, 0))
NO_VALUES = np.zeros((0, 0, 0))
SHUT = -700.0           # a gate with this bias is open by 1e-304


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
    deviation : str
        What is not as the paper says: such a row stands beside the one that is, and never for it.
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
    deviation: str = ""
    long: bool = False


@dataclass
class Trial:
    """A network on its way; `number` tells the trials of a row apart."""

    row: Row
    number: int
    rng: np.random.Generator = field(init=False)
    weights: Weights1997 = field(init=False)
    latest: Sequences | None = field(init=False, default=None)
    earlier: Weights1997 | None = field(init=False, default=None)

    def __post_init__(self):
        row = self.row
        self.rng = np.random.default_rng([self.number, *row.name.encode()])
        self.weights = row.network.init(self.rng, row.spread, row.input_gate_bias, row.output_gate_bias)

    def chunks(self, size: int, draw: Callable | None = None) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Train on `size` sequences at a time up to the limit; yield how many there were, and their errors."""
        for done in range(0, self.row.limit, size):
            self.latest = (draw or self.row.draw)(self.rng, size)
            self.earlier = Weights1997(*(array.copy() for array in self.weights))
            trained = self.row.network.train(self.weights, self.latest, self.row.rate)
            yield done + size, trained.worst, trained.squared

    def back_to(self, count: int) -> None:
        """Unlearn all of the latest chunk but its first `count` sequences."""
        self.weights = self.earlier
        self.row.network.train(self.weights, pick(self.latest, np.arange(count)), self.row.rate)


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
    outcome = row.met(Trial(row, seed))
    return outcome, time.perf_counter() - begun


# -- criteria --------------------------------------------------------------------------------------------


def successive(bound: float, count: int = 10_000, chunk: int = 1000,
               errors: Callable[[Trial, int], Iterator[np.ndarray]] | None = None) -> Callable[[Trial], Outcome]:
    """All errors below `bound` on `count` successive sequences; what counts is where those begin.

    The outcome also says when for the first time at most 1 % of a chunk were wrong: ``nearly``. By default an error is
    the worst of a sequence; `errors` yields others, chunk by chunk.
    """
    def met(trial: Trial) -> Outcome:
        begin, done, extra = 0, 0, {}
        for worst in (errors or worst_errors)(trial, chunk):
            wrong = np.flatnonzero(worst >= bound)
            if wrong.size:
                begin = done + int(wrong[-1]) + 1
            done += chunk
            if wrong.size <= chunk // 100:
                extra.setdefault("nearly", float(done))
            if done - begin >= count:
                return Outcome(True, begin, extra)
        return Outcome(False, trial.row.limit, extra)

    return met


def worst_errors(trial: Trial, chunk: int) -> Iterator[np.ndarray]:
    """The worst error of each sequence."""
    for _, worst, _ in trial.chunks(chunk):
        yield worst


def last_errors(trial: Trial, chunk: int) -> Iterator[np.ndarray]:
    """The error at the end of each sequence, whatever came before."""
    row, each = trial.row, np.arange(chunk)
    for _ in range(0, row.limit, chunk):
        sequences = row.draw(trial.rng, chunk)
        outputs = row.network.train(trial.weights, sequences, row.rate, keep_outputs=True).outputs
        last = sequences.lengths - 1
        wanted = np.eye(row.network.outputs)[sequences.classes[each, last]]
        yield np.abs(outputs[each, last] - wanted).max(axis=1)


def rests(bound: float, count: int = 10_000, every: int = 1000) -> Callable[[Trial], Outcome]:
    """All errors below `bound` on `count` new sequences from which nothing is learnt; tried `every` so many."""
    def met(trial: Trial) -> Outcome:
        row = trial.row
        for done, _, _ in trial.chunks(every):
            for _ in range(0, count, every):                      # most tests fail early
                fresh = row.network.train(trial.weights, row.draw(trial.rng, every), 0.0)
                if (fresh.worst >= bound).any():
                    break
            else:
                return Outcome(True, done, {})
        return Outcome(False, row.limit, {})

    return met


def staged(met: Callable[[Trial], Outcome], least: float, chunk: int = 100) -> Callable[[Trial], Outcome]:
    """The memory cell is added once the error of the net without it has stopped decreasing; then `met` begins.

    Stopped is: less than `least` (a share) in `chunk` sequences. All sequences count; how many came before the cell
    is in the outcome as ``added``.
    """
    def both(trial: Trial) -> Outcome:
        first = trial.row.network.cell_count
        trial.weights.hidden_bias[first:] = SHUT                  # a cell whose input gate is shut is not there
        before, alone = np.inf, 0
        for done, _, squared in trial.chunks(chunk):
            alone = done
            if squared.mean() > (1.0 - least) * before:
                break
            before = squared.mean()
        trial.weights.hidden_bias[first:] = 0.0
        outcome = met(trial)
        return Outcome(outcome.success, alone + outcome.sequences, {**outcome.extra, "added": float(alone)})

    return both


def recent(bound: float, mean: float, allowed: int = 0, count: int = 2000, test: int = 2560,
           chunk: int = 500) -> Callable[[Trial], Outcome]:
    """Of the last `count` sequences at most `allowed` are off by `bound` or more, and the mean error is below `mean`.

    The criterion is met at the first sequence at which it holds. With the weights of then, `test` new sequences are
    tried.
    """
    def met(trial: Trial) -> Outcome:
        off, squares = np.ones(count, bool), np.full(count, np.inf)
        for done, worst, squared in trial.chunks(chunk):
            off, squares = np.concatenate([off, worst >= bound]), np.concatenate([squares, squared])
            many = np.convolve(off, np.ones(count, int), "valid")[1:]
            average = np.convolve(np.where(np.isinf(squares), 1e9, squares), np.full(count, 1 / count), "valid")[1:]
            good = np.flatnonzero((many <= allowed) & (average < mean))
            if good.size:
                trial.back_to(int(good[0]) + 1)
                fresh = trial.row.network.train(trial.weights, trial.row.draw(trial.rng, test), 0.0)
                return Outcome(True, done - chunk + int(good[0]) + 1, {
                    "wrong": float((fresh.worst >= bound).sum()), "tested": float(test),
                    "mse": float(fresh.squared.mean())})
            off, squares = off[-count:], squares[-count:]
        return Outcome(False, trial.row.limit, {})

    return met


def predicts_legal_symbols(trial: Trial, every: int = 100, strings: int = 256) -> Outcome:
    """All strings of a training and a test set are right: at each step no illegal symbol is as active as a legal one.

    Ten trials share a pair of sets; the test set has no string of the training set.
    """
    sets = [(reber_sequences(strings), strings.legal.transpose(1, 0, 2))
            for strings in reber_sets(np.random.default_rng([1997, trial.number // 10]), strings)]
    hard = 0, 0                                       # the set and the string that were wrong last: looked at first
    for done, _, _ in trial.chunks(every, lambda rng, size: pick(sets[0][0], rng.integers(0, strings, size))):
        learn, last = sets[hard[0]], slice(hard[1], hard[1] + 1)
        if not says_what_is_legal(trial.row.network.predict(trial.weights, pick(learn[0], last)), learn[1][last])[0]:
            continue
        for number, (sequences, legal) in enumerate(sets):
            right = says_what_is_legal(trial.row.network.predict(trial.weights, sequences), legal)
            if not right.all():
                hard = number, int(np.argmin(right))
                break
        else:
            return Outcome(True, done, {})
    return Outcome(False, trial.row.limit, {})


def reber_sets(rng: np.random.Generator, strings: int) -> tuple[tasks.Reber, tasks.Reber]:
    """So many strings to learn from, and as many others."""
    learn, test = tasks.embedded_reber(rng, strings), tasks.embedded_reber(rng, 20 * strings)
    known = {spelt(string) for string in learn.symbols.T}
    new = [n for n, string in enumerate(test.symbols.T) if spelt(string) not in known][:strings]
    return learn, tasks.Reber(test.symbols[:, new], test.legal[:, new], test.mask[:, new])


def spelt(string: np.ndarray) -> tuple[int, ...]:
    """A string's symbols up to its end."""
    return tuple(string[string >= 0].tolist())


def says_what_is_legal(outputs: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """By string (N,): whether the least active legal symbol is above the most active illegal one, wherever asked."""
    asked = ~np.isnan(outputs[..., 0])
    lowest = np.where(legal, outputs, np.inf).min(axis=-1)
    highest = np.where(legal, -np.inf, outputs).max(axis=-1)
    return ((lowest > highest) | ~asked).all(axis=1)


def classifies(bound: float, allowed: int, mean: float, every: int = 200, test: int = 256, first: int = 32,
               draw: Callable[[np.random.Generator, int], Sequences] | None = None) -> Callable[[Trial], Outcome]:
    """At most `allowed` of `test` new sequences are off by `bound` or more (ST1), and their mean error is below `mean`
    (ST2).

    With the weights of then, ten times as many sequences are tried. `draw` draws what is tested where that is not what
    is learnt from. A test whose `first` sequences decide it is not read to the end.
    """
    def met(trial: Trial) -> Outcome:
        row, extra = trial.row, {}

        def errors(sequences):
            return row.network.train(trial.weights, sequences, 0.0).worst

        for done, _, _ in trial.chunks(every):
            tested = (draw or row.draw)(trial.rng, test)
            if (errors(pick(tested, slice(first))) >= bound).sum() > allowed:
                continue
            error = errors(tested)
            if (error >= bound).sum() > allowed:
                continue
            extra.setdefault("ST1", float(done))
            if error.mean() < mean:
                proof = errors((draw or row.draw)(trial.rng, 10 * test))
                return Outcome(True, done, {**extra, "wrong": float((proof >= bound).sum()), "tested": 10.0 * test,
                                            "off": float(proof.mean())})
        return Outcome(False, row.limit, extra)

    return met


# -- from tasks to sequences -----------------------------------------------------------------------------


def pick(sequences: Sequences, which: np.ndarray | slice) -> Sequences:
    """Some of the sequences, in the order asked for."""
    return Sequences(*(array[which] if len(array) else array for array in sequences))


def lag_sequences(task: Lag) -> Sequences:
    """A task of symbols and classes."""
    return Sequences(np.ascontiguousarray(task.symbols.T), NO_VALUES, task.mask.sum(axis=0),
                     np.ascontiguousarray(task.targets.T), NOTHING)


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

EXCHANGED = {"g": "in [-1, 1]", "h": "in [-2, 2]"}
_EXCHANGED = ("The ranges are those of the caption of table 10, h in [-2, 2] and g in [-1, 1]; in the text it is the "
              "other way round")
_AT_REST = "on weights that rest, tried every 1,000 sequences"
_ONLINE = {"step": "after each symbol", "sequence": "after each sequence"}
_OTHER_OUTPUTS = {"linear": ({"output": "linear"}, "the output unit is linear; in the paper it is logistic"),
                  "logistic": ({}, ""),
                  "cross-entropy": ({"cross_entropy": True}, "the error is cross-entropy; in the paper it is squared")}


def _reber() -> Iterator[Row]:
    published = {(4, 1): {0.1: (39_740, 100), 0.5: (9_500, 97)},
                 (3, 2): {0.1: (21_730, 100), 0.2: (14_060, 97), 0.5: (8_440, 100)}}
    for (blocks, cells), rows in published.items():
        for rate, (sequences, success) in rows.items():
            for online in ("step", "sequence"):
                yield Row(f"1-{blocks}x{cells}-{rate:g}-{online}", "1",
                          f"embedded Reber grammar, {blocks} blocks of {cells}, learning rate {rate:g}",
                          {"sequences": sequences, "success": success},
                          Network1997(7, 7, blocks, cells, "gates", online=online), rate, 0.2, draw=None,
                          met=predicts_legal_symbols, trials=30, limit=300_000,
                          output_gate_bias=(-1.0, -2.0, -3.0, -4.0)[:blocks],
                          reading=f"Online: here the weights change {_ONLINE[online]}")


def _reber_with_cross_entropy() -> Iterator[Row]:
    change, words = _OTHER_OUTPUTS["cross-entropy"]
    for row in _reber():
        if row.name == "1-3x2-0.5-step":
            yield replace(row, name="1-3x2-0.5-cross-entropy", network=replace(row.network, **change), deviation=words)


def _reber_with_whole_gradient() -> Iterator[Row]:
    for row in _reber():
        if row.network.online == "sequence":
            yield replace(row, name=row.name.replace("-sequence", "-whole"),
                          network=WholeGradient1997(**vars(row.network)),
                          deviation="the gradient is whole; in the paper it is cut where an error would leave a cell "
                                    "or a gate through its net input")


def _lags() -> Iterator[Row]:
    one_cell = Network1997(101, 101, 1, 1, "none", output_gates=False, recurrent=False, direct=True, g="logistic",
                           h="identity")
    for key, middle, title, sequences, errors, limit in (
            ("2a", "ordered", "local regularities", 5_040, worst_errors, 250_000),
            ("2b", "random", "no local regularities", 5_680, last_errors, 100_000)):
        judged = successive(0.25, errors=errors)
        for online, tried, met, words in (("step", "", judged, "while learning goes on"),
                                          ("sequence", "", judged, "while learning goes on"),
                                          ("step", "-rests", rests(0.25), _AT_REST)):
            if tried and key == "2b":                                 # whose errors count at the end only
                continue
            yield Row(f"{key}-{online}{tried}", "2", f"lag 100, no noise, {title}",
                      {"sequences": sequences, "success": 100}, replace(one_cell, online=online), 1.0, 0.2,
                      lambda rng, n, middle=middle: lag_sequences(tasks.local_lag(rng, 100, n, middle)),
                      staged(met, 0.1), trials=18, limit=limit,
                      reading=f"10,000 successive sequences: here {words}. The memory cell is added once "
                              "the error has stopped decreasing: here when it falls by less than 10 % in 100 "
                              f"sequences. Online: here the weights change {_ONLINE[online]}. Given up after {limit:,} "
                              "sequences with the cell, not 5 million")
        yield Row(f"{key}-cross-entropy", "2", f"lag 100, no noise, {title}", {"sequences": sequences, "success": 100},
                  replace(one_cell, cross_entropy=True), 1.0, 0.2,
                  lambda rng, n, middle=middle: lag_sequences(tasks.local_lag(rng, 100, n, middle)),
                  judged, trials=18, limit=50_000,
                  deviation="the error is cross-entropy, in the paper it is squared; and the memory cell is there from "
                            "the beginning")
    for lag, distractors, sequences in ((50, 50, 30_000), (100, 100, 31_000), (200, 200, 33_000), (500, 500, 38_000),
                                        (1000, 1000, 49_000), (1000, 500, 49_000), (1000, 200, 75_000),
                                        (1000, 100, 135_000), (1000, 50, 203_000)):
        for suffix, change, range_words in (("", {}, ""), ("-exchanged", EXCHANGED, f". {_EXCHANGED}")):
            for tried, met, words in (("", successive(0.2), "while learning goes on"),
                                      ("-rests", rests(0.2), _AT_REST)):
                if tried and lag > 200:
                    continue
                yield Row(f"2c-{lag}-{distractors}{suffix}{tried}", "3", f"lag {lag} and more, {distractors} "
                          "distractors", {"sequences": sequences, "success": 100},
                          Network1997(distractors + 4, 2, 2, 1, "none", **change), 0.01, 0.2,
                          lambda rng, n, q=lag, p=distractors: lag_sequences(tasks.distracted_lag(rng, q, p, n)),
                          met, trials=20, limit=1_000_000 if lag <= 200 else 5_000_000, long=lag > 200,
                          reading=f"10,000 successive sequences: here {words}{range_words}")


def _two_sequence() -> Iterator[Row]:
    noise = {"3a": "", "3b": ", noise on the signal", "3c": ", noise on the targets"}
    how = {"3a": {}, "3b": {"signal_noise": 0.2}, "3c": {"answers": (0.2, 0.8), "target_noise": 0.1}}
    for key, table, length, signal, sequences, first, wrong in (
            ("3a", "4", 100, 3, 39_850, 27_380, 0.000195), ("3a", "4", 100, 1, 64_330, 58_370, 0.000117),
            ("3a", "4", 1000, 3, 452_460, 446_850, 0.000078), ("3b", "5", 100, 3, 43_250, 41_740, 0.00828),
            ("3b", "5", 100, 1, 78_430, 74_950, 0.015), ("3b", "5", 1000, 1, 485_080, 481_060, 0.01207),
            ("3c", "6", 100, 3, 269_650, None, 0.00558), ("3c", "6", 100, 1, 565_640, None, 0.00441)):
        judged = {"3a": classifies(0.2, 0, 0.01), "3b": classifies(0.2, 5, 0.04),
                  "3c": classifies(0.1, 0, 0.015, draw=_draws(length, signal, **{**how["3c"], "target_noise": 0.0}))}
        yield Row(f"{key}-{length}-{signal}", table, f"two sequences{noise[key]}, T = {length}, N = {signal}",
                  {"sequences": sequences, **({"ST1": first} if first else {}), "share wrong": wrong},
                  Network1997(1, 1, 3, 1, "hidden"), 0.1 if key == "3c" else 1.0, 0.1,
                  _draws(length, signal, **how[key]), judged[key], trials=10, limit=10 * sequences,
                  input_gate_bias=(-1.0, -3.0, -5.0), output_gate_bias=(-2.0, -4.0, -6.0),
                  reading="The test set is drawn anew every 200 sequences", long=length > 100)


def _draws(length: int, signal: int, **how) -> Callable[[np.random.Generator, int], Sequences]:
    def draw(rng, count):
        return number_sequences(*tasks.two_sequence(rng, length, signal, count, **how))

    return draw


def _adding() -> Iterator[Row]:
    for name, (change, deviation) in _OTHER_OUTPUTS.items():
        network = Network1997(2, 1, 2, 2, **change)
        for length, sequences, wrong in ((100, 74_000, 1), (500, 209_000, 0), (1000, 853_000, 1)):
            yield Row(f"4-{length}-{name}", "7", f"adding, T = {length}, shortest lag {length // 2}",
                      {"sequences": sequences, "wrong": wrong, "tested": 2560}, network, 0.5, 0.1,
                      lambda rng, n, T=length: number_sequences(*tasks.adding_1997(rng, T, n)),
                      recent(0.04, 0.01), trials=10, limit=20 * sequences, input_gate_bias=(-3.0, -6.0),
                      deviation=deviation, long=length > 100)
        for allowed, sequences, wrong, mse in ((140, 482_000, 139, 0.0223), (13, 1_273_000, 14, 0.0139)):
            yield Row(f"5-{allowed}-{name}", "8", f"multiplication, T = 100, fewer than {allowed} of 2,000 off",
                      {"sequences": sequences, "wrong": wrong, "tested": 2560, "mse": mse}, network, 0.1, 0.1,
                      lambda rng, n: number_sequences(*tasks.adding_1997(rng, 100, n, multiply=True)),
                      recent(0.04, np.inf, allowed - 1), trials=10, limit=5 * sequences, deviation=deviation)


def _exchanged() -> Iterator[Row]:
    """Rows of other tables with the ranges of g and h as the caption of table 10 has them."""
    for row in (*_reber(), *_two_sequence(), *_adding(), *_order()):
        if row.name in ("1-3x2-0.5-step", "3a-100-1", "4-100-logistic", "6a"):
            yield replace(row, name=f"{row.name}-exchanged", network=replace(row.network, **EXCHANGED),
                          reading=". ".join(filter(None, (row.reading, _EXCHANGED))))


def _order() -> Iterator[Row]:
    for marks, blocks, rate, sequences, wrong, trials in ((2, 2, 0.5, 31_390, 1, 20), (3, 3, 0.1, 571_100, 2, 10)):
        yield Row("6a" if marks == 2 else "6b", "9", f"temporal order, {marks} marks",
                  {"sequences": sequences, "wrong": wrong, "tested": 2560},
                  Network1997(8, 2 ** marks, blocks, 2), rate, 0.1,
                  lambda rng, n, marks=marks: lag_sequences(tasks.temporal_order(rng, n, marks)),
                  recent(0.3, 0.1), trials, limit=(20 if marks == 2 else 5) * sequences,
                  input_gate_bias=(-2.0, -4.0, -6.0)[:blocks], long=marks == 3)


ROWS = (*_reber(), *_reber_with_cross_entropy(), *_reber_with_whole_gradient(), *_lags(), *_two_sequence(), *_adding(),
        *_order(), *_exchanged())
