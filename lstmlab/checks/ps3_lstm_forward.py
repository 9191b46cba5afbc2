"""Problem set 3, the LSTM forward: the sigmoid, one step, a sequence, parameters and the forget bias."""

from __future__ import annotations

import math

import numpy as np

from ..cells import LSTM, LSTMState, sigmoid
from ..cells._cell import Cell
from . import Case, Check, Mistake, Output, Source

CHAPTER = 'chapter "The LSTM cell"'
FORGET = f"{CHAPTER}, forget gate (eq-lstm-forget-gate)"
INPUT = f"{CHAPTER}, input gate (eq-lstm-input-gate)"
CANDIDATE = f"{CHAPTER}, candidate (eq-lstm-candidate)"
CELL_STATE = f"{CHAPTER}, cell state (eq-lstm-cell-state)"
OUTPUT = f"{CHAPTER}, output gate (eq-lstm-output-gate)"
HIDDEN = f"{CHAPTER}, hidden state (eq-lstm-hidden-state)"
SIGMOID = f"{CHAPTER}, squashing functions (eq-squashing)"
SEQUENCE = f'{CHAPTER}, the loop over a sequence in the section "The code"'
PARAMETERS = f'{CHAPTER}, section "How many numbers it learns" (eq-lstm-parameter-count)'
HALF_LIFE = f'{CHAPTER}, section "The half-life" (eq-lstm-half-life)'
BIAS = f'{CHAPTER}, section "The forget bias"'


# -- sigmoid -------------------------------------------------------------------------------------------

def _draw_sigmoid(rng):
    extreme = np.array([1e3, -1e3, 1e4, -1e4, 0.0])
    return [
        Case({"x": rng.normal(0.0, 3.0, (3, 4))}, "x of shape (3, 4)", "moderate"),
        # every stretch of the curve, whatever the seed: what passes once is to pass again
        Case({"x": rng.permutation(np.linspace(-20.0, 20.0, 41) + rng.uniform(-0.4, 0.4, 41))}, "x from −20 to 20",
             "moderate"),
        Case({"x": rng.normal(0.0, 3.0, (2, 3, 2))}, "x of shape (2, 3, 2)", "moderate"),
        Case({"x": rng.permutation(extreme)}, "entries up to ±1e4", "extreme"),
        Case({"x": rng.uniform(720.0, 1e4, (2, 3)) * rng.choice([-1.0, 1.0], (2, 3))}, "entries up to ±1e4", "extreme"),
    ]


_LOGISTIC = "return 0.5 * (1.0 + np.tanh(0.5 * x))"
SIGMOID_MISTAKES = (
    Mistake("σ runs the wrong way", _LOGISTIC, "return 0.5 * (1.0 - np.tanh(0.5 * x))",
            "It gives 1 for very negative x and 0 for large x: a gate would close when it is told to open. Look at "
            "the sign of the exponent.", SIGMOID),
    Mistake("σ is too steep by a factor of two", _LOGISTIC, "return 0.5 * (1.0 + np.tanh(x))",
            "σ and tanh are the same curve up to shift and scale, in x as well as in y. The scale in x is missing.",
            SIGMOID),
    Mistake("tanh in place of σ", _LOGISTIC, "return np.tanh(x)",
            "A gate is a share that is kept, between 0 and 1; tanh lies between −1 and 1.", SIGMOID),
    Mistake("division before addition in σ", _LOGISTIC, "return 1.0 + np.exp(-x)",
            "In Python, 1 / 1 + a is (1 / 1) + a. The values exceed 1, which no share can.", SIGMOID),
    Mistake("σ overflows for large x", _LOGISTIC, "return np.exp(x) / (1.0 + np.exp(x))",
            "For x beyond about 709 the exponential is infinite in float64, and infinity over infinity is NaN. One "
            "NaN in a gate spoils the state for the rest of the sequence. Find a form whose exponential cannot "
            "grow, or a function of NumPy that saturates by itself.", SIGMOID),
    Mistake("σ overflows for very negative x", _LOGISTIC, "return 1.0 - np.exp(-x) / (1.0 + np.exp(-x))",
            "For x below about −709 the exponential of −x is infinite in float64, and infinity over infinity is NaN. "
            "Find a form whose exponential cannot grow, or a function of NumPy that saturates by itself.", SIGMOID),
    Mistake("the derivative of σ in place of σ", _LOGISTIC, "return 0.25 * (1.0 - np.tanh(0.5 * x) ** 2)",
            "σ(1 − σ) is the slope, at most 1/4: it belongs to the backward pass. A gate must be able to reach 1.",
            SIGMOID),
    Mistake("a softmax in place of σ", _LOGISTIC, "e = np.exp(x - np.max(x)); return e / np.sum(e)",
            "A softmax makes the entries compete for one sum. Each gate entry decides for itself, whatever its "
            "neighbours do.", SIGMOID),
)

