"""Conversions keep the function: each layout is evaluated here as its own specification writes it."""

import re

import numpy as np
import pytest

from lstmlab import CIFGLSTM, GRU, LSTM, RNN, PeepholeLSTM, convert

RNG = np.random.default_rng(0)
CELLS = [RNN(3, 5), LSTM(3, 5), *(GRU(3, 5, reset, carry) for reset in ("before", "after") for carry in ("z", "1-z"))]
XS = RNG.normal(size=(6, 2, 3))
H0, C0 = RNG.normal(size=(2, 2, 5))


def drawn(cell):
    """Parameters with every entry random, peepholes too."""
    return {name: RNG.normal(size=shape) for name, shape in cell.parameter_shapes().items()}


def outputs(cell, params):
    """The cell's outputs from the common input and state."""
    return cell.forward(params, XS, cell.State(*(H0, C0)[:len(cell.State._fields)]))[0]


def f(x):
    return 1 / (1 + np.exp(-x))


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert np.array_equal(value, other[name]), name


# -- torch -----------------------------------------------------------------------------------------------

def torch_outputs(module):
    import torch

    state = [torch.from_numpy(s)[None].to(module.weight_ih_l0.dtype) for s in (H0, C0)]
    output, _ = module(torch.from_numpy(XS).to(state[0].dtype), tuple(state) if isinstance(module, torch.nn.LSTM)
                       else state[0])
    return output.detach().numpy()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_from_torch(kind, bias):
    """A module's two biases, or none, make a cell with the same outputs."""
    import torch

    module = getattr(torch.nn, kind)(3, 5, bias=bias, dtype=torch.float64)
    assert np.abs(outputs(*convert.from_torch(module)) - torch_outputs(module)).max() <= 1e-14


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_from_torch_layer_and_direction(kind):
    """Layer and direction pick that part of a stack: run one after the other they are the whole."""
    import torch

    module = getattr(torch.nn, kind)(3, 5, 2, bidirectional=True, dtype=torch.float64)
    xs = XS
    for layer in range(2):
        both = []
        for turn in (slice(None), slice(None, None, -1)):
            cell, params = convert.from_torch(module, layer, reverse=turn.step == -1)
            both.append(cell.forward(params, np.ascontiguousarray(xs[turn]))[0][turn])
        xs = np.concatenate(both, axis=2)
    assert np.abs(xs - module(torch.from_numpy(XS))[0].detach().numpy()).max() <= 1e-14


@pytest.mark.parametrize("cell", [RNN(3, 5), LSTM(3, 5), GRU(3, 5), GRU(3, 5, carry="1-z")], ids=repr)
def test_to_torch(cell):
    """The module gives the cell's outputs; its bias_hh is zero but for a GRU's b_hn."""
    params = drawn(cell)
    module = convert.to_torch(cell, params)
    assert np.abs(torch_outputs(module) - outputs(cell, params)).max() <= 1e-14
    assert (module.bias_hh_l0[:10] == 0).all()
    assert not isinstance(cell, GRU) or (module.bias_hh_l0[10:].detach().numpy() == params["b_hn"]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", [RNN(3, 5), LSTM(3, 5), GRU(3, 5)], ids=repr)
def test_torch_round_trip(cell, dtype):
    """To torch and back gives the same parameters in the same dtype."""
    params = cell.init(np.random.default_rng(1), dtype=dtype)
    again, found = convert.from_torch(convert.to_torch(cell, params))
    assert repr(again) == repr(cell)
    assert_same(params, found)
    assert found["W_" + cell.gates[0]].dtype == dtype


def test_from_torch_copies():
    """The parameters are not the module's memory."""
    import torch

    module = torch.nn.RNN(3, 5)
    _, params = convert.from_torch(module)
    before = module.bias_ih_l0.detach().clone()
    for value in params.values():
        value[:] = 7
    assert torch.equal(module.bias_ih_l0, before)


@pytest.mark.parametrize(("kind", "arguments", "message"), [
    ("RNN", {"nonlinearity": "relu"}, "nonlinearity='relu'; lstmlab's RNN is the one with tanh"),
    ("LSTM", {"proj_size": 2}, "proj_size=2; no cell of lstmlab projects its output"),
])
def test_from_torch_refuses(kind, arguments, message):
    """What has no counterpart is refused by its name."""
    import torch

    with pytest.raises(ValueError, match=message):
        convert.from_torch(getattr(torch.nn, kind)(3, 5, **arguments))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"layer": 1}, "layer is 1; nn_module has num_layers=1"), ({"reverse": True}, "nn_module is not bidirectional"),
])
def test_from_torch_lacks_that_part(arguments, message):
    """A layer or direction that the module does not have is refused."""
    import torch

    with pytest.raises(ValueError, match=message):
        convert.from_torch(torch.nn.LSTM(3, 5), **arguments)


