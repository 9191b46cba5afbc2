"""The NumPy reference cells: one file per chapter, forward and backward side by side."""

from ._cell import HState, sigmoid
from .ablated import AblatedLSTM, FGRState
from .cifg import CIFGLSTM
from .gru import GRU
from .lstm import LSTM, LSTMState
from .lstm1997 import LSTM1997
from .peephole import PeepholeLSTM
from .rnn import RNN

__all__ = [
    "CIFGLSTM", "GRU", "LSTM", "LSTM1997", "RNN", "AblatedLSTM", "FGRState", "HState", "LSTMState", "PeepholeLSTM",
    "sigmoid",
]
