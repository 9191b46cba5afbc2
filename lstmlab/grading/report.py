"""The class report: what the class got wrong, how it did, and what an instructor should look at."""

from __future__ import annotations

import base64
import csv
import datetime
import hashlib
import hmac
import io
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup
from nbgrader.api import Gradebook

from lstmlab import checks

from . import grade as grading
from . import similarity
from .classrun import require_released
from .course import Course, CourseError
from .feedback import STATES, title_of
from .grade import Mark
from .gradebook import Score, marks_of, scores_of, submissions_of
from .pages import code, render, write_private
from .release import Release, read_release
from .submission import Unreadable, read_once, read_submission

WRITTEN = ("right", "partly right", "wrong")                        # states of an answer that was judged
ORDER = (grading.LOOK, grading.FAILED, grading.TIMED_OUT, grading.GRADED, grading.MISSING)
NOT_GRADED = "it was submitted and has not been graded"
BARS = 12                          # of the distribution, at most
SPANS = ((-168, "more than a week before"), (-24, "the last week"), (-1, "the last day"), (0, "the last hour"),
         (24, "up to a day late"), (float("inf"), "more than a day late"))          # hours after the due date

COLUMNS = {                        # of the CSV files
    "mistakes": ("check", "mistake", "students", "of", "why"),
    "checks": ("check", "part", "points", "earned by", "of", *STATES),
    "submissions": ("student", "status", "reason", "mark", "of", "late penalty", "grading seconds", "submitted",
                    "hours late"),
    "similar": ("students", "alike", "bits"),
    "key": ("pseudonym", "student"),
}


@dataclass
class Row:
    """One student: how the submission ended, the mark, and when it came."""

    student: str
    status: str = grading.MISSING
    reason: str = ""
    scores: list[Score] = field(default_factory=list)
    penalty: float = 0.0
    seconds: float | None = None
    when: datetime.datetime | None = None
    due: datetime.datetime | None = None

    @property
    def mark(self) -> float | None:
        """Points after the penalty; None as long as a cell has no mark."""
        earned = [score.earned for score in self.scores]
        return max(0.0, sum(earned) - self.penalty) if earned and None not in earned else None

    @property
    def hours_late(self) -> float | None:
        """Hours after the due date, negative before it; None where either time is not known."""
        return (self.when - self.due).total_seconds() / 3600 if self.when and self.due else None


def write_report(course: Course, problem_set: str, names: bool = False) -> list[Path]:
    """Write the report on a problem set, and its tables as CSV files.

    Parameters
    ----------
    course : Course
        Where.
    problem_set : str
        Which.
    names : bool, optional
        Show students' ids. Without it they have pseudonyms, the same in every report of the course, and a key in a
        file of its own.

    Returns
    -------
    list of Path
        The files, the page first.

    Raises
    ------
    CourseError, ReleaseError
        If there is no such set, or nothing of it has been graded.
    """
    releases = course.releases(problem_set)
    with course.lock(), course.gradebook() as gradebook:
        require_released(gradebook, problem_set)
        rows = class_rows(course, gradebook, problem_set)
        marks = [(student, mark) for student, _, mark in marks_of(gradebook, problem_set)]
    if not marks:
        raise CourseError(f"nothing has been graded for {problem_set}; `lstmlab grade {problem_set}` does it")
    shown = {row.student: row.student if names else pseudonym(course.secret(), row.student) for row in rows}
    tables = {"mistakes": mistakes(marks), "checks": check_rates(marks, releases),
              "submissions": submissions(rows, shown)}
    alike = [near_identical(course, release, shown, names) for release in releases]
    tables["similar"] = [{"students": " ".join(group["students"]), "alike": group["alike"], "bits": group["bits"]}
                         for found in alike for group in found["groups"]]
    folder = course.private / "reports"
    page = render("report.html.j2", title=title_of(course, releases[0]), problem_set=problem_set, names=names,
                  course=course.directories.course_id, tables=tables, facts=facts(rows),
                  look=[row for row in tables["submissions"] if row["status"] not in ("graded", "missing")],
                  waiting=waiting(rows, releases), unexplained=unexplained(marks, shown),
                  marks=distribution(rows), times=times(rows, shown), alike=alike)
    files = {f"{problem_set}.html": page}
    if not names:
        tables["key"] = [{"pseudonym": shown[student], "student": student} for student in sorted(shown)]
    files |= {f"{problem_set}-{name}.csv": as_csv(COLUMNS[name], table) for name, table in tables.items()}
    for name, text in files.items():
        write_private(folder / name, text)
    return [folder / name for name in files]


