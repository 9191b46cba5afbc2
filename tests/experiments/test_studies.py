"""Studies: journals that are resumed, reports that say what did not run, and tests with known answers."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lstmlab.experiments import gap_length, odyssey, study
from lstmlab.experiments.statistics import compare, median_interval
from lstmlab.experiments.study import Journal, run, write_all
from lstmlab.experiments.training import Plan

LABELS = ("RNN", "LSTM, forget bias 1")


@pytest.fixture
def small(monkeypatch):
    """The gap study, made so small that it takes a second."""
    monkeypatch.setattr(gap_length, "CELLS", {label: gap_length.CELLS[label] for label in LABELS})
    for name, value in (("LAGS", (5, 6)), ("LONG_LAGS", (7,)), ("TUNED_AT", (5,)), ("BUDGET", 100),
                        ("PLAN", Plan(20, 4, 10, goal=0.0))):
        monkeypatch.setattr(gap_length, name, value)
    monkeypatch.setattr(study, "TUNING_SEEDS", (1000,))
    return gap_length.study()


def timeless(path):
    """The lines of a journal but for the seconds."""
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"}
            for line in path.read_text().splitlines()]


def test_a_study_goes_on_where_it_stopped(small, tmp_path):
    """A study that was stopped twice has the journal of one that was not, and nothing runs again."""
    for count in (3, 4):
        going = run(small, tmp_path / "stopped", 2)
        for _ in range(count):
            next(going)
        going.close()
    assert len(list(run(small, tmp_path / "stopped", 2))) == study.total(small) == 10
    list(run(small, tmp_path / "whole", 2))
    name = "gap-length.jsonl"
    assert timeless(tmp_path / "stopped" / name) == timeless(tmp_path / "whole" / name)
    reports = [gap_length.report(Journal(small, tmp_path / which), 2) for which in ("stopped", "whole")]
    assert reports[0] == reports[1]


def test_what_ran_under_another_plan_is_not_mixed_in(small, tmp_path):
    """Other settings, other outcomes."""
    list(run(small, tmp_path, 2))
    changed = replace(small, plan=replace(small.plan, batch=5))
    assert Journal(changed, tmp_path).find(study.tuning(changed, "RNN", "5")[0.01][0]) is None


def test_what_did_not_run_is_said(small, tmp_path):
    """A report of an unfinished study has every row; what did not run is null, and not a failure."""
    going = run(small, tmp_path, 2)
    for _ in range(7):
        next(going)
    going.close()
    report = gap_length.report(Journal(small, tmp_path), 2)
    ran = [row for row in report["rows"] if row["ran"]]
    assert [(row["label"], row["lag"]) for row in ran] == [("RNN", 5)]
    assert len(report["rows"]) == 6
    assert all(row["successes"] is None for row in report["rows"] if not row["ran"])
    assert gap_length.markdown(report).count("not run") == 5


def test_the_folder_holds_journal_table_report_and_plots(small, tmp_path):
    """Nothing but one file for each."""
    list(run(small, tmp_path, 2))
    write_all(gap_length, small, tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"gap-length{end}" for end in ("-gradient.svg", ".json", ".jsonl", ".md", ".svg")]
    for path in tmp_path.glob("*.svg"):
        ET.parse(path)


def test_the_rate_is_that_of_the_most_successes(small, tmp_path):
    """Then of the smallest mean score."""
    journal = Journal(small, tmp_path)
    for (one,), met, score in zip(study.tuning(small, "RNN", "5").values(), (1, 2, 2), (0.0, 0.2, 0.1), strict=True):
        journal._known[study.fingerprint(small, one)] = {"met": [True] * met, "scores": [score], "updates": [1]}
    assert study.chosen_rate(journal, "RNN", "6") == study.RATES[2]
    assert study.chosen_rate(journal, LABELS[1], "6") is None


def test_holms_correction():
    """By hand: the smallest p times 3, the next times 2, and none below one before it."""
    rng = np.random.default_rng(0)
    scores = {name: rng.normal(shift, size=10) for name, shift in zip("abcd", (0, 0.2, 1, 2), strict=True)}
    found = compare(scores, "a")
    raw = {name: stats.mannwhitneyu(scores[name], scores["a"]).pvalue for name in "bcd"}
    first, second, third = sorted(raw, key=raw.get)
    expected = {first: 3 * raw[first]}
    expected[second] = max(expected[first], 2 * raw[second])
    expected[third] = max(expected[second], raw[third])
    assert {name: pair["p_holm"] for name, pair in found["pairs"].items()} == pytest.approx(
        {name: min(1, p) for name, p in expected.items()})


def test_worse_is_the_share_of_pairs():
    """Two of four trials worse than both of the reference's, a tie counted half."""
    found = compare({"reference": [1.0, 2.0], "other": [0.5, 2.0, 3.0, 4.0]}, "reference")
    assert found["pairs"]["other"]["worse"] == pytest.approx((0 + 1.5 + 2 + 2) / 8)


