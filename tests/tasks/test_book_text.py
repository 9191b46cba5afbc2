"""The book's own text: what is taken from a chapter, and what is kept."""

import importlib.util
from importlib.resources import files
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "benchmarks" / "book_text.py"


@pytest.fixture(scope="module")
def script():
    """The program that takes the text."""
    spec = importlib.util.spec_from_file_location("book_text", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_prose_is_what_is_left_of_a_chapter(script):
    """No front matter, code, table, title or displayed equation; formulas, roles and code in a line are one sign."""
    source = ("---\nkernel: x\n---\n(label)=\n# A Title\n\nThe state $h_t$ of {doc}`the cell <lstm-cell>` is `h`, and "
              "it is\ncarried on: to the next step.\n\n```{code-cell}\nx = 1\n\ny = 2\n```\n\n| a | table |\n\n"
              "$$\nC_t = 0\n$$ (eq-c)\n\nToo short to keep.\n")
    assert script.prose(source) == ["the state _ of _ is _, and it is carried on: to the next step."]


def test_the_kept_text_is_of_the_alphabet_and_says_its_day(script):
    """A heading with a date, and paragraphs that are long enough."""
    heading, *paragraphs = files("lstmlab.tasks").joinpath("book.txt").read_text("utf-8").splitlines()
    assert heading.startswith("The prose of this book's ")
    assert all(set(paragraph) <= set(script.ALPHABET) and len(paragraph) > script.SHORTEST for paragraph in paragraphs)
    assert sum(map(len, paragraphs)) > 100_000


def test_every_page_of_the_book_is_read(script):
    """All that the table of contents names."""
    assert all(path.is_file() for path in script.chapters())
    assert SCRIPT.parent.parent / "book" / "training.md" in script.chapters()
