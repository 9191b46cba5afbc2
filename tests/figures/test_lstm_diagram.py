"""The diagram of the LSTM cell: valid, accessible, and in the colours of its surroundings."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from lstmlab.figures import lstm_diagram

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def root():
    """The parsed diagram."""
    return ET.fromstring(str(lstm_diagram()))


def words(root):
    """Every text of the diagram, without spaces and with the tilde on its letter's right."""
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_title_and_description_name_the_image(root):
    """The image role is labelled by its title and description elements."""
    title, description = root.get("aria-labelledby").split()
    texts = {element.get("id"): element.text for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert root.get("role") == "img"
    assert texts[title] == "The LSTM cell"
    assert len(texts[description]) > 100


@pytest.mark.parametrize("symbol", ["Ct−1", "Ct", "ht−1", "ht", "xt", "ft", "it", "C˜t", "ot", "[ht−1, xt]"])
def test_symbols_of_the_notation_are_drawn(root, symbol):
    """Every symbol of the six equations stands in the picture."""
    assert symbol in words(root)


def test_boxes_name_their_functions(root):
    """Three boxes are sigmoids; tanh stands on the candidate's box and on the way out."""
    assert words(root).count("σ") == 3
    assert words(root).count("tanh") == 2


def test_signs_of_the_equations_are_drawn(root):
    """There are three products and one sum, as in the equations."""
    nodes = [circle for circle in root.iter(f"{SVG}circle") if circle.get("r") == "13"]
    points = [circle for circle in root.iter(f"{SVG}circle") if circle.get("r") == "2.8"]
    assert (len(nodes), len(points)) == (4, 3)


def test_no_colour_is_fixed(root):
    """Text and lines are currentColor or a custom property; none is black, white or any literal colour."""
    painted = [value for element in root.iter() for name, value in element.attrib.items()
               if name in ("fill", "stroke")]
    styles = ";".join(element.get("style", "") for element in root.iter())
    declared = re.findall(r"(?:fill|stroke):([^;\"]+)", styles)
    assert set(painted) <= {"currentColor", "none"}
    assert all(value == "currentColor" or value.startswith("var(--lstmlab-") for value in declared)
    assert declared


def test_nothing_is_drawn_outside_the_view_box(root):
    """Every mark of the diagram lies inside the view box."""
    _, _, width, height = map(float, root.get("viewBox").split())
    for path in root.iter(f"{SVG}path"):
        for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d")):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height


def test_highlight_fades_the_rest():
    """With parts to bring out, those stay opaque and all others fade."""
    root = ET.fromstring(str(lstm_diagram(highlight=["C", "f"])))
    opacity = {(group.get("data-part"), group.get("opacity")) for group in root.iter(f"{SVG}g")}
    assert {part for part, value in opacity if value == "1"} == {"C", "f"}
    assert {part for part, value in opacity if value != "1"} == {"i", "C_tilde", "o", "h", "hx"}


def test_unknown_part_is_refused():
    """A part that the LSTM does not have raises an error that lists those it has."""
    with pytest.raises(ValueError, match=r"highlight names r; this diagram has C, C_tilde, f, h, hx, i, o"):
        lstm_diagram(highlight=["r"])


def test_two_diagrams_do_not_share_ids():
    """A page may hold two different diagrams: their ids differ."""
    ids = [set(re.findall(r'id="([^"]+)"', str(d))) for d in (lstm_diagram(), lstm_diagram(highlight=["f"]))]
    assert ids[0].isdisjoint(ids[1])


def test_a_notebook_shows_it_inline():
    """A notebook gets HTML with the SVG in it, not an image that could not follow the theme."""
    html = lstm_diagram()._repr_html_()
    assert html.startswith('<div class="lstmlab-figure"><svg ')
    assert "<img" not in html


def test_a_diagram_needs_no_matplotlib():
    """Drawing a diagram imports neither matplotlib nor a sibling room."""
    code = ("import sys; from lstmlab.figures import lstm_diagram; str(lstm_diagram()); "
            "print(sorted(m for m in sys.modules if m.split('.')[0] == 'matplotlib' "
            "or m.startswith('lstmlab.') and not m.startswith('lstmlab.figures')))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_values_stand_in_the_picture_and_in_its_description():
    """A value is written once, with three decimals and a minus sign, and said in the description."""
    diagram = lstm_diagram(values={"C_tilde": -0.5})
    assert words(ET.fromstring(str(diagram))).count("−0.500") == 1
    assert diagram.description.endswith("C_tilde −0.500.")


def test_a_value_without_a_place_is_refused():
    """A value of something that is not in the picture is named in the error."""
    with pytest.raises(ValueError, match="values names z; this diagram has C, C_prev"):
        lstm_diagram(values={"z": 0.5})
