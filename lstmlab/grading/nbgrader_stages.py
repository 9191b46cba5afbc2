"""Our stages in nbgrader's pipeline: `nbgrader autograde` and the Formgrader grade as `lstmlab grade` does."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.preprocessors.base import NbGraderPreprocessor

from . import grade as grading
from .backup import back_up
from .course import Course
from .gradebook import open_gradebook, record, withdraw
from .release import read_release
from .sandbox import require_sandbox
from .submission import Unreadable, read_once


class GradingExporter(NotebookExporter):
    """Grades in the first of `nbgrader autograde`'s two passes and hands the marks to the second.

    nbgrader calls ``from_filename`` with the submitted file and then with the executed notebook that the first
    call returned. Marks travel in this object, never in a cell's outputs.
    """

    def __init__(self, **kwargs):
        """Made once a run, before anything is written: the gradebook is backed up here."""
        super().__init__(**kwargs)
        back_up(self._course())

    def _course(self) -> Course:
        directories = self.parent.coursedir
        return Course(Path(directories.root), directories, self.config)

    def from_filename(self, filename, resources=None, **kwargs):
        if self.parent._sanitizing:
            return self._grade(Path(filename), resources)
        resources["lstmlab"], self._graded = self._graded, None
        return super().from_filename(filename, resources=resources, **kwargs)

    def _grade(self, path: Path, resources: dict):
        require_sandbox()
        course = self._course()
        names = resources["nbgrader"]
        release = read_release(course.root / course.directories.release_directory / names["assignment"]
                               / f"{names['notebook']}.ipynb")
        with course.gradebook() as gradebook:
            withdraw(gradebook, names["assignment"], names["notebook"], names["student"])
        try:
            seeds = grading.draw_seeds(course.secret(), names["student"], release)
            self._graded = grading.grade(read_once(path), release, seeds)
        except Unreadable as error:
            self._graded = grading.ungraded(release, grading.FAILED, str(error))
        return nbformat.writes(self._graded.notebook), {**resources, "output_extension": self.file_extension}


class SaveVerdicts(NbGraderPreprocessor):
    """Saves the marks that `GradingExporter` formed; without them there is nothing to save and nothing is."""

    def preprocess(self, nb, resources):
        names, graded = resources["nbgrader"], resources.get("lstmlab")
        if graded is not None:
            with open_gradebook(names["db_url"], self.parent.parent.coursedir.course_id) as gradebook:
                record(gradebook, names["student"], graded, grading.checks_digest())
        return nb, resources
