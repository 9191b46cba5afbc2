"""Cell diagrams and plots in one visual language, as inline SVG that follows the page's light or dark theme."""

from ._style import plot_style
from ._svg import Svg
from .cells import carousel_diagram, cifg_diagram, gru_diagram, lstm_diagram, peephole_diagram
from .plots import fingerprints, themed_svg
from .recurrent import backward_diagram, rnn_diagram, unrolled_diagram
from .sequences import embedded_reber_diagram, reber_diagram, sequence_strip

__all__ = ["Svg", "backward_diagram", "carousel_diagram", "cifg_diagram", "embedded_reber_diagram", "fingerprints",
           "gru_diagram", "lstm_diagram", "peephole_diagram", "plot_style", "reber_diagram", "rnn_diagram",
           "sequence_strip", "themed_svg", "unrolled_diagram"]
