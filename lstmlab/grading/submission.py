"""A submission: read once, never trusted, matched to the release by grade_id."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from .release import Release, ReleasedCell

MAX_BYTES = 20 * 2**20
MAX_CELLS = 500
_READ = os.O_RDONLY                                               # Windows lacks two of these, Unix one
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
    _READ |= getattr(os, _flag, 0)


class Unreadable(ValueError):
    """The submission cannot be graded at all; the message says why."""


@dataclass(frozen=True)
class Cell:
    """A cell as it will be run and shown.

    Attributes
    ----------
    cell_type, source : str
        What it is; from the release if it is locked there.
    released : ReleasedCell or None
        Its counterpart in the release.
    """

    cell_type: str
    source: str
    released: ReleasedCell | None = None


@dataclass(frozen=True)
class Submission:
    """Cells in running order, and what had to be put right."""

    cells: tuple[Cell, ...]
    notes: tuple[str, ...]

    @property
    def unanswered(self) -> frozenset[str]:
        """Solution cells that are still as they were released."""
        return frozenset(cell.released.grade_id for cell in self.cells if cell.released and not cell.released.locked
                         and cell.source.strip() in ("", cell.released.source.strip()))


def read_once(path: Path) -> bytes:
    """Read a submitted file, once: a regular file of limited size, never through a link.

    Raises
    ------
    Unreadable
        If it is a link, no regular file, or too large.
    """
    try:
        descriptor = os.open(path, _READ)
    except OSError as error:
        raise Unreadable(f"the file cannot be opened as a regular file ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable("it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"it is larger than {MAX_BYTES // 2**20} MiB")
    return raw


def read_submission(raw: bytes, release: Release) -> Submission:
    """Parse a submitted notebook and put the release's locked cells back.

    Parameters
    ----------
    raw : bytes
        The file, as `read_once` gave it.
    release : Release
        What was released.

    Returns
    -------
    Submission
        Every code cell of the student's in their order; locked cells, types and points as released; a locked
        cell that is missing stands after its predecessor in the release.

    Raises
    ------
    Unreadable
        If the bytes are no notebook of format 4.
    """
    try:
        notebook = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is not readable as a notebook ({type(error).__name__}: {str(error)[:200]})") from None
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4 or not isinstance(notebook.get("cells"), list):
        raise Unreadable("it is no notebook of format 4 (a dictionary with nbformat 4 and a list of cells)")
    if len(notebook["cells"]) > MAX_CELLS:
        raise Unreadable(f"it has {len(notebook['cells'])} cells (at most {MAX_CELLS} are graded)")
    matching = Matching(release)
    for number, cell in enumerate(notebook["cells"]):
        matching.take(number, cell)
    matching.insert_missing()
    return Submission(tuple(matching.cells), tuple(matching.notes))


@dataclass
class Matching:
    """The release laid over a student's cells, one cell after the other."""

    release: Release
    cells: list[Cell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.known = {cell.grade_id: cell for cell in self.release.cells}
        self.seen: set[str] = set()

    def take(self, number: int, cell: object) -> None:
        """Add one cell of the student's, or the release's in its place."""
        cell_type, source = (cell.get("cell_type"), cell.get("source")) if isinstance(cell, dict) else (None, None)
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if cell_type not in ("code", "markdown", "raw") or not isinstance(source, str):
            self.notes.append(f"cell {number + 1} is malformed and was left out")
            return
        source = source.encode("utf-8", "replace").decode()       # lone surrogates cannot be stored
        grade_id = grade_id_of(cell)
        released = self.known.get(grade_id)
        if released is None:
            if grade_id is not None:
                self.notes.append(f"cell {number + 1} claims the unknown grade_id {grade_id[:60]!r}; it runs as a "
                                  "cell of the student's own")
            self.cells.append(Cell(cell_type, source))
            return
        if grade_id in self.seen:
            self.notes.append(f"{grade_id} appears more than once")
            if released.locked:
                return                                            # the first one counts
            self.cells.append(Cell(cell_type, source))
            return
        self.seen.add(grade_id)
        if cell_type != released.cell_type:
            self.notes.append(f"{grade_id} was turned into a {cell_type} cell; it is a {released.cell_type} cell again")
        if released.locked and source.strip() != released.source.strip():
            self.notes.append(f"{grade_id} is locked but was changed; the released text was put back")
        self.cells.append(Cell(released.cell_type, released.source if released.locked else source, released))

    def insert_missing(self) -> None:
        """Put back what was deleted: a locked cell after its predecessor; an answer's deletion is noted."""
        position = -1
        for released in self.release.cells:
            if released.grade_id in self.seen:
                position = next(n for n, cell in enumerate(self.cells) if cell.released is released)
            elif released.locked or released.by_hand:
                self.notes.append(f"{released.grade_id} was deleted; it was put back")
                position += 1
                self.cells.insert(position, Cell(released.cell_type, released.source if released.locked else "",
                                                 released))
            else:
                self.notes.append(f"{released.grade_id} was deleted")


def grade_id_of(cell: dict) -> str | None:
    """The grade_id in a cell's metadata, whatever else is in there."""
    metadata = cell.get("metadata")
    settings = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = settings.get("grade_id") if isinstance(settings, dict) else None
    return grade_id if isinstance(grade_id, str) else None
