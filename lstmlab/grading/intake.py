"""Submissions from the archives that Canvas and Moodle export: matched by id, never by an entry's own path."""

from __future__ import annotations

import datetime
import os
import re
import stat
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nbgrader.api import Gradebook
from nbgrader.utils import parse_utc

from .classrun import require_released
from .course import Course, CourseError
from .dates import reassess
from .gradebook import find_identities
from .roster import read_table, refuse, remember
from .submission import MAX_BYTES

MAX_ENTRIES = 100_000
MAX_TOTAL = 16 * 2**30             # bytes of all notebooks, unpacked
MAX_RATIO = 200                    # of unpacked to packed, for what is larger than a MiB
_CANVAS = re.compile(r"[^/]*?_(?P<late>LATE_)?(?P<id>\d+)_(?P<file>\d+)_(?P<name>[^/]+)")
_MOODLE = re.compile(r"[^/]+_(?P<id>\d+)_assignsubmission_file_?/?(?P<name>.+)")
TIME = "timestamp.txt"             # where nbgrader looks for the time of submission
AMBIGUOUS = "its name can be read in two ways"
_UNSAFE = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|\\|\0")


@dataclass(frozen=True)
class Found:
    """A notebook in the archive and what its name tells.

    Attributes
    ----------
    entry : ZipInfo
        Where it is.
    student, notebook : str
        Whose, and which notebook of the set.
    attempt : tuple of int
        The higher, the later it was handed in.
    late : bool
        Whether Canvas marks it as late.
    """

    entry: zipfile.ZipInfo
    student: str
    notebook: str
    attempt: tuple[int, int] = (0, 0)
    late: bool = False


@dataclass
class Intake:
    """What became of an archive.

    Attributes
    ----------
    added, replaced, unchanged : list of str
        Students.
    late : list of str
        Students whose submission Canvas marks as late without saying when it came.
    notes : list of str
        What to say of what was taken.
    unmatched : list of (str, str)
        Entries that were not taken, and why.
    kept : Path or None
        Where the replaced submissions are now.
    """

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unmatched: list[tuple[str, str]] = field(default_factory=list)
    kept: Path | None = None


@dataclass(frozen=True)
class Worksheet:
    """Moodle's grading worksheet of one assignment: whose a participant number is, and when they submitted.

    Attributes
    ----------
    students : dict of str
        By participant number.
    times : dict of datetime
        In UTC, by student.
    """

    students: dict[str, str] = field(default_factory=dict)
    times: dict[str, datetime.datetime] = field(default_factory=dict)


