"""Our tables in nbgrader's gradebook: what an older lstmlab wrote is led on, what a newer one wrote is left alone."""

import pytest
import sqlalchemy as sa

from lstmlab.grading import gradebook as tables
from lstmlab.grading.gradebook import GradebookError, find_record, open_gradebook

WHO = {"assignment": "ps3", "notebook": "ps3", "student": "ada"}


@pytest.fixture
def address(tmp_path):
    """A gradebook without a row."""
    url = f"sqlite:///{tmp_path}/gradebook.db"
    open_gradebook(url, "lstmlab").close()
    return url


def execute(url, *statements):
    """Run statements in one transaction; return what the last one found."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = [connection.execute(sa.text(statement)) for statement in statements][-1]
        rows = found.all() if found.returns_rows else None
    engine.dispose()
    return rows


def as_version_1(url):
    """Take back what later versions added, and enter a submission as version 1 did."""
    execute(url, "ALTER TABLE lstmlab_mark DROP COLUMN verdict",
            "ALTER TABLE lstmlab_submission DROP COLUMN seconds",
            "ALTER TABLE lstmlab_submission DROP COLUMN versions",
            "ALTER TABLE lstmlab_mark DROP COLUMN requests_hash", "UPDATE lstmlab_schema SET version = 1",
            "INSERT INTO lstmlab_submission VALUES ('ps3', 'ps3', 'ada', 'graded', '', '[]', 'a', 'b', 'c', "
            "'2026-01-02 03:04:05.000000')",
            "INSERT INTO lstmlab_mark VALUES ('ps3', 'ps3', 'ada', 'test_x', 'x', 'right', 2, 2, '[]', '[]', '', "
            "'00', NULL)")


def test_version_1_is_upgraded_with_every_row(address):
    """What was graded before stays on record; how long it took was not written then."""
    as_version_1(address)
    with open_gradebook(address, "lstmlab") as gradebook:
        record = find_record(gradebook, *WHO.values())
    assert (record.status, record.earned, record.submission_hash, record.seconds) == ("graded", 2, "a", None)
    assert execute(address, "SELECT version FROM lstmlab_schema") == [(tables.SCHEMA_VERSION,)]
    assert execute(address, "SELECT versions FROM lstmlab_submission") == [("{}",)]


def test_an_upgrade_that_breaks_off_changes_nothing(address, monkeypatch):
    """All of its statements hold, or none does: the next attempt starts from version 1 again."""
    as_version_1(address)
    first, *others = tables._UPGRADES[1]
    with monkeypatch.context() as broken:
        broken.setitem(tables._UPGRADES, 1, (first, "ALTER TABLE no_such_table ADD COLUMN x FLOAT", *others))
        with pytest.raises(GradebookError, match="no_such_table"):
            open_gradebook(address, "lstmlab")
    assert execute(address, "SELECT version FROM lstmlab_schema") == [(1,)]
    with open_gradebook(address, "lstmlab") as gradebook:
        assert find_record(gradebook, *WHO.values()).earned == 2


def test_a_newer_version_is_refused(address):
    """An older lstmlab does not touch what it does not know, and says which versions it does."""
    execute(address, "UPDATE lstmlab_schema SET version = 99")
    with pytest.raises(GradebookError, match=rf"version 99.*newer lstmlab.*up to {tables.SCHEMA_VERSION}"):
        open_gradebook(address, "lstmlab")
