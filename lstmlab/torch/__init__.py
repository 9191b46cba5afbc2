"""The cells as ``torch.nn.Module``: the call of `torch.nn.LSTM`, the equations and the names of the NumPy cells."""

from ._check import check_gradients
from .layers import CIFGLSTM, GRU, LSTM, LSTM1997, RNN, AblatedLSTM, PeepholeLSTM, from_numpy

__all__ = [
    "CIFGLSTM", "GRU", "LSTM", "LSTM1997", "RNN", "AblatedLSTM", "PeepholeLSTM", "check_gradients", "from_numpy",
]