def import_archive(course: Course, problem_set: str, archive: Path, worksheet: Path | None = None,
                   zone: ZoneInfo | None = None, entry_times: bool = False, dry_run: bool = False) -> Intake:
    """Put the submissions of an archive where nbgrader collects them.

    Everything is unpacked aside first and moved into place only when all of it is there. A submission that is
    replaced is kept, under ``class/replaced/TIME``.

    Parameters
    ----------
    course : Course
        Where.
    problem_set : str
        Which.
    archive : Path
        The zip file that Canvas or Moodle made.
    worksheet : Path, optional
        Moodle's grading worksheet of the same assignment.
    zone : ZoneInfo, optional
        In which the times of the worksheet, or of the archive's entries, are meant.
    entry_times : bool, optional
        Take the times of the archive's entries for those of submission.
    dry_run : bool, optional
        Only say what would be done.

    Raises
    ------
    CourseError, ReleaseError
        Before anything is moved.
    """
    notebooks = [release.name for release in course.releases(problem_set)]
    with course.lock(), course.gradebook() as gradebook, open_archive(archive) as opened:
        require_released(gradebook, problem_set)
        kind = f"moodle participant of {problem_set}"
        sheet = read_worksheet(gradebook, worksheet, zone) if worksheet else Worksheet(
            {kinds[kind]: student for student, kinds in find_identities(gradebook).items() if kind in kinds})
        if entry_times and zone is None:
            raise CourseError("the times of a zip file's entries have no time zone; say which with --timezone, "
                              "for example --timezone Europe/Berlin")
        intake = Intake()
        found = match(opened, gradebook, sheet, notebooks, intake)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=course.private) as aside:
            staged = Path(aside)
            stage(opened, found, staged, problem_set, intake)
            for student in sorted(path.name for path in staged.iterdir()):
                times = [clock(one.entry, zone) for one in found if one.student == student] if entry_times else []
                when = sheet.times.get(student) or max(times, default=None)
                if when:
                    write(staged / student / problem_set / TIME, f"{when:%Y-%m-%d %H:%M:%S} UTC\n".encode())
                elif any(one.late for one in found if one.student == student):
                    intake.late.append(student)
            settle(course, problem_set, staged, intake, dry_run)
        if not dry_run:
            for number, student in sheet.students.items():
                remember(gradebook, student, kind, number)         # `lstmlab export` names participants by it
            gradebook.db.commit()
            reassess(course, gradebook, problem_set)               # times may have come to be known
    return intake


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip file of a reasonable number of entries."""
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise CourseError(f"{path} cannot be read as a zip file: {error}") from None
    if len(opened.infolist()) > MAX_ENTRIES:
        opened.close()
        raise CourseError(f"{path} has {len(opened.infolist())} entries; at most {MAX_ENTRIES} are taken")
    return opened


# -- whose is it? --------------------------------------------------------------------------------------


def match(opened: zipfile.ZipFile, gradebook: Gradebook, sheet: Worksheet, notebooks: Sequence[str],
          intake: Intake) -> list[Found]:
    """The newest version of each notebook of each student; everything else goes to `intake.unmatched`."""
    known = {student.id: student.lms_user_id for student in gradebook.students}
    canvas = {lms: student for student, lms in known.items() if lms}
    canvas |= {kinds["canvas id"]: student for student, kinds in find_identities(gradebook).items()
               if "canvas id" in kinds}
    names = Counter(entry.filename for entry in opened.infolist())
    found: list[Found] = []
    for entry in opened.infolist():
        if entry.is_dir():
            continue
        why = trouble(entry, names)
        one = why or identify(entry, canvas, sheet.students, notebooks)
        if isinstance(one, Found):
            found.append(one)
        else:
            intake.unmatched.append((printable(entry.filename), one))
    return newest(found, notebooks, intake)


def trouble(entry: zipfile.ZipInfo, names: Counter) -> str:
    """Why an entry is not even looked at; empty where it is."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if _UNSAFE.search(entry.orig_filename) or _UNSAFE.search(entry.filename):
        return "its path leads out of the archive"
    if kind and kind != stat.S_IFREG:
        return "it is a link or a device, no file"
    if entry.flag_bits & 1:
        return "it is encrypted"
    if names[entry.filename] > 1:
        return "the archive has several entries of this name"
    if entry.file_size > MAX_BYTES:
        return f"it is larger than {MAX_BYTES // 2**20} MiB"
    if entry.file_size > 2**20 and entry.file_size > MAX_RATIO * entry.compress_size:
        return f"it is packed more than {MAX_RATIO}-fold, as no notebook is"
    return ""


