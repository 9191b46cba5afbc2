"""The verdict: points by part, and what a student is told."""

import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from lstmlab import sigmoid
from lstmlab.checks import get, probe, problem_set, problem_sets, wire
from lstmlab.checks._edits import mutant
from lstmlab.checks._training import TrainingCheck
from lstmlab.checks.ps2_recurrence import rnn_step_backward
from lstmlab.checks.ps3_lstm_forward import half_life_bias, lstm_forward, lstm_step
from lstmlab.checks.ps4_lstm_backward import train_step
from lstmlab.checks.ps5_peephole import peephole_step_backward
from lstmlab.checks.ps7_gru import gru_step

# what is judged by its outputs; training runs are in test_training.py
CHECKS = [check for name in problem_sets() for check in problem_set(name) if not isinstance(check, TrainingCheck)]
each_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)


def judge(name, fn, seed=11):
    check = get(name)
    return check.judge(seed, probe.call(fn, check.requests(seed)))


def earned(verdict):
    return {part.name: part.earned for part in verdict.parts}


def step(change):
    """The reference's step with its returned (h, C, gates) passed through `change`."""
    return lambda *args: change(*lstm_step(*args))


# -- right -----------------------------------------------------------------------------------------

@each_check
@pytest.mark.parametrize("seed", [*range(18), 2**256 - 1, b"\xff" * 32])
def test_the_reference_is_right(check, seed):
    """The reference earns every point, whatever the seed."""
    verdict = check.judge(seed, probe.call(check.reference, check.requests(seed)))
    assert verdict.right
    assert (verdict.earned, verdict.points) == (check.points, check.points)
    assert verdict.text() == f"✓ {check.name}: right ({check.points:g} of {check.points:g} point" \
                             f"{'s' * (check.points != 1)})"


@each_check
def test_requests_are_plain_and_repeat(check):
    """Requests survive the wire unchanged, and the same seed gives the same ones."""
    sent = wire.encode(check.requests(5))
    assert sent == wire.encode(check.requests(5)) == wire.encode(wire.decode(sent))
    assert sent != wire.encode(check.requests(6))


def test_small_differences_are_rounding():
    """A sum taken in another order is right."""
    def in_two_parts(params, x, h_prev, C_prev):
        def z(g):
            W, H = params[f"W_{g}"], h_prev.shape[1]
            return x @ W[:, H:].T + (params[f"b_{g}"] + h_prev @ W[:, :H].T)

        f, i, o, C_tilde = sigmoid(z("f")), sigmoid(z("i")), sigmoid(z("o")), np.tanh(z("C"))
        C = i * C_tilde + f * C_prev
        return np.tanh(C) * o, C, {"o": o, "C_tilde": C_tilde, "i": i, "f": f}

    assert judge("lstm_step", in_two_parts).right


def test_an_overflow_warning_costs_nothing():
    """The textbook sigmoid overflows on its way to the right values: full marks, and a remark."""
    verdict = judge("sigmoid", lambda x: 1 / (1 + np.exp(-x)))
    assert verdict.right
    assert any("overflow" in remark for remark in verdict.remarks)
    assert "costs nothing" in verdict.text()


def test_mutated_input_costs_nothing():
    """Changing an argument in place is remarked upon."""
    def fn(params, value):
        params["b_f"][:] = value
        return params

    verdict = judge("with_forget_bias", fn)
    assert verdict.right
    assert "params was changed in place" in verdict.remarks[0]


# -- parts -----------------------------------------------------------------------------------------

def test_parts_are_earned_separately():
    """A wrong candidate costs C_tilde, not the gates."""
    verdict = judge("lstm_step", step(lambda h, C, gates: (h, C, gates | {"C_tilde": gates["C_tilde"] ** 3})))
    assert earned(verdict) == {"f": 1, "i": 1, "C_tilde": 0, "C": 1, "o": 1, "h": 1}


def test_parts_by_case():
    """A sigmoid that fails only at the extremes earns the moderate part."""
    verdict = judge("sigmoid", lambda x: np.exp(x) / (1 + np.exp(x)))
    assert earned(verdict) == {"moderate": 1, "extreme": 0}


