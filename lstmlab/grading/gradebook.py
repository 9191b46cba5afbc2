"""Marks into nbgrader's gradebook, and beside them, in tables of our own, how each mark came to be."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from nbgrader import api
from nbgrader.api import Gradebook, MissingEntry

from . import grade as grading
from . import guard
from .grade import Graded, Mark
from .release import Release

SCHEMA_VERSION = 3

_tables = sa.MetaData()

_schema = sa.Table("lstmlab_schema", _tables, sa.Column("version", sa.Integer, primary_key=True))

_submission = sa.Table(
    "lstmlab_submission", _tables,
    sa.Column("assignment", sa.String(128), primary_key=True),
    sa.Column("notebook", sa.String(128), primary_key=True),
    sa.Column("student", sa.String(128), primary_key=True),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),                   # JSON list: what had to be put right
    sa.Column("submission_hash", sa.String(64), nullable=False),
    sa.Column("release_hash", sa.String(64), nullable=False),
    sa.Column("checks_hash", sa.String(64), nullable=False),
    sa.Column("graded_at", sa.DateTime, nullable=False),           # UTC
    sa.Column("seconds", sa.Float),                                # that it took; null: graded before version 2
    sa.Column("versions", sa.Text, nullable=False),                # JSON object: lstmlab, python, numpy, torch
)

_mark = sa.Table(
    "lstmlab_mark", _tables,
    sa.Column("assignment", sa.String(128), primary_key=True),
    sa.Column("notebook", sa.String(128), primary_key=True),
    sa.Column("student", sa.String(128), primary_key=True),
    sa.Column("grade_id", sa.String(128), primary_key=True),
    sa.Column("check", sa.String(128), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("points", sa.Float, nullable=False),
    sa.Column("earned", sa.Float),                                 # null: no verdict
    sa.Column("parts", sa.Text, nullable=False),                   # JSON list of [name, points, earned]
    sa.Column("mistakes", sa.Text, nullable=False),                # JSON list of names
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("seed", sa.String(64), nullable=False),              # hexadecimal
    sa.Column("answers", sa.LargeBinary),                          # wire format, zlib
    sa.Column("requests_hash", sa.String(64)),                     # of what was asked; null: nothing was, or version 1
    sa.Column("verdict", sa.Text, nullable=False),                 # JSON object: the text in its pieces
)

identities = sa.Table(                                             # what other systems call a student
    "lstmlab_identity", _tables,
    sa.Column("student", sa.String(128), primary_key=True),
    sa.Column("kind", sa.String(160), primary_key=True),           # such as "canvas id", "moodle participant of SET"
    sa.Column("value", sa.String(256), nullable=False),
)

late_policies = sa.Table(
    "lstmlab_late_policy", _tables,
    sa.Column("assignment", sa.String(128), primary_key=True),
    sa.Column("policy", sa.String(64), nullable=False),
)

extensions = sa.Table(                                             # given before there is a submission to keep them
    "lstmlab_extension", _tables,
    sa.Column("assignment", sa.String(128), primary_key=True),
    sa.Column("student", sa.String(128), primary_key=True),
    sa.Column("seconds", sa.Float, nullable=False),
)

_UPGRADES = {                                                      # statements that lead on from a version
    1: ("ALTER TABLE lstmlab_submission ADD COLUMN seconds FLOAT",
        "ALTER TABLE lstmlab_submission ADD COLUMN versions TEXT DEFAULT '{}' NOT NULL",
        "ALTER TABLE lstmlab_mark ADD COLUMN requests_hash VARCHAR(64)"),
    2: ("ALTER TABLE lstmlab_mark ADD COLUMN verdict TEXT DEFAULT '{}' NOT NULL",),
}


class GradebookError(RuntimeError):
    """The gradebook cannot be used as it is; the message says why."""


@dataclass(frozen=True)
class Record:
    """What the gradebook knows of a graded submission.

    Attributes
    ----------
    status, reason : str
        How it ended, and why.
    submission_hash, release_hash, checks_hash : str
        What was graded, against what, by what.
    earned, points : float
        Of all test cells; a cell without a verdict earned nothing yet.
    mistakes : tuple of str
        Mistakes that were named.
    unexplained : tuple of str
        Checks that lost points without a mistake that could be named.
    unwritten : tuple of str
        Checks whose function was left as released.
    seconds : float or None
        How long grading took; None where that was not recorded.
    """

    status: str
    reason: str
    submission_hash: str
    release_hash: str
    checks_hash: str
    earned: float
    points: float
    mistakes: tuple[str, ...]
    unexplained: tuple[str, ...]
    unwritten: tuple[str, ...]
    seconds: float | None


def open_gradebook(db_url: str, course_id: str) -> Gradebook:
    """nbgrader's gradebook with our tables in it.

    Raises
    ------
    GradebookError
        If it cannot be opened, or a newer lstmlab wrote it.
    """
    with reachable(db_url):
        gradebook = Gradebook(db_url, course_id)
        if gradebook.engine.dialect.name == "sqlite":
            sa.event.listen(gradebook.engine, "connect", _be_patient)
            gradebook.db.remove()
            gradebook.engine.dispose()                             # the connection that is open has not heard of it
        return add_tables(gradebook)


@contextlib.contextmanager
def reachable(db_url: str) -> Iterator[None]:
    """Say in one sentence why a database cannot be used; its address is named without the password.

    Raises
    ------
    GradebookError
        In place of what SQLAlchemy and the driver raise.
    """
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        why = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        address = sa.make_url(db_url).render_as_string(hide_password=True)
        raise GradebookError(f"the gradebook at {address} cannot be used: {why}") from None


def _be_patient(connection, record) -> None:
    """Wait a minute, not SQLite's five seconds, for whoever else writes.

    The journal stays SQLite's default, not a write-ahead log: one file is all there is to copy, also on a network
    disk, and no transaction of ours lasts long enough for a reader to notice.
    """
    connection.execute("PRAGMA busy_timeout = 60000")


@contextlib.contextmanager
def advisory_lock(db_url: str, course_id: str) -> Iterator[bool]:
    """Hold a course's lock in a PostgreSQL gradebook, so that two machines cannot grade at once.

    It belongs to a connection: whatever ends the process frees it. Yields whether it was free; a gradebook of
    another kind is on one machine and has none.
    """
    if sa.make_url(db_url).get_backend_name() != "postgresql":
        yield True
        return
    key = int.from_bytes(hashlib.sha256(f"lstmlab grading {course_id}".encode()).digest()[:8], signed=True)
    with reachable(db_url):
        engine = sa.create_engine(db_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        connection = engine.connect()
    with connection:
        yield connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar()


@contextlib.contextmanager
def one_transaction(gradebook: Gradebook) -> Iterator[None]:
    """All that happens inside is saved together at the end, or not at all, and nothing stays open afterwards.

    nbgrader's own calls commit after every step; inside, such a commit only writes.
    """
    gradebook.db.remove()
    try:
        with gradebook.engine.begin() as connection:
            gradebook.db(bind=connection, join_transaction_mode="rollback_only")
            yield
            gradebook.db.flush()
    finally:
        gradebook.db.remove()


def add_tables(gradebook: Gradebook) -> Gradebook:
    """Make sure that our tables are there and of this version, upgrading older ones; return the gradebook.

    Raises
    ------
    GradebookError
        If a newer lstmlab wrote them.
    """
    with gradebook.engine.begin() as connection:
        known = sa.inspect(connection).has_table(_schema.name)
        version = connection.execute(sa.select(_schema.c.version)).scalar() if known else None
    if version is not None and version > SCHEMA_VERSION:
        raise GradebookError(f"the gradebook's lstmlab tables have version {version}, written by a newer lstmlab; "
                             f"this one knows versions up to {SCHEMA_VERSION}. Update lstmlab.")
    for old in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
        _upgrade(gradebook.engine, old)
    _tables.create_all(gradebook.engine)
    guard.install(gradebook.engine)
    if version is None:
        gradebook.db.execute(_schema.insert().values(version=SCHEMA_VERSION))
        gradebook.db.commit()
    return gradebook


def _upgrade(engine: sa.Engine, old: int) -> None:
    """Lead our tables from one version to the next, in one transaction; of two that try, one does it.

    The version goes first: that locks the row, and in SQLite opens the transaction that the rest is part of.
    """
    with engine.begin() as connection:
        ours = connection.execute(_schema.update().where(_schema.c.version == old).values(version=old + 1)).rowcount
        for statement in _UPGRADES[old] if ours else ():
            connection.execute(sa.text(statement))


def withdraw(gradebook: Gradebook, assignment: str, notebook: str, student: str) -> None:
    """Take an older automatic mark back before grading anew: whatever fails from here on leaves no mark."""
    guard.set_scores(gradebook, gradebook.find_submission_notebook(notebook, assignment, student).grades, {})
    for table in (_mark, _submission):
        gradebook.db.execute(table.delete().where(_whose(table, assignment, notebook, student)))
    gradebook.db.commit()


def record(gradebook: Gradebook, student: str, graded: Graded, checks_hash: str) -> None:
    """Save the marks of one submission, in one transaction.

    A cell without a verdict gets no automatic score and is marked as needing a manual grade; a manual score
    stays what it is.
    """
    assignment, notebook = graded.release.problem_set, graded.release.name
    submitted = gradebook.find_submission_notebook(notebook, assignment, student)
    guard.set_scores(gradebook, submitted.grades, {mark.grade_id: mark.earned for mark in graded.marks})
    for comment in submitted.comments:
        comment.auto_comment = "No response." if comment.name in graded.unanswered else None
    key = {"assignment": assignment, "notebook": notebook, "student": student}
    for table in (_mark, _submission):
        gradebook.db.execute(table.delete().where(_whose(table, assignment, notebook, student)))
    gradebook.db.execute(_submission.insert().values(
        **key, status=graded.status, reason=storable(graded.reason), notes=json.dumps(graded.notes),
        submission_hash=graded.digest, release_hash=graded.release.digest, checks_hash=checks_hash,
        graded_at=datetime.datetime.now(datetime.UTC).replace(tzinfo=None), seconds=graded.seconds,
        versions=json.dumps(graded.versions)))
    for mark in graded.marks:
        gradebook.db.execute(_mark.insert().values(**key, **_columns(mark)))
    gradebook.db.commit()


def rejudge(gradebook: Gradebook, release: Release, student: str, marks: Sequence[Mark], checks_hash: str) -> None:
    """Save marks that were judged again from stored answers, in one transaction.

    A manual score stays what it is; where an automatic one changed, the cell asks to be looked at again.
    """
    scores = {mark.grade_id: mark.earned for mark in marks}
    grades = gradebook.find_submission_notebook(release.name, release.problem_set, student).grades
    guard.set_scores(gradebook, [grade for grade in grades if grade.name in scores
                                 and grade.auto_score != scores[grade.name]], scores)
    key = (release.problem_set, release.name, student)
    for mark in marks:
        gradebook.db.execute(_mark.update().where(_whose(_mark, *key), _mark.c.grade_id == mark.grade_id)
                             .values(**_columns(mark)))
    gradebook.db.execute(_submission.update().where(_whose(_submission, *key)).values(checks_hash=checks_hash))
    gradebook.db.commit()


def _columns(mark: Mark) -> dict:
    """A mark as it is stored."""
    return {"grade_id": mark.grade_id, "check": mark.check, "status": mark.status, "points": mark.points,
            "earned": mark.earned, "parts": json.dumps(mark.parts), "mistakes": json.dumps(mark.mistakes),
            "text": storable(mark.text), "seed": f"{mark.seed:064x}",
            "answers": mark.answers and zlib.compress(mark.answers), "requests_hash": mark.requests_hash or None,
            "verdict": json.dumps(mark.verdict)}


def find_marks(gradebook: Gradebook, assignment: str, notebook: str, student: str) -> tuple[Mark, ...]:
    """The stored marks of a submission."""
    rows = gradebook.db.execute(_mark.select().where(_whose(_mark, assignment, notebook, student))).all()
    return tuple(Mark(row.grade_id, row.check, row.points, row.earned, row.status, row.text,
                      tuple(json.loads(row.mistakes)), tuple(map(tuple, json.loads(row.parts))), int(row.seed, 16),
                      row.answers and zlib.decompress(row.answers), row.requests_hash or "", json.loads(row.verdict))
                 for row in rows)


def find_identities(gradebook: Gradebook) -> dict[str, dict[str, str]]:
    """What other systems call the students: by student, then by kind, such as ``"canvas id"``."""
    found: dict[str, dict[str, str]] = {}
    for row in gradebook.db.execute(identities.select()):
        found.setdefault(row.student, {})[row.kind] = row.value
    return found


def find_record(gradebook: Gradebook, assignment: str, notebook: str, student: str) -> Record | None:
    """What was recorded of a submission, or None."""
    row = gradebook.db.execute(
        _submission.select().where(_whose(_submission, assignment, notebook, student))).first()
    if row is None:
        return None
    marks = gradebook.db.execute(
        sa.select(_mark.c.check, _mark.c.status, _mark.c.points, _mark.c.earned, _mark.c.mistakes)
        .where(_whose(_mark, assignment, notebook, student)).order_by(_mark.c.grade_id)).all()
    mistakes = tuple(name for mark in marks for name in json.loads(mark.mistakes))
    unexplained = tuple(mark.check for mark in marks
                        if mark.status in ("partly right", "wrong") and mark.mistakes == "[]")
    unwritten = tuple(mark.check for mark in marks if mark.status == "not written")
    return Record(row.status, row.reason, row.submission_hash, row.release_hash, row.checks_hash,
                  sum(mark.earned or 0.0 for mark in marks), sum(mark.points for mark in marks), mistakes, unexplained,
                  unwritten, row.seconds)


def stands(gradebook: Gradebook, assignment: str, notebook: str, student: str) -> bool:
    """Whether nbgrader's automatic scores are those on record; a student it removed, for one, has none (any more)."""
    rows = gradebook.db.execute(_mark.select().where(_whose(_mark, assignment, notebook, student)))
    recorded = {row.grade_id: row.earned for row in rows}
    try:
        grades = gradebook.find_submission_notebook(notebook, assignment, student).grades
    except MissingEntry:
        return False
    return recorded.items() <= {grade.name: grade.auto_score for grade in grades}.items()