def test_from_torch_refuses_other_modules_and_dtypes():
    """Another module, or half precision, is refused."""
    import torch

    with pytest.raises(TypeError, match=re.escape("nn_module is Linear; expected torch.nn.RNN, LSTM or GRU")):
        convert.from_torch(torch.nn.Linear(3, 5))
    with pytest.raises(TypeError, match=r"dtype torch.bfloat16; expected torch.float32 or torch.float64"):
        convert.from_torch(torch.nn.LSTM(3, 5, dtype=torch.bfloat16))


def test_to_torch_refuses_the_reset_before():
    """torch resets after the product, and no weights turn one into the other."""
    cell = GRU(3, 5, reset="before")
    with pytest.raises(ValueError, match=r"reset='before' and cannot be written.* different functions"):
        convert.to_torch(cell, drawn(cell))


@pytest.mark.parametrize("to", [convert.to_torch, convert.to_onnx, convert.to_keras])
def test_cells_without_counterpart(to):
    """A cell that the other side lacks is refused by its name."""
    with pytest.raises(TypeError, match="cell is CIFGLSTM, which has no counterpart in"):
        to(CIFGLSTM(3, 5), drawn(CIFGLSTM(3, 5)))


# -- ONNX ------------------------------------------------------------------------------------------------

def onnx_outputs(op_type, inputs, attributes):
    """Direction 0 of an operator, equation by equation as in the ONNX specification (operator set 14)."""
    W, R, B, P = (inputs[name][0] if name in inputs else np.zeros(15) for name in "WRBP")
    Wb, Rb = np.split(B, 2)
    n = {"RNN": 1, "LSTM": 4, "GRU": 3}[op_type]
    W, R, Wb, Rb = (np.split(a, n) for a in (W, R, Wb, Rb))
    Ht, Ct, out = H0, C0, []
    for Xt in XS:
        if op_type == "RNN":
            Ht = np.tanh(Xt @ W[0].T + Ht @ R[0].T + Wb[0] + Rb[0])
        elif op_type == "LSTM":
            Pi, Po, Pf = np.split(P, 3)
            it = f(Xt @ W[0].T + Ht @ R[0].T + Pi * Ct + Wb[0] + Rb[0])
            ft = f(Xt @ W[2].T + Ht @ R[2].T + Pf * Ct + Wb[2] + Rb[2])
            ct = np.tanh(Xt @ W[3].T + Ht @ R[3].T + Wb[3] + Rb[3])
            Ct = ft * Ct + it * ct
            ot = f(Xt @ W[1].T + Ht @ R[1].T + Po * Ct + Wb[1] + Rb[1])
            Ht = ot * np.tanh(Ct)
        else:
            zt = f(Xt @ W[0].T + Ht @ R[0].T + Rb[0] + Wb[0])
            rt = f(Xt @ W[1].T + Ht @ R[1].T + Rb[1] + Wb[1])
            if attributes["linear_before_reset"]:
                ht = np.tanh(Xt @ W[2].T + rt * (Ht @ R[2].T + Rb[2]) + Wb[2])
            else:
                ht = np.tanh(Xt @ W[2].T + (rt * Ht) @ R[2].T + Rb[2] + Wb[2])
            Ht = (1 - zt) * ht + zt * Ht
        out.append(Ht)
    return np.stack(out)


@pytest.mark.parametrize("cell", [*CELLS, PeepholeLSTM(3, 5), PeepholeLSTM(3, 5, "o")], ids=repr)
def test_to_onnx(cell):
    """The operator, evaluated as its specification says, gives the cell's outputs."""
    params = drawn(cell)
    op_type, inputs, attributes = convert.to_onnx(cell, params)
    assert np.abs(onnx_outputs(op_type, inputs, attributes) - outputs(cell, params)).max() <= 1e-14
    assert attributes["hidden_size"] == 5