def pseudonym(secret: bytes, student: str) -> str:
    """What a student is called where nobody needs to know who it is; not to be reversed without the run secret."""
    made = base64.b32encode(hmac.digest(secret, f"pseudonym\0{student}".encode(), hashlib.sha256)).decode().lower()
    return f"{made[:4]}-{made[4:8]}"


# -- gathering -----------------------------------------------------------------------------------------


def class_rows(course: Course, gradebook: Gradebook, problem_set: str) -> list[Row]:
    """Everyone on the roster or with a submission, by name."""
    assignment = gradebook.find_assignment(problem_set)
    folders = course.submissions(problem_set)
    rows = {name: Row(name) for name in sorted({s.id for s in gradebook.students} | folders.keys())}
    for name in folders:
        rows[name].status, rows[name].reason = grading.LOOK, NOT_GRADED
    records = defaultdict(list)
    for record in submissions_of(gradebook, problem_set):
        records[record.student].append(record)
    for name, found in records.items():
        row = rows.setdefault(name, Row(name))
        worst = min(found, key=lambda record: ORDER.index(record.status))
        row.status, row.reason = worst.status, worst.reason
        taken = [record.seconds for record in found if record.seconds is not None]
        row.seconds = sum(taken) if taken else None
    for submission in gradebook.assignment_submissions(problem_set):
        row = rows[submission.student.id]
        row.when, row.due, row.penalty = submission.timestamp, assignment.duedate, submission.late_submission_penalty
        if row.due is not None and submission.extension is not None:
            row.due += submission.extension
    for (name, _), scores in scores_of(gradebook, problem_set).items():
        rows[name].scores += scores
    return list(rows.values())


def facts(rows: list[Row]) -> dict:
    """The figures at the top."""
    counts = Counter(row.status for row in rows)
    return {"students": len(rows), "submitted": len(rows) - counts[grading.MISSING],
            "statuses": [(status, counts[status]) for status in reversed(ORDER) if counts[status]],
            "look": sum(counts[status] for status in (grading.LOOK, grading.FAILED, grading.TIMED_OUT))}


def waiting(rows: list[Row], releases: list[Release]) -> list[tuple[str, int]]:
    """Answers that a human has yet to mark, by cell."""
    by_hand = [cell.grade_id for release in releases for cell in release.cells if cell.by_hand]
    counts = Counter(score.cell for row in rows if row.status == grading.GRADED for score in row.scores
                     if score.earned is None)
    return [(cell, counts[cell]) for cell in by_hand if counts[cell]]


def mistakes(marks: list[tuple[str, Mark]]) -> list[dict]:
    """How many made each mistake, of those whose answer was judged; the commonest first."""
    judged = Counter(mark.check for _, mark in marks if mark.status in WRITTEN)
    made = Counter((mark.check, name) for _, mark in marks for name in set(mark.mistakes))
    return [{"check": check, "mistake": name, "students": count, "of": judged[check], "why": why(check, name)}
            for (check, name), count in sorted(made.items(), key=lambda item: (-item[1], item[0]))]


