"""The drive over a sequence keeps its promises, for every cell: one table, one behaviour a test."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cells.cases import CELLS, by_name, draw, draw_state, loop_backward, loop_forward, relative_gap

every_cell = pytest.mark.parametrize("name", CELLS)


def everything(cell, params, xs, state, mask=None, seed=1):
    """Forward and backward of a cell: all arrays that come out, by name."""
    rng = np.random.default_rng(seed)
    hs, last, tape = cell.forward(params, xs, state, mask)
    dhs = rng.normal(size=hs.shape).astype(hs.dtype)
    dlast = draw_state(cell, rng, xs.shape[1], hs.dtype)
    gradients = by_name(cell, *cell.backward(params, tape, dhs, dlast))
    return {"hs": hs, **last._asdict(), **{f"d{name}": value for name, value in gradients.items()}}


@every_cell
@pytest.mark.parametrize("T", [1, 8, 19])
def test_forward_and_backward_equal_the_loop_over_steps(name, T):
    """`forward`/`backward` are `step`/`step_backward` repeated, to 1e-13 of each array's largest entry."""
    cell, rng = CELLS[name](3, 5), np.random.default_rng(T)
    params, xs, state = draw(cell, rng, T, B=4)
    hs, last, tape = cell.forward(params, xs, state)
    hs_loop, last_loop, tapes = loop_forward(cell, params, xs, state)
    dhs, dlast = rng.normal(size=hs.shape), draw_state(cell, rng, 4)
    fast = {"hs": hs, **last._asdict(), **by_name(cell, *cell.backward(params, tape, dhs, dlast))}
    slow = {"hs": hs_loop, **last_loop._asdict(), **by_name(cell, *loop_backward(cell, params, tapes, dhs, dlast))}
    assert fast.keys() == slow.keys()
    assert {k: relative_gap(fast[k], slow[k]) for k in fast if relative_gap(fast[k], slow[k]) > 1e-13} == {}


@every_cell
def test_state_and_its_gradient_default_to_zeros(name):
    """`forward` without a state and `backward` without a dstate are those with zeros."""
    cell = CELLS[name](3, 4)
    params, xs, _ = draw(cell, np.random.default_rng(0))
    zeros = cell.initial_state(2)
    hs, _, tape = cell.forward(params, xs)
    hs_zeros, _, _ = cell.forward(params, xs, zeros)
    np.testing.assert_array_equal(hs, hs_zeros)
    plain, given_zeros = cell.backward(params, tape, hs), cell.backward(params, tape, hs, zeros)
    for a, b in zip(by_name(cell, *plain).values(), by_name(cell, *given_zeros).values(), strict=True):
        np.testing.assert_array_equal(a, b)


@every_cell
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_dtype_in_is_dtype_out(name, dtype):
    """Every output, state and gradient has the dtype of the inputs, default states included."""
    cell = CELLS[name](3, 4)
    params, xs, state = draw(cell, np.random.default_rng(0), dtype=dtype)
    assert {v.dtype for v in everything(cell, params, xs, state).values()} == {np.dtype(dtype)}
    hs, last, tape = cell.forward(params, xs)
    outputs = [hs, *last, *by_name(cell, *cell.backward(params, tape, hs)).values()]
    assert {v.dtype for v in outputs} == {np.dtype(dtype)}
    step_state, step_tape = cell.step(params, xs[0], state)
    outputs = [*step_state, *by_name(cell, *cell.step_backward(params, step_tape, state)).values()]
    assert {v.dtype for v in outputs} == {np.dtype(dtype)}


@every_cell
def test_init_follows_the_convention(name):
    """Weights lie in ±1/√H, peepholes start at 0, the forget bias at 1 or as asked, in the dtype asked."""
    cell = CELLS[name](3, 4)
    params = cell.init(np.random.default_rng(0), dtype=np.float32)
    assert {k: v.shape for k, v in params.items()} == cell.parameter_shapes()
    assert {v.dtype for v in params.values()} == {np.dtype(np.float32)}
    for key, value in params.items():
        if key == "b_f":
            assert (value == 1).all()
            assert (cell.init(np.random.default_rng(0), forget_bias=3)["b_f"] == 3).all()
        elif key.startswith("p_"):
            assert (value == 0).all()
        else:
            assert 0 < np.abs(value).max() <= 0.5


