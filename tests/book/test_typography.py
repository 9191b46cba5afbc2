"""Running text as a typesetter sets it: computed numbers, and formulas with their punctuation."""

import importlib.util
from pathlib import Path

import pytest
from docutils import nodes

SOURCE = Path(__file__).parents[2] / "book" / "_ext" / "typography.py"


@pytest.fixture(scope="module")
def typography():
    """The book's extension, loaded as a module."""
    spec = importlib.util.spec_from_file_location("typography", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("pasted", "read", "exponents"), [
    ("6e-29", "6\N{NO-BREAK SPACE}·\N{NO-BREAK SPACE}10−29", ["−29"]),
    ("-1.2e+05", "−1.2\N{NO-BREAK SPACE}·\N{NO-BREAK SPACE}105", ["5"]),
    ("-0.101", "−0.101", []),
    ("1,489", "1,489", []),
    ("0.003, 0.01 or 1e-7", "0.003, 0.01 or 1\N{NO-BREAK SPACE}·\N{NO-BREAK SPACE}10−7", ["−7"]),
    ("5-gram", "5-gram", []),
    ("2026-11-22, torch 2.9.1", "2026-11-22, torch 2.9.1", []),
])
def test_number_is_typeset(typography, pasted, read, exponents):
    """A power of ten gets its exponent and a negative number its minus; words, dates and versions stay as they are."""
    pieces = typography.typeset(pasted)
    assert "".join(piece.astext() for piece in pieces) == read
    assert [piece.astext() for piece in pieces if piece.tagname == "superscript"] == exponents


@pytest.mark.parametrize(("before", "after", "pieces"), [
    ("of ", ", and", ["of ", "h,", " and"]),
    ("inputs (", ") it", ["inputs ", "(h)", " it"]),
    ("what ", "’s gate", ["what ", "h’s", " gate"]),
    ("and ", " is", ["and ", "h", " is"]),
])
def test_formula_is_kept_with_its_punctuation(typography, before, after, pieces):
    """A bracket before a formula and the punctuation behind it stay on its line; words may go to the next."""
    line = nodes.paragraph("", "", nodes.Text(before), nodes.math("h", "h"), nodes.Text(after))
    typography.bind(line[1])
    assert [piece.astext() for piece in line] == pieces
