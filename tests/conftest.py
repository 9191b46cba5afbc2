"""What the rooms' tests share: a released course in a folder of its own, and the figures of a full run."""

import datetime
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from lstmlab.grading.course import open_course
from lstmlab.grading.handout import release

ROOT = Path(__file__).parent.parent
# Files that take long, the longest first: begun last, one of them would keep a process busy when the others are done.
LONG = [ROOT / "tests" / name for name in (
    "grading/test_sample_class.py", "grading/test_everyday.py", "checks/test_mistakes.py", "checks/test_judge.py",
    "grading/test_classrun.py", "grading/test_cluster.py", "test_problem_sets.py", "grading/test_postgresql.py",
    "grading/attacks/test_attacks.py", "torch/test_transforms.py", "checks/test_training.py", "book/test_pages.py",
    "book/test_browser.py", "book/test_interactive.py")]


def pytest_collection_modifyitems(items):
    """Order the files for processes side by side: the book's build, what does not wait for it, what reads its pages.

    The one build takes a process minutes. Who needs its pages before would only wait, so these files come late, and
    after them only the examples in the package's docstrings, each done in a moment.
    """
    readers = {item.path for item in items if "book" in getattr(item, "fixturenames", ())}

    def turn(item):
        stage = 2 if item.path in readers else 1
        if item.path == ROOT / "tests" / "book" / "test_build.py":
            stage = 0
        elif item.path.is_relative_to(ROOT / "lstmlab"):
            stage = 3
        return stage, LONG.index(item.path) if item.path in LONG else len(LONG)

    items.sort(key=turn)


def pytest_addoption(parser):
    parser.addoption("--figures", type=Path, help="write what the tests counted (their recorded properties) as JSON")


def pytest_terminal_summary(terminalreporter, config):
    """With ``--figures FILE``: how many tests passed, and what those that count something recorded.

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