SIGMOID_CHECK = Check(
    name="sigmoid",
    draw=_draw_sigmoid,
    reference=sigmoid,
    returns=Output("σ(x)", "the shape of x"),
    parts={"moderate": 1, "extreme": 1},
    mistakes=SIGMOID_MISTAKES,
    hints={"extreme": "The formula is right, but not its arithmetic at large |x|: float64 ends near e^709. Print "
                      "your function at 1000 and at −1000, and see which term gives up."},
)


# -- lstm_step -----------------------------------------------------------------------------------------

def _draw_params(rng, input_size, hidden_size, scale=1.0):
    """Parameters none of which is special: a bias of zero, or of one for all units, would hide mistakes."""
    shapes = LSTM(input_size, hidden_size).parameter_shapes()
    return {name: scale * rng.normal(0.0, 0.7, shape) for name, shape in shapes.items()}


def _draw_step(rng):
    def case(B, I, H, scale=1.0, note=""):
        return Case({"params": _draw_params(rng, I, H, scale), "x": rng.normal(0.0, 1.0, (B, I)),
                     "h_prev": rng.uniform(-1.0, 1.0, (B, H)), "C_prev": rng.normal(0.0, 1.5, (B, H))},
                    f"B={B}, I={I}, H={H}{note}")

    # a large batch at the extremes, so that every gate meets both ends whatever the seed
    return [case(2, 3, 5), case(1, 4, 2), case(3, 3, 3), case(4, 2, 3), case(1, 1, 1),
            case(10, 2, 4, 1e3, ", pre-activations in the thousands")]


def lstm_step(params, x, h_prev, C_prev):
    cell = LSTM(x.shape[1], h_prev.shape[1])
    (h, C), tape = cell.step(params, x, LSTMState(h_prev, C_prev))
    return h, C, {"f": tape.f, "i": tape.i, "C_tilde": tape.C_tilde, "o": tape.o}


_Z = {g: f'hx @ params["W_{g}"].T + params["b_{g}"]' for g in "fiCo"}
_CONCATENATE = "np.concatenate([h_prev, x], axis=1)"
_OWN_SYMBOL = "Each gate has a weight matrix and a bias of its own; that is what lets it decide something of its own. "
_SHARE = "σ makes a share between 0 and 1; tanh goes down to −1, and would turn the sign of what it multiplies. "


def _without_bias(gate, symbol, see):
    return Mistake(f"{symbol} without its bias", f' + params["b_{gate}"]', "",
                   f"The bias is what {symbol} does when h and x are zero: without it that is always the middle of "
                   "the curve.", see)


def _tanh_gate(gate, see):
    return Mistake(f"tanh on the gate {gate}", f"{gate} = sigmoid({_Z[gate]})", f"{gate} = np.tanh({_Z[gate]})",
                   _SHARE + f"Which of the two belongs to {gate}?", see)


def _copied(gate, symbol, source, see):
    return Mistake(f"{symbol} computed with the parameters of {source}", _Z[gate], _Z[source],
                   _OWN_SYMBOL + f"Compare the indices in the lines of {symbol} and of {source}.", see)


