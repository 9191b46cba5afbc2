"""Sunspots: nothing that is held out reaches a fit, and no forecast sees the years it is about."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from lstmlab.cli import main
from lstmlab.experiments import jobs, sunspots
from lstmlab.experiments.sunspots import HORIZONS, Scale, places

RESULTS = Path(__file__).parent.parent.parent / "benchmarks" / "results" / "sunspots.json"


@pytest.fixture
def short(monkeypatch):
    """A study of one small candidate and few orders."""
    monkeypatch.setattr(sunspots, "UPDATES", 20)
    monkeypatch.setattr(sunspots, "CANDIDATES", sunspots.CANDIDATES[:1])
    monkeypatch.setattr(sunspots, "ORDERS", range(1, 4))
    monkeypatch.setattr(sunspots, "SEEDS", 1)


def changed_from(place):
    """The series with all numbers from a place on replaced."""
    series = sunspots._numbers().copy()
    series[place:] = 500.0 - series[place:]
    return series


def test_no_choice_depends_on_the_test_span(short, monkeypatch):
    """Other numbers after 1948 change neither the orders nor an error on the validation span."""
    found = []
    for series in (sunspots._numbers(), changed_from(places("test")[0])):
        monkeypatch.setattr(sunspots, "_numbers", lambda series=series: series)
        name = sunspots.CANDIDATES[0].name
        found.append((sunspots.best_autoregression(series), sunspots.simple_forecasts(series)[1],
                      sunspots.validate(name, 0)))
    assert found[0] == found[1]


def test_no_forecast_sees_the_years_it_is_about(short, monkeypatch):
    """Whatever the numbers are from 1980 on, what is said before about any year is the same, by every method."""
    series, at = sunspots._numbers(), places("test")
    place, found = 1980 - sunspots.FIRST_YEAR, []
    for numbers in (series, changed_from(place)):
        monkeypatch.setattr(sunspots, "_numbers", lambda numbers=numbers: numbers)
        network = sunspots.finish(sunspots.CANDIDATES[0].name, 20, 0)["forecasts"]
        found.append({**sunspots.simple_forecasts(numbers)[0], "LSTM": np.array(network)})
    before = at[:, None] - np.array(HORIZONS) < place
    for name, forecasts in found[0].items():
        same = forecasts == found[1][name]
        assert same[before].all(), name
        assert name == "mean" or not same[~before].all(), name


def test_the_scale_is_that_of_the_numbers_given():
    """There and back; standardised on the span it was taken from."""
    series = sunspots._numbers()[places("training")]
    for root in (False, True):
        scale = Scale.of(series, root)
        assert np.allclose(scale.back(scale.there(series)), series)
        assert scale.there(series).mean() == pytest.approx(0)
        assert scale.there(series).std() == pytest.approx(1)


def test_an_autoregression_forecasts_as_statsmodels_does():
    """Beyond the end of what is known its own forecasts take the place of numbers."""
    from statsmodels.tsa.ar_model import AutoReg

    series = sunspots._numbers()[:249]
    forecaster = sunspots.autoregression(series, 9, Scale(False, 0.0, 1.0))
    theirs = AutoReg(series, 9, trend="c").fit().forecast(max(HORIZONS))
    ours = [forecaster(np.append(series, np.zeros(12)), np.array([248 + k]))[0, n] for n, k in enumerate(HORIZONS)]
    assert np.allclose(ours, theirs[np.array(HORIZONS) - 1])


def test_a_window_ends_where_the_forecast_is_made():
    """The oldest year first."""
    values = np.arange(10.0)
    assert sunspots.windows(values, np.array([4, 9]), 3)[..., 0].T.tolist() == [[2, 3, 4], [7, 8, 9]]


def test_one_step_ahead_the_comparison_is_a_t_test():
    """For h = 1 the corrected statistic of Diebold and Mariano is Student's."""
    difference = np.random.default_rng(0).normal(0.3, 1, 60)
    theirs = stats.ttest_1samp(difference, 0)
    assert sunspots.diebold_mariano(difference, 1) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_alike_errors_make_a_longer_horizon_less_sure():
    """Differences that come in runs count as fewer."""
    difference = np.repeat(np.random.default_rng(0).normal(0.5, 1, 12), 5)
    assert sunspots.diebold_mariano(difference, 5)[1] > sunspots.diebold_mariano(difference, 1)[1]


def test_half_the_error_is_a_skill_of_one_half():
    """Whichever years are drawn."""
    theirs = np.random.default_rng(0).uniform(1, 2, 60)
    assert sunspots.skill(theirs / 2, theirs, draws=100) == pytest.approx((0.5, 0.5, 0.5))


def test_the_command_goes_on_and_says_what_came_of_it(short, tmp_path):
    """What is in the journal is not run again; beside it lie table, summary and plot."""
    done = CliRunner().invoke(main, ["experiment", "sunspots", "--trials", "2", "--workers", "1", "--to",
                                     str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "| AR by validation |" in done.output
    lines = (tmp_path / "sunspots.jsonl").read_text()
    assert CliRunner().invoke(main, ["experiment", "sunspots", "--trials", "2", "--to", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "sunspots.jsonl").read_text() == lines
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".jsonl", ".md", ".svg"]
    study = json.loads((tmp_path / "sunspots.json").read_text())
    assert study["trials"] == 2
    assert "AR by validation" in ET.parse(tmp_path / "sunspots.svg").getroot()[1].text


def test_an_unfinished_study_is_not_summed_up(tmp_path):
    """A candidate that is missing is named."""
    with pytest.raises(ValueError, match="has 0 of 3 networks"):
        sunspots.choose(jobs.journal(tmp_path / "sunspots.jsonl", sunspots.fingerprint()))


def test_what_is_recorded_is_of_todays_program():
    """Whoever changes what decides the networks has to run the study again."""
    recorded = json.loads(RESULTS.read_text())
    assert recorded["fingerprint"] == sunspots.fingerprint()
    assert recorded["trials"] == sunspots.TRIALS


def test_recorded_errors_are_those_of_the_recorded_forecasts():
    """Root mean squares, computed anew."""
    recorded = json.loads(RESULTS.read_text())
    for name, forecasts in recorded["forecasts"].items():
        wrong = np.array(forecasts) - np.array(recorded["observed"])[:, None]
        assert np.allclose(np.sqrt((wrong ** 2).mean(axis=0)), recorded["errors"][name]["rmse"], atol=0.06)
