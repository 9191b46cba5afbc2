"""What a student's code can reach and use up: nothing of the grader's, and little of the machine's."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from lstmlab.grading import sandbox as sandboxes
from lstmlab.grading import slots
from lstmlab.grading.sandbox import Limits, Sandbox, SandboxDied, SandboxUnavailable

LIMITS = Limits(seconds=2)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(LIMITS, seed=1) as running:
        yield running


def shown(reply):
    """All text that a cell showed."""
    parts = []
    for output in reply["outputs"]:
        parts += [output.get("text", ""), output.get("evalue", ""), output.get("data", {}).get("text/plain", "")]
    return "".join(parts)


def descendants(sandbox):
    """Uids by pid of the processes outside that stem from the sandbox's, leaves last."""
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,uid="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
    found, fresh = {}, {sandbox._home._nursery.process.pid}
    while fresh:
        fresh = {pid: uid for pid, parent, uid in rows if parent in fresh}
        found |= fresh
    return found


def value(sandbox, expression):
    """The value of an expression, evaluated inside."""
    return shown(sandbox.run_cell(expression))


@pytest.mark.parametrize(("source", "expected"), [
    ("1 + 1", "2"),
    ("print('out')", "out"),
    ("import sys; print('err', file=sys.stderr)", "err"),
    ("!echo shell", "shell"),
    ("%pwd", "/tmp/home"),
    ("import asyncio\nawait asyncio.sleep(0)\n'awaited'", "awaited"),
    ("display({'a': 1})", "{'a': 1}"),
    ("1 / 0", "division by zero"),
])
def test_a_cell_runs_as_in_a_notebook(sandbox, source, expected):
    """Values, prints, magics, shell lines, await, display and errors all show."""
    assert expected in value(sandbox, source)