@pytest.mark.parametrize("given", ["WR", "WRB", "WRBP"])
def test_from_onnx_lstm(given):
    """An LSTM operator with or without biases and peepholes becomes a cell with its outputs."""
    shapes = {"W": (1, 20, 3), "R": (1, 20, 5), "B": (1, 40), "P": (1, 15)}
    inputs = {name: RNG.normal(size=shapes[name]) for name in given}
    cell, params = convert.from_onnx("LSTM", inputs)
    expected = onnx_outputs("LSTM", {"B": np.zeros((1, 40)), **inputs}, {})
    assert np.abs(outputs(cell, params) - expected).max() <= 1e-14


@pytest.mark.parametrize("linear_before_reset", [0, 1])
def test_from_onnx_gru(linear_before_reset):
    """linear_before_reset is the reset after the product (eq-gru-candidate-after)."""
    inputs = {"W": RNG.normal(size=(1, 15, 3)), "R": RNG.normal(size=(1, 15, 5)), "B": RNG.normal(size=(1, 30))}
    cell, params = convert.from_onnx("GRU", inputs, linear_before_reset)
    expected = onnx_outputs("GRU", inputs, {"linear_before_reset": linear_before_reset})
    assert np.abs(outputs(cell, params) - expected).max() <= 1e-14


def test_from_onnx_direction():
    """direction=1 takes the second half of a bidirectional operator."""
    inputs = {"W": RNG.normal(size=(2, 5, 3)), "R": RNG.normal(size=(2, 5, 5)), "B": RNG.normal(size=(2, 10))}
    _, params = convert.from_onnx("RNN", inputs, direction=1)
    _, alone = convert.from_onnx("RNN", {name: value[1:] for name, value in inputs.items()})
    assert_same(params, alone)


@pytest.mark.parametrize("cell", [RNN(3, 5), LSTM(3, 5), PeepholeLSTM(3, 5), GRU(3, 5), GRU(3, 5, "before")], ids=repr)
def test_onnx_round_trip(cell):
    """To ONNX and back gives the same cell and parameters."""
    params = drawn(cell)
    op_type, inputs, attributes = convert.to_onnx(cell, params)
    again, found = convert.from_onnx(op_type, inputs, attributes.get("linear_before_reset", 0))
    assert repr(again) == repr(cell)
    assert_same(params, found)


@pytest.mark.parametrize(("op_type", "inputs", "message"), [
    ("Gru", {}, "op_type is 'Gru'; expected 'RNN', 'LSTM' or 'GRU'"),
    ("RNN", {"W": np.ones((1, 5, 3))}, "inputs lacks R"),
    ("RNN", {"W": np.ones((1, 5, 3)), "X": 0}, "inputs has unknown X"),
    ("LSTM", {"W": np.ones((1, 15, 3)), "R": np.ones((1, 20, 5))}, "W has shape (15, 3) of one direction; "
                                                                  "expected (20, 3)"),
])
def test_from_onnx_refuses(op_type, inputs, message):
    """An unknown operator, missing or unknown inputs and wrong shapes are told."""
    with pytest.raises(ValueError, match=re.escape(message)):
        convert.from_onnx(op_type, inputs)


# -- Keras -----------------------------------------------------------------------------------------------

def keras_outputs(layer_type, weights, reset_after=False):
    """A layer as keras.layers computes it: matrices on the right, gates side by side."""
    kernel, recurrent_kernel, bias = weights
    units = len(recurrent_kernel)
    h, c, out = H0, C0, []
    for x in XS:
        if layer_type == "SimpleRNN":
            h = np.tanh(x @ kernel + bias + h @ recurrent_kernel)
        elif layer_type == "LSTM":
            z = x @ kernel + h @ recurrent_kernel + bias
            z0, z1, z2, z3 = np.split(z, 4, axis=1)
            i, forget = f(z0), f(z1)
            c = forget * c + i * np.tanh(z2)
            h = f(z3) * np.tanh(c)
        elif reset_after:
            x_z, x_r, x_h = np.split(x @ kernel + bias[0], 3, axis=1)
            r_z, r_r, r_h = np.split(h @ recurrent_kernel + bias[1], 3, axis=1)
            z, r = f(x_z + r_z), f(x_r + r_r)
            h = z * h + (1 - z) * np.tanh(x_h + r * r_h)
        else:
            x_z, x_r, x_h = np.split(x @ kernel + bias, 3, axis=1)
            inner = h @ recurrent_kernel[:, :2 * units]
            z, r = f(x_z + inner[:, :units]), f(x_r + inner[:, units:])
            h = z * h + (1 - z) * np.tanh(x_h + (r * h) @ recurrent_kernel[:, 2 * units:])
        out.append(h)
    return np.stack(out)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_to_keras(cell):
    """The layer, evaluated as Keras computes it, gives the cell's outputs."""
    params = drawn(cell)
    layer_type, weights, arguments = convert.to_keras(cell, params)
    assert arguments.pop("units") == 5
    assert np.abs(keras_outputs(layer_type, weights, **arguments) - outputs(cell, params)).max() <= 1e-14


