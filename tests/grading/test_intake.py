"""Archives as Canvas and Moodle export them: matched by id, safe whatever is in them, whole or not at all."""

import datetime
import os
import re
import stat
import struct
import zipfile
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from lstmlab.cli import main
from lstmlab.grading import intake as intake_module
from lstmlab.grading.course import CourseError
from lstmlab.grading.intake import import_archive
from lstmlab.grading.roster import read_roster, take_over
from tests.grading.test_marks import SET, hand_in, run
from tests.grading.test_roster import CANVAS, PARTICIPANTS, WORKSHEET

ADA, EMIL = f"twoada_101_9001_{SET}.ipynb", f"oneemil_LATE_102_9002_{SET}.ipynb"
MOODLE_ADA = f"Ada Two_31_assignsubmission_file_/{SET}.ipynb"
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def enrolled(course, tmp_path):
    """A course with Canvas's roster."""
    return enrol(course, tmp_path, CANVAS)


def enrol(course, folder, roster):
    """Take over a roster."""
    path = folder / "roster.csv"
    path.write_text(roster)
    with course.gradebook() as gradebook:
        take_over(gradebook, read_roster(path)[1])
    return course


@pytest.fixture
def pack(tmp_path):
    """Make an archive of names and contents; a ZipInfo may stand for a name."""
    def made(*entries):
        path = tmp_path / "archive.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry in entries:
                name, raw = entry if isinstance(entry, tuple) else (entry, b'{"nbformat": 4}')
                archive.writestr(name, raw)
        return path

    return made


def files(course):
    """All that lies where submissions are collected."""
    return {str(path.relative_to(course.submitted)): path.read_bytes() for path in sorted(course.submitted.rglob("*"))
            if path.is_file()}


def why(result):
    """Reasons of what was not taken, by name."""
    return dict(result.unmatched)


def test_canvas_submissions_are_matched_by_id(enrolled, pack):
    """Not by the names of people; the files are called as released."""
    result = import_archive(enrolled, SET, pack((ADA, b"a"), (EMIL, b"e")))
    assert files(enrolled) == {f"ada/{SET}/{SET}.ipynb": b"a", f"emil/{SET}/{SET}.ipynb": b"e"}
    assert (result.added, result.late, result.unmatched) == (["ada", "emil"], ["emil"], [])
    place = enrolled.submitted / "ada" / SET
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place, place / f"{SET}.ipynb")] == [0o700, 0o600]


def test_moodle_submissions_are_matched_by_the_worksheet(course, pack, tmp_path):
    """Participant numbers are of one assignment: its grading worksheet says whose they are, and when they came."""
    enrol(course, tmp_path, PARTICIPANTS)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(WORKSHEET)
    archive = pack((MOODLE_ADA, b"a"), f"Emil One_33_assignsubmission_file_/{SET}.ipynb",
                   "Ada Two_31_assignsubmission_onlinetext_/onlinetext.html")
    result = import_archive(course, SET, archive, sheet, BERLIN)
    assert files(course) == {f"S-1/{SET}/{SET}.ipynb": b"a",
                             f"S-1/{SET}/timestamp.txt": b"2026-11-01 22:59:00 UTC\n"}
    assert [reason for _, reason in result.unmatched] == ["participant 33 is not in the grading worksheet",
                                                          "its name is neither of Canvas's nor of Moodle's form"]
    again = import_archive(course, SET, archive)                   # the numbers are remembered
    assert again.unchanged == ["S-1"]


@pytest.mark.parametrize(("sheet", "said"), [
    (WORKSHEET, "has no time zone; say which with --timezone"),
    (WORKSHEET.replace("Sunday, 1 November 2026, 11:59 PM", "soon"), "line 2, column Last modified.*'soon'"),
    (WORKSHEET.replace("Participant 31", "Participant"), "line 2, column Identifier"),
    (WORKSHEET.replace("S-2,emil@", "S-1,emil@"), "line 3: its columns belong to several students"),
    (PARTICIPANTS, "no grading worksheet"),
])
def test_a_mistake_in_the_worksheet_is_said(course, pack, tmp_path, sheet, said):
    """And nothing is taken."""
    enrol(course, tmp_path, PARTICIPANTS)
    path = tmp_path / "sheet.csv"
    path.write_text(sheet)
    zone = None if sheet == WORKSHEET else BERLIN
    with pytest.raises(CourseError, match=said):
        import_archive(course, SET, pack(MOODLE_ADA), path, zone)
    assert files(course) == {}