def test_textbook_half_life_loses_its_digits():
    """The chapter's formula typed as it stands earns the moderate part, and the reason is named."""
    verdict = judge("half_life_bias", lambda n: -np.log(2 ** (1 / n) - 1))
    assert earned(verdict) == {"moderate": 1, "large": 0}
    assert "digits lost" in verdict.mistakes[0]


def test_a_hint_where_only_the_extreme_is_wrong():
    """A sigmoid that is wrong at the extremes in a way of its own gets the hint for that part."""
    verdict = judge("sigmoid", lambda x: np.where(np.abs(x) > 100, 0.5, sigmoid(x)))
    assert verdict.mistakes == ()
    assert "Print your function at 1000" in " ".join(verdict.text().split())


@pytest.mark.parametrize(("wrong", "right_given_own"), [("C_tilde", {"C", "h"}), ("f", {"C", "h"}), ("o", {"h"})])
def test_what_follows_from_own_values_is_said(wrong, right_given_own):
    """Outputs that are right given the student's own earlier ones are named as such, and earn nothing."""
    def fn(params, x, h_prev, C_prev):
        _, _, gates = lstm_step(params, x, h_prev, C_prev)
        gates[wrong] = 0.9 * gates[wrong] + 0.01
        C = gates["f"] * C_prev + gates["i"] * gates["C_tilde"]
        return gates["o"] * np.tanh(C), C, gates

    verdict = judge("lstm_step", fn)
    following = {part.name for part in verdict.parts if "follows from your own" in part.note}
    assert following == right_given_own
    assert all(part.earned == 0 for part in verdict.parts if part.name in following)
    assert "as soon as those are right" in " ".join(verdict.text().split())
    assert (f"If your sigmoid is not right yet, begin there; otherwise start with {wrong}."
            in " ".join(verdict.text().split()))


def test_what_follows_by_way_of_a_name_that_is_not_returned():
    """In gru_step z reaches h through the factor of the old state, which nobody sees: h follows all the same."""
    def fn(params, x, h_prev, reset, carry):
        _, gates = gru_step(params, x, h_prev, reset, carry)
        gates["z"] = 0.9 * gates["z"] + 0.01
        keep = gates["z"] if carry == "z" else 1 - gates["z"]
        return keep * h_prev + (1 - keep) * gates["n"], gates

    notes = {part.name: part.note for part in judge("gru_step", fn).parts}
    assert notes["h"] == "but it follows from your own z"


def test_what_does_not_follow_is_not_excused():
    """A C that is wrong by itself does not follow from anything."""
    verdict = judge("lstm_step", step(lambda h, C, gates: (h, C + 1, gates | {"f": gates["f"] / 2})))
    assert not any("follows" in part.note for part in verdict.parts if part.name == "C")


def test_an_earlier_functions_mistake_is_sent_home():
    """A wrong step inside a right loop is named as the step's."""
    def forward(params, xs, h, C):
        hs = []
        for x in xs:
            _, C, gates = lstm_step(params, x, h, C)
            h = gates["o"] * C
            hs.append(h)
        return np.stack(hs), h, C

    verdict = judge("lstm_forward", forward)
    assert verdict.mistakes == ("no tanh on the output",)
    text = " ".join(verdict.text().split())
    assert "Most likely, in your lstm_step: no tanh on the output." in text
    assert "if the check of your lstm_step finds nothing, the same happens in lstm_forward, around the call" in text


def test_a_mistake_that_may_be_here_or_in_an_earlier_function_is_not_sent_away():
    """The road along the memory is cut inside the step, or by the loop that calls it: both are said."""
    check = get("lstm_backward")
    made = next(mistake for mistake in check.mistakes if mistake.name == "dC not handed to the step before")
    text = " ".join(judge("lstm_backward", mutant(check.sources, (made,))).text().split())
    assert ("Most likely: dC not handed to the step before; or, in your lstm_step_backward: dC from the next step "
            "missing.") in text
    assert "need not change" not in text


def test_earlier_functions_are_named_where_the_parts_are_no_outputs():
    """Where no output can be named to start with, the functions that come before still are."""
    def fn(*args):
        loss, params, velocity = train_step(*args)
        return loss, params | {"W_f": params["W_f"] + 0.1}, velocity

    text = " ".join(judge("train_step", fn).text().split())
    assert ("If your lstm_step_backward, lstm_backward, squared_error, clip_gradients and sgd_step are not right yet, "
            "begin there.") in text