def identify(entry: zipfile.ZipInfo, canvas: dict[str, str], moodle: dict[str, str],
             notebooks: Sequence[str]) -> Found | str:
    """Whose entry it is, or why that cannot be said."""
    name = entry.filename
    if name.count("_assignsubmission_file_") > 1 and "/" not in name:
        return AMBIGUOUS                                           # a student may have chosen either half
    if match := _MOODLE.fullmatch(name):
        student, system, late, number = moodle.get(match["id"]), "participant", False, 0
        hint = "in the grading worksheet" if moodle else "known; give Moodle's grading worksheet with --worksheet"
    elif match := _CANVAS.fullmatch(name):
        student, system, late, number = canvas.get(match["id"]), "Canvas id", bool(match["late"]), int(match["file"])
        hint = "on the roster"
        if re.match(r"\d+_", match["name"]):                       # the name may end in a number: _5_12_99_file
            return AMBIGUOUS
    else:
        return "its name is neither of Canvas's nor of Moodle's form"
    if student is None:
        return f"{system} {match['id']} is not {hint}"
    file = match["name"].rpartition("/")[2]
    stem, dot, suffix = file.rpartition(".")
    if suffix.lower() != "ipynb" or not dot:
        return "it is no notebook (.ipynb)"
    notebook, attempt = which(stem, notebooks)
    return Found(entry, student, notebook, (attempt, number), late)


def which(stem: str, notebooks: Sequence[str]) -> tuple[str, int]:
    """Which notebook of the set a file is, and the attempt that its name counts; empty for none of them.

    Examples
    --------
    >>> which("ps3-2", ["ps3"]), which("ps3 (1)", ["ps3"]), which("other", ["ps3"])
    (('ps3', 2), ('ps3', 1), ('', 0))
    """
    if stem in notebooks:
        return stem, 0
    for name in notebooks:
        if count := re.fullmatch(re.escape(name) + r"[-_ ]?\(?(\d{1,6})\)?", stem):
            return name, int(count[1])
    return "", 0


def newest(found: Sequence[Found], notebooks: Sequence[str], intake: Intake) -> list[Found]:
    """Of each notebook of each student the last attempt; a lone file of another name, where there is one notebook."""
    named = {one.student for one in found if one.notebook}
    groups: dict[tuple[str, str], list[Found]] = {}
    for one in found:
        if one.notebook or (one.student not in named and len(notebooks) == 1):
            groups.setdefault((one.student, one.notebook or notebooks[0]), []).append(one)
        else:
            expected = ", ".join(f"{name}.ipynb" for name in notebooks)
            intake.unmatched.append((printable(one.entry.filename), f"it is not named {expected}"))
    taken = []
    for (student, notebook), versions in groups.items():
        *older, last = sorted(versions, key=lambda one: one.attempt)
        if older and older[-1].attempt == last.attempt:
            intake.unmatched += [(printable(one.entry.filename), f"{student} handed in several files that could be "
                                  f"{notebook}.ipynb, and nothing tells which is the last") for one in versions]
            continue
        name = printable(last.entry.filename)
        intake.unmatched += [(printable(one.entry.filename), f"{student} handed in a newer version, which was taken: "
                              f"{name}") for one in older]
        if not last.notebook:
            intake.notes.append(f"{student}: {name} was taken as {notebook}.ipynb")
        taken.append(replace(last, notebook=notebook))
    return taken


def read_worksheet(gradebook: Gradebook, path: Path, zone: ZoneInfo | None) -> Worksheet:
    """Whose the participant numbers of Moodle's grading worksheet are, and when they submitted."""
    layout, _, rows = read_table(path)
    if layout.name != "Moodle grading worksheet":
        raise CourseError(f"{path} is no grading worksheet; expected the columns Identifier, Full name and Grade")
    owners = {("Email address", student.email.casefold()): student.id for student in gradebook.students
              if student.email}
    for student, kinds in find_identities(gradebook).items():
        owners |= {(column, kinds[kind].casefold()): student for column, kind in
                   (("ID number", "moodle id number"), ("Username", "moodle username")) if kind in kinds}
    sheet, wrong = Worksheet(), []
    for line, row in rows:
        number = re.search(r"(\d+)$", row.get("Identifier", ""))
        students = {owners[column, row[column].casefold()] for column in ("Username", "ID number", "Email address")
                    if row.get(column) and (column, row[column].casefold()) in owners}
        if number is None:
            wrong.append(f"line {line}, column Identifier: expected \"Participant\" and a number; it is "
                         f"{row.get('Identifier')!r}")
        elif len(students) > 1:
            wrong.append(f"line {line}: its columns belong to several students, {', '.join(sorted(students))}")
        elif students:
            student, = students
            sheet.students[number[1]] = student
            when = row.get("Last modified (submission)", "-")
            if when not in ("", "-"):
                sheet.times[student] = moment(when, zone, f"line {line}, column Last modified (submission)", wrong)
    refuse(path, wrong)
    return sheet


