"""The class from what Canvas and Moodle export: read, compared, taken over, and never acted upon."""

import pytest
from click.testing import CliRunner

from lstmlab.cli import main
from lstmlab.grading.course import CourseError
from lstmlab.grading.gradebook import find_identities
from lstmlab.grading.roster import compare, read_roster, take_over

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Problem set 1 (4711),Current Score
,,,,,Manual Posting,
    Points Possible,,,,,17.00,(read only)
"Two, Ada",101,S-1,ada,Monday,,
"One, Emil",102,S-2,emil,"Monday and Tuesday",3.5,
"Student, Test",199,,a1b2c3,Monday,,
"""
PARTICIPANTS = '''\
"First name","Last name","ID number","Email address",Groups
Ada,Two,S-1,ada@example.org,A
Emil,One,S-2,emil@example.org,"A, B"
'''
WORKSHEET = '''\
Identifier,"Full name","ID number","Email address",Status,Grade,"Maximum Grade","Last modified (submission)","Last modified (grade)","Feedback comments"
"Participant 31","Ada Two",S-1,ada@example.org,"Submitted for grading - ",,17.00,"Sunday, 1 November 2026, 11:59 PM",-,
"Participant 32","Emil One",S-2,emil@example.org,"No submission - ",,17.00,-,-,
'''                                                               # noqa: E501  (one line a row)
PLAIN = "id,first_name,last_name,email,lms_user_id\nada,Ada,Two,ada@example.org,101\nemil,Emil,One,,102\n"


@pytest.fixture
def write(tmp_path):
    """Write a roster file."""
    def made(text, encoding="utf-8"):
        path = tmp_path / "roster.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return made


@pytest.mark.parametrize(("text", "layout", "ids", "lms"), [
    (CANVAS, "Canvas", ["ada", "emil"], ["101", "102"]),
    (CANVAS.replace("Student,ID,SIS User ID,SIS Login ID", "Student,ID,SIS Login ID,X"), "Canvas", ["S-1", "S-2"],
     ["101", "102"]),
    (CANVAS.replace(",", ";").replace("; ", ", "), "Canvas", ["ada", "emil"], ["101", "102"]),
    (PARTICIPANTS, "Moodle", ["S-1", "S-2"], ["S-1", "S-2"]),
    (PARTICIPANTS.replace("Last name", "Surname"), "Moodle", ["S-1", "S-2"], ["S-1", "S-2"]),
    (WORKSHEET, "Moodle grading worksheet", ["S-1", "S-2"], ["S-1", "S-2"]),
    (PLAIN, "plain", ["ada", "emil"], ["101", "102"]),
    ("\ufeff" + PLAIN.replace("\n", "\r\n"), "plain", ["ada", "emil"], ["101", "102"]),
])
def test_the_layouts_of_canvas_and_moodle_are_recognised(write, text, layout, ids, lms):
    """Rows of points, of remarks and of Canvas's test student are no students; commas and semicolons serve."""
    found, entries = read_roster(write(text))
    assert found == layout
    assert [entry.student for entry in entries] == ids
    assert [entry.fields.get("lms_user_id") for entry in entries] == lms


def test_another_column_can_hold_the_ids(write):
    """Where the first choice is not the one that the course uses."""
    assert [e.student for e in read_roster(write(CANVAS), "SIS User ID")[1]] == ["S-1", "S-2"]
    with pytest.raises(CourseError, match="there is no column 'Matrikel'; there are"):
        read_roster(write(CANVAS), "Matrikel")


@pytest.mark.parametrize(("text", "said"), [
    ("id,email\nada,ada at home\n", r"line 2, column email: expected an e-mail address; it is 'ada at home'"),
    ("id\nada\n../emil\n", r"line 3, column id: expected an id of letters.*'\.\./emil'"),
    ("id\nada\nada\n", "line 3, column id: 'ada' is on line 2 too"),
    ("id,first_name\nada,A\x07da\n", "line 2, column first_name: expected .* printable"),
    ("id\nada,1,2\n", "line 2: 3 columns under a header of 1"),
    ("id,id\nada,ada\n", "line 1: the column id is there more than once"),
    ("name\nada\n", "line 1: no list of students that is known.*Canvas: .*Moodle: .*'name'"),
    ("", "is empty"),
    ("id\n", "no students"),
    (b"id,first_name\nada,\xe9\n", "line 2: not UTF-8"),
    ('id\n"ada\n', "line 3: unexpected end|line 2: unexpected end"),
])
def test_a_mistake_in_the_file_is_said_with_line_and_column(write, text, said):
    """Nothing is taken over then."""
    with pytest.raises(CourseError, match=said):
        read_roster(write(text))


