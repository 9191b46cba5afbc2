"""lstmlab as a student's code meets it while marks are formed: no reference, no verdict, a check that does nothing."""

from importlib import import_module

__version__ = "inside"


def check(name, fn):
    """Do nothing: the grader judges the function from outside, on inputs of its own."""


def __getattr__(name):
    if name in ("figures", "tasks"):
        return import_module(f"lstmlab.{name}")
    if name.startswith("_"):
        raise AttributeError(name)
    # An ImportError, since `from lstmlab import LSTM` would hide the words of an AttributeError.
    raise ImportError(f"lstmlab.{name} is not available while marks are formed: "
                      "what a check judges must be computed by your own code")
