"""Feedback: one HTML page a student, with the mark, what is wrong and why, and their own notebook beneath."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbgrader.api import Gradebook, SubmittedAssignment

from . import grade as grading
from .course import Course, CourseError
from .grade import Mark
from .gradebook import Score, marks_of, scores_of, submissions_of
from .markdown import safe_markdown
from .outputs import clean_outputs
from .pages import MAX_SHOWN, code, plain, render, visible, write_private
from .release import Release
from .submission import Unreadable, grade_id_of, read_once

MAX_PAGE = 24 * 2**20              # bytes of HTML that a student's cells may make
MAX_MARKDOWN = 20_000              # characters of a Markdown cell that are typeset
MAX_EQUATIONS = 300                # of a Markdown cell
MAX_TYPESET = 200_000              # characters of all Markdown cells of a page
MAX_SECRET = 4096                  # bytes of nbgrader's submission_secret.txt, which has 128
_WIDE = re.compile(r'(?P<table><table>.*?</table>)|<math[^>]*display="block".*?</math>', re.DOTALL)
LONG = 40                          # lines of output from which on it is folded away
STATES = {                         # of a test cell: sign, class and words
    "right": ("✓", "good", "right"),
    "partly right": ("◐", "part", "partly right"),
    "wrong": ("✗", "bad", "wrong"),
    "not written": ("○", "bad", "not written yet"),
    "timed out": ("…", "wait", "awaiting a look"),
    "no verdict": ("…", "wait", "awaiting a look"),
}
ENDINGS = {                        # what a student is told who is not simply graded
    grading.FAILED: "Your notebook arrived, but it could not be graded: {reason}. No mark has been formed from it, and "
                    "none is lost. Please open it once more in Jupyter, run it from top to bottom, save it, and hand "
                    "it in again if you still can; otherwise talk to your instructor.",
    grading.TIMED_OUT: "Something did not finish in the time it has ({reason}). That is not a mark: your instructor "
                       "will look at it. What did finish is below.",
    grading.LOOK: "For something in your notebook no mark could be formed ({reason}). Your instructor will look at "
                  "it. What could be judged is below.",
}


@dataclass(frozen=True)
class Page:
    """A page of feedback: whose, where, and whether it was written now or stayed as it was."""

    student: str
    path: Path
    written: bool


def write_feedback(course: Course, problem_set: str, students: tuple[str, ...] = (),
                   force: bool = False) -> Iterator[Page]:
    """Write the pages of a problem set where nbgrader's exchange expects them.

    Parameters
    ----------
    course : Course
        Where.
    problem_set : str
        Which.
    students : tuple of str, optional
        Only these students'.
    force : bool, optional
        Write even what has not changed.

    Yields
    ------
    Page
        One for every graded notebook; who submitted nothing has none.

    Raises
    ------
    CourseError, ReleaseError
        If there is no such set or student; nothing is written then.
    """
    releases = {release.name: release for release in course.releases(problem_set)}
    titles = {name: title_of(course, release) for name, release in releases.items()}
    with course.lock(), course.gradebook() as gradebook:
        graded = [row for row in submissions_of(gradebook, problem_set) if row.notebook in releases]
        if unknown := set(students) - {row.student for row in graded}:
            raise CourseError(f"nothing of {', '.join(sorted(unknown))} has been graded for {problem_set}; "
                              f"`lstmlab grade {problem_set}` grades what was submitted")
        for row in graded:
            if not students or row.student in students:
                folder = course.root / course.directories.feedback_directory / row.student / problem_set
                page = page_of(course, gradebook, releases[row.notebook], row, titles[row.notebook])
                for name, data in exchange_files(course, gradebook, problem_set, row.student).items():
                    write_private(folder / name, data)
                path = folder / f"{row.notebook}.html"
                yield Page(row.student, path, write_private(path, page, force))


class FeedbackExporter(Exporter):
    """Lets `nbgrader generate_feedback` and the Formgrader write the same pages."""

    file_extension = ".html"

    def from_filename(self, filename, resources=None, **kwargs):
        directories, names = self.parent.coursedir, resources["nbgrader"]
        course = Course(Path(directories.root), directories, self.config)
        release = next(r for r in course.releases(names["assignment"]) if r.name == names["notebook"])
        with course.gradebook() as gradebook:
            row = next((row for row in submissions_of(gradebook, names["assignment"])
                        if (row.student, row.notebook) == (names["student"], names["notebook"])), None)
            if row is None:
                raise CourseError(f"{names['student']} has not been graded; "
                                  f"`lstmlab grade {names['assignment']}` does it")
            page = page_of(course, gradebook, release, row, title_of(course, release))
            files = exchange_files(course, gradebook, names["assignment"], names["student"])
        return page, {**resources, "output_extension": self.file_extension, "outputs": files}


def exchange_files(course: Course, gradebook: Gradebook, problem_set: str, student: str) -> dict[str, bytes]:
    """What `nbgrader release_feedback` reads beside a page: when it was handed in, and the name it is fetched by.

    The exchange names a page by a hash of the secret that the student's own submission carries. What came another
    way carries none and is fetched by nobody; a secret of our own keeps the release of all others from stopping.
    """
    try:
        secret = read_once(course.submitted / student / problem_set / "submission_secret.txt")[:MAX_SECRET]
    except Unreadable:
        secret = b""
    own = hmac.new(course.secret(), f"feedback\0{student}\0{problem_set}".encode(), hashlib.sha256).hexdigest()
    when = gradebook.find_submission(problem_set, student).timestamp
    return {"submission_secret.txt": secret or own.encode(), "timestamp.txt": f"{when} UTC".encode() if when else b""}


def title_of(course: Course, release: Release) -> str:
    """The first heading of the released notebook, or its name."""
    path = course.root / course.directories.release_directory / release.problem_set / f"{release.name}.ipynb"
    notebook = nbformat.reads(path.read_text(), as_version=4)
    headings = (re.match(r"#\s+(.+)", cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    return next((heading[1].strip() for heading in headings if heading), release.name)


# -- the page ------------------------------------------------------------------------------------------


def page_of(course: Course, gradebook: Gradebook, release: Release, row, title: str) -> str:
    """The page of one graded notebook; `row` is its record."""
    submission = gradebook.find_submission(release.problem_set, row.student)
    scores = scores_of(gradebook, release.problem_set, row.student).get((row.student, release.name), [])
    marks = {mark.grade_id: mark for _, notebook, mark in marks_of(gradebook, release.problem_set, row.student)
             if notebook == release.name}
    results = [result(score, marks.get(score.cell)) for score in in_order(scores, release)]
    cells = [] if row.status == grading.FAILED else notebook_cells(course, release, row.student, results)
    ending = ENDINGS.get(row.status, "").format(reason=grading.told(row.reason).rstrip("."))
    return render("feedback.html.j2", title=title, release=release, student=row.student,
                  course=course.directories.course_id, ending=ending, results=results, cells=cells,
                  total=total(results, submission, release.name), notes=json.loads(row.notes),
                  comments=comments(submission, release.name, cells), **handed_in(submission))


def in_order(scores: list[Score], release: Release) -> list[Score]:
    """Scores in the order of the released notebook."""
    order = [cell.grade_id for cell in release.cells]
    return sorted((score for score in scores if score.cell in order), key=lambda score: order.index(score.cell))


def result(score: Score, mark: Mark | None) -> dict:
    """One row of the table of marks, and what there is to say about it."""
    state = mark.status if mark else ""
    sign, look, words = STATES.get(state, ("…", "wait", "awaiting a mark"))
    if score.earned is not None and (mark is None or mark.earned is None):
        sign, look, words = "●", "", "marked by your instructor"
    elif mark and score.manual is not None:
        words = f"{words}; the points were set by your instructor"
    verdict = {"findings": [], "remarks": [], "notes": {}, "footnote": ""} | (mark.verdict if mark else {})
    return {"grade_id": score.cell, "name": mark.check if mark else score.cell.replace("_", " "),
            "by_hand": mark is None, "sign": sign, "look": look, "words": words, "points": score.points,
            "earned": score.earned, "extra": score.extra or 0.0, "verdict": verdict, "text": unverdicted(mark),
            "parts": [{"name": name, "points": points, "earned": earned, "note": verdict["notes"].get(name, "")}
                      for name, points, earned in (mark.parts if mark else ())]}


def unverdicted(mark: Mark | None) -> list[str]:
    """The paragraphs of a text that has no verdict behind it, without its first line's sign and name."""
    if mark is None or mark.verdict or mark.status == "right":
        return []
    first, *rest = mark.text.split("\n")
    start = first.partition(": ")[2] or first
    return [words[:1].upper() + words[1:] for words in (start, " ".join(" ".join(rest).split())) if words]


