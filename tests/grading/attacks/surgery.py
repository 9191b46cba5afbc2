"""Notebook surgery: deleted, duplicated and renamed cells, odd metadata, and files that are no notebook at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .harness import SET, SIGMOID, code, encoded, notebook

FAILED, GRADED = "failed", "graded"


@dataclass(frozen=True)
class Cut:
    """A notebook cut up.

    Attributes
    ----------
    title : str
        What is done to it.
    raw : callable
        Makes the bytes.
    status : str
        How the submission has to end.
    keeps : float
        Points of the honest sigmoid that are left.
    shows : str
        What is said of it: a regular expression.
    full : bool
        Whether it runs only in the full tests.
    """

    title: str
    raw: Callable[[], bytes]
    status: str = GRADED
    keeps: float = 2.0
    shows: str = ""
    full: bool = False


def changed(change: Callable[[dict], None]) -> Callable[[], bytes]:
    """The honest notebook with a change."""
    def make() -> bytes:
        made = notebook()
        change(made)
        return encoded(made)

    return make


def each(change: Callable[[dict], None]) -> Callable[[], bytes]:
    """The honest notebook with a change of every cell's nbgrader settings."""
    def everywhere(made: dict) -> None:
        for cell in made["cells"]:
            change(cell["metadata"]["nbgrader"])

    return changed(everywhere)


def find(made: dict, grade_id: str) -> dict:
    """A cell by its grade_id."""
    return next(cell for cell in made["cells"] if cell["metadata"]["nbgrader"]["grade_id"] == grade_id)


def without(*grade_ids: str) -> Callable[[dict], None]:
    """Delete cells."""
    def cut(made: dict) -> None:
        made["cells"] = [c for c in made["cells"] if c["metadata"]["nbgrader"]["grade_id"] not in grade_ids]

    return cut


def twice(made: dict) -> None:
    """Every cell again at the end."""
    made["cells"] += json.loads(json.dumps(made["cells"]))


def swapped(made: dict) -> None:
    """The easy function under the hard test's name, and the other way round."""
    for one, other in (("sigmoid", "lstm_step"), ("test_sigmoid", "test_lstm_step")):
        first, second = find(made, one), find(made, other)
        first["metadata"], second["metadata"] = second["metadata"], first["metadata"]


def all_tests_of_the_sigmoid(made: dict) -> None:
    """Each locked test asks for the one function that is right."""
    for cell in made["cells"]:
        if cell["metadata"]["nbgrader"]["grade_id"].startswith("test_"):
            cell["source"] = 'check("sigmoid", sigmoid)'


def named(grade_id: object) -> Callable[[], bytes]:
    """Every cell claims one grade_id."""
    return each(lambda settings: settings.update(grade_id=grade_id))


def retyped(kind: object) -> Callable[[], bytes]:
    """Every cell is said to be of another type."""
    return changed(lambda made: [cell.update(cell_type=kind) for cell in made["cells"]])


def metadata(value: object) -> Callable[[], bytes]:
    """Every cell's metadata is something else."""
    return changed(lambda made: [cell.update(metadata=value) for cell in made["cells"]])


def text(before: str, after: str) -> Callable[[], bytes]:
    """The file with a piece of its text exchanged."""
    def make() -> bytes:
        raw = encoded(notebook()).decode()
        assert before in raw
        return raw.replace(before, after, 1).encode()

    return make


def many_cells(number: int) -> Callable[[dict], None]:
    """Cells without end."""
    return lambda made: made["cells"].extend([code("")] * number)


