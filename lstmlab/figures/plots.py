"""Matplotlib figures as inline SVG in the colours of the page's theme."""

from __future__ import annotations

import hashlib
import io
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
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


def fingerprints(errors: Mapping[str, Mapping[str, float]], *, title: str, tolerance: float = 1e-7) -> Svg:
    """Draw which arrays are wrong when a term of a gradient is lost: a row for each term, a column for each array.

    Parameters
    ----------
    errors : mapping of str to mapping of str to float
        For each term the ``errors`` of a `GradientReport`; all rows have the same arrays.
    title : str
        A short name.
    tolerance : float, optional
        The largest error that counts as right.

    Returns
    -------
    Svg
        A disc where an array is wrong, the larger the more; a point where it is right. The description says the same.

    Examples
    --------
    >>> figure = fingerprints({"a term lost": {"W_f": 0.3, "b_f": 0.0}}, title="Fingerprints")
    >>> figure.description
    'A table of discs. a term lost: wrong in W_f; right in b_f.'
    """
    import matplotlib.pyplot as plt

    columns, said = list(next(iter(errors.values()))), []
    with plt.rc_context(plot_style()):
        figure, ax = plt.subplots(figsize=(8.6, 0.9 + 0.5 * len(errors)))
        for row, (term, of_term) in enumerate(errors.items()):
            wrong = [name for name in columns if not of_term[name] <= tolerance]
            right = [name for name in columns if name not in wrong]
            ax.plot([columns.index(name) for name in right], [row] * len(right), "o", color="black", alpha=0.35,
                    markersize=3)
            sizes = [40 + 45 * max(0.0, 4 + math.log10(min(of_term[name], 1.0))) for name in wrong]
            ax.scatter([columns.index(name) for name in wrong], [row] * len(wrong), sizes, color=INKS["mark"].light)
            said.append(f"{term}: wrong in {', '.join(wrong) or 'nothing'}; right in {', '.join(right) or 'nothing'}.")
        ax.set(xticks=range(len(columns)), yticks=range(len(errors)), xlim=(-0.6, len(columns) - 0.4),
               ylim=(len(errors) - 0.4, -0.6))
        ax.set_xticklabels([_as_symbol(name) for name in columns])
        ax.set_yticklabels(map(_with_symbols, errors), fontsize=14.5)
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.spines[["left", "bottom"]].set_visible(False)
    return themed_svg(figure, title=title, alt=f"A table of discs. {' '.join(said)}")


def _as_symbol(name: str) -> str:
    """The name of an array in a report as the book's symbol: ``xs`` is x, ``h0`` is h with index 0."""
    letter, index = (name[0], name[1:].lstrip("_")) if name != "xs" else ("x", "")
    return f"${letter}_{{{index}}}$" if index else f"${letter}$"


def _with_symbols(term: str) -> str:
    """The name of a term for matplotlib, with an index in braces, such as ``C_{t−1}``, set as one."""
    return re.sub(r"\w+_\{[^}]*\}", lambda symbol: f"${symbol[0]}$", term)


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
