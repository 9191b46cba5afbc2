"""Due dates, late policies and extensions: written by hand, applied to marks without running code."""

import datetime
import shutil
import stat

import pytest
from click.testing import CliRunner
from nbgrader.utils import parse_utc

from lstmlab.cli import main
from lstmlab.grading import guard
from lstmlab.grading.course import CourseError, open_course
from lstmlab.grading.dates import read_dates, reassess, template
from tests.grading.test_marks import SET, hand_in

DUE = "2026-11-01T12:00:00+01:00"                                 # 11:00 UTC


@pytest.fixture
def dated(released, tmp_path):
    """A course with two students on the roster."""
    root = tmp_path / "course"
    shutil.copytree(released, root)
    course = open_course(root)
    with course.gradebook() as gradebook:
        gradebook.add_student("ada")
        gradebook.add_student("emil")
    return course


@pytest.fixture
def dates(dated, monkeypatch):
    """Write the file and run the command; return what it said."""
    monkeypatch.chdir(dated.root)

    def write(text, *options):
        (dated.private / "dates.toml").write_text(text)
        done = CliRunner().invoke(main, ["dates", *options])
        assert done.exit_code in (0, 1), done.output
        return done.output

    return write


def submit(course, student, when, score=17.0):
    """Enter a submission with marks for everything, as grading does."""
    folder = course.submitted / student / SET
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timestamp.txt").write_text(when)
    with course.gradebook() as gradebook:
        submission = gradebook.update_or_create_submission(SET, student, timestamp=parse_utc(when))
        grades = submission.notebooks[0].grades
        guard.set_scores(gradebook, grades, {grade.name: grade.cell.max_score * score / 17 for grade in grades})
        gradebook.db.commit()
        reassess(course, gradebook, SET)


def penalty(course, student):
    """What was taken off for being late."""
    with course.gradebook() as gradebook:
        return gradebook.find_submission(SET, student).late_submission_penalty


@pytest.mark.parametrize(("policy", "when", "expected"), [
    ("none", "2026-11-03 11:00:00 UTC", 0),
    ("zero", "2026-11-01 11:00:01 UTC", 17),
    ("zero", "2026-11-01 11:00:00 UTC", 0),
    ("per-day:10%", "2026-11-01 11:00:01 UTC", 1.7),
    ("per-day:10%", "2026-11-03 11:00:00 UTC", 3.4),
    ("per-day:10%", "2026-12-24 11:00:00 UTC", 17),
    ("per-day:10%", "2026-11-01 12:00:01 +0100", 1.7),
])
def test_a_late_policy_takes_off_what_it_says(dated, dates, policy, when, expected):
    """Counted from the due date in its own time zone, and never more than there is."""
    dates(f'[{SET}]\ndue = {DUE}\nlate = "{policy}"\n')
    submit(dated, "ada", when)
    assert penalty(dated, "ada") == pytest.approx(expected)


@pytest.mark.parametrize("extension", ['"1 day"', "2026-11-02T12:00:00+01:00", '"24 hours"'])
def test_an_extension_given_before_submission_counts(dated, dates, extension):
    """It waits for the submission, for this student alone, and stands in nbgrader's own field then."""
    dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\n[{SET}.extensions]\nada = {extension}\n')
    for student in ("ada", "emil"):
        submit(dated, student, "2026-11-02 10:00:00 UTC")
    assert (penalty(dated, "ada"), penalty(dated, "emil")) == (0, 17)
    with dated.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "ada").extension == datetime.timedelta(days=1)


def test_an_extension_given_after_submission_takes_the_penalty_back(dated, dates):
    """At once, without grading."""
    dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\n')
    submit(dated, "ada", "2026-11-02 10:00:00 UTC")
    assert penalty(dated, "ada") == 17
    said = dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\nextensions = {{ ada = "1 day" }}\n')
    assert penalty(dated, "ada") == 0
    assert "extension of ada none → 1 day" in said
    assert "1 submission with another penalty" in said


def test_an_extension_that_is_taken_back_no_longer_counts(dated, dates):
    """What is no longer in the file is no longer in the gradebook."""
    dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\nextensions = {{ ada = "1 day" }}\n')
    submit(dated, "ada", "2026-11-02 10:00:00 UTC")
    dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\n')
    assert penalty(dated, "ada") == 17


def test_another_policy_sets_penalties_anew_without_grading(dated, dates):
    """Of all who were late, and of nobody else."""
    dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\n')
    submit(dated, "ada", "2026-11-02 10:00:00 UTC")
    submit(dated, "emil", "2026-10-02 10:00:00 UTC")
    said = dates(f'[{SET}]\ndue = {DUE}\nlate = "per-day:50%"\n')
    assert (penalty(dated, "ada"), penalty(dated, "emil")) == (8.5, 0)
    assert "late zero → per-day:50%" in said


