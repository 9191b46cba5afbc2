"""The notebooks that a reader can take along: plain Markdown, numbers in place, and code that needs lstmlab alone."""

import importlib.util
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from lstmlab.checks import numbers

SOURCE = Path(__file__).parents[2] / "book" / "_ext" / "notebooks.py"


@pytest.fixture(scope="module")
def notebooks():
    """The book's extension, loaded as a module."""
    spec = importlib.util.spec_from_file_location("notebooks", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("written", "read"), [
    ("By {eq}`eq-lstm-cell-state`.", f"By ({numbers()['eq-lstm-cell-state']})."),
    ("{glue:text}`share:.2f` left", "0.25 left"),
    ("said {cite}`gers2000,greff2017`", "said [gers2000, greff2017]"),
    ("the {doc}`cell <lstm-cell>` and {doc}`gru`", "the cell and *gru*"),
    ("(chapter-x)=\n# X\n\n```{index} one, two\n```\nText", "# X\n\n\nText"),
    ("```{exercise} Count\n:label: ex\nHow many?\n```", "**Exercise: Count**\n\nHow many?"),
    ("::::{tab-set}\n:::{tab-item} A\n:sync: n\n```{literalinclude} ../lstmlab/a.py\n:pyobject: A.b\n```\n:::\n::::",
     "*The code: `A.b` in `lstmlab/a.py`.*"),
])
def test_what_only_the_book_can_read_becomes_words(notebooks, written, read):
    """Roles, labels and directives stand in the notebook as text that any Jupyter shows."""
    assert notebooks.plain_markdown(written, {"share": 0.25}) == read


def test_no_notebook_needs_the_book(book):
    """No notebook holds a role, or asks for the tools that the book is built with."""
    found = sorted((book.html / "_sources").glob("*.ipynb"))
    assert len(found) > 12
    for path in found:
        for cell in nbformat.read(path, as_version=4).cells:
            assert "myst_nb" not in cell.source, path
            assert "{eq}" not in cell.source, path
            assert not cell.source.startswith("```{"), path


@pytest.mark.full
def test_a_notebook_runs_where_it_was_taken_to(book, tmp_path):
    """The page of ten minutes runs from top to bottom in an empty folder."""
    notebook = nbformat.read(book.html / "_sources" / "ten-minutes.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