def test_a_figure_is_shown_as_png(sandbox):
    """Inline matplotlib works without being asked for."""
    reply = sandbox.run_cell("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert [output for output in reply["outputs"] if "image/png" in output.get("data", {})]


def test_input_is_refused_with_a_reason(sandbox):
    """input() has nobody to ask."""
    assert "nobody is there to answer" in value(sandbox, "input('name?')")


@pytest.mark.parametrize("path", ["/x", "/dev/x", "/course/x", "/usr/lib/x"])
def test_nothing_but_scratch_is_writable(sandbox, path):
    """The system is read-only."""
    assert "Read-only file system" in value(sandbox, f"open({path!r}, 'w')")


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_scratch_and_shared_memory_are_small(sandbox, folder):
    """Every writable mount has a size."""
    size = int(value(sandbox, f"import os; s = os.statvfs({folder!r}); s.f_blocks * s.f_frsize"))
    assert size <= LIMITS.disk


def test_there_is_no_network(sandbox):
    """Not even loopback answers: it is the sandbox's own, and down or empty."""
    assert "[]" in value(sandbox, "import os; [n for n in os.listdir('/proc/sys/net/ipv4/conf') if n.startswith('e')]")
    assert "Error" in str(sandbox.run_cell("import socket; socket.create_connection(('127.0.0.1', 22), timeout=1)"))


def test_never_root_and_no_capability(sandbox):
    """The student's code has an unprivileged uid and an empty bounding set."""
    assert value(sandbox, "import os; os.getuid()") == "1000"
    assert "CapBnd:\t0000000000000000" in value(sandbox, "print(open('/proc/self/status').read())")


@pytest.mark.skipif(os.geteuid() != 0, reason="only a root grader has privileges to drop")
def test_a_root_grader_drops_to_an_unprivileged_user_outside(sandbox):
    """Seen from outside, no process of the sandbox's belongs to root once it runs student code."""
    uids = list(descendants(sandbox).values())
    assert uids[-3:] == [sandbox._home._nursery.user] * 3           # the nursery, process 1 and the notebook
    assert uids[-1] >= slots.FIRST_USER


def test_no_new_user_namespace(sandbox):
    """A student cannot make a namespace in which they are root."""
    assert "failed" in value(sandbox, "!unshare -U id 2>&1")


def test_no_other_process_is_seen(sandbox):
    """The PID space holds the runner and its helper alone."""
    seen = value(sandbox, "import os; [p for p in os.listdir('/proc') if p.isdigit()]")
    assert len(seen.split(",")) <= 4


@pytest.mark.parametrize("text", ["f * C_prev + i * C_tilde", "eq-lstm-cell-state", "def judge"])
def test_no_reference_and_no_verdict_is_inside(sandbox, text):
    """A search of everything readable for the text of a reference finds nothing."""
    search = ("import subprocess; subprocess.run(['grep', '-rlF', '--include=*.py', '--include=*.ipynb', "
              f"{text!r}, '/course', '/tmp', '/root', '/home', '/etc', '/opt', '/srv', '/var', '/mnt'], "
              "capture_output=True, text=True).stdout")
    assert value(sandbox, search) == "''"


def test_importing_a_reference_says_why_not(sandbox):
    """`from lstmlab import LSTM` fails with a sentence."""
    assert "must be computed by your own code" in value(sandbox, "from lstmlab import LSTM")


@pytest.mark.parametrize("source", ["from lstmlab.tasks import adding",
                                    "import lstmlab; adding = lstmlab.tasks.adding"])
def test_tasks_are_inside(sandbox, source):
    """A notebook may draw its own training data."""
    shape = value(sandbox, f"{source}\nimport numpy as np\nadding(np.random.default_rng(0), 5, 3)[0].shape")
    assert shape == "(5, 3, 2)"


def test_check_does_nothing_inside(sandbox):
    """A student's own call of check neither fails nor judges."""
    assert value(sandbox, "from lstmlab import check; check('lstm_step', None)") == ""


def test_the_environment_holds_nothing_of_the_graders(sandbox, monkeypatch):
    """No variable of the grader's comes in."""
    monkeypatch.setenv("LSTMLAB_TEST_TOKEN", "secret")
    with Sandbox(LIMITS, seed=1) as fresh:
        assert "TOKEN" not in value(fresh, "import os; print(dict(os.environ))")


def test_an_endless_cell_is_stopped(sandbox):
    """A loop costs its CPU seconds and its cell, and the next cell runs."""
    reply = sandbox.run_cell("while True:\n    pass")
    assert reply["timed_out"]
    assert value(sandbox, "'alive'") == "'alive'"


def test_a_function_is_called_on_the_inputs_that_were_sent(sandbox):
    """Arrays go in, arrays come out."""
    sandbox.run_cell("def double(x):\n    return 2 * x")
    reply = sandbox.call("call", "double", [{"args": {"x": np.arange(3.0)}}], seed=0)
    assert reply["answers"][0]["value"]["array"].tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(("body", "expected"), [
    ("while True: pass", "timed_out"),
    ("import os; os._exit(3)", "died"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died"),
])
def test_a_check_that_hangs_or_dies_costs_itself_alone(sandbox, body, expected):
    """Each check runs in a fork of the notebook's process."""
    sandbox.run_cell(f"def bad(x):\n    {body}")
    assert expected in sandbox.call("call", "bad", [{"args": {"x": 1.0}}], seed=0)
    assert value(sandbox, "'alive'") == "'alive'"


def test_memory_is_limited(sandbox):
    """Allocating without end is a MemoryError in the student's own code."""
    sandbox.run_cell("import numpy as np\ndef hog(x):\n    kept = []\n    while True: kept.append(np.zeros(2**26))")
    reply = sandbox.call("call", "hog", [{"args": {"x": 1.0}}], seed=0)
    assert reply["answers"][0]["error"]["type"] == "MemoryError"


def test_processes_are_limited():
    """A fork bomb runs into the limit, and all of it dies with the sandbox."""
    with Sandbox(Limits(seconds=2, processes=20), seed=1) as bombed:
        words = value(bombed, "import os, time\nn = 0\ntry:\n    while n < 1000:\n        if os.fork() == 0:\n"
                              "            time.sleep(600)\n        n += 1\nexcept OSError as e:\n    print(n, e)")
        inside = descendants(bombed)
    assert "Resource temporarily unavailable" in words
    assert int(words.split()[0]) < 20
    assert len(inside) > 10
    deadline = time.monotonic() + 10                               # the kernel takes them down one by one
    while any(os.path.exists(f"/proc/{pid}") for pid in inside):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_dead_process_is_reported(sandbox):
    """Ending the runner is an error of that notebook's, said in words."""
    with Sandbox(LIMITS, seed=1) as doomed, pytest.raises(SandboxDied):
        doomed.run_cell("import os; os._exit(0)")


def test_the_same_seed_gives_the_same_student_random_numbers():
    """The student's own generators are seeded, so a regrade sees the same numbers."""
    drawn = set()
    for _ in range(2):
        with Sandbox(LIMITS, seed=7) as fresh:
            drawn.add(value(fresh, "import random, numpy as np; (random.random(), np.random.rand())"))
    assert len(drawn) == 1


def test_without_bubblewrap_grading_refuses_and_says_what_to_do(monkeypatch):
    """No isolation, no grading."""
    sandboxes.require_sandbox.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"):
        sandboxes.require_sandbox()


def test_only_what_a_student_may_use_can_be_imported(sandbox):
    """Of the grader's own libraries nothing is inside."""
    assert "No module named 'nbgrader'" in value(sandbox, "import nbgrader")
    assert sys.version.split()[0] in value(sandbox, "import sys; sys.version")
