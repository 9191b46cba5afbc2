"""What an instructor sees while a class is graded."""

from dataclasses import dataclass

from rich.console import Console

from lstmlab.grading.progress import GradingProgress


@dataclass
class Ended:
    """An outcome as the bar sees it."""

    status: str
    fresh: bool = True


def test_the_bar_has_count_rate_time_left_and_how_they_ended():
    """Of what was graded anew; what is graded once more is counted once."""
    console = Console(width=160, force_terminal=True, record=True)
    with GradingProgress(console) as progress:
        progress.start(4)
        first = Ended("timed out")
        progress.show(first)
        progress.show(Ended("graded"), first)
        progress.show(Ended("missing", fresh=False))
        task, = progress._bar.tasks
        shown = [column.render(task) for column in progress._bar.columns if hasattr(column, "render")]
    said = " ".join(map(str, shown))
    assert (task.completed, task.total) == (2, 4)
    assert "a minute" in said
    assert ":" in said                                             # the time left
    assert task.fields["counts"] == "1 graded, 1 missing"
