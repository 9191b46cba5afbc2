"""The rows of 1997: criteria on made-up errors with known answers, and a row that is run again from its seed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lstmlab.experiments import paper1997
from lstmlab.experiments.network1997 import Sequences, Trained
from lstmlab.experiments.paper1997 import (
    ROWS,
    classifies,
    last_errors,
    reber_sets,
    recent,
    rests,
    run_trial,
    says_what_is_legal,
    spelt,
    staged,
    successive,
)

RESULTS = Path(__file__).parent.parent.parent / "benchmarks" / "results" / "experiments-1997.json"


class MadeUp:
    """A trial whose errors are given: `worst` when it trains, `fresh` when it is only tested."""

    def __init__(self, worst, squared=None, fresh=lambda done, n: np.zeros(n)):
        self.worst, self.fresh, self.done = np.asarray(worst, float), fresh, 0
        self.squared = self.worst ** 2 if squared is None else np.asarray(squared, float)
        self.row = self.network = self
        self.limit, self.rate, self.rng, self.weights = len(self.worst), 1.0, None, None

    def draw(self, rng, count):
        return Sequences(*[np.arange(count)] * 5)

    def train(self, weights, sequences, rate):
        count = len(sequences.lengths)
        if rate:
            part = slice(self.done, self.done + count)
            self.done += count
            return Trained(self.worst[part], self.squared[part], None)
        errors = self.fresh(self.done, count)
        return Trained(errors, errors ** 2, None)

    def back_to(self, count):
        self.kept = count

    def chunks(self, size):
        for done in range(0, self.limit, size):
            trained = self.train(None, self.draw(None, size), self.rate)
            yield done + size, trained.worst, trained.squared


def errors(length, *wrong):
    """So many errors of 0.1, and 0.5 at the given places."""
    array = np.full(length, 0.1)
    array[list(wrong)] = 0.5
    return array


def test_successive_counts_from_the_last_error():
    """What counts is the sequence after the last error before 10,000 good ones."""
    outcome = successive(0.2)(MadeUp(errors(30_000, 5, 4321)))
    assert (outcome.success, outcome.sequences) == (True, 4322)


def test_successive_starts_again_after_each_error():
    """9,999 good sequences are not enough."""
    outcome = successive(0.2)(MadeUp(errors(30_000, 100, 10_100, 12_000)))
    assert (outcome.success, outcome.sequences) == (True, 12_001)


def test_successive_gives_up():
    """An error in every stretch of 10,000: no success, at the limit."""
    outcome = successive(0.2)(MadeUp(errors(20_000, 0, 9_000, 18_000)))
    assert (outcome.success, outcome.sequences) == (False, 20_000)


def test_successive_takes_an_error_at_the_bound_for_wrong():
    """Below means below."""
    assert not successive(0.5)(MadeUp(errors(20_000, *range(0, 20_000, 5000)))).success
    assert successive(0.500001)(MadeUp(errors(20_000, *range(0, 20_000, 5000)))).sequences == 0


def test_successive_says_when_nearly_all_were_right():
    """The first chunk of 1,000 with at most 10 wrong, though success comes later."""
    worst = errors(30_000, *range(0, 2000, 50), *range(2000, 3000, 100), 6000)
    assert successive(0.2)(MadeUp(worst)).extra["nearly"] == 3000


def test_rests_tests_without_learning():
    """All of 10,000 new sequences have to be right; tried after every 1,000."""
    made_up = MadeUp(np.ones(9000), fresh=lambda done, n: np.full(n, 0.1 if done >= 4500 else 0.3))
    assert rests(0.2)(made_up)[:2] == (True, 5000)


def test_recent_is_met_at_the_first_sequence_at_which_it_holds():
    """The last 2,000 within the bound and the mean error below its own."""
    outcome = recent(0.2, 0.02)(MadeUp(errors(10_000, 700, 3210)))
    assert (outcome.success, outcome.sequences) == (True, 2701)


def test_recent_waits_for_the_mean():
    """Small enough at every sequence, but not on average."""
    squared = np.where(np.arange(10_000) < 4000, 1.0, 0.0)
    outcome = recent(0.2, 0.01)(MadeUp(errors(10_000), squared))
    assert outcome.sequences == 4000 + 1981              # 19 ones among the last 2,000 are a mean below 0.01


def test_recent_allows_a_few():
    """With 3 allowed, it is met as soon as the fourth last error is 2,000 sequences ago."""
    assert recent(0.2, 1.0, allowed=3)(MadeUp(errors(8000, 0, 1, 2, 3))).sequences == 2001
    assert recent(0.2, 1.0, allowed=3)(MadeUp(errors(8000, 0, 400, 800, 1200, 1600))).sequences == 2401


def test_recent_gives_up_and_counts_afterwards():
    """No success at the limit; after success, new sequences off by the bound are counted."""
    assert recent(0.2, 1.0)(MadeUp(errors(4000, 1500, 3000)))[:2] == (False, 4000)
    fresh = lambda done, n: np.where(np.arange(n) < 7, 0.5, 0.0)                        # noqa: E731
    assert recent(0.2, 1.0)(MadeUp(errors(4000), fresh=fresh)).extra["wrong"] == 7


def test_classifies_has_two_stops():
    """ST1 when no test sequence is off by 0.2, ST2 when the mean error is below 0.01 too."""
    def fresh(done, n):
        level = 0.3 if done < 1000 else 0.1 if done < 3000 else 0.001
        return np.full(n, level)

    outcome = classifies(0.2, 0, 0.01)(MadeUp(np.zeros(9000), fresh=fresh))
    assert (outcome.success, outcome.sequences, outcome.extra["ST1"]) == (True, 3000, 1000)


def test_one_misclassified_sequence_is_no_success():
    """However small the mean is."""
    one = lambda done, n: np.where(np.arange(n) == 5, 0.25, 0.0)                        # noqa: E731
    assert classifies(0.2, 0, 0.01)(MadeUp(np.zeros(2000), fresh=one))[:2] == (False, 2000)


def test_some_misclassified_sequences_are_allowed_where_the_paper_allows_them():
    """3b: five of 256 may be off, six may not; and of ten times as many it is said how many are."""
    def off(count):
        return lambda done, n: np.where(np.arange(n) < count, 0.25, 0.0)

    for count, success in ((5, True), (6, False)):
        outcome = classifies(0.2, 5, 0.04)(MadeUp(np.zeros(400), fresh=off(count)))
        assert outcome.success == success
    assert classifies(0.2, 5, 0.04)(MadeUp(np.zeros(400), fresh=off(5))).extra["wrong"] == 5


def test_the_targets_of_3c_are_noisy_in_training_alone():
    """What is judged is the distance to the expected target: an output of exactly that is right."""
    noisy = row("3c-100-3")
    trial = paper1997.Trial(replace(noisy, limit=200), 0)
    shown = []
    network = trial.row.network

    class Watched:
        def train(self, weights, sequences, rate):
            shown.append((rate, np.unique(sequences.targets)))
            return network.train(weights, sequences, rate)

    object.__setattr__(trial.row, "network", Watched())
    noisy.met(trial)
    (_, learnt), (rate, judged) = shown
    assert (rate, judged.tolist()) == (0.0, [0.2, 0.8])
    assert len(learnt) == 200


@pytest.mark.parametrize(("outputs", "right"), [
    ([0.9, 0.8, 0.1], True), ([0.2, 0.9, 0.1], True), ([0.9, 0.1, 0.2], False), ([0.9, 0.2, 0.2], False),
    ([np.nan] * 3, True)])
def test_legal_symbols_have_to_be_the_most_active(outputs, right):
    """Symbols 0 and 1 are legal: both above symbol 2; where nothing is asked, nothing is wrong."""
    legal = np.array([[[True, True, False]]])
    assert says_what_is_legal(np.array([[outputs]]), legal).tolist() == [right]


def test_the_test_strings_are_not_among_the_training_strings():
    """256 of each."""
    learn, test = reber_sets(np.random.default_rng(0), 256)
    known, others = ({spelt(string) for string in strings.symbols.T} for strings in (learn, test))
    assert learn.symbols.shape[1] == test.symbols.shape[1] == 256
    assert not known & others


def test_after_success_the_weights_are_those_of_then():
    """What the chunk went on to learn does not count: the first 201 of the chunk in which it was met."""
    made_up = MadeUp(errors(10_000, 700))
    assert recent(0.2, 0.02)(made_up).sequences == 2701
    assert made_up.kept == 201


def test_a_trial_goes_back_to_the_middle_of_a_chunk():
    """The weights are those of a trial that has seen no more."""
    one, other = (paper1997.Trial(replace(row("6a"), limit=20), 0) for _ in range(2))
    chunks = one.chunks(10)
    next(chunks), next(chunks)
    one.back_to(4)
    sequences = [row("6a").draw(other.rng, 10) for _ in range(2)]
    for part in (sequences[0], paper1997.pick(sequences[1], np.arange(4))):
        other.row.network.train(other.weights, part, 0.5)
    assert all(np.array_equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


def row(name):
    """A row by its name."""
    return next(row for row in ROWS if row.name == name)


def test_the_cell_comes_when_the_error_stops_decreasing():
    """Before that neither its weights nor the outputs' weights for it change; all sequences count."""
    seen = {}

    def met(trial):
        seen["hidden"], seen["bias"] = trial.weights.hidden.copy(), trial.weights.hidden_bias.copy()
        return paper1997.Outcome(True, 10, {})

    lag = row("2a-step")
    outcome, _ = run_trial(replace(lag, met=staged(met, 0.1)), 0)
    drawn = paper1997.Trial(lag, 0).weights
    assert np.array_equal(seen["hidden"], drawn.hidden)
    assert not seen["bias"].any()
    assert outcome.sequences == outcome.extra["added"] + 10