def why(check: str, name: str) -> str:
    """The sentence that explains a mistake, or several that look alike from outside."""
    known = {mistake.name: mistake.why for mistake in checks.get(check).mistakes}
    found = [known[name]] if name in known else [known[one] for one in known if one in name.split(", or ")]
    return " Or: ".join(dict.fromkeys(found))


def unexplained(marks: list[tuple[str, Mark]], shown: dict[str, str]) -> list[dict]:
    """Wrong answers that no mistake of the catalogue explains, those of one kind together."""
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for student, mark in marks:
        if mark.status in ("partly right", "wrong") and not mark.mistakes:
            findings = mark.verdict.get("findings") or [[mark.text.partition("\n")[0].lstrip("✗ ")]]
            kinds[mark.check, findings[0][0]].append(shown[student])
    return [{"check": check, "words": words, "students": sorted(who)}
            for (check, words), who in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))]


def check_rates(marks: list[tuple[str, Mark]], releases: list[Release]) -> list[dict]:
    """By check and by part: how many earned it, of those whose answer was judged, and how the others ended."""
    by_cell: dict[str, list[Mark]] = defaultdict(list)
    for _, mark in marks:
        by_cell[mark.grade_id].append(mark)
    rows = []
    for release in releases:
        for grade_id, call in release.tests.items():
            found = by_cell[grade_id]
            ended = Counter(mark.status for mark in found)
            judged = [mark for mark in found if mark.status in WRITTEN]
            counts = {state: ended[state] for state in STATES}
            rows.append({"check": call.check, "part": "", "points": call.points, "earned by": ended["right"],
                         "of": len(judged), **counts})
            parts = {name: points for mark in judged for name, points, _ in mark.parts}
            for name, points in parts.items() if len(parts) > 1 else ():
                earned = sum((name, points, points) in mark.parts for mark in judged)
                rows.append({"check": call.check, "part": name, "points": points, "earned by": earned,
                             "of": len(judged), **dict.fromkeys(STATES, "")})
    return rows


def submissions(rows: list[Row], shown: dict[str, str]) -> list[dict]:
    """One row a student."""
    return sorted(({"student": shown[row.student], "status": row.status, "reason": row.reason, "mark": row.mark,
                    "of": sum(score.points for score in row.scores) or None, "late penalty": row.penalty,
                    "grading seconds": None if row.seconds is None else round(row.seconds, 2),
                    "submitted": row.when and f"{row.when:%Y-%m-%d %H:%M:%S} UTC",
                    "hours late": None if row.hours_late is None else round(max(0.0, row.hours_late), 2)}
                   for row in rows), key=lambda row: row["student"])