@every_cell
def test_mask_equals_a_shorter_sequence(name):
    """Padding behind a shorter sequence changes nothing: same outputs, last state and gradients, 0 on the padding.

    eq-mask, and eq-rnn-mask-backward for its gradients.
    """
    cell, rng = CELLS[name](3, 4), np.random.default_rng(0)
    params, xs, state = draw(cell, rng, T=10, B=3)
    lengths = np.array([10, 6, 1])
    mask = np.arange(10)[:, None] < lengths
    hs, last, tape = cell.forward(params, xs, state, mask)
    dhs, dlast = rng.normal(size=hs.shape), draw_state(cell, rng, 3)
    dxs, dstate0, dparams = cell.backward(params, tape, dhs, dlast)
    total = {k: np.zeros_like(v) for k, v in params.items()}
    for b, T in enumerate(lengths):
        one = slice(b, b + 1)
        hs_b, last_b, tape_b = cell.forward(params, xs[:T, one], cell.State(*(s[one] for s in state)))
        dxs_b, dstate0_b, dparams_b = cell.backward(params, tape_b, dhs[:T, one], cell.State(*(d[one] for d in dlast)))
        np.testing.assert_allclose(hs[:T, one], hs_b, atol=1e-14)
        np.testing.assert_allclose(dxs[:T, one], dxs_b, atol=1e-13)
        assert not hs[T:, b].any()
        assert not dxs[T:, b].any()
        for a, a_b in zip((*last, *dstate0), (*last_b, *dstate0_b), strict=True):
            np.testing.assert_allclose(a[one], a_b, atol=1e-13)
        total = {k: total[k] + dparams_b[k] for k in total}
    for k in params:
        np.testing.assert_allclose(dparams[k], total[k], atol=1e-12)


@every_cell
def test_padding_may_hold_anything(name):
    """What x_t and dh_t hold where masked, nan included, reaches no output and no gradient."""
    cell = CELLS[name](3, 4)
    params, xs, state = draw(cell, np.random.default_rng(0), T=5)
    mask = np.array([[1, 1], [0, 1], [1, 0], [1, 0], [0, 0]], bool)
    clean = everything(cell, params, xs, state, mask)
    xs[~mask] = np.nan
    for key, value in everything(cell, params, xs, state, mask).items():
        np.testing.assert_array_equal(value, clean[key], err_msg=key)


