"""The diagrams of the other cells: accessible, in the theme's colours, and different where the cells are."""

import re
import xml.etree.ElementTree as ET

import pytest

from lstmlab.figures import carousel_diagram, cifg_diagram, gru_diagram, lstm_diagram, peephole_diagram

SVG = "{http://www.w3.org/2000/svg}"
MARK = "--lstmlab-mark"
GRUS = [(reset, carry) for reset in ("before", "after") for carry in ("z", "1-z")]
DIAGRAMS = {"carousel": carousel_diagram, "cifg": cifg_diagram, "peephole": peephole_diagram,
            "peephole o": lambda: peephole_diagram("o"),
            **{f"gru {reset} {carry}": lambda reset=reset, carry=carry: gru_diagram(reset, carry)
               for reset, carry in GRUS}}


def parse(diagram):
    return ET.fromstring(str(diagram))


def words(root):
    """Every text of the diagram, with the tilde on its letter's right."""
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def marked(root):
    """The parts that have something drawn in the ink that asks to be looked at."""
    return {group.get("data-part") for group in root.iter(f"{SVG}g")
            if any(MARK in element.get("style", "") for element in group.iter())}


@pytest.fixture(params=DIAGRAMS)
def root(request):
    """Each parsed diagram in turn."""
    return parse(DIAGRAMS[request.param]())


def test_title_and_description_name_the_image(root):
    """The image role is labelled by a title and by a description of some length."""
    title, description = root.get("aria-labelledby").split()
    texts = {element.get("id"): element.text for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert root.get("role") == "img"
    assert texts[title]
    assert len(texts[description]) > 100


def test_no_colour_is_fixed(root):
    """Text and lines are currentColor or a custom property."""
    painted = {value for element in root.iter() for name, value in element.attrib.items() if name in ("fill", "stroke")}
    styles = ";".join(element.get("style", "") for element in root.iter())
    declared = re.findall(r"(?:fill|stroke):([^;\"]+)", styles)
    assert painted <= {"currentColor", "none"}
    assert all(value == "currentColor" or value.startswith("var(--lstmlab-") for value in declared)


def test_nothing_is_drawn_outside_the_view_box(root):
    """Every line and every text starts inside the view box."""
    _, _, width, height = map(float, root.get("viewBox").split())
    points = [pair for path in root.iter(f"{SVG}path") for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d"))]
    points += [(text.get("x"), text.get("y")) for text in root.iter(f"{SVG}text")]
    assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points)


def test_the_diagrams_differ():
    """No two of them are the same picture."""
    assert len({draw().body for draw in DIAGRAMS.values()}) == len(DIAGRAMS)


@pytest.mark.parametrize("peepholes", ["", "f", "i", "o", "fi", "fo", "io", "fio"])
def test_peepholes_are_what_is_brought_out(peepholes):
    """Exactly the peepholes that were asked for are drawn, marked and named."""
    root = parse(peephole_diagram(peepholes))
    assert marked(root) == {f"p_{g}" for g in peepholes}
    assert {f"p{g}" for g in peepholes} == {f"p{g}" for g in "fio"} & set(words(root))


def test_output_gate_sees_the_new_memory():
    """The peephole of o leaves the road after the sum; those of f and i before the product."""
    root = parse(peephole_diagram())
    start = {group.get("data-part"): float(re.match(r"M(\S+)", path.get("d")).group(1))
             for group in reversed(list(root.iter(f"{SVG}g"))) if group.get("data-part").startswith("p_")
             for path in reversed(list(group.iter(f"{SVG}path")))}
    middle = {part: [float(circle.get("cx")) for group in root.iter(f"{SVG}g") if group.get("data-part") == "C"
                     for circle in group.iter(f"{SVG}circle") if circle.get("r") == "13"][k]
              for k, part in enumerate(("product", "sum"))}
    assert start["p_f"] == start["p_i"] < middle["product"]
    assert start["p_o"] > middle["sum"]


def test_the_carousel_has_no_gate_on_its_road():
    """Without a forget gate there are two sigmoids, no f, and the bare road is brought out."""
    root = parse(carousel_diagram())
    assert words(root).count("σ") == 2
    assert "ft" not in words(root)
    assert marked(root) == {"C"}


def test_coupled_gates_have_three_boxes():
    """Two sigmoids and a tanh are left, and the coupling is what is brought out."""
    root = parse(cifg_diagram())
    assert (words(root).count("σ"), words(parse(lstm_diagram())).count("σ")) == (2, 3)
    assert "1−" in words(root)
    assert marked(root) == {"i"}


@pytest.mark.parametrize(("reset", "carry"), GRUS)
def test_gru_brings_out_its_conventions(reset, carry):
    """A box of weights stands before the reset gate's product where the reset comes after them."""
    root = parse(gru_diagram(reset, carry))
    assert ("W" in words(root)) == (reset == "after")
    assert marked(root) == {"r", "z"}
    assert {"ht−1", "ht", "xt", "zt", "rt", "nt", "1−"} <= set(words(root))


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: peephole_diagram("c"), "peepholes is 'c'"), (lambda: peephole_diagram("ff"), "peepholes is 'ff'"),
    (lambda: gru_diagram(reset="never"), "reset is 'never'"), (lambda: gru_diagram(carry="h"), "carry is 'h'"),
    (lambda: cifg_diagram(highlight=["r"]), "highlight names r")])
def test_what_a_cell_does_not_have_is_refused(draw, message):
    """An unknown letter, convention or part raises an error that names it."""
    with pytest.raises(ValueError, match=message):
        draw()


@pytest.mark.parametrize("draw", [carousel_diagram, peephole_diagram, cifg_diagram, gru_diagram])
def test_highlight_fades_the_rest(draw):
    """With a part to bring out, that part stays opaque and all others fade."""
    root = parse(draw(highlight=["hx"]))
    opaque = {group.get("data-part") for group in root.iter(f"{SVG}g") if group.get("opacity") == "1"}
    assert opaque == {"hx"}
