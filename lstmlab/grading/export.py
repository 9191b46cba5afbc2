"""Marks as CSV, with a status: what was not graded is an empty cell, never a number."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import ExportPlugin

from . import grade as grading
from .course import CourseError
from .gradebook import add_tables, find_identities, worst_status

COLUMNS = ("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
           "raw_score", "late_submission_penalty", "score", "max_score", "status", "reason")
TEXTS = ("student_id", "last_name", "first_name", "email", "status", "reason")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
MOODLE = ("Identifier", "Full name", "ID number", "Email address", "Status", "Grade", "Maximum Grade",
          "Last modified (grade)", "Feedback comments")


class StatusCsvExportPlugin(ExportPlugin):
    """nbgrader's CSV export with a status and a reason; a score only where every cell has a mark."""

    def export(self, gradebook) -> None:
        """Write the CSV file (``grades.csv``, or what ``--to`` says)."""
        add_tables(gradebook)
        names = [assignment.name for assignment in gradebook.assignments
                 if not self.assignment or assignment.name in self.assignment]
        wanted = set(map(str, self.student))
        found = (row for row in rows(gradebook, names) if not wanted or row["student_id"] in wanted)
        write_private(Path(self.to or "grades.csv"), lambda file: write_csv(file, found))


def rows(gradebook: Gradebook, assignments: Sequence[str]) -> Iterator[dict]:
    """A row per problem set and student, with the columns `COLUMNS`."""
    for name in assignments:
        for student in gradebook.students:
            yield row_of(gradebook, gradebook.find_assignment(name), student)


def row_of(gradebook: Gradebook, assignment, student) -> dict:
    """One student's row of one problem set; where a mark is missing it has no score, and a status that says why."""
    status, reason = worst_status(gradebook, assignment.name, student.id)
    row = {"assignment": assignment.name, "duedate": assignment.duedate, "student_id": student.id,
           "last_name": student.last_name, "first_name": student.first_name, "email": student.email,
           "max_score": assignment.max_score, "status": status, "reason": reason}
    try:
        submission = gradebook.find_submission(assignment.name, student.id)
    except MissingEntry:
        return row
    row["timestamp"] = submission.timestamp
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    if not grades or any(grade.auto_score is None and grade.manual_score is None for grade in grades):
        if status == grading.GRADED:
            row |= {"status": grading.LOOK, "reason": "a cell still needs a manual mark"}
        return row
    late = submission.late_submission_penalty
    return row | {"raw_score": submission.score, "late_submission_penalty": late,
                  "score": max(0.0, round(submission.score - late, 6))}


# -- layouts -------------------------------------------------------------------------------------------


def write_csv(file: TextIO, found: Iterator[dict]) -> None:
    """As nbgrader exports, and why a score is missing."""
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    for row in found:
        writer.writerow(row | {name: inert(row[name]) for name in TEXTS})


def write_canvas(file: TextIO, gradebook: Gradebook, found: Sequence[dict], titles: Mapping[str, str]) -> None:
    """As Canvas's gradebook imports: a row per student, a column per problem set, its points in the second row.

    `titles` are the columns' names by problem set; Canvas knows an assignment by its title, or by the number that
    its own export writes behind it in brackets.
    """
    known = find_identities(gradebook)
    points = {row["assignment"]: row["max_score"] for row in found}
    writer = csv.writer(file)
    writer.writerow([*CANVAS, *(inert(titles.get(name, name)) for name in points)])
    writer.writerow(["    Points Possible", "", "", "", "", *points.values()])
    students: dict[str, dict] = {}
    for row in found:
        students.setdefault(row["student_id"], {})[row["assignment"]] = row
    for student, of in students.items():
        row, kinds = next(iter(of.values())), known.get(student, {})
        name = ", ".join(filter(None, (row["last_name"], row["first_name"]))) or student
        ids = [kinds.get(f"canvas {kind}", "") for kind in ("id", "sis user id", "sis login id", "section")]
        writer.writerow([*map(inert, (name, *ids)), *(of[name].get("score", "") for name in points)])


def write_moodle(file: TextIO, gradebook: Gradebook, found: Sequence[dict]) -> None:
    """As Moodle imports, both its grading worksheet and its gradebook: one problem set, a row per student."""
    known = find_identities(gradebook)
    writer = csv.writer(file)
    writer.writerow(MOODLE)
    for row in found:
        kinds = known.get(row["student_id"], {})
        number = kinds.get(f"moodle participant of {row['assignment']}")
        name = " ".join(filter(None, (row["first_name"], row["last_name"]))) or row["student_id"]
        said = "" if "score" in row else ": ".join(filter(None, (row["status"], grading.told(row["reason"]))))
        writer.writerow([f"Participant {number}" if number else "", inert(name),
                         inert(kinds.get("moodle id number", "")), inert(row["email"]), inert(row["status"]),
                         row.get("score", ""), row["max_score"], "-", inert(said)])


def unknown_to_moodle(gradebook: Gradebook, assignment: str) -> list[str]:
    """The ids of those whose row has nothing that Moodle knows them by: no number, no ID number, no address."""
    known = find_identities(gradebook)
    kinds = (f"moodle participant of {assignment}", "moodle id number")
    return sorted(student.id for student in gradebook.students
                  if not student.email and not any(known.get(student.id, {}).get(kind) for kind in kinds))


def inert(text: str | None) -> str:
    """Text that a spreadsheet shows and never calculates."""
    text = (text or "").replace("\0", "")
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def write_private(path: Path, write) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="",
                       encoding="utf-8") as file:
            write(file)
        os.replace(part, path)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def export(gradebook: Gradebook, assignments: Sequence[str], layout: str, path: Path,
           titles: Mapping[str, str]) -> list[dict]:
    """Write the marks of problem sets for another system; return the rows that have no score.

    Parameters
    ----------
    gradebook : Gradebook
        From which.
    assignments : sequence of str
        The problem sets; for Moodle exactly one.
    layout : {"csv", "canvas", "moodle"}
        The columns.
    path : Path
        Where to.
    titles : mapping of str
        Names of Canvas's columns by problem set, where they are not those of the sets.

    Raises
    ------
    CourseError
        If the gradebook does not know a problem set, or the file cannot be written.
    """
    names = [assignment.name for assignment in gradebook.assignments]
    for name in (*assignments, *titles):
        if name not in names:
            raise CourseError(f"the gradebook does not know {name!r}; it has {', '.join(names) or 'no problem set'}")
    if layout == "moodle" and len(assignments) != 1:
        raise CourseError(f"Moodle imports one assignment at a time; name one problem set, not {len(assignments)}")
    found = list(rows(gradebook, assignments))
    writers = {"csv": lambda file: write_csv(file, iter(found)),
               "canvas": lambda file: write_canvas(file, gradebook, found, titles),
               "moodle": lambda file: write_moodle(file, gradebook, found)}
    write_private(path, writers[layout])
    return [row for row in found if "score" not in row]
