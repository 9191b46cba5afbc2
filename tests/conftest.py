"""What the rooms' tests share: a released course in a folder of its own, and the figures of a full run."""

import datetime
import importlib.util
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from lstmlab.grading.course import open_course
from lstmlab.grading.handout import release

ROOT = Path(__file__).parent.parent
# Files that take long, the longest first: begun late, one of them would keep a process busy when the others are done.
LONG = [ROOT / "tests" / name for name in (
    "book/test_build.py", "checks/test_mistakes.py", "checks/test_judge.py", "grading/test_everyday.py",
    "grading/test_sample_class.py", "grading/attacks/test_attacks.py", "checks/test_training.py",
    "grading/test_cluster.py", "grading/test_classrun.py", "torch/test_transforms.py", "grading/test_postgresql.py",
    "book/test_pages.py", "book/test_interactive.py", "book/test_browser.py")]

# A shell starts what it sends to the background deaf to Ctrl-C, and so would be every command that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Order the files for processes side by side, so that none waits for another and all are done at the same time.

    First comes the book's build, which takes one process minutes, and meanwhile what is long. What reads the book's
    pages would wait for the build: it comes late. Last come the many short files that fill the end.
    """
    readers = {item.path for item in items if "book" in getattr(item, "fixturenames", ())}

    def turn(item):
        place = LONG.index(item.path) if item.path in LONG else len(LONG)
        if item.path in readers and place > 0:
            return 2, place
        return 1 if place < len(LONG) or item.path.is_relative_to(ROOT / "tests" / "grading") else 3, place

    items.sort(key=turn)


def pytest_addoption(parser):
    parser.addoption("--figures", type=Path, help="write what the tests counted (their recorded properties) as JSON")


def pytest_terminal_summary(terminalreporter, config):
    """With ``--figures=FILE``: how many tests passed, and what those that count something recorded.

    What tests recorded that did not run now stays, with the day it is of: the full counts can be run in parts.
    """
    path = config.getoption("--figures")
    if path is None:
        return
    reports, today = terminalreporter.stats, datetime.date.today().isoformat()
    passed = reports.get("passed", [])
    failed = reports.get("failed", []) + reports.get("error", [])
    counted = json.loads(path.read_text())["counted"] if path.exists() else {}
    for report in failed:
        counted.pop(report.nodeid, None)
    counted |= {report.nodeid: {"date": today, **dict(report.user_properties)} for report in passed
                if report.user_properties}
    run = {"date": today, "python": platform.python_version(), "cores": os.cpu_count(), "passed": len(passed),
           "failed": len(failed), "arguments": list(map(str, config.invocation_params.args))}
    path.write_text(json.dumps({"last run": run, "counted": dict(sorted(counted.items()))}, indent=1) + "\n")


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sample():
    """The module that makes the sample class."""
    return _load(ROOT / "tests" / "sample_class.py")


@pytest.fixture(scope="session")
def tool():
    """Run a command of the environment's in a folder; return what it printed."""
    bin_directory = Path(sys.executable).parent

    def run(folder, *command, check=True):
        environment = os.environ | {"PATH": f"{bin_directory}:{os.environ['PATH']}", "COLUMNS": "120"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """A course whose problem sets are released and whose class is empty."""
    root = tmp_path_factory.mktemp("released")
    for name in ("nbgrader_config.py", "pyproject.toml", "requirements.txt", "LICENSE"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "solutions", root / "solutions")
    release(root)
    return root


@pytest.fixture
def course(released, tmp_path):
    """A fresh copy of the released course."""
    root = tmp_path / "course"
    shutil.copytree(released, root)
    (root / "class").chmod(0o700)
    return open_course(root)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium",
                                             args=["--no-sandbox", "--disable-background-networking"])
        yield browser
        browser.close()