def test_an_interval_of_the_median_holds_it():
    """In at least 95 % of many samples, from a skewed distribution."""
    rng = np.random.default_rng(1)
    held = [low <= np.log(2) <= high for low, high in
            (median_interval(rng.exponential(size=10)) for _ in range(1000))]
    assert np.mean(held) > 0.95
    assert median_interval(range(5)) is None


def test_claims_are_held_against_the_tests():
    """A variant that is better, one that is not worse, one that differs: each contradicts one claim of the paper."""
    same, worse, better = ({"p_holm": p, "worse": share} for p, share in ((0.5, 0.5), (0.01, 0.9), (0.01, 0.1)))
    pairs = dict.fromkeys(odyssey.VARIANTS, same) | {"NFG": worse, "NOAF": worse}
    assert [claim["holds"] for claim in odyssey.claims({"a": {"pairs": pairs}})] == [True, True, True]
    broken = odyssey.claims({"a": {"pairs": pairs | {"CIFG": better, "NOAF": same}}})
    assert [claim["holds"] for claim in broken] == [False, False, False]
    assert broken[1]["exceptions"] == ["NOAF on a: no different"]
    assert [claim["holds"] for claim in odyssey.claims({"a": None})] == [None, None, None]


def test_the_long_odyssey_is_a_study_of_its_own(tmp_path):
    """Its table and its journal have another name, so the short one's are not written over."""
    names = [odyssey.report(Journal(odyssey.study(long), tmp_path))["study"] for long in (False, True)]
    assert names == ["odyssey", "odyssey-long"]


def recorded(name):
    """What the benchmark has written."""
    return json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / f"{name}.json").read_text())


def test_what_is_recorded_of_the_odyssey_follows_from_its_scores():
    """Tests and claims are those of the scores that stand beside them; every variant ran from ten seeds or more."""
    report = recorded("odyssey")
    assert [(row["problem"], row["variant"]) for row in report["rows"]] == [
        (problem, variant) for problem in odyssey.PROBLEMS for variant in odyssey.NETWORKS]
    assert all(row["ran"] and len(row["scores"]) == row["seeds"] >= 10 for row in report["rows"])
    for problem, found in report["tests"].items():
        scores = {row["variant"]: row["scores"] for row in report["rows"] if row["problem"] == problem}
        again = compare(scores, odyssey.VANILLA)
        assert found["kruskal"] == pytest.approx(again["kruskal"])
        assert {name: pair["p_holm"] for name, pair in found["pairs"].items()} == pytest.approx(
            {name: pair["p_holm"] for name, pair in again["pairs"].items()})
    assert report["claims"] == odyssey.claims(report["tests"])


def test_what_is_recorded_of_the_gaps_is_whole():
    """A row for each cell and lag; what ran has ten seeds or more, and the updates of those that learnt it."""
    report = recorded("gap-length")
    assert [(row["label"], row["lag"]) for row in report["rows"]] == [
        (label, lag) for label in gap_length.CELLS for lag in gap_length.LAGS + gap_length.LONG_LAGS]
    for row in report["rows"]:
        if row["ran"]:
            assert row["seeds"] == len(row["updates"]) >= 10
            assert row["successes"] == sum(count is not None for count in row["updates"])
            assert row["interval"][0] <= row["success_rate"] <= row["interval"][1]
