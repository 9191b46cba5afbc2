"""lstmlab: how an LSTM works, down to the last partial derivative.

Reference cells in NumPy with hand-written gradients, gradient checkers, and the checks and grading of
the course's exercises. Everything loads when it is first used: importing the package imports NumPy at most.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "RNN": "cells", "LSTM": "cells", "LSTM1997": "cells", "PeepholeLSTM": "cells", "CIFGLSTM": "cells", "GRU": "cells",
    "AblatedLSTM": "cells", "HState": "cells", "LSTMState": "cells", "FGRState": "cells", "sigmoid": "cells",
    "numerical_gradient": "gradcheck", "complex_step_gradient": "gradcheck", "directional_derivative": "gradcheck",
    "check_gradients": "gradcheck",
    "check": "checks",
}
_ROOMS = ("cells", "gradcheck", "torch", "convert", "tasks", "checks", "figures", "grading")

__all__ = [*_HOME, *_ROOMS]


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
