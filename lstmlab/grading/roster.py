"""The class, from the CSV files that Canvas and Moodle export, or from a plain one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook, Student

from .course import NAME, CourseError
from .gradebook import find_identities, identities

MAX_BYTES = 50 * 2**20
MAX_TEXT = 128                                                    # characters that the gradebook's columns hold
FIELDS = ("first_name", "last_name", "email", "lms_user_id")
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+")


@dataclass(frozen=True)
class Layout:
    """Columns that a system's export has.

    Attributes
    ----------
    name : str
        Of the system.
    marks : frozenset of str
        Columns that it is known by.
    ids : tuple of str
        Columns of which the first that the file has holds the students' ids here.
    fields : dict of str
        The gradebook's fields by column.
    kinds : dict of str
        Kinds of identity by column.
    """

    name: str
    marks: frozenset[str]
    ids: tuple[str, ...]
    fields: dict[str, str]
    kinds: dict[str, str] = field(default_factory=dict)


_CANVAS_KINDS = {"ID": "canvas id", "SIS User ID": "canvas sis user id", "SIS Login ID": "canvas sis login id",
                 "Section": "canvas section"}
_MOODLE_KINDS = {"ID number": "moodle id number", "Username": "moodle username"}
_MOODLE_IDS = ("Username", "ID number", "Email address")
LAYOUTS = (
    Layout("Canvas", frozenset({"Student", "ID", "Section"}), ("SIS Login ID", "SIS User ID", "ID"),
           {"Student": "name", "ID": "lms_user_id"}, _CANVAS_KINDS),
    Layout("Canvas", frozenset({"LastName", "FirstName", "ID", "Section"}), ("SIS Login ID", "SIS User ID", "ID"),
           {"LastName": "last_name", "FirstName": "first_name", "ID": "lms_user_id"}, _CANVAS_KINDS),
    Layout("Moodle grading worksheet", frozenset({"Identifier", "Full name", "Grade"}), _MOODLE_IDS,
           {"Full name": "name", "Email address": "email", "ID number": "lms_user_id"}, _MOODLE_KINDS),
    Layout("Moodle", frozenset({"First name", "Last name", "Email address"}), _MOODLE_IDS,
           {"First name": "first_name", "Last name": "last_name", "Email address": "email",
            "ID number": "lms_user_id"}, _MOODLE_KINDS),
    Layout("Moodle", frozenset({"First name", "Surname", "Email address"}), _MOODLE_IDS,
           {"First name": "first_name", "Surname": "last_name", "Email address": "email",
            "ID number": "lms_user_id"}, _MOODLE_KINDS),
    Layout("plain", frozenset({"id"}), ("id",), {name: name for name in FIELDS}),
)


@dataclass(frozen=True)
class Entry:
    """One student as a file has them.

    Attributes
    ----------
    student : str
        Id here: the name of the folder with their submissions.
    fields : dict of str
        Of the gradebook; only what the file tells.
    kinds : dict of str
        What other systems call them, by kind.
    line : int
        In the file.
    """

    student: str
    fields: dict[str, str]
    kinds: dict[str, str]
    line: int


@dataclass(frozen=True)
class Changes:
    """What taking over a file does: ids of students, and for those that change what does."""

    added: tuple[str, ...]
    changed: dict[str, str]
    unchanged: tuple[str, ...]
    absent: tuple[str, ...]


def read_table(path: Path) -> tuple[Layout, list[str], list[tuple[int, dict[str, str]]]]:
    """Read a CSV file of students.

    Parameters
    ----------
    path : Path
        Comma, semicolon or tab between the columns, UTF-8.

    Returns
    -------
    Layout, list of str, list of (int, dict)
        How it is laid out, its columns, and its rows by line.

    Raises
    ------
    CourseError
        If it is no such file; the message says which columns are expected.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            raise CourseError(f"{path} is larger than {MAX_BYTES // 2**20} MiB; expected a list of students")
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = raw[:error.start].count(b"\n") + 1
        raise CourseError(f"{path}, line {line}: not UTF-8; save it as \"CSV UTF-8\"") from None
    for delimiter in ",;\t":
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            layout = next((layout for layout in LAYOUTS if layout.marks <= set(header)), None)
            if layout:
                return layout, header, read_rows(path, reader, header)
        except csv.Error as error:
            raise CourseError(f"{path}, line {reader.line_num}: {error}") from None
    expected = "; ".join(dict.fromkeys(f"{layout.name}: {', '.join(sorted(layout.marks))}" for layout in LAYOUTS))
    raise CourseError(f"{path}, line 1: no list of students that is known. Expected these columns among others: "
                      f"{expected}. There are: {text.splitlines()[0][:200]!r}" if text.strip() else
                      f"{path} is empty; expected a list of students")