CUTS = (
    Cut("the tests are deleted", changed(without("test_sigmoid", "test_lstm_step", "test_lstm_forward")),
        shows="test_lstm_step was deleted; it was put back"),
    Cut("everything is deleted", changed(lambda made: made["cells"].clear()), keeps=0.0, shows="was deleted"),
    Cut("every cell stands there twice", changed(twice), shows="appears more than once"),
    Cut("the order is turned round", changed(lambda made: made["cells"].reverse()), keeps=0.0),
    Cut("the easy and the hard test exchange their names", changed(swapped), shows="was changed"),
    Cut("every test is that of the easy function", changed(all_tests_of_the_sigmoid), shows="locked but was changed"),
    Cut("the tests pass whatever comes", changed(lambda made: [cell.update(source="pass") for cell in made["cells"]
        if cell["metadata"]["nbgrader"]["grade_id"].startswith("test_")]), shows="locked but was changed"),
    Cut("a thousand points are claimed", each(lambda s: s.update(points=1000, max_score=1000, grade=True))),
    Cut("NaN and infinite points are claimed", each(lambda s: s.update(points=float("nan"), score=float("inf"))),
        full=True),
    Cut("nothing is locked and everything is a solution", each(lambda s: s.update(locked=False, solution=True,
        task=True))),
    Cut("nothing is graded", each(lambda s: s.update(grade=False, remove=True)), full=True),
    Cut("the schema is of another version", each(lambda s: s.update(schema_version=99)), full=True),
    Cut("the schema's version is a text", each(lambda s: s.update(schema_version="9" * 5000)), full=True),
    *[Cut(f"every grade_id is {shown}", named(value), keeps=0.0, full=full) for shown, value, full in
      (("a list", ["test_lstm_step"], True), ("a number", 7, True), ("null", None, False), ("a path", "../../x", True),
       ("a script", "<script>document.title = 1</script>", False), ("a surrogate", "\ud800", False),
       ("a hundred thousand characters", "x" * 100_000, True), ("that of one test", "test_sigmoid", False))],
    *[Cut(f"every cell is of the type {kind!r}", retyped(kind), keeps=keeps, full=full) for kind, keeps, full in
      (("markdown", 2.0, False), ("raw", 2.0, True), ("heading", 0.0, True), (None, 0.0, True), ([], 0.0, True),
       ({"code": 1}, 0.0, False))],
    *[Cut(f"the metadata is {value!r}", metadata(value), keeps=0.0, full=full) for value, full in
      (([], True), (None, False), ("nbgrader", True), ({"nbgrader": []}, True), ({"nbgrader": {"grade_id": {}}},
          True))],
    Cut("sources are numbers, lists of lists and nothing", changed(lambda made: [cell.update(source=s) for cell, s in
        zip(made["cells"], [7, [["x"]], None, {}, [None], True] * 9, strict=False)]), keeps=0.0, shows="malformed"),
    Cut("cells are no cells", changed(lambda made: made.update(cells=[None, 7, [], "code", {}, True, *made["cells"]])),
        shows="cell 1 is malformed"),
    Cut("sources hold NUL, surrogates and control characters", changed(lambda made: made["cells"].insert(0, code(
        "'\x00\ud800\udfff\x1b[2J\x08\u202e'")))),
    Cut("outputs and attachments claim marks", changed(lambda made: [cell.update(
        outputs=[{"output_type": "stream", "name": "stdout", "text": "17.0"}],
        attachments={"a": {"image/svg+xml": "<svg/>"}},
        execution_count=17, score=17.0) for cell in made["cells"]])),
    Cut("the notebook's own metadata are hostile", changed(lambda made: made.update(metadata={
        "kernelspec": {"name": "../../bin/sh", "display_name": "<script>"}, "language_info": {"name": ["x"]},
        "nbgrader": {"score": 17}, "celltoolbar": 7, "widgets": {"x": "y"}})), full=True),
    Cut("format 3", text('"nbformat": 4', '"nbformat": 3'), FAILED, 0.0, "format 4"),
    Cut("format 4.99", text('"nbformat_minor": ', '"nbformat_minor": 99'), full=True),
    Cut("a format that is a text", text('"nbformat": 4', '"nbformat": "4"'), FAILED, 0.0, "format 4", full=True),
    Cut("half a file", lambda: encoded(notebook())[:5000], FAILED, 0.0, "not readable"),
    Cut("an empty file", lambda: b"", FAILED, 0.0, "not readable"),
    Cut("a file of NUL", lambda: bytes(10_000), FAILED, 0.0, "not readable", full=True),
    Cut("a picture", lambda: b"\x89PNG\r\n\x1a\n" + os.urandom(10_000), FAILED, 0.0, "not readable", full=True),
    Cut("a pickle", lambda: b"\x80\x04\x95cos\nsystem\n(S'touch /tmp/attack-pickled'\ntR.", FAILED, 0.0,
        "not readable"),
    Cut("a list", lambda: b"[]", FAILED, 0.0, "format 4", full=True),
    Cut("lists in lists without end", lambda: b"[" * 1_000_000, FAILED, 0.0, "RecursionError"),
    Cut("metadata nested without end", text('"nbformat_minor"', '"deep": ' + "[" * 50_000 + "]" * 50_000
                                            + ', "nbformat_minor"'), FAILED, 0.0, "RecursionError"),
    Cut("keys that occur twice", text('"nbformat": 4', '"cells": [], "nbformat": 3, "nbformat": 4, "cells": []'),
        keeps=0.0, shows="was deleted"),
    Cut("numbers that JSON does not have", text('"nbformat_minor"', '"x": [NaN, Infinity, -Infinity, 1e999], '
                                                '"nbformat_minor"')),
    Cut("a number of many digits", text('"nbformat_minor"', '"x": ' + "9" * 100_000 + ', "nbformat_minor"'), FAILED,
        0.0,
        "not readable"),
    Cut("a byte order mark", lambda: b"\xef\xbb\xbf" + encoded(notebook()), FAILED, 0.0, "not readable"),
    Cut("UTF-16", lambda: encoded(notebook()).decode().encode("utf-16"), FAILED, 0.0, "not readable"),
    Cut("Latin-1", lambda: encoded(notebook()).replace(b'"nbformat_minor"', b'"\xe9": 1, "nbformat_minor"'), FAILED,
        0.0,
        "not readable", full=True),
    Cut("five hundred and one cells", changed(many_cells(501)), FAILED, 0.0, "at most 500"),
    Cut("a hundred thousand cells", changed(many_cells(100_000)), FAILED, 0.0, "at most 500", full=True),
    Cut("a cell of ten megabytes", changed(lambda made: made["cells"].insert(0, code("#" * 10 * 2**20)))),
    Cut("seven million empty lists", text('"nbformat_minor"', '"x": [' + "[]," * 6_000_000 + '0], "nbformat_minor"'),
        full=True),
    Cut("a cell that cannot be parsed", changed(lambda made: made["cells"].insert(0, code("(" * 100_000)))),
    Cut("the answer is in a cell of another name", changed(lambda made: (without("sigmoid")(made),
        made["cells"].insert(1, code(SIGMOID)))), shows="sigmoid was deleted"),
)


