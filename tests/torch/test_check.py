"""lt.check_gradients passes right gradients and catches wrong ones."""

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

import lstmlab
import lstmlab.torch as lt


def normal(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_right_gradients_pass(make, backend):
    """Every cell's gradients agree with differences, stacked in both directions."""
    report = lt.check_gradients(make(2, 3, 2, bidirectional=True, backend=backend), normal(4, 2, 2))
    assert report.ok, report


@pytest.mark.parametrize("input", [
    normal(4, 2), pack_sequence([normal(n, 2) for n in (2, 4, 3)], enforce_sorted=False),
], ids=["one sequence", "packed"])
def test_every_layout_is_checked(input):
    """One sequence and a PackedSequence are checked in their own shape, batch_first too."""
    report = lt.check_gradients(lt.GRU(2, 3, bidirectional=True, batch_first=True, dtype=torch.float64), input)
    assert report.ok, report
    assert report.analytic["input"].shape == tuple(input.data.shape)


def test_report_names_everything():
    """The report has the input, each part of the state, and every parameter in its shape."""
    layer = lt.PeepholeLSTM(2, 3, 2, dtype=torch.float64)
    report = lt.check_gradients(layer, normal(4, 2, 2))
    shapes = {"input": (4, 2, 2), "h_0": (2, 2, 3), "C_0": (2, 2, 3),
              **{name: tuple(value.shape) for name, value in layer.named_parameters()}}
    assert {name: value.shape for name, value in report.analytic.items()} == shapes
    assert {name: value.shape for name, value in report.numerical.items()} == shapes


def test_frozen_parameters_are_left_out():
    """A parameter that requires no gradient has none to check."""
    layer = lt.LSTM(2, 3, dtype=torch.float64)
    layer.W_f_l0.requires_grad_(False)
    report = lt.check_gradients(layer, normal(4, 2, 2))
    assert report.ok, report
    assert "W_f_l0" not in report.analytic


def test_float32_is_checked_in_its_own_tolerance():
    """The gradients of a float32 layer are compared with float64 differences at the same point."""
    report = lt.check_gradients(lt.LSTM(2, 3), normal(4, 2, 2, dtype=torch.float32))
    assert report.ok, report
    assert 1e-9 < report.max_error < report.tolerance == 1e-4


@pytest.mark.parametrize("memory", [1, 10_000, 2**30])
def test_memory_budget_changes_nothing(memory):
    """However few copies fit the budget, the differences are the same."""
    layer = lt.GRU(2, 2, dtype=torch.float64)
    few, all_ = (lt.check_gradients(layer, normal(3, 2, 2), memory=m) for m in (memory, 2**30))
    for name, value in all_.numerical.items():
        assert np.abs(few.numerical[name] - value).max() <= 1e-9


class DetachedState(lt.LSTM):
    """The cell state is detached inside the sequence."""

    def step(self, w, zx, h, C):
        return super().step(w, zx, h, C.detach() + 0 * C)


class LostState(lt.LSTM):
    """The cell state is detached, so that no gradient reaches the initial one at all."""

    def step(self, w, zx, h, C):
        return super().step(w, zx, h, C.detach())


class DetachedBias(lt.LSTM):
    """No gradient reaches the forget gate's bias."""

    def weights(self, cell, params):
        return super().weights(cell, {**params, "b_f": params["b_f"].detach() + 0 * params["b_f"]})


class DetachedRecurrence(lt.LSTM):
    """The hidden state is detached inside the sequence."""

    def step(self, w, zx, h, C):
        return super().step(w, zx, h.detach() + 0 * h, C)


@pytest.mark.parametrize(("wrong", "spoilt"), [
    (DetachedBias, {"b_f_l0"}),
    (DetachedState, {"input", "h_0", "C_0", "W_f_l0", "b_f_l0", "W_i_l0", "b_i_l0", "W_C_l0", "b_C_l0"}),
    (DetachedRecurrence, {"h_0", "input", "C_0"}),
    (LostState, {"C_0", "input", "W_f_l0", "W_i_l0", "W_C_l0"}),
])
def test_a_cut_gradient_is_caught(wrong, spoilt):
    """A gradient cut inside the loop is found, in the arrays that it spoils."""
    report = lt.check_gradients(wrong(2, 3, dtype=torch.float64, backend="loop"), normal(4, 2, 2))
    assert not report.ok
    assert spoilt <= {name for name, error in report.errors.items() if error > report.tolerance}


@pytest.mark.parametrize("name", ["xs", "h0", "W_C", "b_o"])
def test_a_wrong_engine_is_caught(name, monkeypatch):
    """A fused layer whose engine returns one gradient 1% too large is found, and only there."""
    right = lstmlab.LSTM.backward

    def wrong(self, *arguments):
        dxs, dstate, dparams = right(self, *arguments)
        if name == "xs":
            dxs = 1.01 * dxs
        elif name == "h0":
            dstate = dstate._replace(h=1.01 * dstate.h)
        else:
            dparams = {**dparams, name: 1.01 * dparams[name]}
        return dxs, dstate, dparams

    monkeypatch.setattr(lstmlab.LSTM, "backward", wrong)
    report = lt.check_gradients(lt.LSTM(2, 3, dtype=torch.float64, backend="fused"), normal(4, 2, 2))
    found = {array for array, error in report.errors.items() if error > report.tolerance}
    assert found == {{"xs": "input", "h0": "h_0"}.get(name, f"{name}_l0")}


def test_dropout_in_training_is_refused():
    """A layer that draws anew at every run has no derivative to compare."""
    with pytest.raises(ValueError, match=r"dropout=0.5 and is in training.*call layer.eval\(\) first"):
        lt.check_gradients(lt.LSTM(2, 3, 2, dropout=0.5, dtype=torch.float64), normal(4, 2, 2))


def test_another_module_is_refused():
    """Only layers of this package can be checked."""
    with pytest.raises(TypeError, match=r"layer is LSTM; expected a layer of lstmlab\.torch"):
        lt.check_gradients(torch.nn.LSTM(2, 3), normal(4, 2, 2))


@pytest.mark.parametrize(("kind", "ok"), [(lt.LSTM, True), (DetachedRecurrence, False)])
def test_a_gradient_below_rounding_is_still_checked(kind, ok):
    """What differences cannot resolve is resolved by complex steps: right passes, wrong is caught."""
    layer = kind(2, 3, dtype=torch.float64, backend="loop")
    with torch.no_grad():
        for gate in "fiCo":
            getattr(layer, f"W_{gate}_l0")[:, :3] *= 1e-9          # hardly anything depends on h_0
    report = lt.check_gradients(layer, normal(4, 2, 2))
    assert list(report.unresolved) == ["h_0"]
    assert (report.errors["h_0"] < 1e-12) == ok
    assert report.ok == ok