STEP_MISTAKES = (
    Mistake("[x, h] in place of [h, x]", _CONCATENATE, "np.concatenate([x, h_prev], axis=1)",
            "The columns of each W are ordered for [h, x]: the first H of them act on h. Where H = I the other "
            "order runs without complaint, and every weight acts on the wrong number.", FORGET),
    _without_bias("f", "f", FORGET),
    _without_bias("i", "i", INPUT),
    _without_bias("C", "C_tilde", CANDIDATE),
    _without_bias("o", "o", OUTPUT),
    Mistake("no bias in any gate", _CONCATENATE,
            f"{_CONCATENATE}; params = {{k: v * (k[0] == 'W') for k, v in params.items()}}",
            "The four biases are missing. A bias is what a gate does when h and x are zero.", FORGET),
    _tanh_gate("f", FORGET),
    _tanh_gate("i", INPUT),
    _tanh_gate("o", OUTPUT),
    Mistake("σ on the candidate", f"np.tanh({_Z['C']})", f"sigmoid({_Z['C']})",
            "The candidate is new content, not a share: it has to be able to lower the cell state as well as raise "
            "it. σ is never negative, so C could only be pushed up.", CANDIDATE),
    Mistake("no squashing of the candidate", f"np.tanh({_Z['C']})", f"({_Z['C']})",
            "What is written into the cell at one step is bounded, to between −1 and 1. Without that a single large "
            "input drowns all that was stored.", CANDIDATE),
    Mistake("the hidden state left out of the gates", _CONCATENATE,
            "np.concatenate([0.0 * h_prev, x], axis=1)",
            "The gates see the previous hidden state beside the input; without it they cannot react to context.",
            FORGET),
    Mistake("the cell state in place of the hidden state in [h, x]", _CONCATENATE,
            "np.concatenate([C_prev, x], axis=1)",
            "The gates read h, the cell's output, and not C itself. (Gates that look at C are the peephole LSTM, and "
            "have weights of their own for it.)", FORGET),
    _copied("i", "i", "f", INPUT),
    _copied("C", "C_tilde", "i", CANDIDATE),
    _copied("o", "o", "f", OUTPUT),
    _copied("o", "o", "i", OUTPUT),
    _copied("f", "f", "i", FORGET),
    Mistake("f and i exchanged", "C = f * C_prev + i * C_tilde", "f, i = i, f; C = f * C_prev + i * C_tilde",
            "What is called f was computed with the parameters of i and the other way round: the gate order is "
            "swapped. The forget gate decides about the old, the input gate about the new.", FORGET),
    Mistake("f and i swapped in the cell state", "f * C_prev + i * C_tilde", "i * C_prev + f * C_tilde",
            "Both gates are right, but each multiplies the other's partner. f says how much of the old state stays; "
            "i says how much of the candidate enters.", CELL_STATE),
    Mistake("the old cell state multiplied by i", "f * C_prev", "i * C_prev",
            "i governs what enters. How much of the old state stays is the other gate's business, or the cell could "
            "not keep its content and refuse new input at once.", CELL_STATE),
    Mistake("the forget gate is not used", "f * C_prev", "C_prev",
            "The old state is added whole: nothing is ever forgotten, and C can grow without end. (That was the LSTM "
            "of 1997; the forget gate came in 2000.)", CELL_STATE),
    Mistake("the input gate is not used", "i * C_tilde", "C_tilde",
            "The candidate enters whole, whatever it is. The input gate is what protects the stored content from "
            "input that does not matter.", CELL_STATE),
    Mistake("1 − f in place of i", "i * C_tilde", "(1.0 - f) * C_tilde",
            "That couples the two gates, which is a variant (CIFG). Here i has parameters of its own: the cell may "
            "keep the old and take in the new at once.", CELL_STATE),
    Mistake("the forget gate acts on h", "f * C_prev", "f * h_prev",
            "The memory of the cell is C; h is only what it shows. Carrying on h passes the content through "
            "o and tanh at every step, and it fades.", CELL_STATE),
    Mistake("the old cell state is dropped", "f * C_prev + i * C_tilde", "i * C_tilde",
            "Without the old state there is no memory: C knows the last input only.", CELL_STATE),
    Mistake("the new content is subtracted", "f * C_prev + i * C_tilde", "f * C_prev - i * C_tilde",
            "The new content is added; whether it raises or lowers C is for the sign of the candidate to say.",
            CELL_STATE),
    Mistake("h computed from the previous cell state", "o * np.tanh(C)", "o * np.tanh(C_prev)",
            "h shows the state after this step. With the old one the output lags a step behind, and this input "
            "reaches it only at the next.", HIDDEN),
    Mistake("no tanh on the output", "o * np.tanh(C)", "o * C",
            "C is a sum over time and can be large; h is to stay between −1 and 1, since it goes back into all the "
            "gates.", HIDDEN),
    Mistake("σ in place of tanh on the output", "o * np.tanh(C)", "o * sigmoid(C)",
            "σ(C) is never negative, so h would lose the sign of what is stored, and zero would show as one half.",
            HIDDEN),
    Mistake("the output gate is not used", "o * np.tanh(C)", "np.tanh(C)",
            "The cell would always show all it holds. The output gate lets it hold something without showing it.",
            HIDDEN),
    Mistake("the forget gate in place of the output gate in h", "o * np.tanh(C)", "f * np.tanh(C)",
            "What is shown and what is kept are two decisions, each with its gate.", HIDDEN),
    Mistake("the input gate in place of the output gate in h", "o * np.tanh(C)", "i * np.tanh(C)",
            "What is shown and what is let in are two decisions, each with its gate.", HIDDEN),
    Mistake("the candidate in place of the cell state in h", "o * np.tanh(C)", "o * np.tanh(C_tilde)",
            "h shows the cell state, old content included; the candidate is only what is new.", HIDDEN),
)

