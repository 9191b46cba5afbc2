"""What an instructor sees while a class is graded."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text


class RateColumn(ProgressColumn):
    """Submissions graded per minute."""

    def render(self, task) -> Text:
        """The rate since the run began; what was unchanged does not count."""
        fresh = task.fields["fresh"]
        return Text(f"{60 * fresh / task.elapsed:.0f} a minute" if fresh and task.elapsed else "")


class GradingProgress:
    """A bar with rate, time left and how many ended in which status.

    Parameters
    ----------
    console : Console
        Where; on none that is a terminal nothing is drawn.
    """

    def __init__(self, console: Console):
        self._bar = Progress(TextColumn("grading"), BarColumn(), MofNCompleteColumn(), RateColumn(),
                             TimeRemainingColumn(elapsed_when_finished=True), TextColumn("{task.fields[counts]}"),
                             console=console, transient=True)
        self._task = self._bar.add_task("", total=None, fresh=0, counts="")
        self._counts: Counter[str] = Counter()
        self._fresh = 0

    def __enter__(self) -> GradingProgress:
        self._bar.start()
        return self

    def __exit__(self, *exc) -> None:
        self._bar.stop()

    def start(self, total: int) -> None:
        """Say how many rows are to come."""
        self._bar.update(self._task, total=total)

    def show(self, outcome, before=None) -> None:
        """Count one more outcome; `before` is what was counted of the same submission, if it was graded anew."""
        if before is not None:
            self._counts[before.status] -= 1
        self._counts[outcome.status] += 1
        self._fresh += outcome.fresh
        counts = ", ".join(f"{count} {status}" for status, count in self._counts.most_common() if count)
        self._bar.update(self._task, completed=self._counts.total(), fresh=self._fresh, counts=counts)
