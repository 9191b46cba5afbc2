"""A copy of the gradebook before every run that writes to it, whole and private, and how to put one back."""

import contextlib
import datetime
import shutil
import sqlite3
import stat
import subprocess

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from lstmlab.cli import main
from lstmlab.grading import backup
from lstmlab.grading.backup import back_up, prune
from lstmlab.grading.course import CourseError
from tests.grading.test_marks import SET, run
from tests.grading.test_roster import PLAIN


def copies(course):
    """The backups, oldest first."""
    return sorted((course.private / "backups").glob("*"))


def students(path):
    """Ids in a SQLite gradebook."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return {row[0] for row in database.execute("SELECT id FROM student")}


def test_a_backup_is_whole_and_private(course):
    """What is in the gradebook is in the copy, even while somebody writes."""
    with course.gradebook() as gradebook:
        gradebook.add_student("ada")
        gradebook.db.connection().exec_driver_sql("INSERT INTO student (id) VALUES ('uncommitted')")
        path = back_up(course)
    assert students(path) == {"ada"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_backup_put_back_is_the_gradebook_again(course):
    """Copied over the gradebook's file, as the book says."""
    with course.gradebook() as gradebook:
        gradebook.add_student("ada")
    path = back_up(course)
    with course.gradebook() as gradebook:
        gradebook.add_student("mistake")
    shutil.copy(path, course.private / "gradebook.db")
    with course.gradebook() as gradebook:
        assert [student.id for student in gradebook.students] == ["ada"]
        assert gradebook.find_assignment(SET).max_score == 17


@pytest.mark.parametrize("command", [["roster", "roster.csv"], ["dates"], ["rejudge", SET], ["export", SET],
                                     ["import", SET, "roster.csv"]])
def test_every_command_that_writes_backs_up_first(course, monkeypatch, command):
    """Whatever becomes of the command."""
    monkeypatch.chdir(course.root)
    (course.root / "roster.csv").write_text(PLAIN)
    before = len(copies(course))
    CliRunner().invoke(main, command)
    assert len(copies(course)) == before + 1
    assert "ada" not in students(copies(course)[-1])


def test_grading_backs_up_first(course):
    """Once a run; that `nbgrader autograde` does so, too, is tested with the late policies."""
    before = len(copies(course))
    run(course)
    assert len(copies(course)) == before + 1


def test_without_room_for_a_backup_nothing_is_done(course, monkeypatch):
    """The command stops with one clear error."""
    monkeypatch.chdir(course.root)
    shutil.rmtree(course.private / "backups", ignore_errors=True)
    (course.private / "backups").write_text("in the way")
    (course.root / "roster.csv").write_text(PLAIN)
    done = CliRunner().invoke(main, ["roster", "roster.csv"])
    assert done.exit_code == 1
    assert "could not be backed up" in done.output
    assert students(course.private / "gradebook.db") == set()


def test_old_backups_go_the_last_of_each_day_stays(tmp_path):
    """The last 20 are kept, and one a day for 30 days; files of others are not touched."""
    now = datetime.datetime.combine(datetime.date.today(), datetime.time(12))
    for day in range(40):
        for hour in range(3):
            stamp = (now - datetime.timedelta(days=day, hours=hour)).strftime(backup._STAMP)
            (tmp_path / f"gradebook-{stamp}.db").touch()
    (tmp_path / "gradebook-before-the-exam.db").touch()
    prune(tmp_path)
    times = sorted(filter(None, map(backup.taken, tmp_path.iterdir())), reverse=True)
    assert times[:20] == sorted((now - datetime.timedelta(days=day, hours=hour) for day in range(7)
                                 for hour in range(3)), reverse=True)[:20]
    assert [time.date() for time in times[20:]] == [(now - datetime.timedelta(days=day)).date()
                                                    for day in range(7, 31)]
    assert all(time.hour == 12 for time in times[20:])
    assert (tmp_path / "gradebook-before-the-exam.db").exists()


def test_without_pg_dump_it_is_said_once(course, monkeypatch, caplog):
    """A PostgreSQL gradebook is then used without a backup."""
    course.directories.db_url = "postgresql://grader@localhost/course"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    backup.say_there_is_none.cache_clear()
    assert [back_up(course), back_up(course)] == [None, None]
    assert caplog.text.count("pg_dump is not installed") == 1


def test_a_postgresql_gradebook_is_dumped_and_can_be_put_back(course, create):
    """By pg_dump, into a file that pg_restore reads."""
    address = create("dumped")
    engine = sa.create_engine(address, poolclass=sa.NullPool)

    def run(statement):
        with engine.begin() as connection:
            return connection.execute(sa.text(statement))

    run("CREATE TABLE student (id text)")
    run("INSERT INTO student VALUES ('ada')")
    course.directories.db_url = address
    path = back_up(course)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    run("INSERT INTO student VALUES ('mistake')")
    subprocess.run(["pg_restore", "--clean", f"--dbname={address}", str(path)], check=True)
    with engine.connect() as connection:
        assert connection.scalars(sa.text("SELECT id FROM student")).all() == ["ada"]


def test_the_password_is_not_on_the_command_line(course, monkeypatch):
    """Everybody on the machine can read that; and a dump that fails says why, without it."""
    calls = []

    def failing(command, **options):
        calls.append((command, options["env"]["PGPASSWORD"]))
        raise subprocess.CalledProcessError(1, command, stderr="no such host")

    course.directories.db_url = str(sa.URL.create("postgresql", "grader", "hunter2", "nowhere", database="course")
                                    .render_as_string(hide_password=False))
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", failing)
    with pytest.raises(CourseError, match="no such host") as raised:
        back_up(course)
    (command, password), = calls
    assert password == "hunter2"
    assert "hunter2" not in " ".join(command) + str(raised.value)
