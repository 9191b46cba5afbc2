"""nbgrader's own commands in the course: whatever is handed in, the same marks as `lstmlab grade`, and nothing lost."""

import csv
import json
import os
import shutil
import sqlite3
import stat

import nbformat
import nbgrader.apps.api
import nbgrader.converters
import pytest
from nbgrader.apps.api import NbGraderAPI
from nbgrader.utils import parse_utc

from lstmlab.grading import grade
from lstmlab.grading.classrun import grade_class
from lstmlab.grading.course import CourseError, open_course
from lstmlab.grading.gradebook import find_record, stands, submissions_of, worst_status
from lstmlab.grading.sandbox import Limits

SET = "ps3-lstm-forward"
LIMITS = Limits(seconds=4)


def autograde(course, student="*", force=True, problem_set=SET, create=True):
    """What the Formgrader's button does; the command does the same."""
    return NbGraderAPI(course.directories, config=course.config).autograde(problem_set, student, force, create)


def hand_in(course, student, notebook, problem_set=SET, name=None):
    """Lay a notebook where nbgrader collects it; bytes or a notebook."""
    place = course.submitted / student / problem_set
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{name or problem_set}.ipynb"
    path.write_bytes(notebook if isinstance(notebook, bytes) else nbformat.writes(notebook).encode())
    return path


def made(sample, name="perfect"):
    """A sample student's notebook."""
    student, = (s for s in sample.CLASS if s.name == name)
    return sample.notebook(student)


def scores(course, student, problem_set=SET):
    """Automatic scores by cell, and the cells that wait for a manual mark."""
    with course.gradebook() as gradebook:
        grades = [g for n in gradebook.find_submission(problem_set, student).notebooks for g in n.grades]
        return {g.name: g.auto_score for g in grades}, {g.name for g in grades if g.needs_manual_grade}


def status(course, student, problem_set=SET):
    """How the student's submission ended, for an export."""
    with course.gradebook() as gradebook:
        return worst_status(gradebook, problem_set, student)


# -- what nbgrader itself cannot take -------------------------------------------------------------------


def schema(version):
    """A change of a notebook: the version that its nbgrader metadata claim."""
    def change(notebook):
        for cell in notebook.cells:
            if "nbgrader" in cell.metadata:
                cell.metadata.nbgrader.schema_version = version
        return notebook
    return change


@pytest.fixture(scope="module")
def odd(released, tmp_path_factory, sample):
    """A class of odd submissions after `nbgrader autograde`: the course, and what the command logged."""
    root = tmp_path_factory.mktemp("odd") / "course"
    shutil.copytree(released, root)
    course = open_course(root)
    right = made(sample)
    other = hand_in(course, "honest", right)
    (other.parent / "marks.html").write_text("<script>document.title = 'mine'</script>")
    course.secret()
    (other.parent / "found.txt").symlink_to(course.private / "run-secret")
    hand_in(course, "old-schema", schema(1)(made(sample)))
    hand_in(course, "new-schema", schema(99)(made(sample)))
    hand_in(course, "no-json", b"{")
    hand_in(course, "format-3", json.dumps({"nbformat": 3, "worksheets": []}).encode())
    hand_in(course, "renamed", right, name="my-solution")
    for name in ("link", "dangling", "pipe", "folder"):
        (course.submitted / name / SET).mkdir(parents=True)
    notebook = f"{SET}/{SET}.ipynb"
    (course.submitted / "link" / notebook).symlink_to(other)
    (course.submitted / "dangling" / notebook).symlink_to("nowhere")
    os.mkfifo(course.submitted / "pipe" / notebook)
    (course.submitted / "folder" / notebook).mkdir()
    (hand_in(course, "odd-time", right).parent / "timestamp.txt").write_bytes(b"\xff\xfe yesterday")
    os.mkfifo(hand_in(course, "piped-time", right).parent / "timestamp.txt")
    (hand_in(course, "linked-time", right).parent / "timestamp.txt").symlink_to(course.private / "run-secret")
    hand_in(course, "was-right", right)
    autograde(course, "was-right")
    hand_in(course, "was-right", b"no notebook any more")
    return course, autograde(course)


def test_odd_submissions_are_no_error_of_the_command(odd):
    """One student's file stops nobody's grading."""
    _, done = odd
    assert done["success"], done


@pytest.mark.parametrize("student", ["no-json", "format-3", "renamed", "link", "dangling", "pipe", "folder",
                                     "was-right"])
