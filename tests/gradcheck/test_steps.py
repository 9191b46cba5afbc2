"""A cell by its single steps: the lines of a reader's page, whole or with a term lost."""

import numpy as np
import pytest

from lstmlab import CIFGLSTM, GRU, LSTM, LSTM1997, RNN, PeepholeLSTM, check_gradients
from lstmlab.gradcheck import by_steps

CELLS = [RNN(2, 3), LSTM(2, 3), LSTM1997(2, 3), PeepholeLSTM(2, 3), CIFGLSTM(2, 3), GRU(2, 3),
         GRU(2, 3, "before", "1-z")]


def problem(cell):
    """Parameters none of which is zero, inputs and a state."""
    rng = np.random.default_rng(0)
    params = {name: rng.normal(size=shape) for name, shape in cell.parameter_shapes().items()}
    return params, rng.normal(size=(4, 2, 2)), cell.State(*(rng.normal(size=(2, 3)) for _ in cell.State._fields))


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_the_lines_themselves_are_right(cell):
    """The single steps' gradient agrees with complex steps to rounding."""
    assert check_gradients(by_steps(cell), *problem(cell), method="complex").max_error < 1e-13


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_steps_are_the_sequence(cell):
    """Forward and backward by steps give what the cell's own give, from the default states too."""
    params, xs, _ = problem(cell)
    hs, _, tapes = by_steps(cell).forward(params, xs)
    expected, _, tape = cell.forward(params, xs)
    np.testing.assert_allclose(hs, expected, rtol=1e-12)
    for got, want in zip(by_steps(cell).backward(params, tapes, hs)[2].values(),
                         cell.backward(params, tape, hs)[2].values(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-14)


def test_a_lost_term_is_seen():
    """Without the gradient from the next step the check disagrees, and the cell itself is as it was."""
    cell = LSTM(2, 3)
    assert not check_gradients(by_steps(cell, "dC + "), *problem(cell)).ok
    assert check_gradients(by_steps(cell), *problem(cell)).ok


def test_another_term_in_its_place():
    """A term may be exchanged: the output gate's tanh(C) for C changes its gradients and no others of one step."""
    cell = LSTM(2, 3)
    params, xs, state = problem(cell)
    swapped = by_steps(cell, "do = dh * np.tanh(C)", instead="do = dh * C")
    assert check_gradients(swapped, params, xs[:1], state).errors["W_f"] < 1e-7
    assert check_gradients(swapped, params, xs[:1], state).errors["W_o"] > 1e-2


@pytest.mark.parametrize(("piece", "times"), [("no such term", 0), ("dC", "")])
def test_what_does_not_stand_once_is_refused(piece, times):
    """A piece that is not there, or there more than once, raises an error that counts it."""
    with pytest.raises(ValueError, match=f"stands {times}.*in LSTM.step_backward; expected once"):
        by_steps(LSTM(2, 3), piece)


def test_a_mask_is_refused():
    """Single steps know no mask."""
    cell = LSTM(2, 3)
    params, xs, state = problem(cell)
    with pytest.raises(ValueError, match="mask is given"):
        by_steps(cell).forward(params, xs, state, np.ones((4, 2), bool))