def read_rows(path: Path, reader, header: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows under the header, without empty ones."""
    twice = sorted({name for name in header if name and header.count(name) > 1 and name in _KNOWN})
    if twice:
        raise CourseError(f"{path}, line 1: the column {twice[0]} is there more than once")
    rows, wrong = [], []
    for row in reader:
        if any(cell.strip() for cell in row):
            if len(row) > len(header):
                wrong.append(f"line {reader.line_num}: {len(row)} columns under a header of {len(header)}")
            rows.append((reader.line_num, {name: cell.strip() for name, cell in zip(header, row, strict=False)}))
    refuse(path, wrong)
    return rows


_KNOWN = {name for layout in LAYOUTS for name in (*layout.ids, *layout.fields, *layout.kinds, "Identifier")}


def refuse(path: Path, wrong: Sequence[str]) -> None:
    """Raise if something is wrong, naming the first twenty places."""
    if wrong:
        more = [f"and {len(wrong) - 20} more"] if len(wrong) > 20 else []
        raise CourseError(f"{path} was not taken over:\n" + "\n".join([*wrong[:20], *more]))


def read_roster(path: Path, id_column: str | None = None) -> tuple[str, list[Entry]]:
    """The students of a file.

    Parameters
    ----------
    path : Path
        What Canvas or Moodle exported, or a plain file with a column ``id``.
    id_column : str, optional
        The column that holds the students' ids here.

    Returns
    -------
    str, list of Entry
        What the file is, and its students.

    Raises
    ------
    CourseError
        With all that is wrong, by line and column.
    """
    layout, header, rows = read_table(path)
    id_column = id_column or next((name for name in layout.ids if name in header), layout.ids[0])
    if id_column not in header:
        raise CourseError(f"{path}, line 1: there is no column {id_column!r}; there are {', '.join(header)}")
    entries, wrong, lines = [], [], {}
    for line, row in rows:
        if layout.name == "Canvas" and no_student(row, id_column):
            continue
        entry = read_entry(line, row, layout, id_column, wrong)
        if entry.student in lines:
            wrong.append(f"line {line}, column {id_column}: {entry.student!r} is on line {lines[entry.student]} too")
        lines.setdefault(entry.student, line)
        entries.append(entry)
    refuse(path, wrong)
    if not entries:
        raise CourseError(f"{path} has no students in it")
    return layout.name, entries


def no_student(row: dict[str, str], id_column: str) -> bool:
    """Whether a row of Canvas's is one of points, of remarks on assignments, or its test student."""
    name = row.get("Student", f"{row.get('LastName')}, {row.get('FirstName')}")
    return name == "Points Possible" or not row.get("ID") or (name == "Student, Test" and not row.get("SIS User ID"))


def read_entry(line: int, row: dict[str, str], layout: Layout, id_column: str, wrong: list[str]) -> Entry:
    """One row; what is wrong with it is added to `wrong`."""
    student = row.get(id_column, "")
    if not NAME.fullmatch(student):
        wrong.append(f"line {line}, column {id_column}: expected an id of letters, digits and . _ @ - that begins with "
                     f"a letter or digit; it is {student!r}")
    found = {}
    for column, name in layout.fields.items():
        value = row.get(column, "")
        if not value:
            continue
        if len(value) > MAX_TEXT or not value.isprintable():
            wrong.append(f"line {line}, column {column}: expected at most {MAX_TEXT} printable characters; it is "
                         f"{value[:60]!r}")
        elif name == "email" and not _EMAIL.fullmatch(value):
            wrong.append(f"line {line}, column {column}: expected an e-mail address; it is {value!r}")
        elif name == "name":
            last, _, first = value.partition(", ")
            found |= {"last_name": last} | ({"first_name": first} if first else {})
        else:
            found[name] = value
    kinds = {kind: row[column][:256] for column, kind in layout.kinds.items() if row.get(column)}
    return Entry(student, found, kinds, line)


def compare(gradebook: Gradebook, path: Path, entries: Sequence[Entry]) -> Changes:
    """What taking the students over would do.

    Raises
    ------
    CourseError
        If an id of theirs in another system belongs to another student already.
    """
    known = {student.id: student for student in gradebook.students}
    names = find_identities(gradebook)
    owners = {item: student for student, kinds in names.items() for item in kinds.items()}
    refuse(path, [f"line {entry.line}: {kind} {value!r} belongs to {owners[kind, value]!r} already, not to "
                  f"{entry.student!r}; if it is one person, choose the id column with --id"
                  for entry in entries for kind, value in entry.kinds.items()
                  if kind not in SHARED and owners.get((kind, value), entry.student) != entry.student])
    added = tuple(entry.student for entry in entries if entry.student not in known)
    changed = {}
    for entry in entries:
        if entry.student in known:
            old = {name: getattr(known[entry.student], name) for name in entry.fields}
            old |= {kind: names.get(entry.student, {}).get(kind) for kind in entry.kinds}
            new = entry.fields | entry.kinds
            if old != new:
                changed[entry.student] = ", ".join(f"{name} {old[name] or 'empty'} → {new[name]}" for name in new
                                                   if old[name] != new[name])
    same = tuple(entry.student for entry in entries if entry.student in known and entry.student not in changed)
    listed = {entry.student for entry in entries}
    return Changes(added, changed, same, tuple(sorted(known.keys() - listed)))


SHARED = ("canvas section",)                                      # kinds that many students have in common


def take_over(gradebook: Gradebook, entries: Sequence[Entry]) -> None:
    """Enter the students, in one transaction; nobody is removed."""
    for entry in entries:
        student = gradebook.db.get(Student, entry.student)
        if student is None:
            student = Student(id=entry.student)
            gradebook.db.add(student)
        for name, value in entry.fields.items():
            setattr(student, name, value)
        for kind, value in entry.kinds.items():
            remember(gradebook, entry.student, kind, value)
    gradebook.db.commit()


def remember(gradebook: Gradebook, student: str, kind: str, value: str) -> None:
    """Note what another system calls a student."""
    gradebook.db.execute(identities.delete().where(identities.c.student == student, identities.c.kind == kind))
    gradebook.db.execute(identities.insert().values(student=student, kind=kind, value=value))
