"""A matplotlib figure as inline SVG in the colours of the page's theme."""

from __future__ import annotations

import hashlib
import io
import xml.etree.ElementTree as ET
from typing import Any

from ._style import INKS, ink, plot_style
from ._svg import Svg

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_COLOURS = {**{value.light: ink(name) for name, value in INKS.items()}, "#000000": "currentColor"}


def themed_svg(figure: Any, *, title: str, alt: str) -> Svg:
    """Turn a matplotlib figure into SVG whose text and inks follow the theme, and close it.

    Draw the figure inside ``matplotlib.rc_context(plot_style())``. Black becomes the colour of the text
    around the figure, each light ink the theme's own; any other colour stays as it is.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure; it is closed, so that a notebook shows it once.
    title : str
        A short name.
    alt : str
        What the plot shows, in words, for a reader who cannot see it.

    Returns
    -------
    Svg
        The plot; a notebook shows it.

    Raises
    ------
    ValueError
        If `title` or `alt` is empty.
    """
    if not title.strip() or not alt.strip():
        raise ValueError(f"title is {title!r} and alt is {alt!r}; a plot needs both, in words")
    import matplotlib.pyplot as plt

    salt = hashlib.sha256((title + alt).encode()).hexdigest()[:10]
    # Matplotlib looks colours such as "C1" up when it draws, which is here: hence the style once more.
    with io.StringIO() as text, plt.rc_context({**plot_style(), "svg.fonttype": "path", "svg.hashsalt": salt}):
        figure.savefig(text, format="svg", metadata={"Date": None})
        root = ET.fromstring(text.getvalue())
    plt.close(figure)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    _, _, width, height = map(float, root.get("viewBox").split())
    _keep_ids_apart(root, salt)
    return Svg(title, alt, width, height, _recolour("".join(_markup(child) for child in root)))


def _keep_ids_apart(root: ET.Element, salt: str) -> None:
    """Prefix the ids that something refers to and drop the rest: matplotlib gives every figure the same."""
    used = set()
    for element in root.iter():
        for key in ("clip-path", f"{{{_XLINK}}}href"):
            if "#" in (link := element.get(key, "")):
                used.add(link.removeprefix("url(").removesuffix(")").removeprefix("#"))
                element.set(key, link.replace("#", f"#{salt}-"))
    for element in root.iter():
        if (name := element.attrib.pop("id", None)) in used:
            element.set("id", f"{salt}-{name}")


def _markup(element: ET.Element) -> str:
    """The element as HTML holds it: no namespace prefixes, plain ``href``, none of matplotlib's style sheets."""
    for part in element.iter():
        part.tag = part.tag.removeprefix(f"{{{_SVG}}}")
        if (link := part.attrib.pop(f"{{{_XLINK}}}href", None)) is not None:
            part.set("href", link)
        for style in [child for child in part if child.tag.endswith("style")]:
            part.remove(style)
    return ET.tostring(element, encoding="unicode")


def _recolour(markup: str) -> str:
    """Replace every colour of the visual language, wherever matplotlib wrote it, by the theme's."""
    # A presentation attribute may not hold var(); a style declaration may, and matplotlib writes only these.
    for colour, themed in _COLOURS.items():
        markup = markup.replace(colour, themed)
    return markup