def total(results: list[dict], submission: SubmittedAssignment, notebook: str) -> dict:
    """The mark of the notebook; no number as long as a cell has none."""
    waiting = [r["name"] for r in results if r["earned"] is None]
    penalty = next((n.late_submission_penalty or 0.0 for n in submission.notebooks if n.name == notebook), 0.0)
    earned = sum(r["earned"] or 0.0 for r in results)
    return {"waiting": waiting, "points": sum(r["points"] for r in results), "earned": earned, "penalty": penalty,
            "final": max(0.0, earned - penalty)}


def handed_in(submission: SubmittedAssignment) -> dict[str, str]:
    """When it was handed in, and how late that was, in words."""
    when, due = submission.timestamp, submission.assignment.duedate
    if due is not None and submission.extension is not None:
        due += submission.extension
    late = when - due if when and due and when > due else None
    return {"when": f"{when:%d %B %Y, %H:%M} UTC" if when else "", "due": f"{due:%d %B %Y, %H:%M} UTC" if due else "",
            "late": in_words(late) if late else ""}


def in_words(time: datetime.timedelta) -> str:
    """A span of time in its two largest units.

    Examples
    --------
    >>> in_words(datetime.timedelta(days=1, hours=2, minutes=3))
    '1 day 2 hours'
    """
    minutes = max(1, round(time.total_seconds() / 60))
    units = (("day", minutes // 1440), ("hour", minutes // 60 % 24), ("minute", minutes % 60))
    return " ".join([f"{count} {unit}{'s' * (count != 1)}" for unit, count in units if count][:2])


def comments(submission: SubmittedAssignment, notebook: str, cells: list[dict]) -> list[dict]:
    """What a human wrote about single answers, each with the number of its cell on the page."""
    found = [(c.name, c.manual_comment) for n in submission.notebooks if n.name == notebook for c in n.comments]
    number = {cell["grade_id"]: cell["number"] for cell in cells}
    return [{"name": name.replace("_", " "), "text": markdown(words), "cell": number.get(name)}
            for name, words in found if words and words.strip()]


# -- the notebook --------------------------------------------------------------------------------------


def notebook_cells(course: Course, release: Release, student: str, results: list[dict]) -> list[dict]:
    """The student's executed notebook, as much of it as a page can hold, made ready to be shown."""
    path = course.autograded / student / release.problem_set / f"{release.name}.ipynb"
    try:
        notebook = nbformat.reads(read_once(path).decode(), as_version=4)
    except (Unreadable, ValueError) as error:
        return [note(1, f"Your notebook with its outputs cannot be shown here: {str(error)[:200]}")]
    shown, size, typeset, outline = [], 0, 0, Outline()
    for number, cell in enumerate(notebook.cells, 1):
        typeset += len(cell.source) * (cell.cell_type == "markdown")
        if typeset > MAX_TYPESET:
            cell.cell_type = "raw"
        view = cell_view(number, cell, {r["grade_id"]: n for n, r in enumerate(results, 1)}, outline)
        size += sum(len(str(value)) for value in view.values())
        if size > MAX_PAGE:
            return [*shown, note(number, "The page would grow too large: the rest of your notebook is left out here.")]
        shown.append(view)
    figures = [figure for view in shown for output in view["outputs"] for figure in output["figures"]]
    for number, figure in enumerate(figures, 1):
        figure["number"] = number
    return shown


def note(number: int, words: str) -> dict:
    """Words of our own in place of a cell."""
    return {"number": number, "kind": "note", "grade_id": None, "html": words, "outputs": [], "result": None}


def cell_view(number: int, cell: nbformat.NotebookNode, tests: dict[str, int], outline: Outline) -> dict:
    """One cell: what it is, its HTML, its outputs, and for a test cell which result it has."""
    grade_id = grade_id_of(cell)
    view = {"number": number, "kind": cell.cell_type, "grade_id": grade_id, "outputs": [],
            "result": tests.get(grade_id)}
    if cell.cell_type == "code":
        tested = view["result"] is not None and cell.metadata.nbgrader.get("locked")
        outputs = [] if tested else clean_outputs([dict(output) for output in cell.outputs])
        return view | {"html": code(cell.source), "outputs": [output_view(output) for output in outputs]}
    if cell.cell_type == "markdown":
        return view | {"html": outline.shifted(markdown(cell.source))}
    return view | {"html": Markup("<pre>%s</pre>") % visible(cell.source[:MAX_SHOWN])}


def output_view(output: nbformat.NotebookNode) -> dict:
    """One output as text and figures."""
    if output.output_type == "stream":
        text = output.text
    elif output.output_type == "error":
        text = "\n".join(output.traceback)
    else:
        text = output.data.get("text/plain", "")
    figures = [{"source": f"data:{mime};base64,{data}"} for mime, data in output.get("data", {}).items()
               if mime.startswith("image/")]
    if figures:
        text = ""                                                  # <Figure size 600x300 with 1 Axes>
    text = plain(text).rstrip("\n")
    return {"text": text, "error": output.output_type == "error", "figures": figures,
            "lines": text.count("\n") + 1 if text.count("\n") >= LONG else 0}


@functools.lru_cache(256)                                          # most cells are the release's, for everyone
def markdown(source: str) -> Markup:
    """Markdown of anybody's as HTML; as plain text where it is so long or so odd that it could hold a page up.

    Tables and displayed equations scroll in a box of their own, which the keyboard reaches.
    """
    source = visible(source)
    if len(source) <= MAX_MARKDOWN and source.count("$") <= 2 * MAX_EQUATIONS:
        with contextlib.suppress(Exception):                       # whatever a converter trips over, the text is there
            return Markup(_WIDE.sub(_boxed, safe_markdown(source)))
    return Markup("<pre>%s</pre>") % source[:MAX_SHOWN]


def _boxed(match: re.Match) -> str:
    tag, name = ("div", "table") if match["table"] else ("span", "equation")
    return f'<{tag} class="scroll" tabindex="0" role="group" aria-label="{name}">{match[0]}</{tag}>'


class Outline:
    """Headings of many cells under the page's own, none of them more than one level below the one before."""

    def __init__(self, level: int = 2):
        self._level, self._top = level, level

    def shifted(self, html: Markup) -> Markup:
        """The same HTML with its headings moved down."""
        return Markup(re.sub(r"<(/?)h([1-6])>", self._shift, html))

    def _shift(self, match: re.Match) -> str:
        if not match[1]:
            self._level = min(int(match[2]) + self._top, self._level + 1, 6)
        return f"<{match[1]}h{self._level}>"
