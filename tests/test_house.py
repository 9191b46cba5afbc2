"""The plan of the house: imports go one way, and importing the package is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lstmlab"
MAY_IMPORT = {
    "cli": {"grading", "experiments"},
    "grading": {"checks"},
    "checks": {"cells", "convert", "gradcheck", "tasks"},
    "cells": set(),
    "gradcheck": set(),
    "torch": {"cells", "gradcheck"},
    "convert": {"cells"},
    "experiments": {"tasks", "cells", "torch"},
    "tasks": set(),
    "figures": set(),
}


def rooms_imported(path):
    """Rooms of lstmlab that a file imports, when it is loaded or later."""
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = path.parent.parts[: len(path.parent.parts) + 1 - node.level] if node.level else ()
            module = ".".join([*base[PACKAGE.parent.parts.__len__():], *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "lstmlab" and len(parts) > 1 and parts[1] != room and parts[1] in MAY_IMPORT:
                yield parts[1]


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_imports_go_one_way(room):
    """A room imports only the rooms below it (a report's plot() may draw with figures)."""
    home = PACKAGE / room
    files = sorted(home.rglob("*.py")) if home.is_dir() else [home.with_suffix(".py")]
    imported = {name for path in files for name in rooms_imported(path)} - {"figures"}
    assert files
    assert imported <= MAY_IMPORT[room]


def test_every_room_is_on_the_plan():
    """A new folder or file of the package has to be given its place here."""
    rooms = {path.stem for path in PACKAGE.iterdir()} - {"__init__", "__pycache__"}
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize("module", ["torch", "matplotlib", "nbgrader", "IPython"])
def test_importing_the_package_is_light(module):
    """`import lstmlab` and a cell load neither torch nor matplotlib nor nbgrader."""
    code = f"import sys, lstmlab; lstmlab.LSTM(1, 1); sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_reading_a_notebook_is_light():
    """No command waits for grammars of addresses: `import nbformat` loads no parser generator."""
    code = "import sys, nbformat; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_full_counts_are_one_command():
    """`make test-full` asks pytest for nothing that pytest does not know."""
    said = subprocess.run(["make", "-n", "-o", ".make/venv", "-o", ".make/system", "test-full"], cwd=PACKAGE.parent,
                          capture_output=True, text=True, check=True).stdout
    command = next(line for line in said.splitlines() if "pytest" in line).partition("pytest ")[2]
    done = subprocess.run(f"{sys.executable} -m pytest {command} --markers", shell=True, cwd=PACKAGE.parent,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