def distribution(rows: list[Row]) -> dict:
    """Marks in bars of equal width, and their middle."""
    found = sorted(row.mark for row in rows if row.mark is not None)
    points = max((sum(score.points for score in row.scores) for row in rows), default=0.0)
    width = next(w for w in (1, 2, 5, 10, 20, 50, 100, float("inf")) if (points + 1) / w <= BARS)
    top = max([points, *found]) if found else 0.0
    starts = [n * width for n in range(int(top // width) + 1)] if found else []
    counts = Counter(int(mark // width) for mark in found)
    bars = [{"label": f"{start:g}" if width == 1 else f"{start:g}–{min(start + width - 1, top):g}",
             "count": counts[n]} for n, start in enumerate(starts)]
    quartiles = statistics.quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
    return {"count": len(found), "points": points, "bars": bars, "highest": max((b["count"] for b in bars), default=0),
            "quartiles": quartiles, "mean": statistics.fmean(found) if found else None}


def times(rows: list[Row], shown: dict[str, str]) -> dict:
    """How long grading took, and when submissions came."""
    taken = sorted((row.seconds, shown[row.student]) for row in rows if row.seconds is not None)
    hours = [row.hours_late for row in rows if row.hours_late is not None]
    counts = Counter(next(words for end, words in SPANS if hour <= end) for hour in hours)
    seconds = [second for second, _ in taken]
    return {"graded": len(taken), "total": sum(seconds), "median": statistics.median(seconds) if taken else None,
            "most": seconds[int(0.95 * (len(taken) - 1))] if taken else None, "slowest": taken[-5:][::-1],
            "spans": [(words, counts[words]) for _, words in SPANS] if hours else [],
            "unknown": sum(row.when is None for row in rows if row.status != grading.MISSING)}


# -- near-identical submissions ------------------------------------------------------------------------


def near_identical(course: Course, release: Release, shown: dict[str, str], names: bool) -> dict:
    """What is worth a look for being alike, ready to be shown side by side."""
    works = {}
    for student, folder in course.submissions(release.problem_set).items():
        try:
            submission = read_submission(read_once(folder / f"{release.name}.ipynb"), release)
        except Unreadable:
            continue
        works[student] = similarity.work(similarity.answers(submission), release)
    reference = similarity.work(reference_answers(course, release), release)
    shares = {student: similarity.from_reference(work, reference) for student, work in works.items()}
    groups = [{"students": sorted(shown[s] for s in group.students), "alike": round(group.closest.alike, 3),
               "bits": round(group.closest.bits, 1), "cells": side_by_side(group.closest, works, names),
               "pair": [shown[s] for s in group.closest.students]} for group in similarity.groups(works)]
    told = sorted(share for student, share in shares.items() if len(works[student].exacts) >= similarity.FEWEST)
    return {"name": release.name, "compared": len(told), "groups": groups,
            "median": statistics.median(told) if told else None,
            "reference": sorted((-share, shown[s]) for s, share in shares.items() if share >= similarity.VERBATIM)}


def reference_answers(course: Course, release: Release) -> dict[str, str]:
    """The answers in the source notebook, and per function what lstmlab itself computes it with."""
    path = course.root / course.directories.source_directory / release.problem_set / f"{release.name}.ipynb"
    sources = read_release(path) if path.is_file() else release
    written = {cell.grade_id: cell.source for cell in sources.cells if not cell.locked}
    for call in release.tests.values():
        texts = "\n".join(dedented(source.text) for source in checks.get(call.check).sources)
        for cell, source in written.items():
            if re.search(rf"^(def|class) {call.function}\b", source, re.MULTILINE):
                written[cell] = f"{source}\n{texts}"
    return written


def dedented(text: str) -> str:
    """A function's source, moved to the margin."""
    indent = len(text) - len(text.lstrip(" "))
    return "\n".join(line[indent:] for line in text.splitlines())


def side_by_side(pair: similarity.Pair, works: dict[str, similarity.Work], names: bool) -> list[dict]:
    """The cells of two submissions in which something is the same, with those lines marked."""
    a, b = (works[student] for student in pair.students)
    cells = []
    for cell in a.sources:
        marked = [similarity.same_lines(one, other, cell) for one, other in ((a, b), (b, a))]
        if any(marked):
            cells.append({"name": cell, "others": pair.others.get(cell),
                          "sides": [numbered(work.sources[cell], lines, names)
                                    for work, lines in zip((a, b), marked, strict=True)]})
    return cells


def numbered(source: str, marked: Iterable[int], names: bool) -> list[tuple[bool, Markup]]:
    """Lines as HTML, and whether each is one of those marked; without empty ones, and where nobody is named without
    comments."""
    if not names:
        source = similarity.without_comments(source)
    lines = enumerate(str(code(source)).split("\n"), 1)
    return [(number in marked, Markup(line)) for number, line in lines if Markup(line).striptags()]


# -- files ---------------------------------------------------------------------------------------------


def as_csv(columns: tuple[str, ...], rows: list[dict]) -> str:
    """A table as CSV; no cell begins as a formula would."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    writer.writerows([harmless(row[name]) for name in columns] for row in rows)
    return buffer.getvalue()


def harmless(value: object) -> object:
    """What a spreadsheet shows and never evaluates."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