def test_last_errors_are_those_at_the_end():
    """What is wrong in the middle does not count."""
    lag = replace(row("2b-step"), limit=100, rate=0.0)
    trial = paper1997.Trial(lag, 0)
    for array in trial.weights[:4]:
        array[:] = 0.0
    worst, = last_errors(trial, 100)
    assert worst == pytest.approx(np.full(100, 0.5))


def test_names_are_unique_and_every_row_says_what_it_stands_for():
    """A name is a file and a key."""
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.published["sequences"] > 0 and row.trials >= 10 for row in ROWS)


@pytest.mark.parametrize(("name", "published"), [
    ("1-4x1-0.1-step", 264), ("1-3x2-0.5-step", 276), ("2a-step", 10_504), ("2b-step", 10_504), ("2c-50-50", 364),
    ("2c-100-100", 664), ("2c-200-200", 1_264), ("2c-1000-500", 3_064), ("2c-1000-1000", 6_064), ("3a-100-3", 102),
    ("3b-100-1", 102), ("3c-100-1", 102), ("4-100-logistic", 93), ("5-140-logistic", 93), ("6a", 156), ("6b", 308)])
def test_rows_have_the_papers_number_of_weights(name, published):
    """Table 10, column 8."""
    assert row(name).network.weight_count == published


@pytest.mark.parametrize("trials", [slice(1), pytest.param(slice(None), marks=pytest.mark.full)], ids=["first", "all"])
def test_a_recorded_trial_comes_out_the_same_again(trials):
    """A short row, run from its seeds, takes the counts that the results file has: of its first trial, or of all."""
    recorded = {entry["name"]: entry for entry in json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]}["6a"]
    for seed, success, sequences in recorded["outcomes"][trials]:
        outcome, _ = run_trial(row("6a"), seed)
        assert (outcome.success, outcome.sequences) == (success, sequences)