def test_a_key_that_the_reference_leaves_out_is_not_asked_for():
    """A cell with fewer peepholes has fewer gradients; one that comes all the same costs nothing."""
    def fn(*args):
        dx, dh_prev, dC_prev, dparams = peephole_step_backward(*args)
        return dx, dh_prev, dC_prev, {"p_f": dx.sum(axis=1)} | dparams

    assert judge("peephole_step_backward", peephole_step_backward).right
    assert judge("peephole_step_backward", fn).right


def test_a_key_that_is_missing_costs_its_part():
    """A peephole that is there has a gradient."""
    def fn(*args):
        dx, dh_prev, dC_prev, dparams = peephole_step_backward(*args)
        return dx, dh_prev, dC_prev, {name: value for name, value in dparams.items() if name != "p_o"}

    verdict = judge("peephole_step_backward", fn)
    assert earned(verdict)["p_o"] == 0
    assert verdict.earned == verdict.points - 1


# -- messages --------------------------------------------------------------------------------------

def raises(error):
    def fn(*args):
        raise error

    return fn


def named_with_a_d(dx, dh_prev, dparams):
    return dx, dh_prev, {f"d{name}": value for name, value in dparams.items()}


UNWRITTEN = {}
exec(compile("def sigmoid(x): raise NotImplementedError()", "another cell", "exec"), UNWRITTEN)


CELLS = {}
for source in ("def sigmoid(x): return x @ 'a'", "def lstm_step(params, x, h, C): return sigmoid(x)"):
    exec(compile(source, source, "exec"), CELLS)


def forward_with_axes(order):
    def fn(*args):
        hs, h, C = lstm_forward(*args)
        return hs.transpose(order), h, C

    return fn


