"""A submission is read once, never trusted, and matched to the release by grade_id."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstmlab.grading.release import Release, ReleasedCell, ReleaseError, TestCall, read_call
from lstmlab.grading.submission import MAX_BYTES, Unreadable, read_once, read_submission

RELEASE = Release("set", "set", (
    ReleasedCell("setup", "code", "import numpy", True, {"grade_id": "setup"}, None, False),
    ReleasedCell("f", "code", "def f(): raise NotImplementedError()", False, {"grade_id": "f"}, None, False),
    ReleasedCell("test_f", "code", 'check("f", f)', True, {"grade_id": "test_f"}, TestCall("f", "f", 2.0), False),
    ReleasedCell("essay", "markdown", "your words", False, {"grade_id": "essay"}, None, True),
), "digest")


def cell(grade_id=None, source="", cell_type="code", **settings):
    """A submitted cell."""
    metadata = {"nbgrader": {"grade_id": grade_id, **settings}} if grade_id else {}
    return {"cell_type": cell_type, "source": source, "metadata": metadata, "outputs": []}


HONEST = [cell("setup", "import numpy"), cell("f", "def f(): return 1"), cell("test_f", 'check("f", f)'),
          cell("essay", "mine", "markdown")]


def read(*cells):
    """The cells as a matched submission."""
    return read_submission(json.dumps({"nbformat": 4, "metadata": {}, "cells": list(cells)}).encode(), RELEASE)


def sources(submission):
    return [c.source for c in submission.cells]


def test_an_honest_notebook_stays_as_it_is():
    """Nothing is put right where nothing is wrong."""
    submission = read(*HONEST)
    assert sources(submission) == ["import numpy", "def f(): return 1", 'check("f", f)', "mine"]
    assert submission.notes == ()


@pytest.mark.parametrize("source", ['check("f", lambda: 1)', "pass", "", "check = print"])
def test_a_changed_test_cell_is_put_back(source):
    """Locked cells come from the release, and the change is reported."""
    submission = read(HONEST[0], HONEST[1], cell("test_f", source), HONEST[3])
    assert sources(submission)[2] == 'check("f", f)'
    assert "test_f is locked but was changed" in submission.notes[0]


def test_a_deleted_test_cell_runs_after_its_predecessor():
    """A missing locked cell stands after the cell that precedes it in the release."""
    submission = read(HONEST[0], HONEST[1], cell(source="own = 1"), HONEST[3])
    assert sources(submission) == ["import numpy", "def f(): return 1", 'check("f", f)', "own = 1", "mine"]


def test_an_empty_notebook_gets_every_locked_cell_back():
    """Even with nothing handed in, each test has its verdict."""
    submission = read()
    assert [c.released.grade_id for c in submission.cells] == ["setup", "test_f", "essay"]


def test_a_duplicated_test_cell_counts_once():
    """A second copy of a locked cell is left out and reported."""
    submission = read(*HONEST[:3], HONEST[2], HONEST[3])
    assert sources(submission).count('check("f", f)') == 1
    assert "test_f appears more than once" in submission.notes


def test_a_renamed_cell_runs_as_the_students_own():
    """An unknown grade_id is reported; the code still runs."""
    submission = read(HONEST[0], cell("g", "def f(): return 1"), *HONEST[2:])
    assert "def f(): return 1" in sources(submission)
    assert any("unknown grade_id 'g'" in note for note in submission.notes)


def test_a_retyped_cell_is_code_again():
    """The type comes from the release."""
    submission = read(HONEST[0], cell("f", "def f(): return 1", "markdown"), *HONEST[2:])
    assert submission.cells[1].cell_type == "code"


def test_points_and_settings_of_the_submission_are_ignored():
    """What a cell is worth is the release's to say."""
    submission = read(*HONEST[:2], cell("test_f", 'check("f", f)', points=1000, grade=False, locked=False), HONEST[3])
    assert submission.cells[2].released.test.points == 2.0


def test_an_untouched_answer_is_known_as_such():
    """Solution cells as released, or empty, count as unanswered."""
    assert read(HONEST[0], cell("f", RELEASE.cells[1].source), *HONEST[2:]).unanswered == {"f"}


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"nbformat": 3, "cells": []}',
                                 b'{"nbformat": 4, "cells": {}}', b'{"nbformat": 4}', b"[" * 100_000])
def test_what_is_no_notebook_is_unreadable_with_a_reason(raw):
    """Bytes that are no notebook end as one clear error."""
    with pytest.raises(Unreadable, match="notebook"):
        read_submission(raw, RELEASE)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])        # however busy the machine is
@given(st.lists(st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["cell_type", "source", "metadata", "nbgrader", "grade_id"]), inner | st.just("code"))),
    max_size=5))
def test_odd_cells_never_raise_and_lose_no_test(cells):
    """Whatever the cells are, each test cell is there once."""
    submission = read(*cells)
    assert [c.released.grade_id for c in submission.cells if c.released and c.released.test] == ["test_f"]


def test_a_link_is_not_followed(tmp_path):
    """A symlink to another student's notebook is not read."""
    (tmp_path / "other.ipynb").write_text("{}")
    (tmp_path / "mine.ipynb").symlink_to(tmp_path / "other.ipynb")
    with pytest.raises(Unreadable, match="regular file"):
        read_once(tmp_path / "mine.ipynb")


def test_a_pipe_and_a_folder_are_not_read(tmp_path):
    """Only regular files are; a pipe does not block the grader."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(Unreadable, match="regular file"):
            read_once(path)


def test_a_huge_file_is_refused(tmp_path):
    """The size is limited while reading, whatever the file system says."""
    with open(tmp_path / "huge.ipynb", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(Unreadable, match="larger than"):
        read_once(tmp_path / "huge.ipynb")


@pytest.mark.parametrize("source", ["check(name, f)", 'check("sigmoid", f())', 'check("sigmoid", f); x = 1', "assert f",
                                    'check("sigmoid", fn=f)', 'other("sigmoid", f)'])
def test_a_test_cell_that_is_no_single_check_is_the_authors_error(source):
    """The release is refused with the cell's name."""
    with pytest.raises(ReleaseError, match="test cell test_f"):
        read_call("test_f", source, 2.0)


def test_a_test_cell_worth_other_than_its_check_is_the_authors_error():
    """Points in the notebook and in the check must agree."""
    with pytest.raises(ReleaseError, match="its check sigmoid has 2"):
        read_call("test_sigmoid", 'check("sigmoid", sigmoid)', 3.0)
