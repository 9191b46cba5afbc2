"""The gradient check is right on both sides: it fails what is wrong and passes what is right."""

import numpy as np
import pytest

from lstmlab import LSTM, check_gradients
from tests.cells.cases import CELLS, draw, draw_state
from tests.gradcheck.wrong import edits, wrong_cell

TWENTY = [name for name in CELLS if not name.startswith("Peephole") or name == "Peephole-fio"]


class Planted:
    """A cell whose `backward` has an error of 1e-4, relative to the largest entry, in that entry of one array."""

    def __init__(self, cell, name):
        self._cell, self._name = cell, name

    def __getattr__(self, attribute):
        return getattr(self._cell, attribute)

    def backward(self, params, tape, dhs, dstate=None):
        dxs, dstate0, dparams = self._cell.backward(params, tape, dhs, dstate)
        arrays = {"xs": dxs, **{f"{k}0": v for k, v in dstate0._asdict().items()}, **dparams}
        planted = arrays[self._name]
        planted[np.unravel_index(np.abs(planted).argmax(), planted.shape)] *= 1 + 1e-4
        return dxs, dstate0, dparams


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("method", ["central", "complex"])
def test_a_planted_error_is_found_in_every_array_and_named(name, method):
    """An error of 1e-4 in one entry fails the check, whichever array it is in, and the report names the array."""
    cell = CELLS[name](2, 2)
    params, xs, state = draw(cell, np.random.default_rng(0), T=3)
    for array in check_gradients(cell, params, xs, state, method=method).analytic:
        report = check_gradients(Planted(cell, array), params, xs, state, method=method)
        assert not report.ok
        assert report.worst.name == array
        assert report.max_error == pytest.approx(1e-4, rel=0.01)


def test_a_planted_error_under_the_noise_floor_is_found_by_complex_step():
    """In a saturated cell, where differences resolve nothing, a planted error is still found and no alarm raised."""
    cell = LSTM(2, 2)
    params, xs, state = draw(cell, np.random.default_rng(0), T=3)
    params = {k: v + (12.0 if k == "b_f" else 0.0) for k, v in params.items()}
    right = check_gradients(cell, params, xs, state)
    assert right.ok
    assert right.unresolved["W_f"].all()
    assert not right.unresolved["xs"].any()
    assert "unresolved by differences" in str(right)
    wrong = check_gradients(Planted(cell, "W_f"), params, xs, state)
    assert not wrong.ok
    assert wrong.worst.name == "W_f"


@pytest.mark.parametrize("name", TWENTY)
@pytest.mark.parametrize("method", ["central", "complex", "directional"])
def test_twenty_wrong_backward_passes_fail(name, method):
    """Each of at least 20 edits of `step_backward` fails the check; the unedited source passes it."""
    cell = CELLS[name](2, 2)
    params, xs, state = draw(cell, np.random.default_rng(1), T=3, B=3)
    assert check_gradients(wrong_cell(cell, "", ""), params, xs, state, method=method).ok
    wrong = edits(name, cell)
    assert len(set(wrong)) >= 20
    passed = [edit for edit in wrong if check_gradients(wrong_cell(cell, *edit), params, xs, state, method=method).ok]
    assert passed == []


def no_alarm(seed):
    """Check a random correct cell of a random size with random weights by all methods."""
    rng = np.random.default_rng(seed)
    cell = CELLS[sorted(CELLS)[seed % len(CELLS)]](*rng.integers(1, 4, size=2))
    params, xs, state = draw(cell, rng, *rng.integers(1, 5, size=2), scale=rng.lognormal(-0.5, 0.7))
    mask = rng.random(xs.shape[:2]) < 0.8 if seed % 3 == 0 else None
    return {method: str(report) for method in ("central", "complex", "directional")
            if not (report := check_gradients(cell, params, xs, state, mask=mask, method=method)).ok}


@pytest.mark.parametrize("seed", range(40))
def test_no_alarm_on_correct_cells(seed):
    """A correct cell passes whatever its kind, size and weights."""
    assert no_alarm(seed) == {}


@pytest.mark.full
def test_no_alarm_on_a_thousand_correct_cells(record_property):
    """1,000 correct random cells raise no alarm."""
    alarms = {seed: alarm for seed in range(1000) if (alarm := no_alarm(seed))}
    record_property("cells", 1000)
    record_property("alarms", len(alarms))
    assert alarms == {}


def test_the_call_as_the_design_writes_it():
    """report.ok, .max_error, .errors[name], .worst and print(report) are there, and the state may be left out."""
    cell, rng = LSTM(2, 3), np.random.default_rng(0)
    report = check_gradients(cell, cell.init(rng), rng.normal(size=(3, 2, 2)))
    assert report.ok
    assert report.max_error == report.worst.error == max(report.errors.values()) < 1e-8
    assert list(report.errors) == ["xs", "h0", "C0", *cell.parameter_shapes()]
    last_line = str(report).splitlines()[-1]
    assert last_line.startswith(f"agree: largest error {report.max_error:.1e} at {report.worst.entry}, tolerance")


