"""Marks as a fair person would give them: for what a function computes, however it is written and whatever it says."""

import contextlib
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from lstmlab.grading.grade import draw_seeds, grade
from lstmlab.grading.release import read_release
from lstmlab.grading.sandbox import Limits
from tests.sample_class import ROOT, SET, Student, notebook

RELEASE = read_release(ROOT / "exercises" / SET / f"{SET}.ipynb")


def graded(cells=(), wrapped=None, replaced=None, where="setup", seconds=4.0):
    """Grade the right answers with cells of the student's own after `where`, and with answers wrapped or replaced."""
    made = notebook(Student("perfect"))
    for cell in made.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = (replaced or {}).get(grade_id, cell.source)
        if grade_id in (wrapped or {}):
            inner = f"_inner_{grade_id}"
            cell.source += f"\n\n{inner} = {grade_id}\n{wrapped[grade_id].replace('INNER', inner)}"
    place = next(n for n, cell in enumerate(made.cells) if cell.id == where) + 1
    made.cells[place:place] = [new_code_cell(source, id=f"own-{n}") for n, source in enumerate(cells)]
    return judged(made, seconds)


def judged(made, seconds=4.0):
    """Grade a notebook."""
    seeds = draw_seeds(b"s" * 32, "ada", RELEASE, b"")
    return grade(nbformat.writes(made).encode(), RELEASE, seeds, Limits(seconds=seconds))


def lost(found):
    """Points lost, by test cell, and the words that say why."""
    return {mark.grade_id: mark.text for mark in found.marks if mark.earned != mark.points}


NOISE = """\
def {name}(*args):
    import logging, os, sys, warnings
    print("here"); print("here", file=sys.stderr); sys.stderr.write("\\r 50% it/s"); sys.stderr.flush()
    warnings.warn("a warning"); logging.getLogger().error("an error of the log"); logging.debug("more")
    os.write(2, b"raw\\n"); os.write(1, b"raw\\n"); np.log(np.zeros(1))
    return INNER(*args)
"""


def test_prints_warnings_and_logs_cost_nothing():
    """In a cell, at import and in every function, on both streams: only the numbers count."""
    cells = ["import logging, sys, warnings\nlogging.basicConfig(level=0, stream=sys.stderr)",
             "print('now', file=sys.stderr)\nwarnings.warn('now')\nlogging.error('now')",
             "for n in range(200):\n    print(f'\\r{n / 2:.0f}%|###  | it/s', end='', file=sys.stderr, flush=True)",
             "%%writefile noisy.py\nimport sys, warnings\nprint('imported', file=sys.stderr)\nwarnings.warn('old')",
             "import sys\nsys.path.insert(0, '.')\nimport noisy"]
    found = graded(cells, {name: NOISE.format(name=name) for name in ("sigmoid", "lstm_step", "parameter_count")})
    assert lost(found) == {}


def test_a_student_who_makes_warnings_errors_is_judged_like_everyone():
    """`simplefilter("error")` and `np.seterr(all="raise")` in the notebook do not reach the checks."""
    naive = {"sigmoid": "import warnings\nwarnings.simplefilter('error')\nnp.seterr(all='raise')\n\n\n"
                        "def sigmoid(x):\n    return 1 / (1 + np.exp(-x))"}
    assert lost(graded(replaced=naive)) == {}


def test_streams_that_a_student_replaced_or_closed_cost_nothing():
    """The judge does not read what is printed."""
    cells = ["import io, sys\nsys.stdout = io.StringIO()\nsys.stderr = None", "import sys\nsys.stdout = None",
             "import sys\nsys.stdout.close()"]
    assert lost(graded(cells)) == {}


def test_broken_cells_take_down_only_what_needs_them():
    """A syntax error, an exception halfway, a name deleted, an exit: the functions beside them are judged."""
    cells = ["def broken(:\n    pass", "own = 1\nraise ValueError('halfway')\nown = 2", "del np", "import numpy as np",
             "1 / 0", "exit()", "import sys\nsys.exit(3)", "n = input('how many? ')", "import no_such_library",
             "raise KeyboardInterrupt", "raise SystemExit"]
    assert lost(graded(cells)) == {}
    one = graded(replaced={"parameter_count": "def parameter_count(input_size, hidden_size)\n    return 4"})
    assert lost(one).keys() == {"test_parameter_count"}
    assert lost(graded(["del np"], where="test-with-forget-bias")) == {}


def test_magics_run_and_do_not_stop_their_cell():
    """What stands under `%matplotlib`, `%%time`, `!` or `await` in a cell still runs."""
    cells = ["%matplotlib notebook\nfirst = 1", "%matplotlib widget\nsecond = 1", "%matplotlib inline\nthird = 1",
             "!ls\n%cd /tmp\n%load_ext autoreload\n%autoreload 2\nfourth = 1", "%%time\nfifth = 1",
             "import asyncio\nawait asyncio.sleep(0.001)\nsixth = 1",
             "assert first + second + third + fourth + fifth + sixth == 6"]
    found = graded(cells, replaced={"sigmoid": "from __future__ import annotations\n%matplotlib inline\n%config "
                                    "InlineBackend.figure_format = 'png'\n\n\ndef sigmoid(x: Unknown) -> np.ndarray:\n"
                                    "    return 0.5 * (1.0 + np.tanh(0.5 * x))"})
    assert lost(found) == {}
    assert not [o.evalue for cell in found.notebook.cells for o in cell.get("outputs", ()) if o.output_type == "error"]


