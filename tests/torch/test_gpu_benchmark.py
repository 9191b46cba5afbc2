"""The GPU's benchmark, run on the CPU with an invented clock: what it asks of the layers, keeps and says, not times."""

import functools
import importlib.util
import itertools
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).parents[2]
HERE = {"gpu": "none", "multiprocessors": 0, "memory_bytes": 0, "driver": "0", "cuda": "0", "cudnn": 0, "torch": "0",
        "triton": "0", "python": "0", "cores": 1}


@pytest.fixture
def benchmark(monkeypatch):
    """The script's module, for a machine whose GPU is the CPU and whose clock says 1 ms, 2 ms, ..."""
    pytest.importorskip("triton", reason="needs triton, which there is for Linux")
    spec = importlib.util.spec_from_file_location("benchmark_gpu", ROOT / "benchmarks" / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "benchmark_gpu", module)
    spec.loader.exec_module(module)
    clock = itertools.count(1)

    def median_ms(runs, repeats, warm=3):
        for run in runs:
            run()
        return [float(next(clock)) for _ in runs]

    for name, value in {
            "DEVICE": "cpu", "SHAPES": [(3, 2, 4)], "ACCURACY_SHAPE": (3, 2, 4), "median_ms": median_ms,
            "PRECISIONS": {"float32": "float32", "tf32": "float32"}, "machine": lambda: HERE,
            "ceilings": lambda repeats: {"bandwidth_GB_s": 1.0, "rates_Tflop_s": {"float32": 1.0, "tf32": 1.0}},
            "peak_bytes": lambda run: run() or 1, "compile_ahead": lambda rows, leave_out: None}.items():
        monkeypatch.setattr(module, name, value)
    module.SECTIONS["gradcheck"] = (lambda: [{"T": 2, "B": 1, "I": 1, "H": 3}],
                                    functools.partial(module.gradcheck, sample=2))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    yield module
    torch.set_float32_matmul_precision("highest")


def run(module, monkeypatch, output, *arguments):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--output", str(output), "--repeats", "1", *arguments])
    module.main()
    return json.loads(output.read_text())


def page(results):
    """What the chapter shows for a file of results."""
    source = (ROOT / "book" / "gpu.md").read_text()
    cell, = (code for code in re.findall(r"```\{code-cell\} ipython3\n(.*?)^```$", source, re.S | re.M)
             if "def measured" in code)
    cell = re.sub(r"\A(:.*\n)+", "", cell).replace('Path("..") / "benchmarks" / "results" / "gpu.json"', "RESULTS_PATH")
    names = {"RESULTS_PATH": results, "json": json, "Markdown": lambda text: SimpleNamespace(data=text)}
    exec(cell, names)
    return names["shown"].data


def test_every_section_is_measured_and_shown(benchmark, monkeypatch, tmp_path):
    """One run leaves a row for all that is promised, and the chapter has a line for each of them."""
    report = run(benchmark, monkeypatch, tmp_path / "gpu.json")
    sections = [row["section"] for row in report["rows"]]
    cells, precisions = len(benchmark.CELLS), len(benchmark.PRECISIONS)
    assert {name: sections.count(name) for name in sections} == {
        "ceilings": 1, "speed": 2 * cells * precisions, "accuracy": cells * precisions, "gradcheck": 1}
    assert all(row["error"] < 1e-5 for row in report["rows"] if row["section"] == "accuracy")
    shown = page(tmp_path / "gpu.json")
    for said in (*benchmark.CELLS, *benchmark.PRECISIONS, "Measured on one none", "forward and backward", "weights"):
        assert said in shown
    assert "Not measured" not in shown
    assert "render_markdown_format: myst" in (ROOT / "book" / "gpu.md").read_text()       # or tables stay text


def test_it_goes_on_where_it_stopped(benchmark, monkeypatch, tmp_path, capsys):
    """What was measured is kept and not measured again; without time no row is begun; the chapter says what lacks."""
    output = tmp_path / "gpu.json"
    first = run(benchmark, monkeypatch, output, "--section", "gradcheck")
    assert "Not measured yet: speed, accuracy." in page(output)
    again = run(benchmark, monkeypatch, output, "--section", "gradcheck", "--section", "accuracy", "--minutes", "0")
    assert again["rows"] == first["rows"]
    assert "12 of 13 rows are left" in capsys.readouterr().out
    more = run(benchmark, monkeypatch, output, "--section", "accuracy")
    assert more["rows"][0] == first["rows"][0]
    assert len(more["rows"]) == 13
    anew = run(benchmark, monkeypatch, output, "--section", "gradcheck", "--again")
    assert anew["rows"][-1]["ours_ms"] != first["rows"][0]["ours_ms"]
    assert len(anew["rows"]) == 13


def test_machines_are_not_mixed(benchmark, monkeypatch, tmp_path):
    """A file that another machine measured is left as it is."""
    output = tmp_path / "gpu.json"
    run(benchmark, monkeypatch, output, "--section", "gradcheck")
    before = output.read_bytes()
    monkeypatch.setattr(benchmark, "machine", lambda: {**HERE, "gpu": "another"})
    with pytest.raises(SystemExit, match="another machine"):
        run(benchmark, monkeypatch, output)
    assert output.read_bytes() == before


def test_the_same_gpu_under_another_driver_goes_on(benchmark, monkeypatch, tmp_path):
    """The file says both drivers, each once, however often they take turns."""
    output = tmp_path / "gpu.json"
    run(benchmark, monkeypatch, output, "--section", "gradcheck")
    for driver, section in (("1", "accuracy"), ("0", "speed"), ("1", "speed")):
        monkeypatch.setattr(benchmark, "machine", lambda driver=driver: {**HERE, "driver": driver})
        report = run(benchmark, monkeypatch, output, "--section", section, "--again")
        assert report["machine"] == {**HERE, "driver": "0 and 1"}
    assert {row["section"] for row in report["rows"]} == set(benchmark.SECTIONS) | {"ceilings"}


def test_a_row_that_fails_does_not_end_the_others(benchmark, monkeypatch, tmp_path, capsys):
    """It is told and not recorded, the status is 1, and the next run tries it again."""
    output, accuracy = tmp_path / "gpu.json", benchmark.accuracy

    def sometimes(row, args, limits):
        if row["cell"] == "CIFG":
            raise RuntimeError("out of luck")
        return accuracy(row, args, limits)

    monkeypatch.setitem(benchmark.SECTIONS, "accuracy", (benchmark.accuracy_rows, sometimes))
    with pytest.raises(SystemExit, match="2 of 12 rows could not be measured"):
        run(benchmark, monkeypatch, output, "--section", "accuracy")
    assert capsys.readouterr().err.count("RuntimeError: out of luck") == 2
    assert len(json.loads(output.read_text())["rows"]) == 10
    monkeypatch.setitem(benchmark.SECTIONS, "accuracy", (benchmark.accuracy_rows, accuracy))
    assert len(run(benchmark, monkeypatch, output, "--section", "accuracy")["rows"]) == 12


def test_without_results_the_chapter_says_so(tmp_path):
    """No file, no figure: the chapter names what was not measured, and the command that would."""
    shown = page(tmp_path / "none.json")
    assert "No figure of this chapter has been measured on a GPU" in shown
    assert "python benchmarks/gpu.py" in shown
