"""Marks in the columns that Canvas and Moodle import: a number only where there is a mark, and text that never acts."""

import csv
import shutil
import stat
from dataclasses import replace

import pytest
from click.testing import CliRunner

from lstmlab.cli import main
from lstmlab.grading.course import open_course
from lstmlab.grading.export import inert
from lstmlab.grading.grade import ungraded
from lstmlab.grading.gradebook import record
from lstmlab.grading.roster import read_roster, remember, take_over
from tests.grading.test_marks import SET
from tests.grading.test_roster import CANVAS

EVIL = '=HYPERLINK("http://example.org")'


@pytest.fixture
def marked(released, tmp_path, monkeypatch):
    """Two of Canvas's students, one graded and one failed; one who handed in nothing; one with a pending mark."""
    root = tmp_path / "course"
    shutil.copytree(released, root)
    course = open_course(root)
    monkeypatch.chdir(root)
    path = tmp_path / "roster.csv"
    path.write_text(CANVAS)
    release, = course.releases(SET)
    with course.gradebook() as gradebook:
        take_over(gradebook, read_roster(path)[1])
        gradebook.add_student("absent", first_name=EVIL, last_name="<b>", email="@example.org")
        gradebook.add_student("pending")
        for student, reason in (("ada", ""), ("emil", "it is no notebook; at /srv/x"), ("pending", "")):
            gradebook.add_submission(SET, student)
            graded = ungraded(release, "failed" if reason else "graded", reason)
            if student in ("ada", "pending"):
                graded = replace(graded, marks=tuple(
                    mark if (student, mark.check) == ("pending", "sigmoid") else replace(mark, earned=mark.points - 0.5)
                    for mark in graded.marks))
            record(gradebook, student, graded, "")
        remember(gradebook, "ada", f"moodle participant of {SET}", "31")
        gradebook.db.commit()
    return course


def exported(course, *options, code=0):
    """What the command writes: its rows, and what it says."""
    done = CliRunner().invoke(main, ["export", *options, "--to", "marks.csv"])
    assert done.exit_code == code, done.output
    if code:
        return [], done.output
    with open(course.root / "marks.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file)), done.output


def test_canvas_gets_its_columns_and_empty_cells_for_what_has_no_mark(marked):
    """Student, the ids of its own export, a column of the set's, and the points possible in the second row."""
    rows, said = exported(marked, SET, "--format", "canvas", "--column", f"{SET}=Problem set 3 (4711)")
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Problem set 3 (4711)"]
    assert rows[1] == ["    Points Possible", "", "", "", "", "17.0"]
    by_name = {row[0]: row[1:] for row in rows[2:]}
    assert by_name["Two, Ada"] == ["101", "S-1", "ada", "Monday", "14.0"]
    assert by_name["One, Emil"] == ["102", "S-2", "emil", "Monday and Tuesday", ""]
    assert {row[-1] for name, row in by_name.items() if name != "Two, Ada"} == {""}
    assert "3 marks missing" in said
    assert f"emil, {SET}: failed: it is no notebook; at /srv/x" in said


def test_canvas_gets_several_sets_in_one_file(marked):
    """A column each."""
    rows, _ = exported(marked, SET, "ps7-gru", "--format", "canvas")
    assert rows[0][5:] == [SET, "ps7-gru"]
    assert {row[6] for row in rows[2:]} == {""}


def test_moodle_gets_its_columns_and_a_comment_for_what_has_no_mark(marked):
    """Those of its grading worksheet: the participant, the ids, the grade and the feedback."""
    rows, _ = exported(marked, SET, "--format", "moodle")
    assert rows[0] == ["Identifier", "Full name", "ID number", "Email address", "Status", "Grade", "Maximum Grade",
                       "Last modified (grade)", "Feedback comments"]
    by_name = {row[1]: row for row in rows[1:]}
    assert by_name["Ada Two"] == ["Participant 31", "Ada Two", "", "", "graded", "14.0", "17.0", "-", ""]
    assert by_name["Emil One"][5:] == ["", "17.0", "-", "failed: it is no notebook"]
    assert by_name["pending"][5:] == ["", "17.0", "-", "needs a look: a cell still needs a manual mark"]


def test_rows_that_moodle_could_give_to_nobody_are_said(marked):
    """Without a participant's number, an ID number or an address a mark has no owner there; Canvas asks for none."""
    _, said = exported(marked, SET, "--format", "moodle")
    assert "cannot tell whose marks 2 rows hold" in said
    assert "address: emil, pending." in said
    assert "cannot tell" not in exported(marked, SET, "--format", "canvas")[1]


def test_moodle_takes_one_set_at_a_time(marked):
    """Its worksheet is of one assignment; more is one clear error."""
    _, said = exported(marked, SET, "ps7-gru", "--format", "moodle", code=1)
    assert "one problem set, not 2" in said


@pytest.mark.parametrize("layout", ["csv", "canvas", "moodle"])
def test_a_hostile_name_does_not_calculate(marked, layout):
    """No cell of text begins as a formula does."""
    rows, _ = exported(marked, SET, "--format", layout)
    text = [cell for row in rows[1:] for cell in row if not cell.replace(".", "", 1).isdigit() and cell != "-"]
    assert any(EVIL in cell for cell in text)
    assert not [cell for cell in text if cell.lstrip().startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(("text", "expected"), [("=1", "'=1"), (" +1", "' +1"), ("\t@x", "'\t@x"), ("-1", "'-1"),
                                                ("Ada", "Ada"), (None, "")])
def test_text_that_would_calculate_gets_a_mark(text, expected):
    """And other text none."""
    assert inert(text) == expected


def test_nbgrader_export_has_the_same_rows(marked, tool):
    """The plugin and the command write one file."""
    rows, _ = exported(marked, SET)
    tool(marked.root, "nbgrader", "export", "--assignment", f"['{SET}']", "--to", "theirs.csv")
    assert (marked.root / "theirs.csv").read_text() == (marked.root / "marks.csv").read_text()
    assert stat.S_IMODE((marked.root / "theirs.csv").stat().st_mode) == 0o600
    assert len(rows) == 5


def test_an_unknown_set_is_one_clear_error(marked):
    """And no file is written."""
    _, said = exported(marked, "ps0-nothing", code=1)
    assert "ps0-nothing" in said
    assert not (marked.root / "marks.csv").exists()