def submissions_of(gradebook: Gradebook, assignment: str) -> list[sa.Row]:
    """What is on record of a problem set: the rows of our table, by student and notebook."""
    return gradebook.db.execute(_submission.select().where(_submission.c.assignment == assignment)
                                .order_by(_submission.c.student, _submission.c.notebook)).all()


def marks_of(gradebook: Gradebook, assignment: str, student: str | None = None) -> Iterator[tuple[str, str, Mark]]:
    """The marks of a problem set as (student, notebook, mark), without seeds and answers: they are for no page."""
    columns = [column for column in _mark.c if column.name not in ("seed", "answers")]
    query = sa.select(*columns).where(_mark.c.assignment == assignment)
    for row in gradebook.db.execute(query if student is None else query.where(_mark.c.student == student)):
        yield row.student, row.notebook, Mark(
            row.grade_id, row.check, row.points, row.earned, row.status, row.text, tuple(json.loads(row.mistakes)),
            tuple(map(tuple, json.loads(row.parts))), verdict=json.loads(row.verdict))


@dataclass(frozen=True)
class Score:
    """One cell's score in nbgrader's gradebook: the automatic one, and what a human made of it.

    Attributes
    ----------
    cell : str
        The grade_id.
    points : float
        What the cell is worth.
    auto, manual, extra : float or None
        Automatic score, manual score, extra credit.
    """

    cell: str
    points: float
    auto: float | None
    manual: float | None
    extra: float | None

    @property
    def earned(self) -> float | None:
        """Points earned; None where the cell has no mark yet."""
        base = self.auto if self.manual is None else self.manual
        return None if base is None else base + (self.extra or 0.0)


