"""The gradebook's own lock: it takes no automatic score that no verdict stands behind, whoever saves it.

nbgrader fails open. A test cell without output, a stage left out of the configuration, a notebook that is not there:
each becomes a number. So the database itself compares an automatic score with the verdict that was recorded for
it. Where there is none, or another one, the score stays empty and the cell asks for a manual grade. Marks given by
hand are free.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from nbgrader.api import Grade, Gradebook

_tables = sa.MetaData()

_verdict = sa.Table(
    "lstmlab_verdict", _tables,
    sa.Column("grade", sa.String(32), primary_key=True),           # the id of nbgrader's row
    sa.Column("earned", sa.Float, nullable=False),
)

# A trigger names no other table of nbgrader's: SQLite would not let `nbgrader db upgrade` rebuild that one.
_UNFOUNDED = """NEW.auto_score IS NOT NULL AND NOT EXISTS
                (SELECT 1 FROM lstmlab_verdict AS v WHERE v.grade = NEW.id AND v.earned = NEW.auto_score)"""

_SQLITE = [f"""CREATE TRIGGER IF NOT EXISTS lstmlab_guard_{event.split()[0].lower()} AFTER {event} ON grade
               WHEN {_UNFOUNDED}
               BEGIN UPDATE grade SET auto_score = NULL, needs_manual_grade = 1 WHERE id = NEW.id; END"""
           for event in ("INSERT", "UPDATE OF auto_score")]

_POSTGRESQL = [f"""CREATE OR REPLACE FUNCTION lstmlab_guard() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN
                       IF {_UNFOUNDED} THEN NEW.auto_score := NULL; NEW.needs_manual_grade := TRUE; END IF;
                       RETURN NEW;
                   END $$""",
               """CREATE TRIGGER lstmlab_guard BEFORE INSERT OR UPDATE OF auto_score ON grade
                  FOR EACH ROW EXECUTE FUNCTION lstmlab_guard()"""]


def install(engine: sa.Engine) -> None:
    """Put the lock on a gradebook, unless it is there."""
    _tables.create_all(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            statements = _SQLITE
        elif connection.scalar(sa.text("SELECT count(*) FROM pg_trigger WHERE tgname = 'lstmlab_guard'")):
            statements = []
        else:
            statements = _POSTGRESQL
        for statement in statements:
            connection.exec_driver_sql(statement)


def set_scores(gradebook: Gradebook, grades: Iterable[Grade], earned: dict[str, float | None]) -> None:
    """Give cells the automatic scores that were earned; what has none needs a manual grade. Nothing is committed.

    Parameters
    ----------
    gradebook : Gradebook
        With the lock on it.
    grades : iterable of Grade
        nbgrader's rows of one notebook.
    earned : dict
        By cell; None, or no entry, is no verdict.
    """
    grades = list(grades)
    with gradebook.db.no_autoflush:                                # the verdicts have to be there first
        gradebook.db.execute(_verdict.delete().where(_verdict.c.grade.in_([grade.id for grade in grades])))
        for grade in grades:
            grade.auto_score = earned.get(grade.name)
            grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None
            if grade.auto_score is not None:
                gradebook.db.execute(_verdict.insert().values(grade=grade.id, earned=grade.auto_score))