def test_what_is_no_notebook_has_a_status_and_no_mark(odd, student):
    """Neither an old mark nor a zero: no score, every cell waits, and the reason is known."""
    course, done = odd
    marks, by_hand = scores(course, student)
    assert set(marks.values()) == {None}
    assert by_hand == set(marks)
    found, reason = status(course, student)
    assert found == "failed"
    assert reason
    assert f"{student}: failed ({reason})" in done["log"]


@pytest.mark.parametrize("student", ["honest", "old-schema", "new-schema", "odd-time", "piped-time", "linked-time"])
def test_what_can_be_graded_is(odd, student):
    """Odd metadata and an odd time stamp cost an honest answer nothing."""
    course, _ = odd
    assert sum(scores(course, student)[0].values()) == 17
    assert status(course, student) == ("graded", "")


def test_nothing_but_the_executed_notebook_reaches_the_instructor(odd):
    """Links are not followed, and no page of a student's lies where the Formgrader would open it."""
    course, _ = odd
    found = {path.name for path in course.autograded.rglob("*") if path.is_file()}
    assert found == {f"{SET}.ipynb"}


def test_what_is_written_is_private(odd):
    """Executed notebooks are their owner's alone, whoever's command wrote them."""
    course, _ = odd
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in course.autograded.rglob("*")}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_a_folder_left_by_a_kill_is_graded(course, sample):
    """An executed notebook without a committed record is a leftover, not a result."""
    hand_in(course, "ada", made(sample))
    left = course.autograded / "ada" / SET
    left.mkdir(parents=True)
    (left / f"{SET}.ipynb").write_text("{}")
    assert autograde(course, force=False)["success"]
    assert sum(scores(course, "ada")[0].values()) == 17


@pytest.mark.parametrize("what", ["submission", "release", "checks"])
def test_what_changed_is_graded_again_and_nothing_else_is(course, monkeypatch, what):
    """A record stands for the bytes, the release and the checks that it was made of, and says with which versions."""
    path = hand_in(course, "ada", b"no notebook")
    assert [outcome.fresh for _ in range(2) for outcome in grade_class(course, SET)] == [True, False]
    if what == "submission":
        path.write_bytes(b"no notebook again")
    elif what == "release":
        released = course.root / "exercises" / SET / f"{SET}.ipynb"
        released.write_text(released.read_text() + " ")
    else:
        monkeypatch.setattr(grade, "checks_digest", lambda: "changed")
    assert [outcome.fresh for outcome in grade_class(course, SET)] == [True]
    with course.gradebook() as gradebook:
        record, = submissions_of(gradebook, SET)
    assert json.loads(record.versions).keys() == {"lstmlab", "python", "numpy", "torch"}


def test_the_log_has_no_word_of_a_submission(course):
    """Statuses and reasons alone: whoever reads logs does not read answers."""
    hand_in(course, "ada", b"my own words")
    said = autograde(course)["log"]
    assert "ada: failed (it is not readable as a notebook" in said
    assert "own words" not in said


def test_an_unknown_student_is_said_and_not_made_up(course, sample):
    """Told not to create students, nbgrader's command grades those it knows; a mistyped name is an error."""
    hand_in(course, "ada", made(sample, "blank"))
    assert not autograde(course, create=False)["success"]
    assert "no student matches 'ad'" in autograde(course, "ad")["log"]
    assert autograde(course, "ad?", create=True)["success"]
    assert autograde(course, create=False)["success"]


@pytest.mark.parametrize("name", ["José", "<img src=x>", "-ada", "linked"])
def test_a_folder_that_cannot_be_graded_is_said_and_not_passed_over(course, sample, name):
    """Whoever collects or renames folders learns at once which of them nobody would have graded."""
    hand_in(course, "ada", made(sample, "blank"))
    (course.submitted / name).mkdir()
    if name == "linked":
        (course.submitted / name / SET).symlink_to(course.submitted / "ada" / SET)
    else:
        (course.submitted / name / SET).mkdir()
    (course.submitted / ".ipynb_checkpoints").mkdir()
    with pytest.raises(CourseError, match=f"{name}/{SET} is "):
        list(grade_class(course, SET, limits=LIMITS))
    assert f"{name}/{SET} is " in autograde(course)["log"]


