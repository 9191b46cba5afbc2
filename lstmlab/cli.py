"""The `lstmlab` command."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Check a notebook as a student; release and grade the problem sets as an instructor; run the course's experiments.

    All commands but check are run in the course's top folder.
    """


@contextlib.contextmanager
def instructors(command: str) -> Iterator[None]:
    """Say what is missing where a command is not for the students' installation."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(f"lstmlab {command} is for instructors and needs the whole course: "
                                   f"{error.name} is not installed here.") from None


@main.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seconds", default=20.0, show_default=True, type=click.FloatRange(min=1),
              help="CPU seconds for one cell and for one check.")
def check_file(file, seconds):
    """Run your notebook FILE from top to bottom, as grading does, and say what each check finds."""
    from lstmlab.grading.local import check_notebook
    from lstmlab.grading.release import ReleaseError
    from lstmlab.grading.sandbox import Limits, SandboxDied, SandboxUnavailable
    from lstmlab.grading.submission import Unreadable

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")                       # a console may lack ✓
    try:
        result = check_notebook(file, Limits(seconds=seconds))
    except (ReleaseError, Unreadable, SandboxDied, SandboxUnavailable) as error:
        raise click.ClickException(str(error)) from None
    for mark in result.marks:
        click.echo(f"{mark.text}\n")
    for words in (*result.errors, *result.notes):
        click.echo(f"! {words}")
    where = "in the sandbox, as grading runs it" if result.isolated else "without a sandbox: there is none here"
    click.echo(f"{file.name}: {result.earned:g} of {result.points:g} points ({where})")
    raise SystemExit(result.earned < result.points)


@main.command()
def release():
    """Make exercises/ from solutions/, and pack what students get into one archive."""
    with instructors("release"):
        from lstmlab.grading.course import CourseError
        from lstmlab.grading.handout import pack
        from lstmlab.grading.handout import release as release_all

    try:
        sets = release_all(Path.cwd(), click.echo)
        archive = pack(Path.cwd())
    except CourseError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{len(sets)} problem set{'s' * (len(sets) != 1)} in exercises/; "
               f"for students: {archive.relative_to(Path.cwd())}")


@main.command()
@click.argument("problem_set")
@click.option("--student", "students", metavar="ID", multiple=True, help="Grade this student only; may be repeated.")
@click.option("--force", is_flag=True, help="Grade again what has not changed.")
@click.option("--workers", type=click.IntRange(min=0), metavar="N",
              help="Grade in N processes on this machine. By default one for each processor, if there is enough to do; "
                   "0 and 1 start none.")
@click.option("--scheduler", metavar="ADDRESS", help="Grade on the Dask cluster at tls://HOST:PORT.")
@click.option("--tls-ca-file", "ca", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The authority that signed the cluster's certificates (PEM).")
@click.option("--tls-cert", "cert", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Our certificate (PEM).")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Our private key (PEM).")
@click.option("--db", metavar="URL", help="The gradebook, in place of the one in nbgrader_config.py: "
                                          "sqlite:///class/gradebook.db, postgresql://user@host/name.")
@click.option("--seconds", default=20.0, show_default=True, type=click.FloatRange(min=1),
              help="CPU seconds for one cell and for one check.")
@click.option("--unsafe-no-sandbox", is_flag=True,
              help="Run students' code WITHOUT isolation. It can then read and change everything that you can.")
def grade(problem_set, students, force, workers, scheduler, ca, cert, tls_key, db, seconds, unsafe_no_sandbox):
    """Grade what was submitted for PROBLEM_SET, for example ps3-lstm-forward.

    Ctrl-C stops it, and the same command goes on where it stopped: each submission is saved on its own, and what has
    not changed is not graded again.
    """
    os.umask(0o077)                                                # marks and submissions are for their owner alone
    if scheduler and workers is not None:
        raise click.UsageError("--workers starts processes on this machine, --scheduler uses those of a cluster; "
                               "expected one of the two")
    with instructors("grade"):
        from rich.console import Console

        from lstmlab.grading.classrun import grade_class
        from lstmlab.grading.cluster import ClusterError, remote_cluster, require_tls
        from lstmlab.grading.course import CourseError, open_course
        from lstmlab.grading.grade import Limits
        from lstmlab.grading.gradebook import GradebookError
        from lstmlab.grading.progress import GradingProgress
        from lstmlab.grading.release import ReleaseError
        from lstmlab.grading.sandbox import SandboxUnavailable

    console, cluster = Console(), None
    outcomes = {}
    try:
        if scheduler:
            files = {"ca-file": ca, "cert": cert, "key": tls_key}
            require_tls(scheduler, files)
            cluster = remote_cluster(scheduler, files, not unsafe_no_sandbox)
        with GradingProgress(console) as progress:
            for outcome in grade_class(open_course(Path.cwd(), db), problem_set, students, force,
                                       not unsafe_no_sandbox, Limits(seconds=seconds), workers, cluster,
                                       progress.start):
                key = outcome.student, outcome.notebook
                progress.show(outcome, outcomes.get(key))
                outcomes[key] = outcome
    except (ClusterError, CourseError, GradebookError, ReleaseError, SandboxUnavailable) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        saved = sum(outcome.fresh for outcome in outcomes.values())
        console.print(f"Stopped. {saved} submission{'s' * (saved != 1)} graded in this run, and all of them saved. "
                      "Run the same command again to go on.")
        raise SystemExit(130) from None
    show(console, problem_set, [outcomes[key] for key in sorted(outcomes)])


@main.command()
@click.argument("problem_set")
@click.option("--student", "students", metavar="ID", multiple=True, help="This student's page only; can be repeated.")
@click.option("--force", is_flag=True, help="Write again what has not changed.")
def feedback(problem_set, students, force):
    """Write a page of feedback for everyone who was graded for PROBLEM_SET."""
    os.umask(0o077)
    with instructors("feedback"):
        from lstmlab.grading.course import CourseError, open_course
        from lstmlab.grading.feedback import write_feedback
        from lstmlab.grading.gradebook import GradebookError
        from lstmlab.grading.release import ReleaseError

    try:
        course = open_course(Path.cwd())
        pages = list(write_feedback(course, problem_set, students, force))
    except (CourseError, GradebookError, ReleaseError) as error:
        raise click.ClickException(str(error)) from None
    folder = course.directories.feedback_directory
    click.echo(f"{len(pages)} page{'s' * (len(pages) != 1)} in {folder}/STUDENT/{problem_set}/, "
               f"{sum(page.written for page in pages)} of them new or changed")


@main.command()
@click.argument("problem_set")
@click.option("--names", is_flag=True, help="Show students' ids; without it they have pseudonyms, with a key beside.")
def report(problem_set, names):
    """Write a report on what the class made of PROBLEM_SET: one page, and its tables as CSV files."""
    os.umask(0o077)
    with instructors("report"):
        from lstmlab.grading.course import CourseError, open_course
        from lstmlab.grading.gradebook import GradebookError
        from lstmlab.grading.release import ReleaseError
        from lstmlab.grading.report import write_report

    try:
        page, *tables = write_report(open_course(Path.cwd()), problem_set, names)
    except (CourseError, GradebookError, ReleaseError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{page.relative_to(Path.cwd())}   (open it in a browser)")
    click.echo(f"beside it: {', '.join(table.name for table in tables)}")


def show(console, problem_set: str, outcomes: list) -> None:
    """Print the table of marks."""
    from rich.table import Table

    table = Table(title=f"Marks for {problem_set}", title_justify="left", caption_justify="left",
                  caption="As the checks gave them; `lstmlab export` has marks by hand and late penalties in it.")
    for name, justify in (("student", "left"), ("mark", "right"), ("status", "left"), ("mistakes and reasons", "left")):
        table.add_column(name, justify=justify, overflow="fold")
    for outcome in outcomes:
        record = outcome.record
        mark = f"{record.earned:g} / {record.points:g}" if record and record.status != "failed" else "–"
        table.add_row(outcome.student, mark, outcome.status, "; ".join(reasons(record)) if record else "")
    console.print(table)
    fresh = [outcome.record.seconds for outcome in outcomes if outcome.fresh]
    console.print(f"{len(fresh)} graded now" + (f", {sum(fresh) / len(fresh):.2f} s each" if fresh else "")
                  + f"; {len(outcomes) - len(fresh)} unchanged or missing.")


def reasons(record) -> list[str]:
    """What a row says beside the mark: the mistakes by name, what is wrong without one, why it did not end well."""
    unexplained = f"wrong, but no known mistake: {', '.join(record.unexplained)}" if record.unexplained else ""
    unwritten = f"not written: {', '.join(record.unwritten)}" if record.unwritten else ""
    return [words for words in dict.fromkeys((*record.mistakes, unexplained, unwritten, record.reason)) if words]


# -- the instructor's year -----------------------------------------------------------------------------


@contextlib.contextmanager
def course_here(command: str) -> Iterator:
    """The course in this folder, for a command that writes: backed up first, its errors said in a line."""
    os.umask(0o077)
    with instructors(command):
        from lstmlab.grading.backup import back_up
        from lstmlab.grading.course import CourseError, open_course
        from lstmlab.grading.gradebook import GradebookError
        from lstmlab.grading.release import ReleaseError

        try:
            course = open_course(Path.cwd())
            back_up(course)
            yield course
        except (CourseError, GradebookError, ReleaseError) as error:
            raise click.ClickException(str(error)) from None


def several(count: int, what: str) -> str:
    """A number of things.

    Examples
    --------
    >>> several(1, "student"), several(0, "student")
    ('1 student', '0 students')
    """
    return f"{count} {what}{'s' * (count != 1)}"


def _first(students: Sequence[str]) -> str:
    """The first twenty of some students, as the end of a line."""
    return f": {', '.join(students[:20])}{', …' * (len(students) > 20)}" if students else ""


EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@main.command()
@click.argument("file", type=EXISTING)
@click.option("--id", "id_column", metavar="COLUMN", help="The column that holds the students' ids in this course.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def roster(file, id_column, dry_run):
    """Take over the class from FILE, a CSV that Canvas or Moodle exported, or one with a column id.

    Canvas: the gradebook's export. Moodle: the export of the participants, of the grades, or a grading worksheet.
    A plain file has the columns id, first_name, last_name, email and lms_user_id, all but the first optional.
    Students who are not in the file stay in the gradebook.
    """
    with course_here("roster") as course:
        from lstmlab.grading.roster import compare, read_roster, take_over

        layout, entries = read_roster(file, id_column)
        with course.lock(), course.gradebook() as gradebook:
            changes = compare(gradebook, file, entries)
            if not dry_run:
                take_over(gradebook, entries)
    click.echo(f"{file.name} ({layout}): {several(len(entries), 'student')}")
    click.echo(f"  {len(changes.added)} added{_first(changes.added)}")
    click.echo(f"  {len(changes.changed)} changed")
    shown = list(changes.changed.items())[:None if dry_run else 20]
    for student, change in shown:
        click.echo(f"    {student}: {change}")
    if len(shown) < len(changes.changed):
        click.echo(f"    and {len(changes.changed) - len(shown)} more")
    click.echo(f"  {len(changes.unchanged)} unchanged")
    click.echo(f"  {len(changes.absent)} not in the file, and kept{_first(changes.absent)}")
    if dry_run:
        click.echo("Nothing was written.")


@main.command("import")
@click.argument("problem_set")
@click.argument("archive", type=EXISTING)
@click.option("--worksheet", type=EXISTING, help="Moodle's grading worksheet of the same assignment.")
@click.option("--timezone", metavar="ZONE", help="Of the times in the worksheet or archive, such as Europe/Berlin.")
@click.option("--entry-times", is_flag=True, help="Take the times of the archive's entries for those of submission.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def import_submissions(problem_set, archive, worksheet, timezone, entry_times, dry_run):
    """Put the submissions of ARCHIVE, as Canvas or Moodle exports them, where they are graded.

    They are matched to the roster by id. A submission that is replaced is kept under class/replaced.
    """
    with course_here("import") as course:
        from lstmlab.grading.intake import import_archive, read_zone

        zone = read_zone(timezone) if timezone else None
        intake = import_archive(course, problem_set, archive, worksheet, zone, entry_times, dry_run)
        kept = f" (the older ones are in {intake.kept.relative_to(course.root)})" if intake.kept else ""
    click.echo(f"{several(len(intake.added), 'submission')} added, {len(intake.replaced)} replaced{kept}, "
               f"{len(intake.unchanged)} unchanged")
    for line in intake.notes:
        click.echo(f"  {line}")
    if intake.late:
        click.echo(f"Canvas marks as late, without saying when they came, and so without a penalty: "
                   f"{', '.join(intake.late)}. Write the time into "
                   f"class/submitted/STUDENT/{problem_set}/timestamp.txt, for example 2026-11-03 12:00:00 UTC, "
                   "and run `lstmlab dates`")
    if intake.unmatched:
        click.echo(f"{several(len(intake.unmatched), 'file')} not taken:")
    for name, why in intake.unmatched:
        click.echo(f"  {name}: {why}")
    if dry_run:
        click.echo("Nothing was written.")


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def dates(dry_run):
    """Apply due dates, late policies and extensions from class/dates.toml.

    Where there is no such file, one to begin with is written. Penalties of what was submitted are set anew at once,
    and no code runs for it.
    """
    with course_here("dates") as course:
        from lstmlab.grading.dates import apply, changes, read_dates, template

        path = course.private / "dates.toml"
        shown = path.relative_to(course.root)
        with course.lock(), course.gradebook() as gradebook:
            sets = [assignment.name for assignment in gradebook.assignments]
            if not path.exists():
                path.write_text(template(sets), encoding="utf-8")
                click.echo(f"{shown} is new: put the dates in, then run `lstmlab dates` again.")
                return
            found = read_dates(path, sets, [student.id for student in gradebook.students])
            lines = changes(gradebook, found)
            for line in lines or [f"The gradebook is as {shown} says."]:
                click.echo(line)
            if dry_run:
                click.echo("Nothing was written.")
            else:
                click.echo(f"{several(apply(course, gradebook, found), 'submission')} with another penalty now")


@main.command()
@click.argument("problem_set")
@click.option("--student", "students", multiple=True, metavar="ID", help="Only this student; may be repeated.")
def rejudge(problem_set, students):
    """Judge again what was answered for PROBLEM_SET, by the checks as they are now, running nobody's code."""
    with course_here("rejudge") as course:
        from lstmlab.grading.rejudge import rejudge_class

        count = same = 0
        for result in rejudge_class(course, problem_set, students):
            count += 1
            if result.problem:
                click.echo(f"{result.student}: not judged: {result.problem}")
            elif result.changed:
                before, after = result.before, result.after
                named = (f"; mistakes: {', '.join(before.mistakes) or 'none'} → {', '.join(after.mistakes) or 'none'}"
                         if before.mistakes != after.mistakes else "")
                click.echo(f"{result.student}: {before.earned:g} → {after.earned:g} of {after.points:g}{named}")
            else:
                same += 1
            if result.kept and not result.problem:
                click.echo(f"{result.student}: kept as it was, for there are no stored answers: "
                           f"{', '.join(result.kept)}")
    click.echo(f"{several(count, 'submission')}, {same} with the same mark and mistakes")


