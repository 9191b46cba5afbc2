"""A course on disk: nbgrader's directories and settings, the run secret, the lock."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from nbgrader.api import Gradebook
from nbgrader.apps import NbGrader
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from .gradebook import advisory_lock, open_gradebook
from .release import Release, ReleaseError, read_release

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")            # of a student or a problem set


class CourseError(RuntimeError):
    """The course directory is not as it must be; the message says what was expected."""


@dataclass(frozen=True)
class Course:
    """A course directory as nbgrader sees it.

    Attributes
    ----------
    root : Path
        Where nbgrader_config.py is.
    directories : CourseDirectory
        nbgrader's settings.
    config : Config
        All of nbgrader_config.py.
    """

    root: Path
    directories: CourseDirectory
    config: Config

    @property
    def db_url(self) -> str:
        """The gradebook's address; a relative SQLite path is meant from the course's top folder."""
        url = sa.make_url(self.directories.db_url)
        if url.get_backend_name() == "sqlite" and url.database:
            url = url.set(database=str(self.root / url.database))
        return url.render_as_string(hide_password=False)

    def gradebook(self) -> Gradebook:
        """Open the gradebook; close it, or use it in a `with`.

        Raises
        ------
        GradebookError
            If it cannot be opened.
        """
        return open_gradebook(self.db_url, self.directories.course_id)

    @property
    def submitted(self) -> Path:
        """Where submissions lie: ``STUDENT/SET/NAME.ipynb``."""
        return self.root / self.directories.submitted_directory

    @property
    def autograded(self) -> Path:
        """Where executed notebooks are written."""
        return self.root / self.directories.autograded_directory

    @property
    def private(self) -> Path:
        """The folder of the gradebook, the secret and the lock; readable by its owner alone."""
        folder = self.submitted.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def releases(self, problem_set: str) -> list[Release]:
        """The released notebooks of a problem set."""
        folder = self.root / self.directories.release_directory / problem_set
        paths = sorted(folder.glob("*.ipynb"))
        if not paths:
            raise ReleaseError(f"no released notebook in {folder}; "
                               f"`nbgrader generate_assignment {problem_set}` makes it")
        return [read_release(path) for path in paths]

    def submissions(self, problem_set: str) -> dict[str, Path]:
        """Folders of the students who submitted a problem set, by student.

        Raises
        ------
        CourseError
            If one of them cannot be graded as it lies there: nobody's is passed over.
        """
        if not NAME.fullmatch(problem_set):
            raise CourseError(f"{problem_set!r} is no name of a problem set")
        if not self.submitted.is_dir():
            return {}
        folders = {folder.name: folder / problem_set for folder in sorted(self.submitted.iterdir())}
        folders = {student: folder for student, folder in folders.items() if os.path.lexists(folder)}
        for student, folder in folders.items():
            if not NAME.fullmatch(student):
                raise CourseError(f"{folder} is not named by a student's id; expected up to 128 of the characters "
                                  "A-Z a-z 0-9 . _ @ -, the first a letter or a digit. Rename or remove it")
            if folder.is_symlink() or not folder.is_dir():
                raise CourseError(f"{folder} is a link or a file; expected the folder of a submission")
        return folders

    def secret(self) -> bytes:
        """The run secret: made once, kept in a file that only its owner reads."""
        path = self.private / "run-secret"
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
        secret = bytes.fromhex(path.read_text())
        if len(secret) != 32:
            raise CourseError(f"{path} holds {len(secret)} bytes; expected the 32 that lstmlab wrote")
        return secret

    @contextlib.contextmanager
    def lock(self):
        """Hold the course's one grading lock: on this machine, and in a gradebook that several machines share.

        Raises
        ------
        CourseError
            If another grading run holds it.
        """
        with open(self.private / "grading.lock", "a+", opener=functools.partial(os.open, mode=0o600)) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CourseError(f"another grading run holds {file.name}; wait for it or stop it first") from None
            with advisory_lock(self.db_url, self.directories.course_id) as held:
                if not held:
                    raise CourseError("another machine is grading this course: it holds the lock in the gradebook; "
                                      "wait for it or stop it first")
                yield


def open_course(root: Path, db_url: str | None = None) -> Course:
    """Read the course at `root`.

    Parameters
    ----------
    root : Path
        The folder of nbgrader_config.py.
    db_url : str, optional
        The gradebook's address, in place of the one in nbgrader_config.py.

    Raises
    ------
    CourseError
        If there is no nbgrader_config.py, or the address is none.
    """
    if not (root / "nbgrader_config.py").is_file():
        raise CourseError(f"no nbgrader_config.py in {root}; expected to be run in the course's top folder")
    with contextlib.chdir(root):
        app = NbGrader()
        app.load_config_file()
    directories = CourseDirectory(config=app.config)
    directories.root = str(root)
    if db_url is not None:
        directories.db_url = db_url
    try:
        sa.make_url(directories.db_url)
    except sa.exc.ArgumentError:
        raise CourseError("the gradebook's address cannot be read; expected one such as "
                          "sqlite:///class/gradebook.db or postgresql://user@host/lstmlab") from None
    return Course(root, directories, app.config)


