"""The `lstmlab` command."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Check a notebook as a student; release and grade the problem sets as an instructor.

    The instructor's commands are run in the course's top folder.
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
        sets = release_all(Path.cwd(), lambda name: click.echo(f"releasing {name}"))
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


def show(console, problem_set: str, outcomes: list) -> None:
    """Print the table of marks."""
    from rich.table import Table

    table = Table(title=f"Marks for {problem_set}", title_justify="left")
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
