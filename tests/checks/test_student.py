"""The student's one line, in plain Python and in a notebook's shell."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from lstmlab import sigmoid
from lstmlab.checks import CheckFailed, check, get, problem_set, problem_sets


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a cell in a real IPython shell; gives what it wrote to stdout and stderr, and how it ended."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}, InteractiveShell={"colors": "nocolor"}))

    def cell(source):
        with capture_output() as captured:
            result = shell.run_cell(source)
        return captured.stdout, captured.stderr, result.error_in_exec

    cell("import numpy as np\nfrom lstmlab import check")
    return cell


def test_right_is_one_line(run):
    """A right function prints one line with a mark and the word, and nothing on stderr."""
    run("def sigmoid(x):\n    print('debugging')\n    return 0.5 * (1 + np.tanh(x / 2))")
    assert run('check("sigmoid", sigmoid)') == ("✓ sigmoid: right (2 of 2 points)\n", "", None)


def test_a_warning_does_not_reach_stderr(run):
    """An overflow on the way is told on stdout, where Validate does not take it for a failure."""
    run("def sigmoid(x):\n    return 1 / (1 + np.exp(-x))")
    out, err, error = run('check("sigmoid", sigmoid)')
    assert out.startswith("✓ sigmoid: right")
    assert "overflow encountered in exp" in out
    assert (err, error) == ("", None)


def test_wrong_shows_the_verdict_and_no_frames(run):
    """A wrong function shows the readable block; no line of a traceback comes with it."""
    run("def sigmoid(x):\n    return np.tanh(x)")
    out, err, error = run('check("sigmoid", sigmoid)')
    assert isinstance(error, CheckFailed)
    assert out.startswith("✗ sigmoid: wrong (0 of 2 points)")
    assert "Most likely: tanh in place of σ." in out
    assert "Traceback" not in out
    assert ".py" not in out
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80


def test_the_line_of_a_cell_is_shown(run):
    """An exception is told with the student's own line, as the notebook numbers it."""
    run("def sigmoid(x):\n    y = x\n    return y.nonsense")
    out, _, _ = run('check("sigmoid", sigmoid)')
    assert "At line 3: return y.nonsense" in out


def test_an_unwritten_function_of_another_cell_is_told_apart(run):
    """lstm_forward on top of an unwritten lstm_step says that it is the step that is missing."""
    run("def lstm_step(params, x, h, C):\n    raise NotImplementedError()")
    run("def lstm_forward(params, xs, h0, C0):\n    return lstm_step(params, xs[0], h0, C0)")
    out, _, _ = run('check("lstm_forward", lstm_forward)')
    assert "uses something that is not written yet, in line 2: return lstm_step" in " ".join(out.split())


def test_plain_python_reads_well():
    """The text of the exception is the verdict."""
    with pytest.raises(CheckFailed, match="✗ sigmoid: wrong") as caught:
        check("sigmoid", lambda x: x)
    assert str(caught.value) == caught.value.verdict.text()


def test_the_inputs_are_fresh():
    """Two checks of one function draw different inputs."""
    seen = []

    def record(x):
        seen.append(x.sum())
        return sigmoid(x)

    check("sigmoid", record)
    check("sigmoid", record)
    assert seen[0] != seen[len(seen) // 2]


def test_an_interrupt_passes():
    """Stop in the notebook's toolbar stops the check."""
    def fn(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("sigmoid", fn)


def test_settings_are_left_alone():
    """NumPy's error settings and the warning filters are afterwards as they were."""
    before, filters = np.geterr(), list(warnings.filters)
    with pytest.raises(CheckFailed):
        check("sigmoid", lambda x: np.exp(x))
    assert np.geterr() == before
    assert warnings.filters == filters


@pytest.mark.parametrize("colour", [True, False])
def test_no_color_is_obeyed(monkeypatch, capsys, colour):
    """Colour goes where it shows, unless NO_COLOR asks for none."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    check("sigmoid", sigmoid)
    assert ("\x1b[32m✓\x1b[0m" in capsys.readouterr().out) is colour


def test_an_unknown_check_lists_the_known_ones():
    """A slip in the name is answered with the nearest one and all others."""
    with pytest.raises(LookupError, match=r"no check 'lstm_stp'; did you mean 'lstm_step'.*half_life_bias"):
        check("lstm_stp", sigmoid)


def test_an_unknown_problem_set_lists_the_known_ones():
    """So is a slip in the name of a problem set."""
    with pytest.raises(LookupError, match=r"there are .*ps3-lstm-forward"):
        problem_set("ps3")


def test_names_of_checks_are_unique():
    """A name stands for one check over all problem sets."""
    checks = [found for name in problem_sets() for found in problem_set(name)]
    assert [get(found.name) for found in checks] == checks


def test_importing_check_is_light():
    """What a student imports first brings neither torch nor matplotlib nor nbgrader."""
    code = ("import sys; from lstmlab import check; "
            "print([m for m in ('torch', 'matplotlib', 'nbgrader', 'IPython', 'pandas') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
