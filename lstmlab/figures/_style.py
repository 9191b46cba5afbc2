"""The one style sheet of every figure: inks, fonts and line widths.

An ink has a light and a dark value, and one for where neither theme is known, which reads on both. Text and
plain lines take no ink: they are ``currentColor``, the colour of the text around the figure.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Ink(NamedTuple):
    """A colour of the visual language, by theme."""

    light: str
    dark: str
    both: str


INKS = {
    "memory": Ink("#0b6b94", "#63c5ee", "#1b86b4"),     # the cell state and the road it takes
    "gate": Ink("#a34a07", "#f2ad53", "#b8691b"),       # what is squashed into [0, 1]
    "squash": Ink("#6b3fc4", "#bfa5ff", "#8a68d6"),     # what is squashed into [-1, 1]
    "mark": Ink("#b3195e", "#ff86b8", "#d1417f"),       # what a figure wants looked at
    "leaf": Ink("#2b7034", "#7fcf8a", "#3f8a49"),
}

FONT = "'STIX Two Text', 'Latin Modern Roman', 'Cambria', Georgia, 'Times New Roman', serif"
TEXT, SUBSCRIPT, READING = 23, 16, 15.5                 # in units of a diagram's view box
LINE, BOLD, ROAD, FRAME = 1.8, 2.4, 3.2, 1.2


def ink(name: str) -> str:
    """CSS value of an ink: its custom property, with the colour that reads on both themes behind it."""
    return f"var(--lstmlab-{name}, {INKS[name].both})"


def _properties(theme: str) -> str:
    return "".join(f"--lstmlab-{name}:{getattr(value, theme)};" for name, value in INKS.items())


# The book sets data-theme on <html>, JupyterLab sets data-jp-theme-light on <body>; both hold strings.
STYLESHEET = (
    f".lstmlab-svg{{{_properties('light')}}}"
    f"html[data-theme=dark] .lstmlab-svg,[data-jp-theme-light=false] .lstmlab-svg{{{_properties('dark')}}}"
)


def plot_style() -> dict[str, Any]:
    """Matplotlib settings of every plot, for ``matplotlib.rc_context``.

    Returns
    -------
    dict
        ``rcParams`` entries; the colours are the light inks, which `themed_svg` turns into the theme's.

    Examples
    --------
    >>> plot_style()["axes.spines.top"]
    False
    """
    colours = [value.light for value in INKS.values()]
    return {
        "figure.figsize": (8.6, 4.6),                       # 619 px wide, as wide as a diagram
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.prop_cycle": f"cycler('color', {colours})",
        "axes.titlesize": 18,
        "axes.labelsize": 18,
        "grid.alpha": 0.16,
        "grid.color": "black",
        "grid.linewidth": 1.0,
        "font.family": "STIXGeneral",                   # ships with matplotlib, and matches the diagrams' serif
        "mathtext.fontset": "stix",
        "font.size": 16.5,
        "legend.frameon": False,
        "legend.fontsize": 16.5,
        "lines.linewidth": 2.4,
        "savefig.facecolor": "none",
    }
