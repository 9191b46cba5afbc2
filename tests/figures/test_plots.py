"""Matplotlib figures as inline SVG that follows the theme."""

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from lstmlab.figures import fingerprints, plot_style, themed_svg

mpl.use("Agg")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def no_open_figures():
    """Close what a refused plot leaves open."""
    yield
    plt.close("all")


def draw(title="A line", alt="It rises.", **line):
    """A plot with a line, words, a formula and a legend."""
    with plt.rc_context(plot_style()):
        figure, axes = plt.subplots()
        axes.plot([0, 1], [0, 1], label="$C_t$", **line)
        axes.set(xlabel="time step $t$", title="words")
        axes.legend()
    return themed_svg(figure, title=title, alt=alt)


def test_plot_is_named_and_described():
    """Title and alternative text are the image's label and description."""
    root = ET.fromstring(str(draw()))
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "A line"
    assert root.find(f"{SVG}desc").text == "It rises."


@pytest.mark.parametrize("alt", ["", "  "])
def test_plot_without_words_is_refused(alt):
    """A plot that a blind reader would get nothing from raises an error."""
    with pytest.raises(ValueError, match="a plot needs both, in words"):
        draw(alt=alt)


def test_plot_has_no_fixed_colour():
    """Every colour of a plot in our style is currentColor or a custom property."""
    body = draw().body
    assert re.findall(r"(?<!&)#[0-9a-fA-F]{6}\b(?=[;\" ])", re.sub(r"var\([^)]*\)", "", body)) == []
    assert "currentColor" in body
    assert "var(--lstmlab-memory" in body


def test_plot_has_no_ground_of_its_own():
    """The page shows through: neither the figure nor the axes are filled with white."""
    assert "#ffffff" not in draw().body


@pytest.mark.parametrize(("number", "ink"), [(0, "memory"), (1, "gate"), (2, "squash"), (3, "mark"), (4, "leaf")])
def test_cycle_colours_are_the_inks(number, ink):
    """The colours C0 to C4 are the inks, though they are looked up only when the figure is saved."""
    assert f"var(--lstmlab-{ink}" in draw(color=f"C{number}").body


def test_references_within_the_plot_resolve():
    """Every clip path and glyph that the plot refers to is defined in it."""
    body = draw().body
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', body)) == set(re.findall(r'\bid="([^"]+)"', body))


def test_two_plots_do_not_share_ids():
    """Two plots on one page keep their clip paths and glyphs apart."""
    ids = [set(re.findall(r'\bid="([^"]+)"', str(draw(title=title)))) for title in ("one", "two")]
    assert ids[0].isdisjoint(ids[1])


def test_the_same_plot_is_the_same_text():
    """Drawing twice gives the same markup, so that a page changes only when its numbers do."""
    assert str(draw()) == str(draw())


def test_figure_is_closed():
    """The figure is closed, so that a notebook does not show it a second time."""
    draw()
    assert plt.get_fignums() == []


def test_style_of_the_caller_is_left_alone():
    """Saving a plot leaves matplotlib's settings as they were."""
    before = dict(mpl.rcParams)
    draw()
    assert dict(mpl.rcParams) == before


def test_fingerprints_say_what_they_show():
    """The description names, for each lost term, what is wrong and what is right; nan is wrong."""
    errors = {"one": {"xs": 0.5, "h0": 0.0, "b_hn": 1e-3}, "two": {"xs": float("nan"), "h0": 0.0, "b_hn": 0.0}}
    figure = fingerprints(errors, title="Lost terms")
    assert figure.title == "Lost terms"
    assert "one: wrong in xs, b_hn; right in h0." in figure.description
    assert "two: wrong in xs; right in h0, b_hn." in figure.description
