"""Marks as CSV, with a status: what was not graded is an empty cell, never a number."""

from __future__ import annotations

import csv

from nbgrader.api import MissingEntry
from nbgrader.plugins import ExportPlugin

from . import grade as grading
from .gradebook import add_tables, worst_status

COLUMNS = ("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
           "raw_score", "late_submission_penalty", "score", "max_score", "status", "reason")


class StatusCsvExportPlugin(ExportPlugin):
    """nbgrader's CSV export with a status and a reason; a score only where every cell has a mark."""

    def export(self, gradebook) -> None:
        """Write the CSV file (``grades.csv``, or what ``--to`` says)."""
        add_tables(gradebook)
        with open(self.to or "grades.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            for assignment in gradebook.assignments:
                if self.assignment and assignment.name not in self.assignment:
                    continue
                for student in gradebook.students:
                    if not self.student or student.id in map(str, self.student):
                        writer.writerow(self._row(gradebook, assignment, student))

    @staticmethod
    def _row(gradebook, assignment, student) -> dict:
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
        if any(grade.auto_score is None and grade.manual_score is None for grade in grades):
            if status == grading.GRADED:
                row |= {"status": grading.LOOK, "reason": "a cell still needs a manual mark"}
            return row
        penalty = submission.late_submission_penalty
        return row | {"raw_score": submission.score, "late_submission_penalty": penalty,
                      "score": max(0.0, submission.score - penalty)}