STEP_RETURN_MISTAKES = (
    Mistake("C and h returned in the wrong order", "return h, C, {", "return C, h, {",
            "Both are right, but the first returned value is h and the second C. They have one shape, so nothing "
            "else would notice until the results are nonsense.", HIDDEN),
    Mistake("f and i exchanged in the returned dict", '"f": tape.f, "i": tape.i', '"f": tape.i, "i": tape.f',
            "C is right, so both gates are; only their names in the dict are the other way round.", FORGET),
    Mistake("the gated candidate returned as C_tilde", '"C_tilde": tape.C_tilde', '"C_tilde": tape.i * tape.C_tilde',
            "The dict is to hold the candidate itself, before the input gate has acted on it.", CANDIDATE),
    Mistake("the old cell state returned", "return h, C, {", "return h, C_prev, {",
            "h is right, so the new cell state was computed; but the old one is returned, and the next step would "
            "not remember this one.", CELL_STATE),
)

_STEP_INNER = (Source(sigmoid, "sigmoid"), Source(LSTM.step, "lstm_step", LSTM))

STEP_CHECK = Check(
    name="lstm_step",
    draw=_draw_step,
    reference=lstm_step,
    inner=_STEP_INNER,
    returns=(Output("h", "(B, H)"), Output("C", "(B, H)"),
             {name: Output(name, "(B, H)") for name in ("f", "i", "C_tilde", "o")}),
    parts={"f": 1, "i": 1, "C_tilde": 1, "C": 1, "o": 1, "h": 1},
    mistakes=SIGMOID_MISTAKES + STEP_MISTAKES + STEP_RETURN_MISTAKES,
)


# -- lstm_forward --------------------------------------------------------------------------------------

def _draw_forward(rng):
    def case(T, B, I, H, scale=1.0, note=""):
        return Case({"params": _draw_params(rng, I, H, scale), "xs": rng.normal(0.0, 1.0, (T, B, I)),
                     "h0": rng.uniform(-1.0, 1.0, (B, H)), "C0": rng.normal(0.0, 1.5, (B, H))},
                    f"T={T}, B={B}, I={I}, H={H}{note}")

    return [case(4, 2, 3, 5), case(1, 3, 2, 4), case(5, 1, 4, 2), case(3, 3, 3, 3), case(2, 4, 2, 3),
            case(3, 10, 2, 3, 1e3, ", pre-activations in the thousands")]


