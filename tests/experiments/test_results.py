"""What is recorded of the experiments of 1997: complete, of today's program, and no row for reproduced that is not."""

import importlib.util
import json
from pathlib import Path

import pytest

from lstmlab.experiments import runs
from lstmlab.experiments.paper1997 import ROWS
from lstmlab.experiments.runs import Record, fingerprint, save

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark's module."""
    spec = importlib.util.spec_from_file_location("experiments_1997", ROOT / "benchmarks" / "experiments_1997.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recorded(benchmark):
    """The committed results, by row."""
    return benchmark.recorded(benchmark.RESULTS)


def test_every_row_is_recorded(recorded):
    """Those that were not run too."""
    assert list(recorded) == [row.name for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_recorded_is_of_todays_program(row, recorded):
    """Whoever changes what decides a row's outcome has to run it again."""
    assert recorded[row.name]["fingerprint"] == fingerprint(row)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_labels_follow_from_the_outcomes(row, recorded):
    """A row without a label ran as often as published, as published; its figures are those of its trials."""
    entry = recorded[row.name]
    met = [count for _, success, count in entry["outcomes"] if success]
    assert (entry["trials"], entry["successes"]) == (len(entry["outcomes"]), len(met))
    assert entry["label"] == runs.label(row, len(met), entry["trials"])
    assert entry["label"] or (entry["trials"] >= row.trials and not row.deviation and met)
    assert entry["sequences"] == (pytest.approx(sum(met) / len(met)) if met else None)
    assert (entry["ran"] is None) == (entry["trials"] == 0)


def test_a_row_that_ran_before_stays_until_more_is_known(benchmark, tmp_path):
    """On a fresh machine one row can be run again without losing the others; a changed row is not kept."""
    row, path = runs.find("6a")[0], tmp_path / "results.json"
    for seed in range(3):
        save(row, Record(fingerprint(row), seed, True, 30_000, {}, 1.0), tmp_path / "first")
    benchmark.write(path, tmp_path / "first")
    benchmark.write(path, tmp_path / "empty")
    assert benchmark.recorded(path)["6a"]["trials"] == 3
    text = json.loads(path.read_text())
    next(entry for entry in text["rows"] if entry["name"] == "6a")["fingerprint"] = "other"
    path.write_text(json.dumps(text))
    benchmark.write(path, tmp_path / "empty")
    assert benchmark.recorded(path)["6a"]["trials"] == 0


def test_what_is_told_of_a_run_is_of_that_run(benchmark, monkeypatch, tmp_path):
    """Day and versions of a row change with its outcomes, and not because another row was run later."""
    row, earlier, days = runs.find("6a")[0], {}, []
    for day, seed in enumerate((0, None, 1)):
        if seed is not None:
            save(row, Record(fingerprint(row), seed, True, 30_000, {}, 1.0), tmp_path)
        monkeypatch.setattr(benchmark, "provenance", lambda day=day: {"date": day})
        earlier[row.name] = benchmark.entry(row, tmp_path, earlier)
        days.append(earlier[row.name]["ran"]["date"])
    assert days == [0, 0, 2]
