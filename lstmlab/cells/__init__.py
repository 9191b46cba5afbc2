"""The NumPy reference cells: one file per chapter, forward and backward side by side."""

from ._cell import sigmoid
from .lstm import LSTM, LSTMState

__all__ = ["LSTM", "LSTMState", "sigmoid"]
