"""The layers compute what torch.nn and the NumPy cells compute, in every arrangement."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence

import lstmlab
import lstmlab.torch as lt
from lstmlab import convert

ARRANGEMENTS = [
    {}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True, "batch_first": True},
]


def assert_same(one, other, tolerance):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert (value - other[name]).abs().max() <= tolerance * value.abs().max(), name


def as_ours(theirs, kind, **arguments):
    """A layer of ours with the weights of a torch module."""
    ours = getattr(lt, kind)(theirs.input_size, theirs.hidden_size, theirs.num_layers, dtype=torch.float64,
                             bidirectional=theirs.bidirectional, batch_first=theirs.batch_first, **arguments)
    with torch.no_grad():
        for k, suffixes in enumerate(ours.suffixes):
            for suffix in suffixes:
                _, params = convert.from_torch(theirs, k, suffix.endswith("_reverse"))
                for name, value in params.items():
                    getattr(ours, name + suffix).copy_(torch.from_numpy(value))
    return ours


def as_our_names(kind, found):
    """What a torch module gave under our names; the gradient of either of its biases is that of our one."""
    order = {"RNN": "h", "LSTM": "ifCo", "GRU": "rzn"}[kind]
    ours = {name: value for name, value in found.items() if "_l" not in name}
    for end in [name.removeprefix("weight_ih") for name in found if name.startswith("weight_ih")]:
        W, R, b_x, b_h = (found[name + end].chunk(len(order))
                          for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        for k, gate in enumerate(order):
            ours[f"W_{gate}{end}"] = torch.cat([R[k], W[k]], dim=1)
            ours[f"b_{gate}{end}"] = b_x[k]
        if kind == "GRU":
            ours[f"b_hn{end}"] = b_h[2]
    return ours


@pytest.mark.parametrize("backend", ["loop", "fused"])
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_layer_is_torch_nn(kind, arrangement, backend, run, random_state):
    """RNN, LSTM and GRU give torch.nn's outputs to 1e-12 and its gradients to 1e-10."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(3, 5, dtype=torch.float64, **arrangement)
    ours = as_ours(theirs, kind, backend=backend)
    input, state = torch.randn(4, 6, 3, dtype=torch.float64), random_state(ours, 4 if ours.batch_first else 6)
    expected, found = as_our_names(kind, run(theirs, input, state)), run(ours, input, state)
    values = [name for name in found if name.startswith(("output", "last"))]
    assert_same({name: expected[name] for name in values}, {name: found[name] for name in values}, 1e-12)
    assert_same(expected, found, 1e-10)


@pytest.mark.parametrize("backend", ["loop", "fused"])
@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_packed_sequences_are_torch_nns(kind, enforce_sorted, backend, run, random_state):
    """Sequences of several lengths, sorted or not, in two layers and directions, give what torch.nn gives."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(3, 5, 2, bidirectional=True, dtype=torch.float64)
    ours = as_ours(theirs, kind, backend=backend)
    lengths = [6, 4, 4, 1] if enforce_sorted else [4, 6, 1, 4]
    packed = pack_padded_sequence(torch.randn(6, 4, 3, dtype=torch.float64), lengths, enforce_sorted=enforce_sorted)
    state = random_state(ours, 4)
    assert_same(as_our_names(kind, run(theirs, packed, state)), run(ours, packed, state), 1e-10)


def test_packed_output_carries_the_packing():
    """The output of a packed input is packed alike, sorting and all."""
    packed = pack_sequence([torch.randn(n, 3) for n in (2, 5, 3)], enforce_sorted=False)
    output, _ = lt.LSTM(3, 4)(packed)
    assert output.batch_sizes is packed.batch_sizes
    assert output.unsorted_indices is packed.unsorted_indices


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_loop_and_fused_agree(make, arrangement, run, random_state):
    """Every cell in every arrangement: the two backends give the same outputs and gradients."""
    layer = make(3, 4, **arrangement, backend="loop")
    input, state = torch.randn(5, 2, 3, dtype=torch.float64), random_state(layer, 5 if layer.batch_first else 2)
    loop = run(layer, input, state)
    layer.backend = "fused"
    assert_same(loop, run(layer, input, state), 1e-12)


def test_loop_and_fused_agree_on_packed_sequences(make, run, random_state):
    """Every cell, in both directions over sequences of several lengths: the two backends agree."""
    layer = make(3, 4, bidirectional=True, backend="loop")
    packed = pack_sequence([torch.randn(n, 3, dtype=torch.float64) for n in (2, 5, 3)], enforce_sorted=False)
    state = random_state(layer, 3)
    loop = run(layer, packed, state)
    layer.backend = "fused"
    assert_same(loop, run(layer, packed, state), 1e-12)


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_layer_is_the_numpy_cell(make, backend):
    """A layer of one level gives the outputs of its NumPy cell with the parameters of `to_numpy`."""
    layer = make(3, 4, backend=backend)
    input = torch.randn(5, 2, 3, dtype=torch.float64)
    output, last = layer(input)
    hs, state, _ = layer.cells[0].forward(layer.to_numpy(), input.numpy())
    assert np.abs(output.detach().numpy() - hs).max() <= 1e-13
    for ours, theirs in zip(last if isinstance(last, tuple) else (last,), state, strict=True):
        assert np.abs(ours[0].detach().numpy() - theirs).max() <= 1e-13


def test_numpy_round_trip(make):
    """`from_numpy` makes the layer of a cell's kind and options, `to_numpy` gives the same parameters back."""
    layer = make(3, 4)
    params = layer.to_numpy()
    again = lt.from_numpy(layer.cells[0], params)
    assert repr(again) == repr(layer)
    assert all((again.to_numpy()[name] == value).all() for name, value in params.items())