@pytest.mark.parametrize(("name", "reason"), [
    (f"../twoada_101_9001_{SET}.ipynb", "leads out of the archive"),
    (f"/etc/twoada_101_9001_{SET}.ipynb", "leads out of the archive"),
    (f"C:/twoada_101_9001_{SET}.ipynb", "leads out of the archive"),
    (f"..\\twoada_101_9001_{SET}.ipynb", "leads out of the archive"),
    (f"x_31_assignsubmission_file_/../../../{SET}.ipynb", "leads out of the archive"),
    ("twoada_101_9001_essay.pdf", "no notebook"),
    ("twoada_101_9001_ipynb", "no notebook"),
    (f"twoada_103_9001_{SET}.ipynb", "Canvas id 103 is not on the roster"),
    (f"anon_x1_9001_{SET}.ipynb", "neither of Canvas's nor of Moodle's form"),
    (f"{SET}.ipynb", "neither of Canvas's nor of Moodle's form"),
    (f"x_101_102_9001_{SET}.ipynb", "read in two ways"),
    (f"A_9_assignsubmission_file_b_31_assignsubmission_file_{SET}.ipynb", "read in two ways"),
    (f"Ada Two_31_assignsubmission_file_/{SET}.ipynb", "participant 31 is not known; give Moodle's grading worksheet"),
])
def test_what_cannot_be_matched_is_listed_with_its_reason(enrolled, pack, name, reason):
    """Nothing is written for it, inside the course or outside."""
    before = sorted(enrolled.root.parent.rglob("*"))
    archive = pack(name)
    result = import_archive(enrolled, SET, archive)
    (_, said), = result.unmatched
    assert reason in said
    after = set(enrolled.root.parent.rglob("*")) - {archive}
    assert {path.name for path in after - set(before)} <= {"grading.lock", "gradebook.db-journal"}


def test_a_link_and_a_device_are_not_followed(enrolled, pack):
    """An entry that is no file is listed."""
    link = zipfile.ZipInfo(ADA)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    device = zipfile.ZipInfo(EMIL)
    device.external_attr = (stat.S_IFCHR | 0o666) << 16
    result = import_archive(enrolled, SET, pack((link, b"/etc/passwd"), (device, b"")))
    assert set(why(result).values()) == {"it is a link or a device, no file"}
    assert files(enrolled) == {}


def test_a_bomb_is_not_unpacked(enrolled, pack, monkeypatch):
    """Neither one that says how large it is nor one that lies about it."""
    bomb = pack((ADA, b"0" * 30 * 2**20), (EMIL, b"0" * 2 * 2**20))
    assert why(import_archive(enrolled, SET, bomb)) == {
        ADA: "it is larger than 20 MiB", EMIL: "it is packed more than 200-fold, as no notebook is"}
    raw = bytearray(pack((ADA, os.urandom(2**20) + b"0" * 30 * 2**20)).read_bytes())
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        struct.pack_into("<I", raw, raw.index(signature) + offset, 1000)
    bomb.write_bytes(raw)
    assert "cannot be unpacked" in why(import_archive(enrolled, SET, bomb))[ADA]
    assert files(enrolled) == {}