MESSAGES = {
    "not written": ("lstm_step", raises(NotImplementedError()), "lstm_step: not written yet (0 of 6 points)"),
    "uses unwritten": ("lstm_step", lambda *args: UNWRITTEN["sigmoid"](1), "uses something that is not written yet"),
    "too few values": ("lstm_step", step(lambda h, C, gates: (h, C)),
                       "2 values came; expected 3 values: h, C, a dict."),
    "too many values": ("lstm_forward", lambda *args: (*lstm_forward(*args), 1), "4 values came; expected 3 values"),
    "none": ("lstm_forward", lambda *args: None, "3 values: hs, h, C. Does the function end without a return?"),
    "an array alone": ("lstm_forward", lambda *args: lstm_forward(*args)[0], "A NumPy array came; expected 3 values"),
    "one value": ("lstm_step", step(lambda h, C, gates: [h]), "1 value came; expected 3 values: h, C, a dict."),
    "a key with a d": ("rnn_step_backward", lambda *args: named_with_a_d(*rnn_step_backward(*args)),
                       "no key 'W_h', but 'dW_h'"),
    "missing key": ("lstm_step", step(lambda h, C, g: (h, C, {k: g[k] for k in "fio"})), "no key 'C_tilde'"),
    "gates no dict": ("lstm_step", step(lambda h, C, gates: (h, C, list(gates.values()))),
                      "a list came; expected a dict with the keys f, i, C_tilde, o"),
    "surplus key": ("lstm_step", step(lambda h, C, gates: (h, C, gates | {"z": h})), "A key nobody asked for"),
    "surplus keys": ("lstm_step", step(lambda h, C, gates: (h, C, gates | {"z": h, "r": h})),
                     "Keys nobody asked for came back: 'z', 'r'."),
    "swapped axes": ("lstm_step", step(lambda h, C, gates: (h.T, C, gates)),
                     "shape (5, 2) came; expected (2, 5) = (B, H): the axes look swapped, (H, B)"),
    "swapped batch": ("lstm_forward", forward_with_axes((0, 2, 1)), "the axes look swapped, (T, H, B)"),
    "three axes": ("lstm_forward", forward_with_axes((2, 0, 1)), "the axes look swapped, (H, T, B)"),
    "axes of any shape": ("half_life_bias", lambda n: half_life_bias(n).T, "the axes look swapped"),
    "wrong shape": ("lstm_step", step(lambda h, C, gates: (h, C[:, :1], gates)), "shape (2, 1) came; expected (2, 5)"),
    "no array": ("sigmoid", lambda x: None, "None came; expected a NumPy array of the shape of x. Does"),
    "a list": ("lstm_step", step(lambda h, C, gates: (h.tolist(), C, gates)), "a list of 2 came; expected a"),
    "objects": ("sigmoid", lambda x: sigmoid(x).astype(object), "dtype object came; expected numbers"),
    "text": ("parameter_count", lambda i, h: "160", "a str came; expected a number"),
    "float32": ("lstm_step", step(lambda h, C, gates: (h.astype(np.float32), C, gates)), "the precision of"),
    "complex": ("sigmoid", lambda x: sigmoid(x) + 0j, "dtype complex128 came; expected float64"),
    "float count": ("parameter_count", lambda i, h: 4.0 * (h * (h + i) + h), "float64 came; expected an integer"),
    "NaN": ("sigmoid", lambda x: x * np.nan, "NaN in 12 of 12 entries, first at [0, 0]"),
    "infinite": ("lstm_step", step(lambda h, C, gates: (h, C / 0.0, gates)), "infinite in 10 of 10 entries"),
    "off": ("lstm_step", step(lambda h, C, gates: (h, C + 100, gates)), "off in 10 of 10 entries, worst at ["),
    "exception": ("sigmoid", lambda x: x @ np.ones((99, 1)), "It raised ValueError: matmul"),
    "line": ("lstm_step", lambda params, *args: params["W_z"], "It raised KeyError: 'W_z' At line"),
    "no such key": ("lstm_step", lambda params, *args: params["W_c"],
                    "The keys of params are W_f, b_f, W_i, b_i, W_C, b_C, W_o, b_o."),
    "a product that does not fit": ("lstm_step", lambda params, x, h, C: np.concatenate([h, x], 1) @ params["W_f"],
                                    "a matrix product whose inner lengths differ"),
    "joined along axis 0": ("lstm_step", lambda params, x, h, C: np.concatenate([h, x]), "they can be joined along"),
    "an if on an array": ("sigmoid", lambda x: 0.0 if x < 0 else 1.0, "np.where chooses entry by entry"),
    "math for an array": ("sigmoid", lambda x: 1 / (1 + math.exp(-x)), "A function for a single number"),
    "a name nobody made": ("sigmoid", lambda x: sigmoyd(x), "No cell that has run defines or imports this name."),  # noqa: F821
    "nearly right": ("sigmoid", lambda x: sigmoid(x) * (1 + 2e-7), "right to 6 digits only"),
    "of the right size": ("sigmoid", lambda x: sigmoid(x) * 1.1, "expected, but another number"),
    "in another cell": ("lstm_step", CELLS["lstm_step"], "At line 1 and there at line 1 of sigmoid"),
    "exit": ("sigmoid", raises(SystemExit(3)), "It raised SystemExit: 3"),
    "some inputs": ("sigmoid", lambda x: sigmoid(x) if x.ndim == 1 else 1 / 0, "For 3 of 5 inputs"),
    "too large": ("sigmoid", lambda x: np.zeros((10**4, 10**4)), "returned more than 8 MiB"),
}


@pytest.mark.parametrize(("name", "fn", "message"), MESSAGES.values(), ids=MESSAGES)
def test_the_message_fits_what_happened(name, fn, message):
    """Each way to be wrong has a message of its own, in lines of at most 80 columns."""
    verdict = judge(name, fn)
    assert message in " ".join(verdict.text().split())
    assert max(map(len, verdict.text().splitlines())) <= 80


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_a_dtype_alone_is_no_stranger_to_the_list(dtype):
    """Where nothing but the dtype is wrong that is said, and no advice that leads elsewhere."""
    text = judge("lstm_step", step(lambda h, C, gates: (h.astype(dtype), C, gates))).text()
    assert f"dtype {np.dtype(dtype)} came" in " ".join(text.split())
    assert "None of the mistakes" not in text