def test_one_grading_run_at_a_time_whichever_command(course, sample):
    """nbgrader's command does not start beside a run of `lstmlab grade`."""
    hand_in(course, "ada", made(sample))
    with course.lock():
        done = autograde(course)
    assert not done["success"]
    assert "another grading run" in done["log"]


def test_a_set_of_two_notebooks_with_one_missing_is_no_zero(course, sample):
    """The one that is there has its marks, the other none, and the sum is not exported."""
    folder = course.root / "solutions" / "pair"
    folder.mkdir()
    for name in ("first", "second"):
        shutil.copy(course.root / "solutions" / SET / f"{SET}.ipynb", folder / f"{name}.ipynb")
    api = NbGraderAPI(course.directories, config=course.config)
    assert api.generate_assignment("pair")["success"]
    hand_in(course, "ada", made(sample), "pair", "first")
    assert autograde(course, problem_set="pair")["success"]
    with course.gradebook() as gradebook:
        found = {n.name: (n.score, {g.auto_score for g in n.grades if g.needs_manual_grade})
                 for n in gradebook.find_submission("pair", "ada").notebooks}
    assert found == {"first": (17, set()), "second": (0, {None})}
    assert status(course, "ada", "pair")[0] == "failed"


# -- the gradebook --------------------------------------------------------------------------------------


EDITS = {                                                          # lines that an instructor lost or put back
    "beside nbgrader's stages": ["_preprocessors = []"],
    "no take-over": ["take_over()"],
    "no take-over, nbgrader's sanitizing": ["take_over()", "sanitize_preprocessors"],
    "no take-over, nbgrader's stages": ["take_over()", "autograde_preprocessors"],
    "nothing of ours": ["take_over", "_preprocessors = []"],
}
STAGES = "c.Autograde.autograde_preprocessors = ['nbgrader.preprocessors.{}']\n"
QUICK = ("beside nbgrader's stages", "no take-over", "nothing of ours", "SaveAutoGrades")


@pytest.mark.parametrize("edit", [e if e in QUICK else pytest.param(e, marks=pytest.mark.full)
                                  for e in (*EDITS, "SaveAutoGrades", "OverwriteCells", "AssignLatePenalties")])
def test_without_a_stage_of_ours_nobody_gains_a_point(course, sample, monkeypatch, edit):
    """nbgrader alone gives full marks to cells without output: the gradebook takes no score without a verdict."""
    hand_in(course, "swapped", made(sample, "gates-swapped"))
    list(grade_class(course, SET, limits=LIMITS))
    before, _ = scores(course, "swapped")
    hand_in(course, "swapped", made(sample, "patches-the-check"))
    hand_in(course, "forger", made(sample, "patches-the-check"))
    config = course.root / "nbgrader_config.py"
    lines = [line for line in config.read_text().splitlines(keepends=True)
             if not any(lost in line for lost in EDITS.get(edit, ["take_over", "autograde_preprocessors"]))]
    config.write_text("".join([*lines, STAGES.format(edit) if edit not in EDITS else ""]))
    monkeypatch.setattr(nbgrader.apps.api, "Autograde", nbgrader.converters.Autograde)
    autograde(open_course(course.root))
    if edit.startswith("beside"):                                  # nbgrader's settings alone change nothing
        assert set(scores(course, "forger")[0].values()) == set(scores(course, "swapped")[0].values()) == {0}
        return
    marks, by_hand = scores(course, "forger")
    assert set(marks.values()) == {None}
    assert by_hand == set(marks)
    after, by_hand = scores(course, "swapped")
    assert all(after[cell] in (None, before[cell]) for cell in before)
    assert {cell for cell, score in after.items() if score is None} <= by_hand
    assert status(course, "forger")[0] == "needs a look"
    again = {o.student: o.record.earned for o in grade_class(course, SET, limits=LIMITS)}
    assert again == {"forger": 0, "swapped": 0}                    # nothing that was left behind is taken for graded


def test_a_score_without_a_verdict_is_not_stored(course, sample):
    """Written into nbgrader's table by whatever way, an automatic score that was not earned stays empty."""
    hand_in(course, "ada", made(sample, "blank"))
    list(grade_class(course, SET, limits=LIMITS))
    with sqlite3.connect(course.private / "gradebook.db") as database:
        database.execute("UPDATE grade SET auto_score = 2, needs_manual_grade = 0, manual_score = NULL")
        stored = database.execute("SELECT DISTINCT auto_score, needs_manual_grade FROM grade").fetchall()
        database.execute("UPDATE grade SET manual_score = 1")
        by_hand = database.execute("SELECT DISTINCT manual_score FROM grade").fetchall()
    assert (stored, by_hand) == ([(None, 1)], [(1,)])