def test_numpy_parameters_are_copies():
    """Neither the arrays given to `from_numpy` nor those of `to_numpy` are the layer's memory."""
    cell = lstmlab.RNN(2, 3)
    params = cell.init(np.random.default_rng(0))
    layer = lt.from_numpy(cell, params)
    for arrays in (params, layer.to_numpy()):
        before = layer.W_h_l0.detach().clone()
        arrays["W_h"][:] = 7
        assert torch.equal(layer.W_h_l0, before)


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_one_sequence_is_a_batch_of_one(make, backend, random_state):
    """An input (T, I) with states (L*D, H) gives what a batch of that one sequence gives."""
    layer = make(3, 4, bidirectional=True, backend=backend)
    input, state = torch.randn(5, 3, dtype=torch.float64), random_state(layer, None)
    batch = tuple(s[:, None] for s in state)
    output, last = layer(input, state if len(state) > 1 else state[0])
    expected, _ = layer(input[:, None], batch if len(batch) > 1 else batch[0])
    assert torch.equal(output, expected[:, 0])
    assert (last[0] if isinstance(last, tuple) else last).shape == (2, 4)


def test_state_defaults_to_zeros(make):
    """Leaving the state out is giving zeros."""
    layer = make(3, 4)
    input = torch.randn(5, 2, 3, dtype=torch.float64)
    zeros = tuple(torch.zeros(1, 2, 4, dtype=torch.float64) for _ in layer.cells[0].State._fields)
    assert torch.equal(layer(input)[0], layer(input, zeros if len(zeros) > 1 else zeros[0])[0])


def test_two_halves_make_the_whole(make):
    """Running on from the returned state continues the sequence."""
    layer = make(3, 4, num_layers=2)
    input = torch.randn(6, 2, 3, dtype=torch.float64)
    first, state = layer(input[:2])
    second, _ = layer(input[2:], state)
    assert torch.allclose(torch.cat([first, second]), layer(input)[0], rtol=0, atol=1e-13)


def test_gates_are_those_of_the_numpy_tape(make):
    """`return_gates` gives the values that the NumPy cell's tape has under the same names."""
    layer = make(3, 4)
    input = torch.randn(5, 2, 3, dtype=torch.float64)
    _, _, gates = layer(input, return_gates=True)
    cell = layer.cells[0]
    _, _, tape = cell.forward(layer.to_numpy(), input.numpy())
    for name in ("C_tilde" if gate == "C" else gate for gate in cell.gates):
        assert np.abs(gates[f"{name}_l0"].detach().numpy() - getattr(tape, name)).max() <= 1e-13


def test_gates_stand_in_the_inputs_order():
    """Gates of the backward direction have the time of the input: o⊙tanh(C) is that step's output."""
    layer = lt.LSTM(3, 4, 2, bidirectional=True, batch_first=True)
    output, _, gates = layer(torch.randn(2, 5, 3), return_gates=True)
    h = [gates[f"o_l1{end}"] * gates[f"C_l1{end}"].tanh() for end in ("", "_reverse")]
    assert torch.allclose(torch.cat(h, dim=-1), output, atol=1e-6)


def test_gates_of_a_packed_input_are_packed():
    """Every gate of a packed input is packed as the output is."""
    packed = pack_sequence([torch.randn(n, 3) for n in (5, 2)])
    output, _, gates = lt.GRU(3, 4)(packed, return_gates=True)
    assert all(gate.data.shape == output.data.shape for gate in gates.values())