@main.command()
@click.argument("problem_sets", nargs=-1, required=True)
@click.option("--format", "layout", type=click.Choice(["csv", "canvas", "moodle"]), default="csv", show_default=True)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Where to; class/marks-FORMAT.csv if not given.")
@click.option("--column", "columns", multiple=True, metavar="SET=TITLE",
              help="Title of Canvas's column for a set, such as 'ps1=Problem set 1 (4711)'; may be repeated.")
def export(problem_sets, layout, to, columns):
    """Write the marks of PROBLEM_SETS in columns that a spreadsheet, Canvas or Moodle reads.

    A cell without a mark is empty, never a number; the csv format says why for each.
    """
    titles = dict(column.partition("=")[::2] for column in columns)
    with course_here("export") as course:
        from lstmlab.grading.dates import reassess
        from lstmlab.grading.export import export as export_marks
        from lstmlab.grading.export import unknown_to_moodle

        to = to or course.private / f"marks-{layout}.csv"
        with course.lock(), course.gradebook() as gradebook:
            for name in problem_sets:
                reassess(course, gradebook, name)
            empty = export_marks(gradebook, problem_sets, layout, to, titles)
            strangers = unknown_to_moodle(gradebook, problem_sets[0]) if layout == "moodle" else []
    click.echo(f"{to} is written; {several(len(empty), 'mark')} missing")
    if strangers:
        click.echo(f"Moodle cannot tell whose marks {several(len(strangers), 'row')} hold, for want of a participant's "
                   f"number, an ID number or an e-mail address: {', '.join(strangers[:20])}"
                   f"{' and more' * (len(strangers) > 20)}. `lstmlab roster` takes them from Moodle's participants.")
    for row in empty[:20]:
        why = f": {row['reason']}" if row["reason"] else ""
        click.echo(f"  {row['student_id']}, {row['assignment']}: {row['status']}{why}")
    if len(empty) > 20:
        click.echo(f"  and {len(empty) - 20} more; `lstmlab export --format csv` says why for each")