def test_an_archive_of_too_many_entries_or_bytes_is_refused_whole(enrolled, pack, monkeypatch):
    """Before anything is moved into place."""
    monkeypatch.setattr(intake_module, "MAX_ENTRIES", 1)
    with pytest.raises(CourseError, match="has 2 entries; at most 1"):
        import_archive(enrolled, SET, pack(ADA, EMIL))
    monkeypatch.undo()
    monkeypatch.setattr(intake_module, "MAX_TOTAL", 20)
    with pytest.raises(CourseError, match="nothing was taken"):
        import_archive(enrolled, SET, pack(ADA, EMIL))
    assert files(enrolled) == {}
    assert not list(enrolled.private.glob(".import-*"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_several_entries_of_one_name_are_not_guessed_between(enrolled, pack):
    """Both are listed."""
    result = import_archive(enrolled, SET, pack((ADA, b"1"), (ADA, b"2")))
    assert [reason for _, reason in result.unmatched] == ["the archive has several entries of this name"] * 2
    assert files(enrolled) == {}


def test_an_encrypted_or_broken_entry_is_listed(enrolled, pack):
    """The others are taken."""
    path = pack((ADA, b"a" * 100), (EMIL, b"e"))
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        raw[raw.index(signature) + offset] |= 1
    path.write_bytes(raw)
    result = import_archive(enrolled, SET, path)
    assert why(result) == {ADA: "it is encrypted"}
    assert result.added == ["emil"]
    raw = bytearray(pack((ADA, os.urandom(100)), (EMIL, b"e")).read_bytes())
    raw[len(ADA) + 40] ^= 255
    path.write_bytes(raw)
    assert "cannot be unpacked" in why(import_archive(enrolled, SET, path))[ADA]


def test_a_file_that_is_no_archive_is_one_clear_error(enrolled, tmp_path):
    """Whatever its name says."""
    path = tmp_path / "archive.zip"
    path.write_bytes(b"PK no archive")
    with pytest.raises(CourseError, match="cannot be read as a zip file"):
        import_archive(enrolled, SET, path)


@pytest.mark.parametrize(("entries", "taken"), [
    ([f"twoada_101_9001_{SET}.ipynb", f"twoada_101_9007_{SET}-1.ipynb", f"twoada_101_9009_{SET}-10.ipynb",
      f"twoada_101_9008_{SET}-2.ipynb"], f"twoada_101_9009_{SET}-10.ipynb"),
    ([f"twoada_101_9002_{SET}.ipynb", f"twoada_101_9001_{SET}.ipynb"], f"twoada_101_9002_{SET}.ipynb"),
    ([f"twoada_101_9001_{SET} (1).ipynb", f"twoada_101_9002_{SET}.ipynb"], f"twoada_101_9001_{SET} (1).ipynb"),
])
def test_of_several_versions_the_highest_attempt_is_taken_and_said(enrolled, pack, entries, taken):
    """The others are listed, each with the one that was taken."""
    result = import_archive(enrolled, SET, pack(*((name, name.encode()) for name in entries)))
    assert files(enrolled) == {f"ada/{SET}/{SET}.ipynb": taken.encode()}
    assert set(why(result)) == set(entries) - {taken}
    assert all(taken in reason for reason in why(result).values())


def test_versions_that_nothing_tells_apart_are_not_guessed_between(course, pack, tmp_path):
    """Moodle's folders have no attempts: two candidates are both listed."""
    enrol(course, tmp_path, PARTICIPANTS)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(WORKSHEET)
    folder = "Ada Two_31_assignsubmission_file_"
    result = import_archive(course, SET, pack(f"{folder}/{SET}.ipynb", f"{folder}/old/{SET}.ipynb"), sheet, BERLIN)
    assert len(result.unmatched) == 2
    assert files(course) == {}


def test_a_lone_notebook_of_another_name_is_taken_and_said(enrolled, pack):
    """Where the set has one notebook and the student sent one."""
    result = import_archive(enrolled, SET, pack(("twoada_101_9001_my homework.ipynb", b"a")))
    assert files(enrolled) == {f"ada/{SET}/{SET}.ipynb": b"a"}
    assert result.notes == [f"ada: twoada_101_9001_my homework.ipynb was taken as {SET}.ipynb"]


def test_a_newer_import_keeps_what_it_replaces(enrolled, pack):
    """Under a dated folder outside of the submissions; what is the same is left alone."""
    import_archive(enrolled, SET, pack((ADA, b"old"), (EMIL, b"same")))
    result = import_archive(enrolled, SET, pack((ADA, b"new"), (EMIL, b"same")))
    assert (result.added, result.replaced, result.unchanged) == ([], ["ada"], ["emil"])
    assert files(enrolled)[f"ada/{SET}/{SET}.ipynb"] == b"new"
    assert (result.kept / "ada" / SET / f"{SET}.ipynb").read_bytes() == b"old"
    assert re.match(r"\d{4}-\d\d-\d\dT", result.kept.name)
    assert enrolled.submitted not in result.kept.parents


def test_an_archive_without_times_says_when_one_is_lost(enrolled, pack):
    """An unchanged submission keeps its time; a replaced one has none, and that is said."""
    import_archive(enrolled, SET, pack((ADA, b"a")), zone=BERLIN, entry_times=True)
    assert import_archive(enrolled, SET, pack((ADA, b"a"))).unchanged == ["ada"]
    result = import_archive(enrolled, SET, pack((ADA, b"b")))
    assert result.notes == ["ada: the submission before had a time; this archive tells none"]


def test_the_times_of_entries_count_only_when_asked_for(enrolled, pack):
    """They are in a time zone that the archive does not name."""
    entry = zipfile.ZipInfo(ADA, (2026, 7, 1, 12, 0, 0))
    import_archive(enrolled, SET, pack((entry, b"a")), zone=BERLIN, entry_times=True)
    assert files(enrolled)[f"ada/{SET}/timestamp.txt"] == b"2026-07-01 10:00:00 UTC\n"
    with pytest.raises(CourseError, match="--timezone"):
        import_archive(enrolled, SET, pack((entry, b"a")), entry_times=True)


def test_a_kill_leaves_nothing_half_written(enrolled, pack, monkeypatch):
    """Every submission is the old one or the new one, and the next import finishes what is left."""
    import_archive(enrolled, SET, pack((ADA, b"old"), (EMIL, b"old")))
    newer = pack((ADA, b"new"), (EMIL, b"new"))
    rename, calls = os.rename, []

    def killed(*paths):
        calls.append(paths)
        if len(calls) > 2:
            raise KeyboardInterrupt
        rename(*paths)

    with monkeypatch.context() as broken:
        broken.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            import_archive(enrolled, SET, newer)
    assert sorted(files(enrolled).values()) == [b"new", b"old"]
    assert import_archive(enrolled, SET, newer).replaced == ["emil"]
    assert set(files(enrolled).values()) == {b"new"}


def test_names_in_odd_encodings_are_matched_and_shown_harmlessly(enrolled, pack):
    """What a terminal would obey is not printed."""
    odd = zipfile.ZipInfo(f"żółw\x1b[2J_101_9001_{SET}.ipynb")
    result = import_archive(enrolled, SET, pack((odd, b"a"), ("\x1b[2Jx.ipynb", b"")))
    assert result.added == ["ada"]
    assert [name for name, _ in result.unmatched] == ["�[2Jx.ipynb"]


def test_the_command_lists_everything_and_a_dry_run_writes_nothing(enrolled, pack, monkeypatch):
    """First to look, then to do."""
    monkeypatch.chdir(enrolled.root)
    path = str(pack(ADA, EMIL, "essay.pdf"))
    dry = CliRunner().invoke(main, ["import", SET, path, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "2 submissions added, 0 replaced, 0 unchanged" in dry.output
    assert "without a penalty: emil." in dry.output
    assert "1 file not taken:\n  essay.pdf: its name is" in dry.output
    assert files(enrolled) == {}
    assert CliRunner().invoke(main, ["import", SET, path]).exit_code == 0
    assert len(files(enrolled)) == 2
    wrong = CliRunner().invoke(main, ["import", SET, path, "--timezone", "Mars/Base"])
    assert "no time zone 'Mars/Base'" in wrong.output


def test_what_was_imported_is_graded(enrolled, pack, sample):
    """From the archive to the mark, and whoever is not in it is missing."""
    raw = hand_in(enrolled, sample, "two-mistakes", as_name="elsewhere").read_bytes()
    (enrolled.submitted / "elsewhere").rename(enrolled.private / "aside")
    import_archive(enrolled, SET, pack((ADA, raw)), zone=BERLIN, entry_times=True)
    outcomes = run(enrolled)
    assert (outcomes["ada"].record.earned, outcomes["emil"].status) == (11, "missing")
    with enrolled.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "ada").timestamp.date() <= datetime.date.today()