@every_cell
def test_mask_false_passes_the_state_gradient_through(name):
    """Where every step is masked the state is carried on, and dstate comes back as it went in."""
    cell, rng = CELLS[name](3, 4), np.random.default_rng(0)
    params, xs, state = draw(cell, rng)
    hs, last, tape = cell.forward(params, xs, state, np.zeros(xs.shape[:2], bool))
    dlast = draw_state(cell, rng, 2)
    dxs, dstate0, dparams = cell.backward(params, tape, rng.normal(size=hs.shape), dlast)
    for a, b in zip((*last, *dstate0), (*state, *dlast), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any(v.any() for v in (hs, dxs, *dparams.values()))


@every_cell
def test_no_input_is_mutated(name):
    """`forward`, `backward`, `step` and `step_backward` leave every argument as it was."""
    cell, rng = CELLS[name](3, 4), np.random.default_rng(0)
    params, xs, state = draw(cell, rng)
    dhs, dlast, mask = rng.normal(size=(4, 2, 4)), draw_state(cell, rng, 2), rng.random((4, 2)) < 0.7
    given_arrays = [*params.values(), xs, *state, dhs, *dlast, mask]
    before = [a.copy() for a in given_arrays]
    _, _, tape = cell.forward(params, xs, state, mask)
    cell.backward(params, tape, dhs, dlast)
    _, step_tape = cell.step(params, xs[0], state)
    cell.step_backward(params, step_tape, dlast)
    for a, b in zip(given_arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


@every_cell
def test_returned_arrays_share_no_memory(name):
    """What `forward` and `backward` return aliases neither the arguments, nor the tape, nor each other."""
    cell, rng = CELLS[name](3, 4), np.random.default_rng(0)
    params, xs, state = draw(cell, rng, T=1)
    mask = np.ones((1, 2), bool)
    hs, last, tape = cell.forward(params, xs, state, mask)
    dlast = draw_state(cell, rng, 2)
    gradients = by_name(cell, *cell.backward(params, tape, hs, dlast))
    taped = [tape.xs, tape.mask, tape.gates, *tape.states]
    outputs = [hs, *last, *gradients.values()]
    others = [*params.values(), xs, *state, mask, *dlast]
    for k, a in enumerate(outputs):
        assert not any(np.shares_memory(a, b) for b in (*others, *taped, *outputs[k + 1:]))
    assert not any(np.shares_memory(a, b) for a in taped for b in others)


@every_cell
def test_tape_names_the_values_of_the_steps(name):
    """The tape of a sequence gives a step's values, stacked over time, under the step's names."""
    cell = CELLS[name](3, 4)
    params, xs, state = draw(cell, np.random.default_rng(0), T=9)
    _, _, tape = cell.forward(params, xs, state)
    _, _, tapes = loop_forward(cell, params, xs, state)
    for field in set(tapes[0]._fields) & {*tape.names, *cell.State._fields}:
        np.testing.assert_allclose(getattr(tape, field), np.stack([getattr(t, field) for t in tapes]), atol=1e-14)
    assert tape.gates.shape == (9, 2, len(cell.gates), 4)
    assert all(s.shape == (10, 2, 4) for s in tape.states)
    with pytest.raises(AttributeError, match="the tape has no 'nonsense'"):
        tape.nonsense  # noqa: B018


@every_cell
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_extreme_pre_activations_neither_overflow_nor_warn(name, dtype):
    """Pre-activations of ±1e4 saturate: no warning and no nan, forward or back, stepwise or driven."""
    cell, rng = CELLS[name](2, 3), np.random.default_rng(0)
    params, xs, state = draw(cell, rng, T=3, dtype=dtype)
    params = {k: np.sign(v.real).astype(dtype) * 1e4 if k[0] in "Wb" else v for k, v in params.items()}
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        outputs = everything(cell, params, xs, state)
        _, tape = cell.step(params, xs[0], state)
        outputs.update(by_name(cell, *cell.step_backward(params, tape, state)))
    assert all(np.isfinite(v).all() for v in outputs.values())


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(CELLS)), T=st.integers(1, 18), B=st.integers(1, 4), I=st.integers(1, 4),
       H=st.integers(1, 4), seed=st.integers(0, 10**6), masked=st.booleans())
def test_any_shape_and_any_mask(name, T, B, I, H, seed, masked):
    """For any sizes and any mask, holes included, the drive equals a loop that skips the masked steps."""
    cell, rng = CELLS[name](I, H), np.random.default_rng(seed)
    params, xs, state = draw(cell, rng, T, B)
    mask = rng.random((T, B)) < 0.6 if masked else np.ones((T, B), bool)
    hs, last, tape = cell.forward(params, xs, state, mask if masked else None)
    expected, s = [], state
    for x, on in zip(xs, mask[..., None], strict=True):
        new, _ = cell.step(params, x, s)
        s = cell.State(*(np.where(on, a, b) for a, b in zip(new, s, strict=True)))
        expected.append(np.where(on, new.h, 0))
    np.testing.assert_allclose(hs, np.stack(expected), atol=1e-13)
    for a, b in zip(last, s, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)
    gradients = by_name(cell, *cell.backward(params, tape, np.ones_like(hs)))
    assert {k: v.shape for k, v in gradients.items() if k in params} == cell.parameter_shapes()
    assert all(np.isfinite(v).all() for v in gradients.values())


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(sorted(CELLS)), seed=st.integers(0, 10**6), exponent=st.integers(-300, 4))
def test_any_magnitude_of_weights(name, seed, exponent):
    """Weights of any size, from the smallest numbers to 1e4, give finite outputs without a warning."""
    cell = CELLS[name](2, 3)
    params, xs, state = draw(cell, np.random.default_rng(seed))
    params = {k: v * 10.0 ** min(exponent, 0 if k[0] in "pR" else 4) for k, v in params.items()}
    if name == "Ablated-NIAF":
        params["W_C"] *= 1e-5                                    # its candidate has no bound, so the state has none
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert all(np.isfinite(v).all() for v in everything(cell, params, xs, state).values())
