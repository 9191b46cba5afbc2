"""Copies of the gradebook, made before every run that writes to it."""

from __future__ import annotations

import contextlib
import datetime
import functools
import logging
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import sqlalchemy as sa

from .course import Course, CourseError

KEEP_LAST = 20
KEEP_DAYS = 30
_STAMP = "%Y-%m-%dT%H-%M-%S.%fZ"


def back_up(course: Course) -> Path | None:
    """Copy the gradebook into ``class/backups``, and drop copies that are no longer wanted.

    The last `KEEP_LAST` are kept, and for `KEEP_DAYS` days the last of each day. A SQLite file is copied by SQLite's
    own online backup, so that what is copied is whole whoever writes meanwhile; PostgreSQL is dumped by ``pg_dump``.

    Parameters
    ----------
    course : Course
        Whose.

    Returns
    -------
    Path or None
        Of the copy; None where there is no gradebook yet, or no ``pg_dump``.

    Raises
    ------
    CourseError
        If the copy cannot be made; nothing should be written to the gradebook then.
    """
    url = sa.make_url(course.db_url)
    folder = course.private / "backups"
    stamp = datetime.datetime.now(datetime.UTC).strftime(_STAMP)
    if url.get_backend_name() == "sqlite":
        if not url.database or not Path(url.database).is_file():
            return None
        copy, target = copy_sqlite, folder / f"gradebook-{stamp}.db"
    elif shutil.which("pg_dump"):
        copy, target = dump_postgresql, folder / f"gradebook-{stamp}.dump"
    else:
        say_there_is_none()
        return None
    part = folder / f".{target.name}.part"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        copy(url, part)
        os.replace(part, target)
    except (OSError, sqlite3.Error, subprocess.CalledProcessError) as error:
        why = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
        with contextlib.suppress(OSError):
            part.unlink()
        raise CourseError(f"the gradebook could not be backed up to {folder}, so nothing was done: {why}") from None
    prune(folder)
    return target


@functools.cache
def say_there_is_none() -> None:
    """Say once that there is no backup."""
    logging.getLogger(__name__).warning("The gradebook is not backed up: pg_dump is not installed here (on Debian: "
                                        "apt-get install postgresql-client).")


def copy_sqlite(url: sa.URL, target: Path) -> None:
    """Copy a SQLite gradebook."""
    with (contextlib.closing(sqlite3.connect(url.database)) as source,
          contextlib.closing(sqlite3.connect(target)) as copy):
        source.backup(copy)


def dump_postgresql(url: sa.URL, target: Path) -> None:
    """Dump a PostgreSQL gradebook in pg_restore's format; the password is not on the command line."""
    plain = url.set(drivername="postgresql", password=None).render_as_string()
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    subprocess.run(["pg_dump", "--format=custom", "--no-owner", f"--file={target}", f"--dbname={plain}"],
                   env=os.environ | password, check=True, capture_output=True, text=True)


def prune(folder: Path) -> None:
    """Delete the copies that are neither among the last nor the last of a recent day."""
    copies = sorted((path for path in folder.glob("gradebook-*Z.*") if taken(path)), reverse=True)
    oldest = datetime.date.today() - datetime.timedelta(days=KEEP_DAYS)
    days = set()
    for number, path in enumerate(copies):
        day = taken(path).date()
        if number >= KEEP_LAST and (day in days or day < oldest):
            path.unlink()
        days.add(day)


def taken(path: Path) -> datetime.datetime | None:
    """When a copy was made, by its name; None where the name is none of ours."""
    with contextlib.suppress(ValueError):
        return datetime.datetime.strptime(path.stem.removeprefix("gradebook-"), _STAMP)
    return None