def moment(text: str, zone: ZoneInfo | None, where: str, wrong: list[str]) -> datetime.datetime | None:
    """A time as Moodle writes it, in UTC."""
    if zone is None:
        wrong.append(f"{where}: {text!r} has no time zone; say which with --timezone, for example "
                     "--timezone Europe/Berlin")
        return None
    try:
        return parse_utc(text).replace(tzinfo=zone).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        wrong.append(f"{where}: expected a time such as \"Sunday, 1 November 2026, 11:59 PM\"; it is {text!r}")
        return None


def read_zone(name: str) -> ZoneInfo:
    """A time zone by its name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CourseError(f"there is no time zone {name!r}; expected a name such as Europe/Berlin or UTC") from None


def clock(entry: zipfile.ZipInfo, zone: ZoneInfo) -> datetime.datetime:
    """An entry's time, in UTC."""
    return datetime.datetime(*entry.date_time, tzinfo=zone).astimezone(datetime.UTC)


def printable(name: str) -> str:
    """A name from outside as a terminal may show it."""
    return "".join(letter if letter.isprintable() else "�" for letter in name[:200])


# -- into place ----------------------------------------------------------------------------------------


def stage(opened: zipfile.ZipFile, found: Sequence[Found], staged: Path, problem_set: str, intake: Intake) -> None:
    """Unpack aside; the files' names are the roster's and the release's, never the archive's."""
    total = 0
    for one in found:
        try:
            with opened.open(one.entry) as file:
                raw = file.read(MAX_BYTES + 1)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as error:
            intake.unmatched.append((printable(one.entry.filename), f"it cannot be unpacked ({error})"))
            continue
        total += len(raw)
        if len(raw) > MAX_BYTES:
            intake.unmatched.append((printable(one.entry.filename), f"it is larger than {MAX_BYTES // 2**20} MiB"))
        elif total > MAX_TOTAL:
            raise CourseError(f"the archive holds more than {MAX_TOTAL // 2**30} GiB; nothing was taken from it")
        else:
            place = staged / one.student / problem_set
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(place / f"{one.notebook}.ipynb", raw)


def write(path: Path, raw: bytes) -> None:
    """Write a new file that only its owner reads."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(raw)


def settle(course: Course, problem_set: str, staged: Path, intake: Intake, dry_run: bool) -> None:
    """Move what was staged into place, and what was there before out of it."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S.%fZ")
    for folder in sorted(staged.iterdir()):
        student, new, old = folder.name, folder / problem_set, course.submitted / folder.name / problem_set
        before, after = contents(old) or {}, contents(new)
        timed = TIME in before and TIME not in after
        if before == after | ({TIME: before[TIME]} if timed else {}):
            intake.unchanged.append(student)
            continue
        there = os.path.lexists(old)
        (intake.replaced if there else intake.added).append(student)
        if timed:
            intake.notes.append(f"{student}: the submission before had a time; this archive tells none")
        if dry_run:
            continue
        old.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if there:
            intake.kept = course.private / "replaced" / stamp
            aside = intake.kept / student / problem_set
            aside.parent.mkdir(mode=0o700, parents=True)
            os.rename(old, aside)
        os.rename(new, old)


def contents(folder: Path) -> dict[str, bytes] | None:
    """The files of a submission; None where it is no folder of plain files."""
    if folder.is_symlink() or not folder.is_dir() or any(p.is_symlink() or not p.is_file() for p in folder.iterdir()):
        return None
    return {path.name: path.read_bytes() for path in folder.iterdir()}
