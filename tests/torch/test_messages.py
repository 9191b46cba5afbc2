"""What a layer cannot take it refuses, and says what it expected and what came."""

import re

import numpy as np
import pytest
import torch

import lstmlab
import lstmlab.torch as lt

LAYER = lt.LSTM(3, 4, 2)
INPUT = torch.randn(5, 2, 3)
STATE = torch.zeros(2, 2, 4)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"num_layers": 0}, "num_layers is 0; expected an integer >= 1"),
    ({"num_layers": "NIG"}, "num_layers is 'NIG'; expected an integer >= 1"),
    ({"dropout": 1.5}, "dropout is 1.5; expected a probability between 0 and 1"),
    ({"backend": "cuda"}, "backend is 'cuda'; expected one of 'auto', 'loop', 'fused'"),
    ({"peepholes": "fx"}, "peepholes is 'fx'; expected some of the letters 'f', 'i', 'o', each once"),
])
def test_wrong_argument(arguments, message):
    """A wrong argument is named with its value and what was expected."""
    with pytest.raises(ValueError, match=re.escape(message)):
        lt.PeepholeLSTM(3, 4, **arguments)


def test_dropout_without_a_layer_below():
    """Dropout on a single layer warns, as it does nothing."""
    with pytest.warns(UserWarning, match="dropout=0.5 has no effect with num_layers=1"):
        lt.LSTM(3, 4, dropout=0.5)


@pytest.mark.parametrize(("input", "error", "message"), [
    (np.zeros((5, 2, 3)), TypeError, "input is ndarray; expected a Tensor or a PackedSequence"),
    (torch.zeros(3), ValueError, "input has shape (3,); expected (T, B, input_size) or, for one sequence, "
                                 "(T, input_size)"),
    (torch.zeros(5, 2, 4), ValueError, "input has shape (5, 2, 4); expected (T, B, input_size) with input_size 3"),
    (torch.zeros(0, 2, 3), ValueError, "input has shape (0, 2, 3); every length must be at least 1"),
    (INPUT.double(), TypeError, "input has dtype torch.float64; expected torch.float32, that of the layer's"),
    (INPUT.to("meta"), ValueError, "input is on meta; expected cpu, where the layer's parameters are"),
])
def test_wrong_input(input, error, message):
    """A wrong input is told apart by type, shape, dtype and device."""
    with pytest.raises(error, match=re.escape(message)):
        LAYER(input)


def test_wrong_input_batch_first():
    """With batch_first the message names the layout that was expected."""
    with pytest.raises(ValueError, match=re.escape("expected (B, T, input_size) with input_size 3")):
        lt.LSTM(3, 4, batch_first=True)(torch.zeros(2, 5, 4))


@pytest.mark.parametrize(("state", "error", "message"), [
    (STATE, TypeError, "state is Tensor; expected a tuple (h_0, C_0)"),
    ((STATE,), TypeError, "state is a tuple of 1; expected a tuple (h_0, C_0)"),
    ((STATE, 0.0), TypeError, "C_0 is float; expected a Tensor of shape (2, 2, 4) = "
                              "(num_layers * directions, B, hidden_size)"),
    ((STATE, STATE[:1]), ValueError, "C_0 has shape (1, 2, 4); expected (2, 2, 4)"),
    ((STATE.double(), STATE), TypeError, "h_0 has dtype torch.float64; expected torch.float32, that of the input"),
])
def test_wrong_state(state, error, message):
    """A wrong state is told by the name of its part."""
    with pytest.raises(error, match=re.escape(message)):
        LAYER(INPUT, state)


def test_wrong_state_of_one_sequence():
    """For one sequence the state is expected without B."""
    with pytest.raises(ValueError, match=re.escape("h_0 has shape (2, 1, 4); expected (2, 4)")):
        LAYER(INPUT[:, 0], (STATE[:, :1], STATE[:, :1]))


def test_wrong_packed_input():
    """A packed input of another size is told apart as such."""
    with pytest.raises(ValueError, match=re.escape("expected a PackedSequence of sequences (T, input_size) with")):
        LAYER(torch.nn.utils.rnn.pack_sequence([torch.zeros(5, 4)]))


def test_wrong_state_of_a_bare_h():
    """A cell whose state is h alone takes no tuple."""
    with pytest.raises(TypeError, match="h_0 is a tuple of 2; expected a Tensor"):
        lt.GRU(3, 4)(INPUT, (STATE[:1], STATE[:1]))


def test_fused_under_vmap():
    """backend="fused" cannot be vmapped, and says which backend can."""
    layer = lt.LSTM(3, 4, backend="fused")
    with pytest.raises(RuntimeError, match=r"does not run under the transforms of torch\.func.*use backend='loop'"):
        torch.func.vmap(lambda x: layer(x)[0], in_dims=1)(INPUT)


@pytest.mark.parametrize(("change", "message"), [
    ({"dtype": torch.bfloat16}, "computes in float32 and float64; the input has dtype torch.bfloat16"),
    ({"device": "meta"}, "runs on the CPU and on NVIDIA GPUs; the input is on meta"),
])
def test_fused_elsewhere(change, message):
    """backend="fused" names the dtype or device that it does not serve."""
    with pytest.raises(RuntimeError, match=message):
        lt.LSTM(3, 4, backend="fused", **change)(INPUT.to(**change))


@pytest.mark.parametrize("arguments", [{"num_layers": 2}, {"bidirectional": True}])
def test_to_numpy_of_several(arguments):
    """A layer of several levels or directions is no single NumPy cell."""
    with pytest.raises(ValueError, match="a NumPy cell is one layer in one direction"):
        lt.LSTM(3, 4, **arguments).to_numpy()


def test_from_numpy_of_wrong_parameters():
    """Parameters that do not fit the cell are named."""
    cell = lstmlab.LSTM(3, 4)
    params = cell.init(np.random.default_rng(0))
    del params["W_f"]
    with pytest.raises(ValueError, match="params lacks W_f"):
        lt.from_numpy(cell, params)


def test_from_numpy_of_something_else():
    """What is no NumPy cell is refused."""
    with pytest.raises(TypeError, match=r"cell is LSTM; expected a cell of lstmlab\.cells"):
        lt.from_numpy(LAYER, {})