def lstm_forward(params, xs, h0, C0):
    cell = LSTM(xs.shape[2], h0.shape[1])
    state, shown = LSTMState(h0, C0), []
    for x in xs:
        state, _ = cell.step(params, x, state)
        shown.append(state.h)
    hs = np.stack(shown)
    return hs, state.h, state.C


FORWARD_MISTAKES = (
    Mistake("both states reset at every step", "cell.step(params, x, state)",
            "cell.step(params, x, LSTMState(h0, C0))",
            "Every step starts from the initial state, so each output knows its own input and nothing before it. "
            "What a step returns is where the next one starts.", SEQUENCE),
    Mistake("h reset at every step", "cell.step(params, x, state)",
            "cell.step(params, x, LSTMState(h0, state.C))",
            "The cell state is carried on, but the gates always see the initial h.", SEQUENCE),
    Mistake("C reset at every step", "cell.step(params, x, state)",
            "cell.step(params, x, LSTMState(state.h, C0))",
            "The hidden state is carried on, but the cell state starts anew: the long memory is gone.", SEQUENCE),
    Mistake("the initial state ignored", "LSTMState(h0, C0)", "LSTMState(0.0 * h0, 0.0 * C0)",
            "The sequence starts from zeros, whatever h0 and C0 are. They are arguments so that a long sequence can "
            "be cut in two and carried on.", SEQUENCE),
    Mistake("h0 ignored", "LSTMState(h0, C0)", "LSTMState(0.0 * h0, C0)",
            "The first step starts from a hidden state of zeros, whatever h0 is.", SEQUENCE),
    Mistake("C0 ignored", "LSTMState(h0, C0)", "LSTMState(h0, 0.0 * C0)",
            "The first step starts from a cell state of zeros, whatever C0 is.", SEQUENCE),
    Mistake("h0 and C0 exchanged", "LSTMState(h0, C0)", "LSTMState(C0, h0)",
            "They have one shape, so nothing complains: look at the order in which the step takes its arguments.",
            SEQUENCE),
    Mistake("batch and time exchanged in the output", "np.stack(shown)", "np.stack(shown, axis=1)",
            "Sequences are time-major: hs[t] is the output of step t for the whole batch, so time is the first axis.",
            SEQUENCE),
    Mistake("batch and time exchanged in the output, and in h", "hs = np.stack(shown)\n    return hs, state.h,",
            "hs = np.stack(shown, axis=1)\n    return hs, hs[-1],",
            "Sequences are time-major: hs[t] is the output of step t for the whole batch, so time is the first axis. "
            "Your last entry of hs is the last example of the batch, not the last step.", SEQUENCE),
    Mistake("the loop runs over the batch", "for x in xs:", "for x in xs.swapaxes(0, 1):",
            "Sequences are time-major: the first axis of xs is time. Running over the second one takes the examples "
            "of a batch for moments of one story.", SEQUENCE),
    Mistake("the loop runs backwards in time", "for x in xs:", "for x in xs[::-1]:",
            "The last input is read first. (Reading backwards is what one half of a bidirectional LSTM does.)",
            SEQUENCE),
    Mistake("the same input at every step", "for x in xs:", "for x in xs[:1].repeat(len(xs), axis=0):",
            "Every step reads the first input: look at the index inside the loop.", SEQUENCE),
    Mistake("C collected in place of h", "shown.append(state.h)", "shown.append(state.C)",
            "hs collects what the cell shows, which is h. C stays inside; only its last value is returned.", SEQUENCE),
    Mistake("the outputs in reverse order", "np.stack(shown)", "np.stack(shown[::-1])",
            "hs[0] belongs to the first input, and the last entry to the last one.", SEQUENCE),
    Mistake("outputs one step late", "np.stack(shown)", "np.stack([h0, *shown[:-1]])",
            "hs begins with h0 and lacks the last output: it is written before the step instead of after it.",
            SEQUENCE),
    Mistake("h0 collected as an output", "np.stack(shown)", "np.stack([h0, *shown])",
            "hs has T entries, one for each input; h0 belongs to no input.", SEQUENCE),
    Mistake("every output is the last one", "np.stack(shown)", "np.stack([shown[-1]] * len(shown))",
            "All T entries of hs are equal. Either one array was changed in place and collected T times, or hs was "
            "filled after the loop: an array in a list is the array, not a copy of it.", SEQUENCE),
    Mistake("outputs joined along the batch", "np.stack(shown)", "np.concatenate(shown)",
            "The T outputs were laid end to end on an axis that exists already. hs has a new axis, time.", SEQUENCE),
    Mistake("the first output returned as the last", "return hs, state.h, state.C", "return hs, hs[0], state.C",
            "The second returned value is the hidden state after the whole sequence.", SEQUENCE),
    Mistake("C and h returned in the wrong order", "return hs, state.h, state.C", "return hs, state.C, state.h",
            "Both are right, but the order is hs, h, C.", SEQUENCE),
    Mistake("the initial cell state returned", "return hs, state.h, state.C", "return hs, state.h, C0",
            "The third returned value is the cell state after the last step; what came is the one before the first.",
            SEQUENCE),
)

