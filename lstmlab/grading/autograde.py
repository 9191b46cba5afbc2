"""`nbgrader autograde` and the Formgrader's button: the class run under nbgrader's name.

nbgrader's own converter follows links, copies whatever lies beside a notebook to where an instructor's browser opens
it, gives zero for a file that is missing, skips what was left half done, and stops at files that it cannot parse before
any stage is called. None of that can be mended by a stage, so none of it is used.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

import nbgrader.apps.api
import nbgrader.apps.autogradeapp
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException

from . import grade as grading
from .classrun import Outcome, grade_class
from .course import Course, CourseError
from .gradebook import GradebookError
from .release import ReleaseError
from .sandbox import SandboxUnavailable


class CourseAutograde(Autograde):
    """Grades as `lstmlab grade` does: the same marks, statuses and files.

    Of nbgrader's options it knows the assignment, ``--student`` with wildcards, ``--force`` and
    ``create_student``; the notebooks of a problem set are graded together.
    """

    def start(self) -> None:
        """Grade, and log how each submission ended."""
        course = Course(Path(self.coursedir.root), self.coursedir, self.config)
        before = os.umask(0o077)                                   # marks and submissions are for their owner alone
        try:
            for outcome in self._outcomes(course):
                say = self.log.info if outcome.status == grading.GRADED else self.log.warning
                say("%s: %s%s", outcome.student, outcome.status,
                    f" ({outcome.record.reason})" if outcome.record and outcome.record.reason else "")
        except (CourseError, GradebookError, ReleaseError, SandboxUnavailable) as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from None
        finally:
            os.umask(before)

    def _outcomes(self, course: Course) -> Iterator[Outcome]:
        problem_set, wanted = self.coursedir.assignment_id, self.coursedir.student_id
        excluded = set(filter(None, self.coursedir.student_id_exclude.split(",")))
        everyone = wanted == "*" and not excluded and self.create_student
        students = () if everyone else set(self._students(course, wanted)) - excluded
        if everyone or students:
            # in this process: a web server's is no place to start others from
            yield from grade_class(course, problem_set, students, self.force, workers=1)

    def _students(self, course: Course, wanted: str) -> list[str]:
        """Those whom the pattern means."""
        submitted = set(course.submissions(self.coursedir.assignment_id))
        with course.gradebook() as gradebook:
            known = {student.id for student in gradebook.students}
        found = sorted(fnmatch.filter(known | submitted if self.create_student else known, wanted))
        if not found:
            raise CourseError(f"no student matches {wanted!r}; the gradebook knows {len(known)}, and {len(submitted)} "
                              f"have submitted")
        return found


def take_over() -> None:
    """Let nbgrader grade by `CourseAutograde`: it has no setting for the class."""
    nbgrader.apps.autogradeapp.Autograde = nbgrader.apps.api.Autograde = CourseAutograde