def test_a_student_removed_from_nbgraders_tables_is_graded_anew(course, sample, tool):
    """`nbgrader db student remove` leaves no mark that would pass for graded when the student comes back."""
    hand_in(course, "ada", made(sample, "blank"))
    list(grade_class(course, SET, limits=LIMITS))
    tool(course.root, "nbgrader", "db", "student", "remove", "ada", "--force")
    with course.gradebook() as gradebook:
        assert not stands(gradebook, SET, SET, "ada")
    outcome, = grade_class(course, SET, limits=LIMITS)
    assert outcome.fresh
    assert set(scores(course, "ada")[0].values()) == {0}


def test_upgrading_nbgraders_tables_keeps_ours(course, sample, tool):
    """`nbgrader db upgrade` leaves records and verdicts as they are, and the gradebook locked."""
    hand_in(course, "ada", made(sample, "gates-swapped"))
    list(grade_class(course, SET, limits=LIMITS))
    with course.gradebook() as gradebook:
        before = find_record(gradebook, SET, SET, "ada")
    database = sqlite3.connect(course.private / "gradebook.db")
    ours = [name for name, in database.execute("SELECT name FROM sqlite_master WHERE name LIKE 'lstmlab%' "
                                               "AND type = 'table'")]
    rows = {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in ours}
    tool(course.root, "nbgrader", "db", "upgrade")
    assert len(ours) >= 4
    assert {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in ours} == rows
    with course.gradebook() as gradebook:
        assert find_record(gradebook, SET, SET, "ada") == before
        assert stands(gradebook, SET, SET, "ada")
    database.execute("UPDATE grade SET auto_score = 100")
    assert database.execute("SELECT max(auto_score) FROM grade").fetchone() == (None,)
    database.close()


# -- late, extra, by hand, exported ---------------------------------------------------------------------


def test_penalties_extensions_extra_credit_and_manual_marks_go_through_nbgrader(course, sample, tool):
    """A late policy of nbgrader's kind, an extension, points beyond and a mark by hand all reach the export."""
    (course.root / "late.py").write_text(
        "from nbgrader.plugins import LateSubmissionPlugin\n\n\nclass Half(LateSubmissionPlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n        return score / 2\n")
    with open(course.root / "nbgrader_config.py", "a") as config:
        config.write("import sys\nsys.path.insert(0, str(Path(__file__).parent))\n"
                     "c.AssignLatePenalties.plugin_class = 'late.Half'\n")
    course = open_course(course.root)
    for student in ("in-time", "late", "extended", "failed"):
        place = hand_in(course, student, made(sample, "gates-swapped") if student != "failed" else b"{").parent
        (place / "timestamp.txt").write_text(f"2026-03-0{1 if student == 'in-time' else 3} 12:00:00 UTC")
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment(SET, duedate=parse_utc("2026-03-02 12:00:00 UTC"))
        gradebook.add_student("extended")
        gradebook.update_or_create_submission(SET, "extended")
        gradebook.grant_extension(SET, "extended", days=2)
    assert autograde(course)["success"]
    with course.gradebook() as gradebook:
        gradebook.add_assignment("ps10-to-come")                   # known before it is released
        gradebook.update_or_create_submission("ps10-to-come", "extended")
        for student, manual in (("in-time", 2.0), ("late", None)):
            grade = gradebook.find_grade("test_lstm_step", SET, SET, student)
            grade.extra_credit, grade.manual_score = 0.5, manual
        gradebook.db.commit()
    assert autograde(course)["success"]
    tool(course.root, "nbgrader", "export", "--to", "marks.csv")
    with open(course.root / "marks.csv") as file:
        everything = list(csv.DictReader(file))
    rows = {row["student_id"]: row for row in everything if row["assignment"] == SET}
    assert {s: (row["raw_score"], row["late_submission_penalty"], row["score"]) for s, row in rows.items()} == {
        "in-time": ("9.5", "0.0", "9.5"), "late": ("11.5", "5.75", "5.75"), "extended": ("11.0", "0.0", "11.0"),
        "failed": ("", "", "")}
    assert rows["failed"]["status"] == "failed"
    assert {(row["score"], row["raw_score"], row["status"]) for row in everything if row["assignment"] != SET} == {
        ("", "", "missing")}
