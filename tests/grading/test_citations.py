"""A released task names its equations by their numbers in the book."""

import pytest

from lstmlab import checks
from lstmlab.grading.citations import cited, runs


@pytest.mark.parametrize(("numbers", "words"), [
    ([(6, 1)], ["6.1"]), ([(6, 1), (6, 2)], ["6.1", "6.2"]), ([(6, 1), (6, 2), (6, 3)], ["6.1 to 6.3"]),
    ([(2, 9), (6, 1), (6, 2), (6, 3), (6, 5)], ["2.9", "6.1 to 6.3", "6.5"]),
    ([(2, 3), (3, 4), (4, 5)], ["2.3", "3.4", "4.5"])])
def test_three_in_a_row_are_a_run(numbers, words):
    """And what lies in different chapters is not."""
    assert list(runs(numbers)) == words


def test_the_equations_of_a_task_are_those_its_mistakes_point_to():
    """At the end of the line that names chapter and points."""
    text = 'Write it.\n\n*Chapter "The LSTM cell", section "How many numbers it learns". 1 point.*'
    number = checks.numbers()["eq-lstm-parameter-count"]
    assert cited(text, "parameter_count") == text.removesuffix("*") + f" Equation {number}.*"


def test_a_released_notebook_has_the_numbers(course):
    """Every problem set cites equations of the book."""
    for name in checks.problem_sets():
        text = (course.root / "exercises" / name / f"{name}.ipynb").read_text()
        assert " Equation" in text, name
        assert "eq-" not in text, name
