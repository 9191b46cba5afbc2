"""Runs of many trials: saved whole, resumed, never mixed, and summed up with intervals."""

import dataclasses
import itertools
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from lstmlab.experiments import runs
from lstmlab.experiments.paper1997 import ROWS
from lstmlab.experiments.runs import Record, fingerprint, label, markdown, records, run, save, summary

ROW = replace(runs.find("2c-50-50")[0], limit=2000)


def made_up(row, *sequences):
    """Successful trials of so many sequences; a None has failed."""
    mark = fingerprint(row)
    return [Record(mark, seed, count is not None, count or row.limit, {}, 1.0) for seed, count in enumerate(sequences)]


def test_a_run_goes_on_where_it_stopped(tmp_path):
    """Trials that are saved are not run again, and all together are the same as in one go."""
    first, = itertools.islice(run([ROW], tmp_path, trials=3, workers=1), 1)
    assert [record.seed for _, record in run([ROW], tmp_path, trials=3, workers=1)] == [1, 2]
    assert list(run([ROW], tmp_path, trials=3, workers=1)) == []
    assert records(ROW, tmp_path)[0] == first[1]
    again = [record for _, record in run([ROW], tmp_path / "other", trials=3, workers=1)]
    assert [record.sequences for record in records(ROW, tmp_path)] == [record.sequences for record in again]


def test_half_a_line_is_no_trial(tmp_path):
    """What a crash has left is passed over when reading, and cut off when the next trial is saved."""
    one, two = made_up(ROW, 100, 200)
    save(ROW, one, tmp_path)
    path = tmp_path / f"{ROW.name}.jsonl"
    with path.open("ab") as file:
        file.write(b'{"fingerprint": "x", "se')
    assert records(ROW, tmp_path) == [one]
    save(ROW, two, tmp_path)
    assert records(ROW, tmp_path) == [one, two]
    assert len(path.read_text().splitlines()) == 2


def test_a_changed_row_is_not_mixed_with_what_ran_before(tmp_path):
    """Other settings, other trials; the old ones come back with the old settings."""
    save(ROW, made_up(ROW, 100)[0], tmp_path)
    changed = replace(ROW, rate=0.02)
    assert records(changed, tmp_path) == []
    assert len(records(ROW, tmp_path)) == 1


@pytest.mark.parametrize("change", [
    {"rate": 0.02}, {"limit": 3000}, {"spread": 0.3}, {"network": replace(ROW.network, cross_entropy=True)},
    {"met": runs.find("2c-50-50-rests")[0].met}, {"draw": runs.find("2c-100-100")[0].draw},
    {"output_gate_bias": (-1.0, -2.0)}], ids=lambda change: next(iter(change)))
def test_the_fingerprint_knows_all_that_decides(change):
    """Settings, network, criterion, task."""
    assert fingerprint(replace(ROW, **change)) != fingerprint(ROW)


def test_the_fingerprint_overlooks_words():
    """A better title or a figure of the paper that is put right throws nothing away."""
    words = replace(ROW, title="other", reading="other", published={"sequences": 1}, trials=3)
    assert fingerprint(words) == fingerprint(ROW)


def test_the_fingerprint_knows_the_rows_task_and_no_other(monkeypatch):
    """Who changes a task has its rows to run again; a new task throws nothing away."""
    files = {"6a": "temporal_order.py", "3c-100-3": "two_sequence.py", "1-4x1-0.1-step": "reber.py"}
    before = {name: fingerprint(runs.find(name)[0]) for name in files}
    program = runs._program
    for name, file in files.items():
        monkeypatch.setattr(runs, "_program", lambda path, f=file: program(path) + "other" * path.endswith(f))
        assert [n for n in files if fingerprint(runs.find(n)[0]) != before[n]] == [name]


def test_comments_and_docstrings_are_no_program():
    """Two sources that differ in words alone are the same."""
    assert runs.without_words('def f(x):\n    "Say."\n    return x  # so') == runs.without_words("def f(x): return x")
    assert runs.without_words("def f(x): return x") != runs.without_words("def f(x): return -x")