FORWARD_CHECK = Check(
    name="lstm_forward",
    draw=_draw_forward,
    reference=lstm_forward,
    inner=_STEP_INNER,
    returns=(Output("hs", "(T, B, H)"), Output("h", "(B, H)"), Output("C", "(B, H)")),
    parts={"hs": 2, "h": 1, "C": 1},
    mistakes=SIGMOID_MISTAKES + STEP_MISTAKES + FORWARD_MISTAKES,
)


# -- parameter_count -----------------------------------------------------------------------------------

def _draw_sizes(rng):
    sizes = [(3, 5), (1, 1), (4, 4), *rng.integers(2, 300, (4, 2)).tolist()]
    return [Case({"input_size": I, "hidden_size": H}, f"I={I}, H={H}") for I, H in sizes]


def parameter_count(input_size, hidden_size):
    shapes = LSTM(input_size, hidden_size).parameter_shapes().values()
    return sum(math.prod(shape) for shape in shapes)


def _shape_mistake(name, old, new, why):
    return Mistake(name, old, new, why, PARAMETERS)


_WEIGHT, _BIAS, _GATES = '(f"W_{g}", (H, H + I))', '(f"b_{g}", (H,))', "for g in self.gates"
COUNT_MISTAKES = (
    _shape_mistake("two biases per gate", _BIAS, '(f"b_{g}", (2 * H,))',
                   "That is what torch.nn.LSTM counts: it keeps one bias for h and one for x, though only their sum "
                   "matters. In the equations a gate has one."),
    _shape_mistake("biases not counted", _BIAS, '(f"b_{g}", (0,))',
                   "Only the matrices were counted; each gate also has a bias, with an entry for each hidden unit."),
    _shape_mistake("one bias number per gate", _BIAS, '(f"b_{g}", (1,))',
                   "A bias is a vector: every hidden unit of a gate has its own."),
    _shape_mistake("a bias for every column of W", _BIAS, '(f"b_{g}", (H + I,))',
                   "A bias is added to what comes out of the product, so it has an entry per row of W."),
    _shape_mistake("the input columns not counted", _WEIGHT, '(f"W_{g}", (H, H))',
                   "W acts on h and x together, [h, x]; the columns for x are missing, so I does not matter."),
    _shape_mistake("the recurrent columns not counted", _WEIGHT, '(f"W_{g}", (H, I))',
                   "W acts on h and x together, [h, x]; the columns for h are missing: no recurrence is left."),
    _shape_mistake("H · I in place of H + I", _WEIGHT, '(f"W_{g}", (H, H * I))',
                   "h and x are laid end to end, so their lengths add up."),
    _shape_mistake("input and hidden size exchanged", _WEIGHT, '(f"W_{g}", (I, H + I))',
                   "W turns [h, x] into one number per hidden unit. Which of its two lengths is that?"),
    _shape_mistake("the two sizes taken in the other order", "LSTM(input_size, hidden_size)",
                   "LSTM(hidden_size, input_size)",
                   "The formula is right, but I and H stand in each other's place in it. Which argument comes first?"),
    _shape_mistake("one gate counted", _GATES, "for g in self.gates[:1]",
                   "That is right for one gate; the cell has four blocks of the same size."),
    _shape_mistake("three gates counted", _GATES, "for g in self.gates[:3]",
                   "Three gates, and one more block of the same size that is not a gate: the candidate has weights "
                   "and a bias too."),
)