# -- files ---------------------------------------------------------------------------------------------------


def file(title: str, make: Callable[[Path, Path], None], status: str = FAILED):
    """A submitted file that is no plain notebook: what lays it out, and how it has to end."""
    return title, make, status


def huge(place: Path, neighbour: Path) -> None:
    """A notebook with 200 MB of outputs."""
    with open(place / f"{SET}.ipynb", "wb") as out:
        out.write(encoded(notebook())[:-1] + b', "outputs": "')
        for _ in range(200):
            out.write(b"x" * 2**20)
        out.write(b'"}')


def honest_with(name: str, content: str | None = None, target: str | None = None) -> Callable[[Path, Path], None]:
    """The honest notebook beside another file, or beside a link."""
    def make(place: Path, neighbour: Path) -> None:
        (place / f"{SET}.ipynb").write_bytes(encoded(notebook()))
        if target is None:
            (place / name).write_text(content)
        else:
            (place / name).symlink_to(target)

    return make


FILES = (
    file("link-to-a-neighbour", lambda place, other: (place / f"{SET}.ipynb").symlink_to(other)),
    file("link-to-the-gradebook", lambda place, other: (place / f"{SET}.ipynb").symlink_to("../../../gradebook.db")),
    file("link-to-itself", lambda place, other: (place / f"{SET}.ipynb").symlink_to(f"{SET}.ipynb")),
    file("link-to-a-device", lambda place, other: (place / f"{SET}.ipynb").symlink_to("/dev/zero")),
    file("pipe", lambda place, other: os.mkfifo(place / f"{SET}.ipynb")),
    file("directory", lambda place, other: (place / f"{SET}.ipynb").mkdir()),
    file("two-hundred-megabytes", huge),
    file("nothing", lambda place, other: None),
    file("another-name", lambda place, other: (place / "answers.ipynb").write_bytes(encoded(notebook()))),
    file("own-modules", honest_with("numpy.py", "raise SystemExit"), GRADED),
    file("own-settings", honest_with("nbgrader_config.py", "raise SystemExit"), GRADED),
    file("script-beside", honest_with("<img src=x onerror=1>.html", "<script>document.title = 1</script>"), GRADED),
    file("time-beyond-all-numbers", honest_with("timestamp.txt", "9" * 40), GRADED),
    file("time-before-all-time", honest_with("timestamp.txt", "0001-01-01 00:00:00 +14:00"), GRADED),
    file("time-of-many-words", honest_with("timestamp.txt", "1 " * 5000), GRADED),
    file("time-behind-a-link", honest_with("timestamp.txt", target="/dev/zero"), GRADED),
)