WRITTEN = {
    "lambda": {"sigmoid": "sigmoid = lambda x: 0.5 * (1.0 + np.tanh(0.5 * x))"},
    "object": {"sigmoid": "class Sigmoid:\n    def __call__(self, x, *, safe=True):\n"
                          "        return 0.5 * (1.0 + np.tanh(0.5 * x))\n\n\nsigmoid = Sigmoid()"},
    "method": {"sigmoid": "class Sigmoid:\n    half = 0.5\n\n    def of(self, x):\n"
                          "        return self.half * (1.0 + np.tanh(self.half * x))\n\n\nsigmoid = Sigmoid().of"},
}
WRAPPED = {
    "decorated, cached, a partial": {
        "lstm_step": "import functools\n\n\ndef told(f):\n    @functools.wraps(f)\n    def inner(*args, **more):\n"
                     "        print('called')\n        return f(*args, **more)\n    return inner\n\n\n"
                     "lstm_step = told(INNER)",
        "parameter_count": "import functools\nparameter_count = functools.lru_cache(maxsize=None)(INNER)",
        "sigmoid": "import functools\nsigmoid = functools.partial(INNER)",
        "half_life_bias": "half_life_bias = np.vectorize(INNER)"},
    "other layouts": {
        "lstm_step": "def lstm_step(*args):\n    h, C, gates = INNER(*args)\n    h.flags.writeable = False\n"
                     "    return np.asfortranarray(h), C.T.copy().T, {k: v[::-1][::-1] for k, v in gates.items()}",
        "lstm_forward": "def lstm_forward(*args):\n    hs, h, C = INNER(*args)\n    wide = np.zeros((2 * len(hs), "
                        "*hs.shape[1:]))\n    wide[::2] = hs\n    return [wide[::2], np.asfortranarray(h), C]",
        "parameter_count": "def parameter_count(*args):\n    return np.array(INNER(*args))",
        "half_life_bias": "def half_life_bias(n):\n    b = INNER(n)\n    return b if np.ndim(b) else float(b)"},
    "other types": {
        "sigmoid": "def sigmoid(x):\n    return INNER(np.asarray(x, np.longdouble))",
        "half_life_bias": "def half_life_bias(n):\n    return INNER(n).astype('>f8')",
        "parameter_count": "def parameter_count(*args):\n    return np.int64(INNER(*args))",
        "with_forget_bias": "from collections import OrderedDict\n\n\ndef with_forget_bias(*args):\n"
                            "    return OrderedDict(INNER(*args))"},
}


@pytest.mark.parametrize("way", [*WRITTEN, *WRAPPED])
def test_how_a_function_is_written_does_not_count(way):
    """Lambdas, methods, decorators, layouts and equivalent types: the values are right, so the mark is full."""
    assert lost(graded(wrapped=WRAPPED.get(way), replaced=WRITTEN.get(way))) == {}


def test_answers_may_be_split_moved_and_helped():
    """Helper cells of the student's own, an answer in two cells, cells in another order that runs."""
    made = notebook(Student("perfect"))
    place = next(n for n, cell in enumerate(made.cells) if cell.id == "lstm-step")
    answer = made.cells[place].source
    made.cells[place].source = "# see the next cell\ngates_of = lambda params, hx: None"
    made.cells.insert(place + 1, new_code_cell(answer, id="own"))
    moved = made.cells.pop(next(n for n, cell in enumerate(made.cells) if cell.id == "half-life-bias"))
    made.cells.insert(next(n for n, cell in enumerate(made.cells) if cell.id == "setup") + 1, moved)
    made.cells.append(new_code_cell("def sigmoid(x):\n    return 0 * x", id="afterwards"))
    assert lost(judged(made)) == {}


@contextlib.contextmanager
def neighbours(count):
    """Processes that do nothing but use the machine."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


BURN = "import time\n_begun = time.process_time()\nwhile time.process_time() - _begun < 1.2:\n    pass\n"


@pytest.mark.parametrize("count", [2, pytest.param(16, marks=pytest.mark.full)])
def test_a_neighbours_load_times_nobody_out(count):
    """A cell and a function that need more than half of their time still have it on a busy machine."""
    slow = "def parameter_count(*args):\n    " + BURN.replace("\n", "\n    ") + "return INNER(*args)"
    slow = slow.replace("1.2", "0.2")                              # the check calls it seven times
    with neighbours(count):
        found = graded([BURN], {"parameter_count": slow}, seconds=2)
    assert (found.status, lost(found)) == ("graded", {})