COUNT_CHECK = Check(
    name="parameter_count",
    draw=_draw_sizes,
    reference=parameter_count,
    inner=(Source(Cell.parameter_shapes, "parameter_count", LSTM),),
    returns=Output("count"),
    parts={"count": 1},
    mistakes=COUNT_MISTAKES,
)


# -- half_life_bias ------------------------------------------------------------------------------------

def _draw_half_life(rng):
    def case(n, words, part):
        return Case({"n": n}, words, part)

    return [case(rng.uniform(1.5, 50.0, 6), "n up to 50", "moderate"),
            case(np.array([1.0, 2.0, *rng.integers(3, 1000, 3)]), "n up to 1000", "moderate"),
            case(rng.uniform(1.5, 100.0, (2, 3)), "n of shape (2, 3)", "moderate"),
            case(10.0 ** rng.uniform(9.0, 12.0, 4), "n of 1e9 to 1e12", "large"),
            case(10.0 ** rng.uniform(17.0, 20.0, 3), "n of 1e17 to 1e20", "large")]


def half_life_bias(n):
    return -np.log(np.expm1(np.log(2.0) / n))


def _cancels(form, new):
    return Mistake(f"digits lost in {form}", "np.expm1(np.log(2.0) / n)", new,
                   "For large n the forget gate is so close to 1 that float64 can hardly tell the difference: at "
                   "n = 1e12 four digits of it are left, at 1e17 none. Rearrange so that no two nearly equal numbers "
                   "are subtracted; NumPy has functions for e^x − 1 and log(1 + x) near zero.", HALF_LIFE)


_ROOT, _HALF = "-np.log(np.expm1(np.log(2.0) / n))", "np.log(2.0) / n"
HALF_LIFE_MISTAKES = (
    Mistake("the sign of the bias", "return -np.log(", "return np.log(",
            "To remember longer a gate has to be more open, so b grows with n.", HALF_LIFE),
    Mistake("the gate returned, not its bias", _ROOT, "0.5 ** (1.0 / n)",
            "That is what the gate is to be, a number between 0 and 1. The bias is what σ turns into it.", HALF_LIFE),
    Mistake("the logarithm of the gate", _ROOT, "-np.log(2.0) / n",
            "The inverse of σ is not the logarithm alone: it compares the share kept with the share lost.", HALF_LIFE),
    Mistake("a straight line in place of a power", _ROOT, "np.log(2.0 * n - 1.0)",
            "The state is multiplied by the gate at each step, so after n steps by its n-th power; the loss is not "
            "1/(2n) of the start at each step.", HALF_LIFE),
    Mistake("an approximation for large n", _ROOT, "-np.log(np.log(2.0) / n)",
            "It is the right limit, but off for small n: at n = 1 the bias is exactly zero.", HALF_LIFE),
    Mistake("1/e in place of one half", _HALF, "1.0 / n",
            "After n steps of yours 37 % is left, which is a time constant. A half-life leaves 50 %.", HALF_LIFE),
    Mistake("a decimal logarithm", _HALF, "np.log10(2.0) / n",
            "σ is made of e, so the logarithm that undoes it is the natural one.", HALF_LIFE),
    Mistake("n times in place of the n-th root", _HALF, "np.log(2.0) * n",
            "The gate's n-th power is one half, so the gate is the n-th root of one half: the longer the memory, the "
            "closer to 1.", HALF_LIFE),
    Mistake("one step too many", _HALF, "np.log(2.0) / (n + 1)",
            "The state is halved after n + 1 steps: at n = 1 a single step has to halve it.", HALF_LIFE),
    _cancels("log(g/(1−g))", "(1.0 - 0.5 ** (1.0 / n)) / 0.5 ** (1.0 / n)"),
    _cancels("log(1/g−1)", "(1.0 / 0.5 ** (1.0 / n) - 1.0)"),
    _cancels("2^(1/n)−1", "(2.0 ** (1.0 / n) - 1.0)"),
    _cancels("exp(ln2/n)−1", "(np.exp(np.log(2.0) / n) - 1.0)"),
)

