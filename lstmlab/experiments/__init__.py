"""The long studies: the network of 1997 and its experiments, gap length, ablations, real data."""

from .network1997 import Network1997, Sequences, Weights1997
from .whole_gradient import WholeGradient1997

STUDIES = ("gap-length", "odyssey")
REAL_DATA = ("sunspots", "digits")

__all__ = ["REAL_DATA", "STUDIES", "Network1997", "Sequences", "Weights1997", "WholeGradient1997"]