def test_a_time_that_comes_to_be_known_after_grading_counts(dated, dates):
    """Written into timestamp.txt, it is read by `lstmlab dates`; nothing is graded again for it."""
    submit(dated, "ada", "2026-10-02 10:00:00 UTC")
    (dated.submitted / "ada" / SET / "timestamp.txt").write_text("2026-11-02 10:00:00 UTC")
    dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\n')
    assert penalty(dated, "ada") == 17


def test_a_penalty_follows_a_manual_mark(dated, dates):
    """A late submission that loses everything loses what was given by hand later, too."""
    dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\n')
    submit(dated, "ada", "2026-11-02 10:00:00 UTC", score=0)
    with dated.gradebook() as gradebook:
        gradebook.find_grade("test_sigmoid", SET, SET, "ada").manual_score = 2
        gradebook.db.commit()
    CliRunner().invoke(main, ["export", SET])
    assert penalty(dated, "ada") == 2


def test_nbgrader_autograde_takes_off_the_same(dated, dates, sample, tool):
    """The plugin is nbgrader's own kind: its commands apply the policy, too, and back the gradebook up first."""
    dates(f'[{SET}]\ndue = {DUE}\nlate = "per-day:10%"\nextensions = {{ ada = "1 hour" }}\n')
    for student in ("ada", "emil"):
        place = hand_in(dated, sample, "perfect", as_name=student).parent
        (place / "timestamp.txt").write_text("2026-11-01 12:00:00 UTC")
    copies = len(list(dated.private.glob("backups/*")))
    tool(dated.root, "nbgrader", "autograde", SET)
    assert len(list(dated.private.glob("backups/*"))) == copies + 1
    assert [penalty(dated, student) for student in ("ada", "emil")] == [0, pytest.approx(1.7)]


def test_what_nbgrader_config_says_holds_without_a_policy_of_ours(dated):
    """A set that is not in the file is penalised by nbgrader's own setting."""
    dated.config.LateSubmissionPlugin.penalty_method = "zero"
    with dated.gradebook() as gradebook:
        gradebook.find_assignment(SET).duedate = parse_utc("2026-11-01 11:00:00")
        gradebook.db.commit()
    submit(dated, "ada", "2026-11-02 10:00:00 UTC")
    assert penalty(dated, "ada") == 17


@pytest.mark.parametrize(("text", "said"), [
    ("[ps0]\n", r"\[ps0\]: there is no such problem set"),
    (f"[{SET}]\ndue = 2026-11-01T12:00:00\n", "distance from UTC"),
    (f"[{SET}]\ndue = 2026-11-01\n", "distance from UTC"),
    (f'[{SET}]\ndue = {DUE}\nlate = "half"\n', "per-day:10%.*'half'"),
    (f'[{SET}]\nlate = "zero"\n', "need a due date"),
    (f'[{SET}]\ndue = {DUE}\nextensions = {{ nobody = "1 day" }}\n', "no such student"),
    (f'[{SET}]\ndue = {DUE}\nextensions = {{ ada = "soon" }}\n', "3 days.*'soon'"),
    (f"[{SET}]\ndue = {DUE}\nextensions = {{ ada = 2026-10-01T12:00:00+01:00 }}\n", "after the due date"),
    (f"[{SET}]\ndeu = {DUE}\n", "deu: expected due, late or extensions"),
    (f'{SET} = "zero"\n', "expected a table"),
    ("[", r"dates\.toml: "),
])
def test_a_mistake_in_the_file_is_said_with_its_place(dated, text, said):
    """And nothing of the file is applied."""
    path = dated.private / "dates.toml"
    path.write_text(text)
    with pytest.raises(CourseError, match=said):
        read_dates(path, [SET], ["ada"])


def test_without_a_file_one_is_written(dated, monkeypatch):
    """It holds every set, commented out, is private, and says nothing yet."""
    monkeypatch.chdir(dated.root)
    done = CliRunner().invoke(main, ["dates"])
    path = dated.private / "dates.toml"
    assert "put the dates in" in done.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_dates(path, [SET], []) == {}


def test_the_template_without_its_marks_is_valid(tmp_path):
    """What an instructor gets by taking the # away can be read."""
    lines = template([SET]).split("\n\n")[1].replace("# ", "")
    path = tmp_path / "dates.toml"
    path.write_text(lines)
    assert read_dates(path, [SET], ["student-id"])[SET].policy == "per-day:10%"


def test_a_dry_run_changes_nothing(dated, dates):
    """It only says what would change."""
    said = dates(f'[{SET}]\ndue = {DUE}\nlate = "zero"\n', "--dry-run")
    assert "due no date → 2026-11-01 11:00:00 UTC" in said
    with dated.gradebook() as gradebook:
        assert gradebook.find_assignment(SET).duedate is None