def test_gates_can_be_differentiated():
    """A loss on a gate has a gradient, whatever the backend."""
    layer = lt.LSTM(3, 4, backend="fused")
    layer(torch.randn(5, 2, 3), return_gates=True)[2]["f_l0"].sum().backward()
    assert layer.W_f_l0.grad.abs().sum() > 0


def test_parameters_start_as_those_of_the_numpy_cell():
    """Weights start uniform in ±1/√H, peepholes at 0, the forget bias at 1; a seed repeats them."""
    torch.manual_seed(3)
    layer = lt.PeepholeLSTM(20, 100)
    assert layer.W_i_l0.abs().max() <= 0.1
    assert layer.W_i_l0.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.05)
    assert (layer.p_i_l0 == 0).all()
    assert (layer.b_f_l0 == 1).all()
    torch.manual_seed(3)
    assert torch.equal(lt.PeepholeLSTM(20, 100).W_i_l0, layer.W_i_l0)


def test_parameter_names():
    """Parameters are named per gate as in the NumPy cell, with layer and direction behind."""
    layer = lt.GRU(3, 4, 2, bidirectional=True)
    assert layer.W_n_l1_reverse.shape == (4, 4 + 8)
    assert {name.split("_l")[0] for name, _ in layer.named_parameters()} == set(lstmlab.GRU(3, 4).parameter_shapes())


def test_dropout_acts_between_layers():
    """In training about that share of the lower layer's outputs is zeroed and the rest scaled up; in eval none is."""
    torch.manual_seed(0)
    layer = lt.RNN(3, 50, 2, dropout=0.3)
    with torch.no_grad():                                    # the upper layer passes on, within tanh's linear part
        layer.W_h_l1.copy_(torch.cat([torch.zeros(50, 50), 1e-3 * torch.eye(50)], dim=1))
        layer.b_h_l1.zero_()
    input = torch.randn(40, 5, 3)
    trained = layer(input)[0]
    whole = layer.eval()(input)[0]
    zero = trained == 0
    assert zero.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert torch.allclose(trained[~zero], whole[~zero] / 0.7, rtol=1e-3)


def test_dropout_leaves_the_last_layer_alone():
    """No output of the last layer is zeroed."""
    assert (lt.LSTM(3, 20, 2, dropout=0.9)(torch.randn(10, 4, 3))[0] != 0).all()


def test_state_dict_round_trip(make):
    """A layer loads another's state_dict and computes the same."""
    layer, other = make(3, 4, num_layers=2), make(3, 4, num_layers=2)
    with torch.no_grad():
        for value in other.parameters():
            value.zero_()
    other.load_state_dict(layer.state_dict())
    input = torch.randn(5, 2, 3, dtype=torch.float64)
    assert torch.equal(other(input)[0], layer(input)[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_compute_the_same(make, copied):
    """A deep copy and a pickled layer compute the same with parameters of their own."""
    layer = make(3, 4, bidirectional=True)
    other = copied(layer)
    input = torch.randn(5, 2, 3, dtype=torch.float64)
    assert torch.equal(other(input)[0], layer(input)[0])
    assert next(other.parameters()) is not next(layer.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_to_another_dtype(make, dtype):
    """`layer.to(dtype)` computes in that dtype; where the engine has none, "auto" takes the loop."""
    layer = make(3, 4)
    input = torch.randn(5, 2, 3, dtype=torch.float64)
    expected = layer(input)[0]
    found = layer.to(dtype)(input.to(dtype))[0]
    assert found.dtype == dtype
    assert (found.double() - expected).abs().max() < 50 * torch.finfo(dtype).eps


def test_no_grad_builds_no_graph(make):
    """Under no_grad the output has no history."""
    with torch.no_grad():
        assert not make(3, 4)(torch.randn(5, 2, 3, dtype=torch.float64))[0].requires_grad


@pytest.mark.parametrize("text", ["LSTM(3, 4)", "GRU(3, 4, reset='before', carry='z', num_layers=2, dropout=0.5)"])
def test_repr_can_be_read_back(text):
    """The repr of a layer is the call that makes it."""
    assert repr(eval(f"lt.{text}")) == text


@pytest.mark.parametrize("backend", ["auto", "loop"])
def test_autocast(backend):
    """Under autocast a layer takes what the layers before it give, in half precision too, and can be trained."""
    layer = lt.LSTM(3, 4, 2, backend=backend)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = layer(torch.randn(5, 2, 3, dtype=torch.bfloat16))
    output.float().sum().backward()
    assert torch.isfinite(layer.W_f_l0.grad).all()