# -- the long studies ----------------------------------------------------------------------------------


@main.command()
@click.argument("name")
@click.option("--trials", type=click.IntRange(min=1),
              help="Of each row, as many as in the paper if not given; of each configuration of a study, 10.")
@click.option("--long", is_flag=True, help="What takes hours too: rows of 1997, the longest gap, more updates.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N",
              help="Processes for rows of 1997 and real data, one for each processor if not given; a study takes one.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("_build/experiments"),
              show_default=True, help="Folder of the results.")
def experiment(name, trials, long, workers, folder):
    """Run the experiment NAME: 1997 for the paper's tables, or one of their rows, such as 2c-50-50; or a study.

    The studies are gap-length, how long a gap each cell learns to bridge, and odyssey, what the parts of an LSTM are
    worth; and on real data sunspots, forecast, and digits, read pixel by pixel. Ctrl-C stops it, and the same command
    goes on where it stopped. FOLDER then holds each row's or study's trials (ROW.jsonl) and NAME's table (NAME.md),
    summary (NAME.json) and plot (NAME.svg).
    """
    with instructors("experiment"):
        from rich.console import Console

        from lstmlab.experiments import REAL_DATA, STUDIES, runs

    console, rows = Console(), []
    if name not in STUDIES + REAL_DATA:
        try:
            rows = runs.find(name, long)
        except ValueError as error:
            raise click.ClickException(f"{error}, {', '.join(STUDIES + REAL_DATA)}") from None
    writable(folder)
    if name in STUDIES:
        with stoppable(console):
            run_study(name, trials, long, folder, console)
        return
    if name in REAL_DATA:
        with stoppable(console):
            run_real_data(name, trials, workers, folder, console)
        return
    with stoppable(console):
        runs.run_with_progress(rows, folder, trials, workers, console)
    summaries = runs.report(name, rows, folder)
    for row in summaries:
        ours = f"{row['sequences']:,.0f}" if row["successes"] else "–"
        click.echo(f"{row['name']}: published {row['published']['sequences']:,.0f}, ours {ours}, "
                   f"{row['successes']} of {several(row['trials'], 'trial')} successful"
                   + "".join(f" ({words})" for words in (row["label"], runs.distance(row)) if words))
    click.echo(f"Table, summary and plot: {folder / name}.md, .json, .svg")