def test_what_is_taken_over_can_be_read_in_the_gradebook(course, write):
    """Names, address and LMS id in nbgrader's own fields; the other ids beside them."""
    _, entries = read_roster(write(CANVAS))
    with course.gradebook() as gradebook:
        take_over(gradebook, entries)
        ada = gradebook.find_student("ada")
        assert (ada.first_name, ada.last_name, ada.lms_user_id) == ("Ada", "Two", "101")
        assert find_identities(gradebook)["ada"] == {
            "canvas id": "101", "canvas sis user id": "S-1", "canvas sis login id": "ada", "canvas section": "Monday"}


def test_the_summary_says_what_is_added_changed_unchanged_and_not_in_the_file(course, write):
    """Nobody is removed."""
    path = write(PLAIN)
    with course.gradebook() as gradebook:
        take_over(gradebook, read_roster(path)[1])
        gradebook.add_student("gone")
        entries = read_roster(write(PLAIN.replace("Emil", "Emile") + "new,,,,\n"))[1]
        changes = compare(gradebook, path, entries)
        take_over(gradebook, entries)
        assert (changes.added, changes.unchanged, changes.absent) == (("new",), ("ada",), ("gone",))
        assert changes.changed == {"emil": "first_name Emil → Emile"}
        assert {student.id for student in gradebook.students} == {"ada", "emil", "gone", "new"}


def test_an_empty_cell_does_not_delete_what_is_known(course, write):
    """A file that does not tell the address leaves it."""
    with course.gradebook() as gradebook:
        take_over(gradebook, read_roster(write(PLAIN))[1])
        take_over(gradebook, read_roster(write("id,email\nada,\n"))[1])
        assert gradebook.find_student("ada").email == "ada@example.org"


def test_a_person_under_two_ids_is_refused(course, write):
    """One Canvas id cannot belong to two students: submissions are matched by it."""
    with course.gradebook() as gradebook:
        take_over(gradebook, read_roster(write(CANVAS))[1])
        path = write(CANVAS)
        with pytest.raises(CourseError, match="line 4: canvas id '101' belongs to 'ada' already, not to 'S-1'"):
            compare(gradebook, path, read_roster(path, "SIS User ID")[1])


@pytest.mark.parametrize("name", ['=HYPERLINK("http://example.org")', "<script>alert(1)</script>", "@SUM(A1)"])
def test_a_hostile_name_is_stored_as_text(course, write, name):
    """As it is, so that it can be shown; the exports and pages are what must not act on it."""
    quoted = name.replace('"', '""')
    _, entries = read_roster(write(f'id,first_name\nada,"{quoted}"\n'))
    with course.gradebook() as gradebook:
        take_over(gradebook, entries)
        assert gradebook.find_student("ada").first_name == name


def test_the_command_shows_the_summary_and_a_dry_run_writes_nothing(course, write, monkeypatch):
    """First to look, then to do."""
    monkeypatch.chdir(course.root)
    path = str(write(CANVAS))
    dry = CliRunner().invoke(main, ["roster", path, "--dry-run"])
    assert "(Canvas): 2 students\n  2 added: ada, emil\n" in dry.output
    assert "Nothing was written." in dry.output
    with course.gradebook() as gradebook:
        assert gradebook.students == []
    assert CliRunner().invoke(main, ["roster", path]).exit_code == 0
    assert "2 unchanged" in CliRunner().invoke(main, ["roster", path]).output


def test_a_dry_run_shows_every_change_in_a_line_of_its_own(course, write, monkeypatch):
    """Of a class whose addresses have all changed, all are listed before anything is done, and twenty afterwards."""
    monkeypatch.chdir(course.root)
    for domain, options, lines in (("old", [], 0), ("new", ["--dry-run"], 25), ("new", [], 20)):
        rows = [f"s{n},s{n}@{domain}.example\n" for n in range(25)]
        path = str(write("id,email\n" + "".join(rows)))
        output = CliRunner().invoke(main, ["roster", path, *options]).output
        assert output.count(": email ") == lines
    assert "    s3: email s3@old.example → s3@new.example\n" in output
    assert "    and 5 more\n" in output


def test_the_class_taken_over_is_who_can_be_missing(course, write, sample):
    """A student of the roster without a submission is missing, not absent from the table."""
    from tests.grading.test_marks import run

    with course.gradebook() as gradebook:
        take_over(gradebook, read_roster(write(PLAIN))[1])
    assert {name: outcome.status for name, outcome in run(course).items()} == {"ada": "missing", "emil": "missing"}
