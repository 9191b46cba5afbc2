"""The page for instructors holds: its commands are run in their order, and print what the page shows."""

import re
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from lstmlab.cli import main
from lstmlab.grading.course import open_course

ROOT = Path(__file__).parent.parent
SET = "ps3-lstm-forward"
CONSOLE = re.compile(r"```(console|toml)\n(.*?)```", re.DOTALL)
CANVAS = "Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\n{}"
STUDENTS = '"Two, Ada",101,S-1,ada,Monday\n"One, Emil",102,S-2,emil,Monday\n'
WORKSHEET = """\
Identifier,Full name,Email address,Grade,Last modified (submission)
Participant 32,Emil One,emil@example.org,,"Sunday, 1 November 2026, 11:00 AM"
"""


def steps():
    """What the page does, in order: commands with the output they show, and the text of the dates file."""
    for kind, text in CONSOLE.findall((ROOT / "book" / "instructors.md").read_text()):
        if kind == "toml":
            yield "toml", text, ""
        else:
            for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                first, _, shown = command.partition("\n")
                yield "console", first, shown


@pytest.fixture
def term(released, tmp_path, sample, monkeypatch):
    """A course of one problem set, with the files that an instructor would have."""
    root = tmp_path / "course"
    shutil.copytree(released, root, ignore=lambda folder, names: [
        name for name in names if name.startswith("ps") and name != SET and not name.endswith(".ipynb")])
    monkeypatch.chdir(root)
    (root / "canvas.csv").write_text(CANVAS.format(STUDENTS))
    student, = (student for student in sample.CLASS if student.name == "two-mistakes")
    with zipfile.ZipFile(root / "submissions.zip", "w") as archive:
        archive.writestr(f"oneemil_LATE_102_9002_{SET}.ipynb", nbformat.writes(sample.notebook(student)))
    (root / "grades.csv").write_text(WORKSHEET)
    return open_course(root)


def prepare(course, command):
    """What happens between the commands, by hand or in the platform."""
    if "--worksheet" in command:
        with course.gradebook() as gradebook:
            gradebook.find_student("emil").email = "emil@example.org"
            gradebook.db.commit()
    if command == "lstmlab release":
        path = course.root / "solutions" / SET / f"{SET}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = [cell for cell in notebook.cells
                          if cell.metadata.get("nbgrader", {}).get("grade_id") != "test_half_life_bias"]
        nbformat.write(notebook, path)


def test_the_commands_of_the_page_do_what_it_says(term):
    """From the list of the class to a gradebook put back."""
    done = []
    for kind, text, shown in steps():
        if kind == "toml":
            (term.private / "dates.toml").write_text(text)
            assert "extension of emil none → 3 days" in CliRunner().invoke(main, ["dates"]).output
            continue
        prepare(term, text)
        words = shlex.split(text)
        if words[0] == "lstmlab":
            result = CliRunner().invoke(main, words[1:])
            assert result.exit_code == 0, f"{text}\n{result.output}"
            for line in shown.splitlines():
                assert line in result.output.splitlines(), f"{text}\n{result.output}"
        else:
            words[1] = str(sorted((term.private / "backups").iterdir())[-1])
            subprocess.run(words, check=True)
        done.append(text)
    commands = {"roster", "dates", "import", "grade", "rejudge", "release", "export"}
    assert {words.split()[1] for words in done} >= commands
    with term.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "emil").score == 9
