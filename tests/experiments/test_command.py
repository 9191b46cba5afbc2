"""`lstmlab experiment`: one tidy folder, resumed and drawn."""

import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

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


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path):
    """Before anything is run whose outcome could not be saved."""
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(main, ["experiment", "6a", "--to", str(tmp_path / "file" / "below")])
    assert done.exit_code == 1
    assert f"nothing can be written in {tmp_path / 'file' / 'below'}: " in done.output


def test_the_screen_shows_what_is_under_way(tmp_path):
    """However many rows there are: a bar for all trials and one for the row that runs; a row that is done is a line."""
    rows = [replace(row, limit=1000) for name in ("2c-50-50", "2c-50-50-exchanged", "2c-100-100")
            for row in runs.find(name)]
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    assert runs.run_with_progress(rows, tmp_path, 1, 1, console) == 3
    frames = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frame) for frame in
              re.split(r"\x1b\[2K", console.file.getvalue())]
    lines = [line.strip() for frame in frames for line in frame.splitlines() if line.strip()]
    for row in rows:
        assert f"{row.name}: done" in lines
    assert lines[-1].startswith("all trials")
    assert "3/3" in lines[-1]


def test_the_picture_says_in_words_what_it_shows(tmp_path):
    """For a reader who cannot see it."""
    fill(tmp_path)
    svg = picture([summary(ROW, runs.records(ROW, tmp_path))])
    assert svg.description == "6a: published 31,390, ours 30,098, 19 of 20 trials successful"


def test_nothing_to_draw_is_refused():
    """One clear error."""
    with pytest.raises(ValueError, match="no trial was run"):
        picture([summary(ROW, [])])
