"""A function that leaves its work to a reference is told so by `check`, and only told."""

import functools

import pytest

from lstmlab.checks import CheckFailed, check
from lstmlab.checks._borrowed import borrowed

SETUP = """
import functools
import numpy as np
import torch
import torch.nn as nn
import lstmlab
import lstmlab.torch as lt
from lstmlab import LSTM, LSTMState, check, cells, figures, sigmoid
from lstmlab.cells import sigmoid as squash
cell = LSTM(2, 3)
step = cell.step
layer = torch.nn.LSTM(2, 3)
logistic = lambda x: 0.5 * (1 + np.tanh(x / 2))
def helper(x):
    return sigmoid(x)
class Own:
    def __call__(self, x):
        return nn.GRUCell(2, 3)(x)
class Heir(nn.LSTM):
    pass
"""

USES = {
    "a name": ("f = lambda x: LSTM(2, 3)", {"lstmlab.LSTM"}),
    "through the package": ("f = lambda x: lstmlab.GRU(2, 3)", {"lstmlab.GRU"}),
    "through a room": ("f = lambda x: cells.RNN(2, 3)", {"lstmlab.RNN"}),
    "under another name": ("f = lambda x: squash(x)", {"lstmlab.sigmoid"}),
    "a torch layer": ("f = lambda x: nn.LSTM(2, 3)(x)", {"torch.nn.LSTM"}),
    "by the whole name": ("f = lambda x: torch.nn.GRUCell(2, 3)(x)", {"torch.nn.GRUCell"}),
    "a layer made before": ("f = lambda x: layer(x)", {"torch.nn.LSTM"}),
    "a cell made before": ("f = lambda x: cell.forward({}, x)", {"lstmlab.LSTM"}),
    "its method": ("f = lambda x: step({}, x, None)", {"lstmlab.LSTM"}),
    "the course's layers": ("f = lambda x: lt.LSTM(2, 3)(x)", {"lstmlab.torch.LSTM"}),
    "a helper": ("f = lambda x: helper(x)", {"lstmlab.sigmoid"}),
    "a class of one's own": ("f = lambda x: Own()(x)", {"torch.nn.GRUCell"}),
    "a child of torch's": ("f = Heir", {"torch.nn.LSTM"}),
    "a method as the function": ("f = Own().__call__", {"torch.nn.GRUCell"}),
    "a partial": ("f = functools.partial(lambda c, x: sigmoid(x), 1)", {"lstmlab.sigmoid"}),
    "a default": ("f = lambda x, c=LSTM(2, 3): c", {"lstmlab.LSTM"}),
    "a closure": ("f = (lambda c: lambda x: c)(LSTM)", {"lstmlab.LSTM"}),
    "an inner function": ("f = lambda xs: [(lambda y: sigmoid(y))(x) for x in xs]", {"lstmlab.sigmoid"}),
    "the reference itself": ("f = sigmoid", {"lstmlab.sigmoid"}),
    "imported inside": ("def f(x):\n    from lstmlab import LSTM, sigmoid\n    return sigmoid(x)",
                        {"lstmlab.LSTM", "lstmlab.sigmoid"}),
    "from a room, inside": ("def f(x):\n    from lstmlab.cells import sigmoid\n    return sigmoid(x)",
                            {"lstmlab.sigmoid"}),
    "the package imported inside": ("def f(x):\n    import lstmlab as ll\n    y = x + 1\n    return ll.sigmoid(y)",
                                    {"lstmlab.sigmoid"}),
    "torch imported inside": ("def f(x):\n    import torch\n    y = x\n    return torch.nn.GRU(2, 3)(y)",
                              {"torch.nn.GRU"}),
}
NO_USES = {
    "its own": "f = lambda x: logistic(x)",
    "check": "def f(x):\n    check('sigmoid', logistic)",
    "check by the package": "f = lambda x: lstmlab.check('sigmoid', x)",
    "figures": "f = lambda x: figures.plot(x) or lstmlab.figures.plot(x)",
    "other layers": "f = lambda x: nn.Linear(2, 3)(torch.sigmoid(x))",
    "an attribute of its own": "class A:\n    LSTM = 1\nf = lambda x: A.LSTM",
    "a name like it": "def f(LSTM):\n    lstmlab = LSTM\n    return lstmlab.LSTM",
    "itself": "def f(x):\n    return f(x - 1) if x else 0",
    "no code": "f = np.tanh",
    "a closure not filled": "def make():\n    def f(x):\n        return later\n    return f\n    later = 1\nf = make()",
}


@pytest.fixture(scope="module")
def names():
    space = {"__name__": "__main__"}
    exec(SETUP, space)
    return space


@pytest.mark.parametrize(("source", "expected"), USES.values(), ids=USES)
def test_a_reference_is_seen(names, source, expected):
    """However it is reached, what stands in for the student's own code is named."""
    exec(source, names)
    assert set(borrowed(names["f"])) == expected


@pytest.mark.parametrize("source", NO_USES.values(), ids=NO_USES)
def test_nothing_else_is_named(names, source):
    """Own code, libraries, check, figures and names that merely look alike are left alone."""
    exec(source, names)
    assert borrowed(names["f"]) == []


def test_it_is_a_remark_that_costs_nothing(names, capsys):
    """A right answer stays right; what it is made of is told in words, in lines of at most 80 columns."""
    check("sigmoid", functools.partial(names["helper"]))
    out = capsys.readouterr().out
    assert out.startswith("✓ sigmoid: right (2 of 2 points)")
    assert "It uses lstmlab.sigmoid." in out
    assert "while marks are formed such a call does not work" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_a_wrong_answer_is_told_too(names):
    """The remark stands beside the diagnosis."""
    exec("f = lambda x: 1 - sigmoid(x)", names)
    with pytest.raises(CheckFailed, match=r"(?s)σ runs the wrong way.*It uses lstmlab\.sigmoid"):
        check("sigmoid", names["f"])
