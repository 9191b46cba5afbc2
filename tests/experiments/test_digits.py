"""Digits by pixel: three parts that share no picture, two orders, the weights of the best epoch."""

import json
from pathlib import Path

import numpy as np
import pytest

from lstmlab.experiments import digits

RESULTS = Path(__file__).parent.parent.parent / "benchmarks" / "results" / "digits.json"


@pytest.fixture
def few(monkeypatch):
    """Splits of few pictures, so that a network is trained in no time."""
    whole = digits.split(0)
    monkeypatch.setattr(digits, "split", lambda seed: digits.Split(*((xs[:, :40], d[:40]) for xs, d in whole)))
    monkeypatch.setattr(digits, "BATCH", 20)
    return digits.split(0)


def test_every_picture_is_in_one_part():
    """Together the parts are the 1,797 pictures."""
    from sklearn.datasets import load_digits

    together = np.concatenate([pixels[..., 0].T for pixels, _ in digits.split(3)]) * 16
    theirs = load_digits(return_X_y=True)[0]
    assert np.array_equal(together[np.lexsort(together.T)], theirs[np.lexsort(theirs.T)])


def test_the_weights_are_those_of_the_best_epoch(few):
    """Not of the last."""
    reader = digits.train(0, epochs=3)
    assert reader.accuracy(*few.validation) == max(reader.accuracies)


def test_the_shuffled_order_is_a_permutation_of_the_seed(few):
    """All pixels are read, elsewhere in time."""
    order = digits.train(0, "shuffled", epochs=1).order
    assert sorted(order) == list(range(64)) != list(order)
    assert np.array_equal(digits.train(0, "shuffled", epochs=1).order, order)
    assert not np.array_equal(digits.train(1, "shuffled", epochs=1).order, order)


def test_what_is_watched_ends_in_the_answer(few):
    """After the last pixel the watched probabilities are those that are counted."""
    reader, (pixels, labels) = digits.train(0, epochs=2), few.test
    for one in digits.watch(reader, pixels, labels):
        first = np.flatnonzero(labels == one["digit"])[0]
        probabilities = np.array(one["probabilities"])
        assert np.array_equal(one["pixels"], pixels[:, first, 0])
        assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-3)
        right = probabilities[-1].argmax() == one["digit"]
        assert right == (reader.accuracy(pixels[:, first:first + 1], labels[first:first + 1]) == 1)


def test_an_unknown_order_is_refused():
    """With those there are."""
    with pytest.raises(ValueError, match="order is 'columns'; expected one of row by row, shuffled"):
        digits.train(0, "columns")


def test_a_summary_counts_every_split(few, monkeypatch, tmp_path):
    """Means, differences on the same split, and the files of a study."""
    monkeypatch.setattr(digits, "EPOCHS", 1)
    for _ in digits.run(tmp_path, 2, 1):
        pass
    study = digits.report(tmp_path)
    ours, theirs = (study["methods"][name]["each"] for name in ("LSTM, row by row", "logistic regression"))
    assert study["differences"]["logistic regression"]["mean"] == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".jsonl", ".md", ".svg"]
    assert "| LSTM, shuffled |" in (tmp_path / "digits.md").read_text()


def test_what_is_recorded_is_of_todays_program():
    """Whoever changes what decides the accuracies has to run the study again."""
    recorded = json.loads(RESULTS.read_text())
    assert recorded["fingerprint"] == digits.fingerprint()
    assert all(len(entry["each"]) == digits.TRIALS for entry in recorded["methods"].values())