def scores_of(gradebook: Gradebook, assignment: str,
              student: str | None = None) -> dict[tuple[str, str], list[Score]]:
    """nbgrader's scores of a problem set by (student, notebook)."""
    query = (sa.select(api.SubmittedAssignment.student_id, api.Notebook.name, api.BaseCell.name, api.Grade.max_score,
                       api.Grade.auto_score, api.Grade.manual_score, api.Grade.extra_credit)
             .select_from(api.Grade)
             .join(api.SubmittedNotebook, api.Grade.notebook_id == api.SubmittedNotebook.id)
             .join(api.Notebook, api.SubmittedNotebook.notebook_id == api.Notebook.id)
             .join(api.SubmittedAssignment, api.SubmittedNotebook.assignment_id == api.SubmittedAssignment.id)
             .join(api.Assignment, api.SubmittedAssignment.assignment_id == api.Assignment.id)
             .join(api.BaseCell, api.Grade.cell_id == api.BaseCell.id)
             .where(api.Assignment.name == assignment))
    if student is not None:
        query = query.where(api.SubmittedAssignment.student_id == student)
    found: dict[tuple[str, str], list[Score]] = {}
    for name, notebook, *score in gradebook.db.execute(query):
        found.setdefault((name, notebook), []).append(Score(*score))
    return found


def worst_status(gradebook: Gradebook, assignment: str, student: str) -> tuple[str, str]:
    """Status and reason of a student's whole assignment: that of the notebook in most need of attention."""
    try:
        submission = gradebook.find_submission(assignment, student)
    except MissingEntry:
        return grading.MISSING, "nothing was submitted"
    if not submission.notebooks:                                   # entered by hand, before the set was released
        return grading.MISSING, "nothing was submitted"
    found = [find_record(gradebook, assignment, notebook.name, student) for notebook in submission.notebooks]
    if None in found:
        return grading.LOOK, "a notebook has not been graded"
    if not all(stands(gradebook, assignment, notebook.name, student) for notebook in submission.notebooks):
        return grading.LOOK, "the scores are not those that were given; grade it again"
    order = (grading.LOOK, grading.FAILED, grading.TIMED_OUT, grading.GRADED)
    first = min(found, key=lambda record: order.index(record.status))
    return first.status, first.reason


def storable(text: str) -> str:
    """The text without what a database refuses: PostgreSQL stores no NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _whose(table: sa.Table, assignment: str, notebook: str, student: str) -> sa.ColumnElement:
    return sa.and_(table.c.assignment == assignment, table.c.notebook == notebook, table.c.student == student)