def test_a_disagreement_is_told_by_name_index_and_both_values():
    """The last line of a failed report says which entry is what by backward and by the other method."""
    cell = LSTM(2, 2)
    params, xs, state = draw(cell, np.random.default_rng(0))
    report = check_gradients(Planted(cell, "W_o"), params, xs, state, method="complex")
    w = report.worst
    assert str(report).splitlines()[-1] == (
        f"DISAGREE: W_o[{w.index[0]}, {w.index[1]}] is {w.analytic:.6g} by backward and {w.numerical:.6g} "
        "by complex step (error 1.0e-04, tolerance 1e-10)")


def test_nan_never_agrees():
    """A backward that returns nan fails the check."""
    cell = wrong_cell(LSTM(2, 2), "return dx,", "return np.nan * dx,")
    params, xs, state = draw(cell, np.random.default_rng(0))
    assert not check_gradients(cell, params, xs, state).ok


def test_plot_draws_a_map_for_every_array():
    """`report.plot()` returns a figure with one titled map an array."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    cell = LSTM(2, 2)
    params, xs, state = draw(cell, np.random.default_rng(0))
    for method in ("central", "directional"):
        report = check_gradients(cell, params, xs, state, method=method)
        titles = {axis.get_title().split()[0] for axis in report.plot().axes if axis.get_title()}
        assert titles == set(report.errors)


@pytest.mark.parametrize(("right", "wrong", "message"), [
    ("return dx,", "return dx[:, :1],", r"the gradient of xs has shape \(4, 2, 1\); expected \(4, 2, 2\)"),
    ("do = dh * np.tanh(C)", "dC += 1; do = dh * np.tanh(C)", "backward changed C in place"),
])
def test_a_backward_that_breaks_the_contract_is_refused(right, wrong, message):
    """A wrong shape and a changed argument are named, rather than compared."""
    cell = wrong_cell(LSTM(2, 2), right, wrong)
    params, xs, state = draw(cell, np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        check_gradients(cell, params, xs, state)


def test_a_missing_gradient_is_refused():
    """A backward that leaves a parameter out is told which."""
    class Forgetful(LSTM):
        def backward(self, params, tape, dhs, dstate=None):
            dxs, dstate0, dparams = super().backward(params, tape, dhs, dstate)
            return dxs, dstate0, {k: v for k, v in dparams.items() if k != "b_f"}

    cell = Forgetful(2, 2)
    with pytest.raises(ValueError, match="backward returned no gradient of b_f"):
        check_gradients(cell, *draw(cell, np.random.default_rng(0)))


def test_other_precisions_and_methods_are_refused():
    """float32 would swallow the step, and an unknown method is answered with the known ones."""
    cell = LSTM(2, 2)
    params, xs, state = draw(cell, np.random.default_rng(0))
    with pytest.raises(TypeError, match="W_f has dtype float32; expected float64"):
        check_gradients(cell, {**params, "W_f": params["W_f"].astype(np.float32)}, xs, state)
    with pytest.raises(ValueError, match="method is 'forward'; expected one of 'central', 'complex', 'directional'"):
        check_gradients(cell, params, xs, state, method="forward")


class RealOnly(LSTM):
    """An LSTM whose forward casts to float, as code with float buffers does."""

    def forward(self, params, xs, state=None, mask=None):
        hs, last, tape = super().forward({k: v.real for k, v in params.items()}, xs.real,
                                         self.State(*(s.real for s in state)), mask)
        return hs, last, tape


def test_complex_step_refuses_a_forward_that_drops_the_imaginary_part():
    """A forward of floats is refused by complex steps and still checked by differences, saturated or not."""
    cell = RealOnly(2, 2)
    params, xs, state = draw(cell, np.random.default_rng(0))
    with pytest.raises(TypeError, match="f returned float64 for a complex argument"):
        check_gradients(cell, params, xs, state, method="complex")
    for bias in (0.0, 12.0):
        shifted = {k: v + (bias if k == "b_f" else 0.0) for k, v in params.items()}
        assert check_gradients(cell, shifted, xs, state).ok
    assert not check_gradients(Planted(cell, "W_o"), params, xs, state).ok


def test_projection_covers_every_output():
    """A backward that ignores the gradient of the last state fails, since the loss has every output in it."""
    cell = LSTM(2, 2)
    params, xs, state = draw(cell, np.random.default_rng(0))
    full = cell.backward
    cell.backward = lambda params, tape, dhs, dstate: full(params, tape, dhs)
    assert not check_gradients(cell, params, xs, state).ok
    assert draw_state(cell, np.random.default_rng(0), 2).h.any()
