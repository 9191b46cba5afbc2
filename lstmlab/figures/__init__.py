"""Cell diagrams and plots in one visual language, as inline SVG that follows the page's light or dark theme."""

from ._style import plot_style
from ._svg import Svg
from .cells import lstm_diagram
from .plots import themed_svg

__all__ = ["Svg", "lstm_diagram", "plot_style", "themed_svg"]
