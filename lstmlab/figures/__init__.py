"""Cell diagrams and plots in one visual language, as inline SVG that follows the page's light or dark theme."""

from ._style import plot_style
from ._svg import Svg
from .cells import carousel_diagram, cifg_diagram, gru_diagram, lstm_diagram, peephole_diagram
from .plots import fingerprints, themed_svg

__all__ = ["Svg", "carousel_diagram", "cifg_diagram", "fingerprints", "gru_diagram", "lstm_diagram", "peephole_diagram",
           "plot_style", "themed_svg"]
