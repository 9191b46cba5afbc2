"""What makes the drive fast: which matrix products it does, and how often."""

from collections import Counter
from typing import ClassVar

import numpy as np
import pytest

from lstmlab.cells._cell import CHUNK
from tests.cells.cases import CELLS, draw

T, B, I, H = 6 * CHUNK, 3, 2, 5


class Recorded(np.ndarray):
    """An array that logs the matrix products it is in, under the label it was given."""

    __array_priority__ = 1                  # what it is concatenated with becomes recorded too
    log: ClassVar[Counter] = Counter()

    def __array_finalize__(self, parent):
        self.label = getattr(parent, "label", "weights of x beside the biases")          # two arrays concatenated

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if ufunc is np.matmul:
            self.log.update({self.label})
        plain = [a.view(np.ndarray) if isinstance(a, Recorded) else a for a in inputs]
        return getattr(ufunc, method)(*plain, **kwargs, **({"out": out} if out else {}))


def recorded(array, label):
    view = array.view(Recorded)
    view.label = label
    return view


@pytest.mark.parametrize("name", CELLS)
def test_no_input_product_and_no_weight_gradient_is_in_the_time_loop(name, monkeypatch):
    """W_x·x_t, its gradients and every dW are taken once per chunk of steps, only W_h·h_{t-1} once per step."""
    cell = CELLS[name](I, H)
    stack, source = cell._stack, cell._source
    monkeypatch.setattr(cell, "_stack", lambda params, name: recorded(stack(params, name), f"weights of {name}"))
    monkeypatch.setattr(cell, "_source", lambda tape, name, chunk: recorded(source(tape, name, chunk), f"dW of {name}"))
    params, xs, state = draw(cell, np.random.default_rng(0), T, B)
    Recorded.log.clear()
    hs, _, tape = cell.forward(params, xs, state)
    assert Recorded.log == {"weights of x beside the biases": T // CHUNK,
                            **{f"weights of {s}": T for s in cell._reads if s in cell.State._fields}}
    Recorded.log.clear()
    cell.backward(params, tape, hs)
    assert {k: v for k, v in Recorded.log.items() if v != T} == {
        "weights of x": T // CHUNK, **{f"dW of {s}": T // CHUNK for s in cell._reads}}