HALF_LIFE_CHECK = Check(
    name="half_life_bias",
    draw=_draw_half_life,
    reference=half_life_bias,
    returns=Output("b", "the shape of n"),
    parts={"moderate": 1, "large": 1},
    mistakes=HALF_LIFE_MISTAKES,
    hints={"large": "The formula is right. For large n the gate is so close to 1 that 1 − gate has few correct digits "
                    "left, or none: rearrange so that no two nearly equal numbers are subtracted."},
)


# -- with_forget_bias ----------------------------------------------------------------------------------

def _draw_bias(rng):
    return [Case({"params": _draw_params(rng, I, H), "value": float(value)}, f"I={I}, H={H}, value={value:.3g}")
            for (I, H), value in zip([(3, 5), (4, 2), (3, 3), (1, 1)], [*rng.normal(0.0, 3.0, 3), 1.0], strict=True)]


def with_forget_bias(params, value):
    new = {name: array.copy() for name, array in params.items()}
    new["b_f"][:] = value
    return new


_SET = 'new["b_f"][:] = value'
BIAS_MISTAKES = (
    *(Mistake(f"the bias of {gate} set", _SET, f'new["b_{gate}"][:] = value',
              f"b_{gate} was set and b_f left as it was. Opening the forget gate is what makes the cell remember at "
              "the start of training.", BIAS) for gate in "iCo"),
    Mistake("every bias set", _SET, 'new |= {f"b_{g}": 0.0 * new[f"b_{g}"] + value for g in "fiCo"}',
            "All four biases were set; only the forget gate is meant to start open.", BIAS),
    Mistake("the value added to the bias", _SET, 'new["b_f"] += value',
            "The bias is to be the value, whatever it was before: then calling twice is as good as once.", BIAS),
    Mistake("the bias multiplied by the value", _SET, 'new["b_f"] *= value',
            "The bias is to be the value, whatever it was before.", BIAS),
    Mistake("the weights of the forget gate set", _SET, 'new["W_f"][:] = value',
            "W_f was overwritten, and with it what the gate has learnt to look at. The bias is the part that does "
            "not depend on h and x.", BIAS),
    Mistake("weights and bias of the forget gate set", _SET, 'new["W_f"][:] = value; new["b_f"][:] = value',
            "The bias is right, but W_f was overwritten too.", BIAS),
    Mistake("one entry of the bias set", _SET, 'new["b_f"][0] = value',
            "Every hidden unit has its own forget bias; only the first was set.", BIAS),
    Mistake("b_f left as it was", _SET, "pass",
            "The forget bias that came back is the old one. Does the value reach the dict that is returned, under "
            "the right name?", BIAS),
    Mistake("the sign of the value", _SET, 'new["b_f"][:] = -value',
            "With the other sign the gate starts shut, and the cell forgets.", BIAS),
)

BIAS_CHECK = Check(
    name="with_forget_bias",
    draw=_draw_bias,
    reference=with_forget_bias,
    returns={name: Output(name, shape, part) for name, shape, part in
             [("b_f", "(H,)", "b_f"), *((f"W_{g}", "(H, H+I)", "the rest") for g in "fiCo"),
              *((f"b_{g}", "(H,)", "the rest") for g in "iCo")]},
    parts={"b_f": 1, "the rest": 1},
    mistakes=BIAS_MISTAKES,
)


CHECKS = (SIGMOID_CHECK, STEP_CHECK, FORWARD_CHECK, COUNT_CHECK, HALF_LIFE_CHECK, BIAS_CHECK)
