"""Due dates, late policies and extensions: written by hand in ``class/dates.toml``, applied to the gradebook.

nbgrader keeps a due date with an assignment and an extension with a submission. What it has no place for, a policy
per problem set and an extension for a student who has not submitted yet, lies in tables of our own, where
`LatePolicy`, nbgrader's plugin for late penalties, reads it.
"""

from __future__ import annotations

import datetime
import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from nbgrader.api import Gradebook, MissingEntry, SubmittedAssignment
from nbgrader.plugins import LateSubmissionPlugin

from .classrun import assign_penalty, read_time, require_released
from .course import Course, CourseError
from .gradebook import extensions, late_policies

POLICIES = '"none", "zero" or, for example, "per-day:10%"'
_PER_DAY = re.compile(r"per-day:(\d+(?:\.\d+)?)%")
_LENGTH = re.compile(r"(\d+) (minute|hour|day|week)s?")

TEMPLATE = """\
# When problem sets are due, what a late submission loses, and who has an extension.
# Take the # away, edit, and run `lstmlab dates`; it says what changes and what is wrong.
#
# due          a date, a time and the distance from UTC: 2026-11-01T23:59:00+01:00
# late         "none"; "zero"; or "per-day:10%", of the problem set's points, for every day begun
# extensions   a length, such as "3 days", "12 hours" or "1 week", or a due date of their own
"""


@dataclass(frozen=True)
class Dates:
    """What the file says of one problem set.

    Attributes
    ----------
    due : datetime or None
        With its time zone.
    policy : str
        What being late costs.
    extensions : dict of timedelta
        By student.
    """

    due: datetime.datetime | None = None
    policy: str = "none"
    extensions: dict[str, datetime.timedelta] = field(default_factory=dict)


class LatePolicy(LateSubmissionPlugin):
    """nbgrader's late penalties by the course's own policy, with extensions that were given before submission."""

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        """Points to take off one notebook of a late submission; None for none."""
        stage = self.parent
        submission = stage.gradebook.find_submission(stage.assignment_id, student_id)
        extend(stage.gradebook, submission)
        late = submission.total_seconds_late
        policy = stage.gradebook.db.execute(
            sa.select(late_policies.c.policy).where(late_policies.c.assignment == stage.assignment_id)).scalar()
        if policy is None:                                         # what nbgrader_config.py says
            return super().late_submission_penalty(student_id, score, late) if late else None
        points = stage.gradebook.find_notebook(stage.notebook_id, stage.assignment_id).max_score
        return penalty(policy, float(score), float(points), late)


def penalty(policy: str, score: float, points: float, seconds: float) -> float | None:
    """What a policy takes off.

    Examples
    --------
    >>> penalty("per-day:10%", 17.0, 20.0, 86401)
    4.0
    >>> penalty("per-day:10%", 1.0, 20.0, 86401)
    1.0
    """
    if seconds <= 0 or policy == "none":
        return None
    if policy == "zero":
        return score
    share = float(_PER_DAY.fullmatch(policy)[1]) / 100
    return min(score, round(share * points * math.ceil(seconds / 86400), 6))


def extend(gradebook: Gradebook, submission: SubmittedAssignment) -> None:
    """Enter into a submission the extension that its student was given, if there is one."""
    table = extensions.c
    seconds = gradebook.db.execute(sa.select(table.seconds).where(
        table.assignment == submission.assignment.name, table.student == submission.student.id)).scalar()
    if seconds is not None:
        submission.extension = datetime.timedelta(seconds=seconds)


# -- the file ------------------------------------------------------------------------------------------


def read_dates(path: Path, sets: Sequence[str], students: Sequence[str]) -> dict[str, Dates]:
    """Read the file that instructors edit.

    Parameters
    ----------
    path : Path
        ``class/dates.toml``.
    sets, students : sequence of str
        Those there are.

    Raises
    ------
    CourseError
        With all that is wrong, by table and key.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path}: {error}") from None
    wrong: list[str] = []
    found = {}
    for name, table in tables.items():
        if name not in sets:
            wrong.append(f"[{name}]: there is no such problem set; there are {', '.join(sets)}")
        elif not isinstance(table, dict):
            wrong.append(f"{name}: expected a table, [{name}], with due, late and extensions; it is {table!r}")
        else:
            found[name] = read_table(name, table, students, wrong)
    if wrong:
        raise CourseError(f"{path} was not applied:\n" + "\n".join(wrong))
    return found


def read_table(name: str, table: dict, students: Sequence[str], wrong: list[str]) -> Dates:
    """One problem set's dates; what is wrong is added to `wrong`."""
    unknown = sorted(table.keys() - {"due", "late", "extensions"})
    wrong += [f"[{name}] {key}: expected due, late or extensions" for key in unknown]
    due, policy, given = table.get("due"), table.get("late", "none"), table.get("extensions", {})
    if due is not None and not zoned(due):
        wrong.append(f"[{name}] due: expected a date, a time and the distance from UTC, such as "
                     f"2026-11-01T23:59:00+01:00; it is {shown(due)}")
        due = None
    if policy not in ("none", "zero") and not (isinstance(policy, str) and _PER_DAY.fullmatch(policy)):
        wrong.append(f"[{name}] late: expected {POLICIES}; it is {policy!r}")
    if not isinstance(given, dict):
        wrong.append(f"[{name}] extensions: expected lines of the form student = \"3 days\"; it is {given!r}")
        given = {}
    if (given or policy != "none") and due is None:
        wrong.append(f"[{name}]: late and extensions need a due date")
    lengths = {}
    for student, value in given.items():
        where = f"[{name}] extensions, {student}"
        if student not in students:
            wrong.append(f"{where}: no such student on the roster")
        length = value - due if zoned(value) and due else read_length(value)
        if length is None or length <= datetime.timedelta(0):
            wrong.append(f"{where}: expected a length such as \"3 days\", or a time after the due date with its "
                         f"distance from UTC; it is {shown(value)}")
        else:
            lengths[student] = length
    return Dates(due, policy, lengths)