@pytest.mark.parametrize(("layer_type", "G", "bias", "arguments"), [
    ("SimpleRNN", 1, (5,), {}), ("LSTM", 4, (20,), {}), ("GRU", 3, (2, 15), {"reset_after": True}),
    ("GRU", 3, (15,), {"reset_after": False}),
])
def test_from_keras(layer_type, G, bias, arguments):
    """A layer's weights, with a bias or without, become a cell with its outputs."""
    weights = [RNG.normal(size=(3, G * 5)), RNG.normal(size=(5, G * 5)), RNG.normal(size=bias)]
    for with_bias in (weights, [*weights[:2], np.zeros(bias)]):
        given = with_bias if with_bias is weights else with_bias[:2]
        found = outputs(*convert.from_keras(layer_type, given, **arguments))
        assert np.abs(found - keras_outputs(layer_type, with_bias, **arguments)).max() <= 1e-14


@pytest.mark.parametrize("cell", [RNN(3, 5), LSTM(3, 5), GRU(3, 5), GRU(3, 5, "before")], ids=repr)
def test_keras_round_trip(cell):
    """To Keras and back gives the same cell and parameters."""
    params = drawn(cell)
    layer_type, weights, arguments = convert.to_keras(cell, params)
    again, found = convert.from_keras(layer_type, weights, arguments.get("reset_after", True))
    assert repr(again) == repr(cell)
    assert_same(params, found)


@pytest.mark.parametrize(("layer_type", "weights", "message"), [
    ("RNN", [], "layer_type is 'RNN'; expected 'SimpleRNN', 'LSTM' or 'GRU'"),
    ("LSTM", [np.ones((3, 20))], "weights has 1 arrays; expected kernel, recurrent_kernel and, if any, bias"),
    ("GRU", [np.ones((3, 15)), np.ones((5, 15)), np.ones(15)], "bias has shape (15,)"),
])
def test_from_keras_refuses(layer_type, weights, message):
    """An unknown layer, missing weights and a bias of the other reset are told."""
    with pytest.raises(ValueError, match=re.escape(message)):
        convert.from_keras(layer_type, weights)


# -- the GRU's conventions -------------------------------------------------------------------------------

@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize(("old", "new"), [("z", "1-z"), ("1-z", "z"), ("z", "z")])
def test_carry_is_turned(reset, old, new):
    """Either carry is rewritten in the other, same outputs, and back (eq-gru-state-z, eq-gru-state-1-z)."""
    cell = GRU(3, 5, reset, old)
    params = drawn(cell)
    other, found = convert.gru_convention(cell, params, carry=new)
    assert other.carry == new
    assert np.abs(outputs(other, found) - outputs(cell, params)).max() <= 1e-14
    assert_same(params, convert.gru_convention(other, found, carry=old)[1])


@pytest.mark.parametrize(("old", "new"), [("before", "after"), ("after", "before")])
def test_reset_cannot_be_moved(old, new):
    """The reset's place is part of the function (eq-gru-candidate-before, eq-gru-candidate-after): refused."""
    cell = GRU(3, 5, old)
    with pytest.raises(ValueError, match=rf"cannot be written with reset='{new}'.* different functions"):
        convert.gru_convention(cell, drawn(cell), reset=new)


def test_only_a_gru_has_those_conventions():
    """Another cell is refused."""
    with pytest.raises(TypeError, match="cell is LSTM; expected GRU"):
        convert.gru_convention(LSTM(3, 5), {})