def test_processes_give_what_one_gives(tmp_path):
    """Two processes, two rows: the same counts as in this process."""
    rows = [replace(row, limit=row.limit) for row in runs.find("6a")]
    apart = {(row.name, record.seed): record.sequences for row, record in run(rows, tmp_path / "2", 2, workers=2)}
    here = {(row.name, record.seed): record.sequences for row, record in run(rows, tmp_path / "1", 2, workers=1)}
    assert apart == here


def test_ctrl_c_leaves_whole_trials_and_no_process(tmp_path):
    """Interrupted in the middle, the command ends at once; what is saved is whole and is not run again."""
    code = ("import sys, pathlib\nfrom lstmlab.experiments import runs\n"
            "if __name__ == '__main__':\n"
            "    for _ in runs.run(runs.find('6a'), pathlib.Path(sys.argv[1]), 20, 2): print('one', flush=True)")
    script = tmp_path / "script.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, script, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert time.monotonic() - begun < 10
    found = records(runs.find("6a")[0], tmp_path)
    assert 1 <= len(found) < 20


def test_ctrl_c_in_compiled_code_is_ctrl_c(monkeypatch, tmp_path):
    """Numba makes a SystemError of it; who stops a run in one process is told what they did, and no more."""
    def interrupted(row, seed):
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt()

    monkeypatch.setattr(runs, "run_trial", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(run([ROW], tmp_path, 1, workers=1))


def test_intervals_hold_what_they_should():
    """Student's interval of a mean and Wilson's of a share, beside values from tables."""
    assert runs.mean_interval([10, 12, 14, 16]) == pytest.approx((13 - 4.108, 13 + 4.108), abs=1e-3)
    assert runs.share_interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert runs.mean_interval([5]) is None
    assert runs.share_interval(0, 0) is None


def test_a_summary_says_what_was_found():
    """Mean and interval of the successful trials alone, and every trial's outcome."""
    row = runs.find("2c-50-50")[0]
    told = summary(row, made_up(row, 20_000, 40_000, None))
    assert (told["sequences"], told["successes"], told["trials"], told["ratio"]) == (30_000, 2, 3, 1.0)
    assert told["outcomes"][2] == [2, False, row.limit]
    assert json.loads(json.dumps(told))["published"]["sequences"] == 30_000


@pytest.mark.parametrize(("name", "met", "count", "words"), [
    ("6a", 20, 20, ""), ("6a", 19, 20, ""),
    ("6a", 12, 20, "12 of 20 trials met the criterion within 627,800 sequences, in the paper 20 of 20"),
    ("6a", 0, 20, "no trial met the criterion within 627,800 sequences"), ("6a", 0, 0, "not run"),
    ("6a", 19, 19, "not run as published, 19 of 20 trials"),
    ("4-100-linear", 10, 10, "the output unit is linear; in the paper it is logistic")])
def test_what_is_not_reproduced_says_why(name, met, count, words):
    """No row passes for reproduced unless it was run as published and succeeds as often."""
    told = label(runs.find(name)[0], met, count)
    assert told == (f"not reproduced: {words}" if words else "")


def test_the_table_has_a_line_for_each_row():
    """Published and ours side by side; a row that was not run has no figure."""
    row = runs.find("6a")[0]
    table = markdown([summary(row, made_up(row, *range(30_000, 30_020))), summary(row, [])]).splitlines()
    assert "| 31,390 | 30,010 [30,007, 30,012] | 20 of 20 |" in table[2]
    assert "0.96 times the paper's figure, which is outside the interval" in table[2]
    assert "| – | – | 0 of 20 |" in table[3]
    assert "not run" in table[3]


def test_an_unknown_name_lists_the_known_ones():
    """One clear error."""
    with pytest.raises(ValueError, match=r"no experiment '7z'; expected 1997 or one of 1-4x1-0.1-step, "):
        runs.find("7z")


def test_short_rows_are_the_default():
    """1997 is all rows that take no hours; --long adds the others."""
    assert all(not row.long for row in runs.find("1997"))
    assert runs.find("1997", long=True) == list(ROWS)


def test_a_record_is_plain_json():
    """A line of the file can be read by anything."""
    record, = made_up(ROW, 5)
    assert Record(**json.loads(json.dumps(dataclasses.asdict(record)))) == record