def zoned(value: object) -> bool:
    """Whether this is a point in time."""
    return isinstance(value, datetime.datetime) and value.tzinfo is not None


def shown(value: object) -> str:
    """A value of the file as its reader knows it."""
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else repr(value)


def read_length(value: object) -> datetime.timedelta | None:
    """A length of time such as ``"3 days"``; None where it is none.

    Examples
    --------
    >>> read_length("12 hours")
    datetime.timedelta(seconds=43200)
    """
    match = _LENGTH.fullmatch(value) if isinstance(value, str) else None
    return datetime.timedelta(**{f"{match[2]}s": int(match[1])}) if match else None


def template(sets: Sequence[str]) -> str:
    """A file to begin with: every problem set, commented out."""
    return TEMPLATE + "".join(f'\n# [{name}]\n# due = 2026-11-01T23:59:00+01:00\n# late = "per-day:10%"\n'
                              f'# extensions = {{ student-id = "3 days" }}\n' for name in sets)


# -- the gradebook -------------------------------------------------------------------------------------


def changes(gradebook: Gradebook, dates: dict[str, Dates]) -> list[str]:
    """What applying the dates would change, a line each."""
    lines = []
    for name, wanted in sorted(dates.items()):
        known = applied(gradebook, name)
        for word, old, new in (("due", utc(known.due), utc(wanted.due)), ("late", known.policy, wanted.policy)):
            if old != new:
                lines.append(f"{name}: {word} {old or 'no date'} → {new or 'no date'}")
        for student in sorted(known.extensions.keys() | wanted.extensions.keys()):
            old, new = known.extensions.get(student), wanted.extensions.get(student)
            if old != new:
                old, new = (str(length or "none").removesuffix(", 0:00:00") for length in (old, new))
                lines.append(f"{name}: extension of {student} {old} → {new}")
    return lines


def utc(when: datetime.datetime | None) -> str:
    """A point in time as the gradebook holds it."""
    return when.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if when else ""


def applied(gradebook: Gradebook, name: str) -> Dates:
    """What the gradebook holds of one problem set."""
    due = gradebook.find_assignment(name).duedate
    policy = gradebook.db.execute(sa.select(late_policies.c.policy).where(late_policies.c.assignment == name)).scalar()
    given = {row.student: datetime.timedelta(seconds=row.seconds) for row in
             gradebook.db.execute(extensions.select().where(extensions.c.assignment == name))}
    return Dates(due.replace(tzinfo=datetime.UTC) if due else None, policy or "none", given)


def apply(course: Course, gradebook: Gradebook, dates: dict[str, Dates]) -> int:
    """Enter dates, policies and extensions, and set the penalties of what was submitted anew; nobody's code runs.

    Returns
    -------
    int
        How many submissions got another penalty.
    """
    for name, wanted in dates.items():
        before = applied(gradebook, name).extensions
        gradebook.find_assignment(name).duedate = (
            wanted.due.astimezone(datetime.UTC).replace(tzinfo=None) if wanted.due else None)
        for table in (late_policies, extensions):
            gradebook.db.execute(table.delete().where(table.c.assignment == name))
        gradebook.db.execute(late_policies.insert().values(assignment=name, policy=wanted.policy))
        for student, length in wanted.extensions.items():
            gradebook.db.execute(extensions.insert().values(assignment=name, student=student,
                                                            seconds=length.total_seconds()))
        for student in before.keys() | wanted.extensions.keys():
            submission = find_submission(gradebook, name, student)
            if submission is not None:
                submission.extension = wanted.extensions.get(student)
        gradebook.db.commit()
    return sum(reassess(course, gradebook, name) for name in dates)


def find_submission(gradebook: Gradebook, name: str, student: str) -> SubmittedAssignment | None:
    """A student's submission, if there is one."""
    try:
        return gradebook.find_submission(name, student)
    except MissingEntry:
        return None


def reassess(course: Course, gradebook: Gradebook, name: str) -> int:
    """Set the penalties of a problem set anew, by the marks, times, dates and policy as they are now.

    Returns
    -------
    int
        How many submissions got another penalty.
    """
    require_released(gradebook, name)
    changed, releases = 0, course.releases(name)
    for submission in gradebook.assignment_submissions(name):
        time = read_time(course.submitted / submission.student.id / name)
        if time and time != submission.timestamp:                  # it came to be known after grading
            submission.timestamp = time
            gradebook.db.commit()
        before = submission.late_submission_penalty
        if before or submission.total_seconds_late:
            for release in releases:
                assign_penalty(course, gradebook, release, submission.student.id)
            gradebook.db.refresh(submission)
            changed += submission.late_submission_penalty != before
    return changed
