"""The diagrams of the simple recurrent network: symbols, ways back, and the cut."""

import re
import xml.etree.ElementTree as ET

import pytest

from lstmlab.figures import backward_diagram, rnn_diagram, unrolled_diagram

SVG = "{http://www.w3.org/2000/svg}"
ALL = [rnn_diagram(), unrolled_diagram(), backward_diagram(), backward_diagram(detached=True)]


def words(diagram):
    """Every text of the diagram."""
    return ["".join(text.itertext()) for text in ET.fromstring(str(diagram)).iter(f"{SVG}text")]


def parts(diagram):
    """How often each part is drawn."""
    names = re.findall(r'data-part="(\w+)"', str(diagram))
    return {name: names.count(name) for name in names}


@pytest.mark.parametrize("symbol", ["ht−1", "xt", "ht", "[ht−1, xt]", "tanh"])
def test_the_step_shows_the_symbols_of_its_equation(symbol):
    """Every symbol of eq-rnn-hidden-state stands in the picture."""
    assert symbol in words(rnn_diagram())


def test_the_row_has_a_loss_for_every_step():
    """Three steps, three inputs, three losses, and the state that comes in from before."""
    found = [word for word in words(unrolled_diagram()) if word[0] in "xL"]
    assert found == ["xt−1", "Lt−1", "xt", "Lt", "xt+1", "Lt+1"]
    assert words(unrolled_diagram()).count("ht−2") == 1


def test_detaching_takes_one_way_back_out():
    """Detached, one arrow of the gradient is replaced by a cut; the way of the state stays."""
    whole, cut = parts(backward_diagram()), parts(backward_diagram(detached=True))
    assert whole["gradient"] == cut["gradient"] + 1
    assert whole["state"] == cut["state"]
    assert "cut" in cut
    assert "cut" not in whole


@pytest.mark.parametrize("diagram", ALL, ids=lambda diagram: diagram.title)
def test_nothing_is_drawn_outside_the_view_box(diagram):
    """Every mark lies inside the view box, and no colour is fixed."""
    root = ET.fromstring(str(diagram))
    for path in root.iter(f"{SVG}path"):
        for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d")):
            assert 0 <= float(x) <= diagram.width
            assert 0 <= float(y) <= diagram.height
    assert len(diagram.description) > 100


def test_unknown_part_is_refused():
    """A part that the network does not have raises an error that lists those it has."""
    with pytest.raises(ValueError, match="highlight names f; this diagram has h, hx"):
        rnn_diagram(highlight=["f"])