def test_two_equations_are_named_together():
    """Where a mistake is about two equations, both are told, as the book would."""
    check = get("gru_step")
    made = next(mistake for mistake in check.mistakes if mistake.name == "always reset before")
    text = " ".join(judge("gru_step", mutant(check.sources, (made,))).text().split())
    assert re.search(r"\(equations \d+\.\d+ and \d+\.\d+\)\.", text)


def test_no_expected_value_is_told():
    """The text gives an order of magnitude and never the value."""
    text = judge("parameter_count", lambda i, h: 4 * (h * (h + i) + h) + 7).text()
    assert "187 came, the order of 100 expected" in " ".join(text.split())
    assert "180" not in text
    assert "came" not in judge("sigmoid", lambda x: sigmoid(x) * (1 + 2e-7)).text()      # nearly right: it would tell


def test_colour_adds_nothing_but_colour():
    """With its colours removed the coloured text is the plain one."""
    verdict = judge("lstm_step", step(lambda h, C, gates: (h, C + 1, gates)))
    coloured = verdict.text(colour=True)
    assert coloured != verdict.text()
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == verdict.text()


# -- answers that nobody should trust --------------------------------------------------------------

names = st.sampled_from(["value", "error", "type", "array", "items", "dtype", "changed", "warnings", "message", "line",
                         "source", "h", "C", "f", "hs", "b_f", "x"])
leaves = (st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
          | st.sampled_from(["ndarray", "NotImplementedError", "\x1b[31m", "\ud800", "KeyboardInterrupt"])
          | nps.arrays(st.sampled_from([np.float64, np.int8, bool, complex, object, "U3"]),
                       nps.array_shapes(min_dims=0, max_side=5)))
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
                        max_leaves=10)
nodes = st.deferred(lambda: st.fixed_dictionaries({}, optional={
    "type": st.just("ndarray") | leaves, "array": leaves, "dtype": leaves,
    "items": st.lists(nodes | leaves, max_size=3) | st.dictionaries(names, nodes, max_size=4) | leaves}))
replies = anything | st.fixed_dictionaries({"value": nodes}, optional={"changed": anything, "warnings": anything}) | \
    st.fixed_dictionaries({"error": st.fixed_dictionaries({}, optional=dict.fromkeys(
        ("type", "message", "line", "source"), leaves)) | anything})


@each_check
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_malformed_answers_earn_nothing_and_raise_nothing(check, data):
    """Whatever comes in place of answers ends as a verdict without points that can be printed."""
    count = len(check.cases(3))
    answers = data.draw(anything | st.lists(replies, min_size=count, max_size=count))
    verdict = check.judge(3, answers)
    assert verdict.earned == 0
    text = verdict.text()
    assert text.encode().decode().replace("\n", "").isprintable()
    assert max(map(len, text.splitlines())) <= 80


@each_check
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_one_spoilt_answer_is_never_right(check, data):
    """Right answers but for one: never full marks, never an exception."""
    answers = probe.call(check.reference, check.requests(3))
    place = data.draw(st.integers(0, len(answers) - 1))
    answers[place] = data.draw(replies)
    assert not check.judge(3, answers).right


@each_check
@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: [*a, a[0]], lambda a: tuple(a), lambda a: []])
def test_an_answer_too_few_or_too_many_earns_nothing(check, change):
    """There is one answer per request, in a list."""
    verdict = check.judge(3, change(probe.call(check.reference, check.requests(3))))
    assert (verdict.right, verdict.earned) == (False, 0)
    assert "no usable answer" in verdict.text()


@each_check
def test_answers_to_another_seed_earn_nothing(check):
    """Right answers to other questions are wrong."""
    assert check.judge(4, probe.call(check.reference, check.requests(3))).earned == 0


# -- functions that take a function ------------------------------------------------------------------

def judge_gradient(name, fn, seed=11):
    """As `judge`, with the function that a request describes in place of its description."""
    check = get(name)
    return check.judge(seed, probe.KINDS["function"](fn, check.requests(seed)))


def differences(copy, fill, step, sides=(1, -1)):
    """A gradient by differences: how it copies x, what it fills, how far and to which sides it moves."""
    def fn(f, x, *eps):
        gradient = fill(x)
        for k in np.ndindex(x.shape):
            h = step(x[k], *eps)
            moved = [copy(x), copy(x)]
            for point, side in zip(moved, sides, strict=True):
                point[k] += side * h
            gradient[k] = (f(moved[0]) - f(moved[1])) / ((sides[0] - sides[1]) * h)
        return gradient

    return fn


