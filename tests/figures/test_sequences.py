"""Strips of sequences, and the graph of the Reber grammar."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from lstmlab.figures import embedded_reber_diagram, reber_diagram, sequence_strip
from lstmlab.tasks import embedded_reber
from lstmlab.tasks.reber import SYMBOLS

SVG = "{http://www.w3.org/2000/svg}"
MARK = "--lstmlab-mark"


def strip(rows, **more):
    """A strip with some words."""
    return sequence_strip(rows, title="A strip", alt="What it shows.", **more)


def drawn(figure, part):
    """The elements of a part."""
    return [group for group in ET.fromstring(str(figure)).iter(f"{SVG}g") if group.get("data-part") == part]


def texts(figure, part):
    """The words of a part."""
    return ["".join(group.itertext()) for group in drawn(figure, part)]


def test_letters_stand_in_their_order_and_the_marked_ones_in_their_ink():
    """One box for each symbol, none for an empty place."""
    figure = strip({"input": list("BTXSE"), "target": ["", "", "", "", "T"]}, marked={"target": [4]})
    assert texts(figure, "letter") == [*"BTXSE", "T"]
    assert [MARK in ET.tostring(group, encoding="unicode") for group in drawn(figure, "letter")] == [False] * 5 + [True]


def test_bars_are_as_long_as_their_numbers():
    """On one scale for the row, downward below zero; what is nan is not drawn."""
    values = [1.0, 0.5, np.nan, -0.25]
    heights = [float(group[0].get("height")) for group in drawn(strip({"x": values}), "number")]
    tops = [float(group[0].get("y")) for group in drawn(strip({"x": values}), "number")]
    assert np.allclose(np.array(heights) / heights[0], [1, 0.5, 0.25])
    assert tops[0] < tops[1] < tops[2] == pytest.approx(tops[0] + heights[0])


def test_truth_values_are_filled_places():
    """A marker is drawn where it is true."""
    assert len(drawn(strip({"marker": np.array([False, True, False, True])}), "marker")) == 2


def test_what_is_left_out_is_counted_but_not_drawn():
    """The numbers under the strip go on behind the dots."""
    figure = strip({"input": [str(k % 10) for k in range(100)]}, elide=[(4, 96)])
    assert texts(figure, "letter") == [*"01236789"]
    assert texts(figure, "elided") == ["⋯"]
    assert texts(figure, "time") == ["1", "4", "97", "100", "step"]


@pytest.mark.parametrize("steps", [1, 24, 110])
def test_a_strip_stays_within_its_view_box(steps):
    """However many steps there are, and wherever some are left out."""
    figure = strip({"x": np.arange(float(steps)), "s": ["a"] * steps}, elide=[(5, 9), (12, 20)] if steps > 20 else ())
    for rect in ET.fromstring(str(figure)).iter(f"{SVG}rect"):
        left, width = float(rect.get("x")), float(rect.get("width"))
        assert 0 <= left <= left + width <= figure.width


@pytest.mark.parametrize(("rows", "more", "words"), [
    ({}, {}, "at least one row"), ({"a": [1], "b": [1, 2]}, {}, "one length"),
    ({"a": [1, 2]}, {"elide": [(1, 5)]}, "0 <= start < stop <= 2")])
def test_a_wrong_strip_is_refused(rows, more, words):
    """With what was expected."""
    with pytest.raises(ValueError, match=words):
        strip(rows, **more)


def test_the_graph_writes_the_strings_of_the_grammar_and_no_others():
    """After each beginning the graph goes on by just the symbols that the task calls legal."""
    strings = embedded_reber(np.random.default_rng(0), 20)
    for string, legal in zip(strings.symbols.T, strings.legal.transpose(1, 0, 2), strict=True):
        inner = string[2:(string >= 0).sum() - 2]
        for t in range(1, len(inner)):
            for k, symbol in enumerate(SYMBOLS):
                word = "".join(SYMBOLS[s] for s in inner[:t]) + symbol
                if legal[t + 1, k]:
                    assert reber_diagram(word).title.endswith(word)
                else:
                    with pytest.raises(ValueError, match="one that the Reber grammar writes"):
                        reber_diagram(word)


def test_the_way_of_a_string_is_brought_out():
    """Its arrows are in the ink that asks to be looked at, the others fade."""
    root = ET.fromstring(str(reber_diagram("BTXSE")))
    bright = {group.get("data-part") for group in root.iter(f"{SVG}g") if group.get("opacity") == "1"}
    assert bright == {"B0", "T1", "X2", "S4", "E6", "states"}


@pytest.mark.parametrize("figure", [reber_diagram(), embedded_reber_diagram()], ids=lambda figure: figure.title)
def test_a_graph_stays_within_its_view_box(figure):
    """Every arrow and every letter."""
    root = ET.fromstring(str(figure))
    points = [pair for path in root.iter(f"{SVG}path") for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d"))]
    points += [(text.get("x"), text.get("y")) for text in root.iter(f"{SVG}text")]
    assert all(0 <= float(x) <= figure.width and 0 <= float(y) <= figure.height for x, y in points)