def writable(folder):
    """Make a folder; what is wrong with it is said now, and not when the first trial is to be saved."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise click.ClickException(f"nothing can be written in {folder}: {error.strerror}") from None


@contextlib.contextmanager
def stoppable(console):
    """Ctrl-C ends the command in a sentence."""
    try:
        yield
    except KeyboardInterrupt:
        console.print("Stopped. What ran is saved. Run the same command again to go on.")
        raise SystemExit(130) from None


def run_study(name, trials, long, folder, console):
    """Run a study and write its table, summary and plot."""
    from lstmlab.experiments import study

    module, trials = study.find(name), trials or study.TRIALS
    what = module.study(long)
    study.run_with_progress(what, folder, trials, console)
    click.echo(study.write_all(module, what, folder, trials))
    click.echo(f"Table, summary and plot: {folder / what.name}.md, .json, .svg")


def run_real_data(name, trials, workers, folder, console):
    """Run a study of real data, a module of its name, and write its table, summary and plot."""
    from lstmlab.experiments import jobs

    module = importlib.import_module(f"lstmlab.experiments.{name}")
    jobs.show(module.run(folder, trials, workers), name, console)
    click.echo(module.markdown(module.report(folder)))
    click.echo(f"Table, summary and plot: {folder / name}.md, .json, .svg")
