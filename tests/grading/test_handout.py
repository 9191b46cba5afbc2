"""What students get: whole, nothing too much, the same bytes each time, and working where only its needs are there."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from lstmlab.grading import handout

FORBIDDEN = ("BEGIN SOLUTION", "nbgrader.api", "import nbgrader", "from nbgrader", "sqlalchemy", "import dask")


@pytest.fixture(scope="module")
def archive(released):
    return handout.pack(released)


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory):
    """The archive as a student unpacks it."""
    folder = tmp_path_factory.mktemp("student")
    zipfile.ZipFile(archive).extractall(folder)
    return folder / "lstmlab-student"


@pytest.fixture(scope="module")
def installed(unpacked):
    """The package in a fresh venv that has what it requires, and what that requires, and nothing else.

    The requirements are linked from this environment in place of a download: the wheel itself is installed by pip.
    """
    venv = unpacked / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    wheel, = unpacked.glob("*.whl")
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index",
                    "--disable-pip-version-check", wheel], check=True)
    site, = venv.glob("lib/python*/site-packages")
    for path in required(wheel):
        (site / path.name).symlink_to(path)
    return venv


def required(wheel):
    """The files in this environment that belong to what the wheel requires, directly or not."""
    with zipfile.ZipFile(wheel) as files:
        name, = (name for name in files.namelist() if name.endswith("METADATA"))
        wanted = re.findall(r"^Requires-Dist: ([\w-]+)", files.read(name).decode(), re.MULTILINE)
    found = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            try:
                distribution = importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:            # another platform's
                continue
            found[name] = {distribution.locate_file(f.parts[0]) for f in distribution.files
                           if f.parts[0] not in ("..", "__pycache__")}
            wanted += [re.match(r"[\w.-]+", r)[0] for r in distribution.requires or () if "extra ==" not in r]
    return set().union(*found.values())


def run(installed, *command, check=True):
    done = subprocess.run([installed / "bin" / command[0], *command[1:]], cwd=installed.parent, capture_output=True,
                          text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_same_course_gives_the_same_bytes(archive, released):
    """Packed again, even after the notebooks were touched, it is the same file."""
    before = archive.read_bytes()
    for path in released.glob("exercises/*/*"):
        path.touch()
    assert handout.pack(released).read_bytes() == before


def test_it_holds_what_a_student_needs(unpacked, released):
    """A page to read, requirements, the wheel and every released notebook."""
    assert {path.name for path in unpacked.iterdir() if path.name != ".venv"} == \
        {"README.md", "requirements.txt", "exercises", handout.WHEEL}
    for path in released.glob("exercises/*/*.ipynb"):
        assert (unpacked / path.relative_to(released)).read_bytes() == path.read_bytes()


def test_it_holds_nothing_of_the_instructors(unpacked):
    """No solution, no gradebook, nothing that needs nbgrader."""
    with zipfile.ZipFile(unpacked / handout.WHEEL) as wheel:
        texts = {name: wheel.read(name).decode() for name in wheel.namelist() if name.endswith((".py", ".md"))}
    texts |= {path.name: path.read_text() for path in unpacked.glob("exercises/*/*.ipynb")}
    assert len(texts) > 40
    assert [(name, word) for name, text in texts.items() for word in FORBIDDEN if word in text] == []


def test_requirements_are_short_and_those_of_grading(unpacked, released):
    """Four libraries, in the versions with which marks are formed; torch is only spoken of."""
    lines = (unpacked / "requirements.txt").read_text().splitlines()
    needed = [line for line in lines if line and not line.startswith("#")]
    assert [re.split("==", line)[0] for line in needed] == ["numpy", "matplotlib", "ipython", "jupyterlab",
                                                            f"./{handout.WHEEL}"]
    course = (released / "requirements.txt").read_text().splitlines()
    assert set(needed[:-1]) <= set(course)
    assert [line.removeprefix("# ") for line in lines if line.startswith("# torch")] == \
        [line for line in course if line.startswith("torch")]


@pytest.mark.parametrize("module", ["nbgrader", "torch", "rich", "pytest", "sqlalchemy"])
def test_the_venv_is_a_students(installed, module):
    """The tests below show something: what they must do without is not there."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)"
    run(installed, "python", "-c", code)


def test_the_first_check_of_a_notebook_runs(installed, unpacked):
    """A released notebook's cells up to its first check: it says that the function is not written yet."""
    notebook = json.loads((unpacked / "exercises" / "ps3-lstm-forward" / "ps3-lstm-forward.ipynb").read_text())
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"][:3]
    assert sources[-1].startswith("check(")
    said = run(installed, "python", "-c", "\n\n".join(sources), check=False)
    assert "sigmoid: not written yet (0 of 2 points)" in said
    assert "right" in run(installed, "python", "-c", "import numpy as np\nfrom lstmlab import check\n"
                          "check('sigmoid', lambda x: 0.5 * (1 + np.tanh(x / 2)))")


def test_the_command_works_there(installed, unpacked, sample):
    """`lstmlab check` judges a solved notebook from the students' installation."""
    path = unpacked / "solved.ipynb"
    path.write_text(json.dumps(sample.notebook(next(s for s in sample.CLASS if s.name == "perfect"))))
    assert "17 of 17 points" in run(installed, "lstmlab", "check", "solved.ipynb")
    path.unlink()


@pytest.mark.parametrize("command", [["release"], ["grade", "ps3-lstm-forward"]])
def test_the_instructors_commands_are_told_apart_there(installed, command):
    """They say whom they are for."""
    assert f"lstmlab {command[0]} is for instructors" in run(installed, "lstmlab", *command, check=False)


def test_a_release_that_fails_says_why(released, tmp_path):
    """A notebook that nbgrader does not take ends in its own words."""
    root = tmp_path / "course"
    shutil.copytree(released, root)
    path = root / "solutions" / "ps3-lstm-forward" / "ps3-lstm-forward.ipynb"
    path.write_text(path.read_text().replace("### END SOLUTION", "", 1))
    with pytest.raises(handout.CourseError, match=r"(?s)ps3-lstm-forward was not released.*end solution"):
        handout.release(root)


def test_the_gradebook_is_private(released):
    """The gradebook that releasing makes is its owner's alone, and so is its folder."""
    assert (released / "class" / "gradebook.db").stat().st_mode & 0o777 == 0o600
    assert (released / "class").stat().st_mode & 0o777 == 0o700
