"""`lstmlab experiment`: one tidy folder, resumed and drawn."""

import json
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner

from lstmlab.cli import main
from lstmlab.experiments import runs
from lstmlab.experiments.picture import picture
from lstmlab.experiments.runs import Record, fingerprint, save, summary

ROW = runs.find("6a")[0]


def fill(folder, trials=20):
    """A folder in which the row's trials are there already."""
    for seed in range(trials):
        save(ROW, Record(fingerprint(ROW), seed, seed != 3, 30_000 + 10 * seed, {}, 1.0), folder)


def test_the_folder_holds_trials_table_summary_and_plot(tmp_path):
    """Nothing but one file for each, named by what was asked for."""
    fill(tmp_path)
    done = CliRunner().invoke(main, ["experiment", "6a", "--to", str(tmp_path)])
    assert done.exit_code == 0
    assert "6a: published 31,390, ours 30,098, 19 of 20 trials successful" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["6a.json", "6a.jsonl", "6a.md", "6a.svg"]
    assert json.loads((tmp_path / "6a.json").read_text())[0]["successes"] == 19
    ET.parse(tmp_path / "6a.svg")


def test_a_trial_is_run_where_one_is_missing(tmp_path):
    """The command goes on after what is saved."""
    fill(tmp_path, 1)
    done = CliRunner().invoke(main, ["experiment", "6a", "--trials", "2", "--workers", "1", "--to", str(tmp_path)])
    assert done.exit_code == 0
    assert [record.seed for record in runs.records(ROW, tmp_path)] == [0, 1]
    assert "not run as published, 2 of 20 trials" in done.output


def test_an_unknown_name_is_said():
    """With the names there are."""
    done = CliRunner().invoke(main, ["experiment", "7z"])
    assert done.exit_code == 1
    assert "there is no experiment '7z'; expected 1997 or one of" in done.output


def test_the_picture_says_in_words_what_it_shows(tmp_path):
    """For a reader who cannot see it."""
    fill(tmp_path)
    svg = picture([summary(ROW, runs.records(ROW, tmp_path))])
    assert svg.description == "6a: published 31,390, ours 30,098, 19 of 20 trials successful"


def test_nothing_to_draw_is_refused():
    """One clear error."""
    with pytest.raises(ValueError, match="no trial was run"):
        picture([summary(ROW, [])])