def floats(x):
    return x.astype(float)


def zeros(x):
    return np.zeros(x.shape)


@pytest.mark.parametrize(("copy", "fill", "named"), [
    (np.copy, zeros, "the step is swallowed by the dtype of x"),
    (floats, np.zeros_like, "the gradient is stored in the dtype of x")])
def test_an_inherited_dtype_is_seen(copy, fill, named):
    """Integers or float32 taken over from x cost the part for other dtypes, and are named."""
    verdict = judge_gradient("central_difference", differences(copy, fill, lambda _, eps: eps))
    assert earned(verdict) == {"float64": 2, "other dtypes": 0}
    assert verdict.mistakes == (named,)


def test_a_point_that_is_not_put_back_is_seen():
    """An entry left where it was moved to spoils the later ones, and is named."""
    def fn(f, x, eps):
        x, gradient = floats(x), zeros(x)
        for k in np.ndindex(x.shape):
            x[k] += eps
            above = f(x)
            x[k] -= 2 * eps
            gradient[k] = (above - f(x)) / (2 * eps)
        return gradient

    verdict = judge_gradient("central_difference", fn)
    assert verdict.earned == 0
    assert verdict.mistakes == ("x is not put back",)


@pytest.mark.parametrize("step", [1e-6, 6e-6, 1e-5, 1e-4, 2e-4])
@pytest.mark.parametrize("seed", range(5))
def test_any_sensible_step_is_right(step, seed):
    """A central difference whose step grows with x is right, whatever its constant within two orders of magnitude."""
    fn = differences(floats, zeros, lambda x: step * max(1.0, abs(x)))
    assert judge_gradient("numerical_gradient", fn, seed).right


@pytest.mark.parametrize(("step", "sides", "points"), [
    (lambda x: 1e-5, (1, -1), {"near 1": 2, "large x": 0}), (lambda x: 1e-9, (1, -1), {"near 1": 0, "large x": 0}),
    *((lambda x, s=s: s * max(1.0, abs(x)), (1, 0), {"near 1": 0, "large x": 0}) for s in (1e-8, 1e-7, 1e-6, 1e-5))])
@pytest.mark.parametrize("seed", range(5))
def test_no_other_step_is(step, sides, points, seed):
    """A fixed step fails where x is large, too small a one everywhere, and a one-sided difference with any step."""
    assert earned(judge_gradient("numerical_gradient", differences(floats, zeros, step, sides), seed)) == points


def test_each_entry_has_a_step_of_its_own_size():
    """The step of the largest entry is too long for one near 1 beside it: that costs the large part, with a hint."""
    def fn(f, x):
        return differences(floats, zeros, lambda entry: 1e-5 * max(1.0, np.abs(x).max()))(f, x)

    verdict = judge_gradient("numerical_gradient", fn)
    assert earned(verdict) == {"near 1": 2, "large x": 0}
    assert "Does each entry have a step of its own size?" in " ".join(verdict.text().split())


def test_a_hint_for_each_part_that_has_one():
    """A step that no entry of the catalogue has gets the hints of the parts that are wrong."""
    text = " ".join(judge_gradient("numerical_gradient", differences(floats, zeros, lambda x: 3.7e-11)).text().split())
    assert "Near 1 the gradient is not as accurate as it could be" in text
    assert "np.spacing(1e7)" in text


def test_an_array_of_many_axes_is_judged_at_once():
    """Sixteen axes have 20 922 789 888 000 orders; none of them is looked at."""
    found = get("half_life_bias")
    answers = [{"value": {"type": "ndarray", "array": np.zeros((1,) * 16)}} for _ in found.cases(1)]
    assert found.judge(1, answers).earned == 0


def test_where_to_look_has_a_number():
    """A student reads the number that is printed in the book, not the author's label."""
    swapped = mutant(get("lstm_step").sources, (get("lstm_step").mistakes[0],))
    text = judge("lstm_step", swapped).text()
    assert re.search(r"equation \d+\.\d+", text)
    assert "eq-" not in text
