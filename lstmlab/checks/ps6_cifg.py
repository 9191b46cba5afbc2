"""Problem set 6, coupled forget and input gates: a step, its gradient, what is saved, and the LSTM it is."""

from __future__ import annotations

import math

from ..cells import CIFGLSTM, LSTMState
from ..cells._cell import Cell
from ..cells.cifg import CIFGTape
from . import Case, Check, Mistake, Output, Source
from ._backward import draw_params, draw_states, draw_tapes, everywhere_mistakes, gradients_of, step_mistakes

CHAPTER = 'chapter "Coupled forget and input gates"'
CELL_STATE = f"{CHAPTER}, cell state (eq-cifg-cell-state)"
TIE = f"{CHAPTER}, input gate (eq-cifg-input-gate)"
DF = f"{CHAPTER}, the forget gate on the way back (eq-cifg-df)"
DC_TILDE = f"{CHAPTER}, what the memory was made of (eq-cifg-products)"
SAVED = f'{CHAPTER}, section "What it saves" (eq-cifg-parameter-count)'
DISGUISE = f'{CHAPTER}, section "An LSTM in disguise"'
LSTM_CELL = 'chapter "The LSTM cell"'
COUNT = f"{LSTM_CELL}, how many numbers it learns (eq-lstm-parameter-count)"


# -- cifg_step -----------------------------------------------------------------------------------------

def _draw_step(rng):
    def case(B, I, H):
        return Case({"params": draw_params(rng, CIFGLSTM(I, H)), "x": rng.normal(0.0, 1.0, (B, I)),
                     **draw_states(rng, B, H)}, f"B={B}, I={I}, H={H}")

    return [case(2, 3, 5), case(1, 4, 2), case(3, 3, 3), case(4, 2, 3), case(1, 1, 1)]


def cifg_step(params, x, h_prev, C_prev):
    (h, C), tape = CIFGLSTM(x.shape[1], h_prev.shape[1]).step(params, x, LSTMState(h_prev, C_prev))
    return h, C, {"f": tape.f, "C_tilde": tape.C_tilde, "o": tape.o}


_Z = {g: f'hx @ params["W_{g}"].T + params["b_{g}"]' for g in "fCo"}
_SUM, _TIE, _HIDDEN = "f * C_prev + i * C_tilde", "i = 1 - f", "o * np.tanh(C)\n        return LSTMState(h, C)"
_JOIN = "np.concatenate([h_prev, x], axis=1)"
STEP_MISTAKES = (
    Mistake("the wrong gate kept", _SUM, "i * C_prev + f * C_tilde",
            "f keeps the old and 1 − f lets in the new. In yours the gate that is learnt lets in the new, which is how "
            "Greff et al. write it; with parameters named f, it is the old.", CELL_STATE),
    Mistake("the forget gate on both", _SUM, "f * C_prev + f * C_tilde",
            "What is forgotten makes room for what is new: the more is kept, the less enters.", CELL_STATE),
    Mistake("the new content enters whole", _SUM, "f * C_prev + C_tilde",
            "The candidate has a gate here as well, though without parameters of its own.", CELL_STATE),
    Mistake("the old content is kept whole", _SUM, "C_prev + i * C_tilde",
            "The old state is multiplied by f, or nothing is ever forgotten.", CELL_STATE),
    Mistake("the old content dropped", _SUM, "i * C_tilde",
            "Without the old state there is no memory.", CELL_STATE),
    Mistake("the new content subtracted", _SUM, "f * C_prev - i * C_tilde",
            "C_t is a mean of the old memory and the candidate, weighted by f and 1 − f; both enter with a plus.",
            CELL_STATE),
    Mistake("the gates' shares do not add up to 1", _TIE, "i = 1 - f ** 2",
            "Coupled means that what is kept and what is let in make up one whole.", TIE),
    Mistake("i from the pre-activation of f", _TIE, f'i = 1 - ({_Z["f"]})',
            "The two shares are tied after the σ: a share is taken from one, and not a pre-activation.", TIE),
    Mistake("i computed with the parameters of C", _TIE, f'i = sigmoid({_Z["C"]})',
            "The input gate has no parameters in this cell, and borrows none: it follows from f.", TIE),
    Mistake("i computed with the parameters of o", _TIE, f'i = sigmoid({_Z["o"]})',
            "The input gate has no parameters in this cell, and borrows none: it follows from f.", TIE),
    Mistake("[x, h] in place of [h, x]", f"{_JOIN}  ", "np.concatenate([x, h_prev], axis=1)  ",
            "The columns of each W are ordered for [h, x].", f"{LSTM_CELL}, forget gate (eq-lstm-forget-gate)"),
    *(Mistake(f"{symbol} without its bias", f' + params["b_{g}"]', "",
              f"The bias is what {symbol} does when h and x are zero.", f"{LSTM_CELL}, {words} (eq-lstm-{label})")
      for g, symbol, words, label in (
          ("f", "f", "forget gate", "forget-gate"), ("C", "C_tilde", "candidate", "candidate"),
          ("o", "o", "output gate", "output-gate"))),
    *(Mistake(f"tanh on the gate {g}", f"{g} = sigmoid({_Z[g]})", f"{g} = np.tanh({_Z[g]})",
              "σ makes a share between 0 and 1; tanh goes down to −1.", f"{LSTM_CELL}, {words} (eq-lstm-{label})")
      for g, words, label in (("f", "forget gate", "forget-gate"), ("o", "output gate", "output-gate"))),
    Mistake("σ on the candidate", f"np.tanh({_Z['C']})", f"sigmoid({_Z['C']})",
            "The candidate has to be able to lower the cell state as well as raise it.",
            f"{LSTM_CELL}, candidate (eq-lstm-candidate)"),
    Mistake("no tanh on the output", _HIDDEN, _HIDDEN.replace("np.tanh(C)", "C"),
            "The last line is that of the plain LSTM: what is shown is squashed first.",
            f"{LSTM_CELL}, hidden state (eq-lstm-hidden-state)"),
    Mistake("h computed from the previous cell state", _HIDDEN, _HIDDEN.replace("np.tanh(C)", "np.tanh(C_prev)"),
            "h shows the state after this step. With the old one the output lags a step behind.",
            f"{LSTM_CELL}, hidden state (eq-lstm-hidden-state)"),
)

STEP_CHECK = Check(
    name="cifg_step",
    draw=_draw_step,
    reference=cifg_step,
    inner=(Source(CIFGLSTM.step, "cifg_step", CIFGLSTM),),
    returns=(Output("h", "(B, H)"), Output("C", "(B, H)"),
             {name: Output(name, "(B, H)") for name in ("f", "C_tilde", "o")}),
    parts={"f": 1, "C_tilde": 1, "C": 1, "o": 1, "h": 1},
    mistakes=STEP_MISTAKES,
)


# -- cifg_step_backward --------------------------------------------------------------------------------

def _draw_step_backward(rng):
    def case(B, I, H):
        cell = CIFGLSTM(I, H)
        params = draw_params(rng, cell)
        tape, = draw_tapes(rng, cell, params, 1, B)
        return Case({"params": params, "tape": tape, "dh": rng.normal(0.0, 1.0, (B, H)),
                     "dC": rng.normal(0.0, 1.0, (B, H))}, f"B={B}, I={I}, H={H}")

    return [case(2, 3, 4), case(1, 4, 2), case(3, 3, 3), case(4, 2, 3), case(1, 1, 1)]


def cifg_step_backward(params, tape, dh, dC):
    cell = CIFGLSTM(tape["x"].shape[1], dh.shape[1])
    dx, dprev, dparams = cell.step_backward(params, CIFGTape(**tape), LSTMState(dh, dC))
    return dx, dprev.h, dprev.C, dparams


_DF, _DC_TILDE = "dC * C_prev - di", "dC * (1 - f)"
COUPLED_MISTAKES = (
    Mistake("the path through i lost", _DF, "dC * C_prev",
            "f is read twice: it multiplies the old memory, and 1 − f multiplies the candidate. The second reader's "
            "share is missing.", DF),
    Mistake("the path through the old memory lost", _DF, "-di",
            "f is read twice: it multiplies the old memory, and 1 − f multiplies the candidate. The first reader's "
            "share is missing.", DF),
    Mistake("the sign of the share through i", _DF, "dC * C_prev + di",
            "i gets smaller when f gets larger, so what comes back through i comes with the other sign.", DF),
    Mistake("the sign of df", _DF, "di - dC * C_prev",
            "Opening f keeps more of the old and lets in less of the new. Yours has both the wrong way round.",
            DF),
    Mistake("the share through i passed through a σ′ of its own", _DF, "dC * C_prev - di * f * (1 - f)",
            "i has no σ of its own: it is one minus f. There is one σ on the way, that of f, and it comes later.",
            DF),
    Mistake("the share through i multiplied by 1 − f", _DF, "dC * C_prev - di * (1 - f)",
            "i is one minus f, and the derivative of that with respect to f is a number.", DF),
    Mistake("i's gradient with the candidate's slope", _DF, "dC * C_prev - di * (1 - C_tilde ** 2)",
            "The slope of the candidate's tanh belongs to the way into W_C; f meets the candidate after it.", DF),
    Mistake("the candidate's gradient multiplied by f", _DC_TILDE, "dC * f",
            "The candidate was multiplied by what f leaves, and the same share of the gradient goes back to it.",
            DC_TILDE),
    Mistake("the candidate's gradient without a gate", _DC_TILDE, "dC",
            "The candidate entered through a gate, though one without parameters; so does its gradient.", DC_TILDE),
    Mistake("the candidate's gradient multiplied by o", _DC_TILDE, "dC * o",
            "The output gate decides what is shown. What lets the candidate in is tied to f.", DC_TILDE),
    Mistake("the candidate's gradient multiplied by f − 1", _DC_TILDE, "dC * (f - 1)",
            "The candidate enters with a plus. The minus belongs to the way from i to f.", DC_TILDE),
)

BACKWARD_CHECK = Check(
    name="cifg_step_backward",
    draw=_draw_step_backward,
    reference=cifg_step_backward,
    inner=(Source(CIFGLSTM.step_backward, "cifg_step_backward", CIFGLSTM),),
    returns=(Output("dx", "(B, I)"), Output("dh_prev", "(B, H)"), Output("dC_prev", "(B, H)"), gradients_of(CIFGLSTM)),
    parts={"dx": 1, "dh_prev": 1, "dC_prev": 1, "dW_f": 1, "dW_C": 1, "dW_o": 1, "biases": 1},
    # with i = 1 − f, "di uses i" is an edit of the coupled line
    mistakes=(*COUPLED_MISTAKES, *(m for m in step_mistakes("fCo") if m.name != "di uses i"),
              *everywhere_mistakes("fCo")),
)


# -- cifg_parameter_count ------------------------------------------------------------------------------

def _draw_sizes(rng):
    sizes = [(3, 5), (1, 1), (4, 4), *rng.integers(2, 300, (4, 2)).tolist()]
    return [Case({"input_size": I, "hidden_size": H}, f"I={I}, H={H}") for I, H in sizes]


def cifg_parameter_count(input_size, hidden_size):
    count = sum(math.prod(shape) for shape in CIFGLSTM(input_size, hidden_size).parameter_shapes().values())
    saved = count // 3                               # the LSTM has one box more of the same size
    return count, saved


_WEIGHT, _BIAS, _RETURN = '(f"W_{g}", (H, H + I))', '(f"b_{g}", (H,))', "return count, saved"
_SHAPES = (
    Mistake("two biases per box", _BIAS, '(f"b_{g}", (2 * H,))',
            "That is what torch counts: one bias for h and one for x. In the equations a box has one.", COUNT),
    Mistake("biases not counted", _BIAS, '(f"b_{g}", (0,))',
            "Each box also has a bias, with an entry for each hidden unit.", COUNT),
    Mistake("one bias number per box", _BIAS, '(f"b_{g}", (1,))',
            "A bias is a vector: every hidden unit of a box has its own.", COUNT),
    Mistake("the input columns not counted", _WEIGHT, '(f"W_{g}", (H, H))',
            "W acts on h and x together; the columns for x are missing.", COUNT),
    Mistake("the recurrent columns not counted", _WEIGHT, '(f"W_{g}", (H, I))',
            "W acts on h and x together; the columns for h are missing.", COUNT),
    Mistake("H · I in place of H + I", _WEIGHT, '(f"W_{g}", (H, H * I))',
            "h and x are laid end to end, so their lengths add up.", COUNT),
    Mistake("input and hidden size exchanged", _WEIGHT, '(f"W_{g}", (I, H + I))',
            "W turns [h, x] into one number per hidden unit. Which of its two lengths is that?", COUNT),
)
COUNT_MISTAKES = (
    Mistake("four boxes counted", _RETURN, "return count + saved, saved",
            "That is the LSTM. The input gate has no parameters here: it follows from f.", SAVED),
    Mistake("two boxes counted", _RETURN, "return count - saved, saved",
            "f and o are two boxes, and the candidate is a third.", SAVED),
    Mistake("nothing saved", _RETURN, "return count, 0 * saved",
            "The input gate's weights and biases are not there any more. How many were they?", SAVED),
    Mistake("what is left returned as what is saved", _RETURN, "return count, count",
            "What is saved is the difference to the LSTM of the same sizes.", SAVED),
    Mistake("the LSTM's count returned as what is saved", _RETURN, "return count, count + saved",
            "What is saved is the difference to the LSTM of the same sizes.", SAVED),
    Mistake("saved with the wrong sign", _RETURN, "return count, -saved",
            "The LSTM of the same sizes has more parameters, so what is saved is a positive number.", SAVED),
    Mistake("count and saving exchanged", _RETURN, "return saved, count",
            "The count comes first, and then what is saved.", SAVED),
    Mistake("only the weights saved", _RETURN, "return count, saved - hidden_size",
            "The input gate's box has weights and a bias, and both of them go.", SAVED),
    *_SHAPES,
)

_COUNT_INNER = (Source(Cell.parameter_shapes, "cifg_parameter_count", CIFGLSTM),)

COUNT_CHECK = Check(
    name="cifg_parameter_count",
    draw=_draw_sizes,
    reference=cifg_parameter_count,
    inner=_COUNT_INNER,
    returns=(Output("count"), Output("saved")),
    parts={"count": 1, "saved": 1},
    mistakes=COUNT_MISTAKES,
)


# -- cifg_hidden_size ----------------------------------------------------------------------------------

def _draw_budgets(rng):
    def case(extra, words):
        I, H = (int(n) for n in rng.integers(4, 60, 2))
        return Case({"budget": cifg_parameter_count(I, H)[0] + extra, "input_size": I}, f"{words}, I={I}")

    return [case(int(rng.integers(1, 12)), "a budget not used up"), case(0, "a budget used up exactly"),
            case(-1, "a budget one too small"), case(0, "a budget used up exactly"),
            Case({"budget": int(rng.integers(20_000, 60_000)), "input_size": 1}, "a large budget, I=1")]


def cifg_hidden_size(budget, input_size):
    H = 0
    while cifg_parameter_count(input_size, H + 1)[0] <= budget:
        H += 1
    return H


_FITS = "cifg_parameter_count(input_size, H + 1)[0] <= budget"
SIZE_MISTAKES = (
    Mistake("a budget may not be used up", _FITS, "cifg_parameter_count(input_size, H + 1)[0] < budget",
            "At most means that the budget itself is allowed: look at your comparison where it is met exactly.",
            SAVED),
    Mistake("one unit too many", "return H", "return H + 1",
            "With that many units the cell has more parameters than the budget. The loop goes one step too far.",
            SAVED),
    Mistake("the root rounded to the nearest", "return H",
            "return round(0.5 * (math.sqrt((input_size + 1) ** 2 + 4 * budget / 3) - input_size - 1))",
            "Half a unit more does not fit: whatever stands behind the point has to be cut off, and not rounded.",
            SAVED),
    Mistake("one unit too few", "return H", "return H - 1",
            "One unit more would still fit within the budget: look at where your loop ends.", SAVED),
    Mistake("the LSTM's hidden size", _FITS, "sum(cifg_parameter_count(input_size, H + 1)) <= budget",
            "That many units an LSTM could have. With coupled gates a box is saved, and the budget goes further.",
            SAVED),
    Mistake("the budget compared with what is saved", _FITS, "cifg_parameter_count(input_size, H + 1)[1] <= budget",
            "Compare the budget with the count, and not with what is saved.", SAVED),
    Mistake("the saving added to the budget twice", _FITS,
            "cifg_parameter_count(input_size, H + 1)[0] <= budget * 4 / 3",
            "The budget is what the cell may have. That a box is missing is in its count already.", SAVED),
)

SIZE_CHECK = Check(
    name="cifg_hidden_size",
    draw=_draw_budgets,
    reference=cifg_hidden_size,
    inner=(*_COUNT_INNER, Source(cifg_parameter_count, "cifg_parameter_count")),
    returns=Output("H"),
    parts={"H": 2},
    # a bias forgotten moves H by one at most, and would be taken for other slips
    mistakes=SIZE_MISTAKES + _SHAPES[3:],
)


# -- cifg_to_lstm --------------------------------------------------------------------------------------

def _draw_params(rng):
    return [Case({"params": draw_params(rng, CIFGLSTM(I, H))}, f"I={I}, H={H}")
            for I, H in ((3, 5), (4, 2), (3, 3), (1, 1))]


def cifg_to_lstm(params):
    W_i, b_i = -params["W_f"], -params["b_f"]
    return params | {"W_i": W_i, "b_i": b_i}


_TIED, _SAME = '-params["W_f"], -params["b_f"]', "return params | {"
TO_LSTM_MISTAKES = (
    Mistake("the input gate equal to the forget gate", _TIED, 'params["W_f"], params["b_f"]',
            "With equal parameters the two gates are equal. Which change of z turns σ(z) into 1 − σ(z)?", DISGUISE),
    Mistake("the sign of the weights", _TIED, 'params["W_f"], -params["b_f"]',
            "The whole pre-activation changes its sign, and the weights are a part of it.", DISGUISE),
    Mistake("the sign of the bias", _TIED, '-params["W_f"], params["b_f"]',
            "The whole pre-activation changes its sign, and the bias is a part of it.", DISGUISE),
    Mistake("1 minus the parameters", _TIED, '1 - params["W_f"], 1 - params["b_f"]',
            "The gates add up to one, but not their parameters: the σ is in between.", DISGUISE),
    Mistake("1 minus the bias", _TIED, '-params["W_f"], 1 - params["b_f"]',
            "The gates add up to one, but not their biases: the σ is in between.", DISGUISE),
    Mistake("an input gate that is always half open", _TIED, '0 * params["W_f"], 0 * params["b_f"]',
            "With parameters of zero the input gate stands at one half, whatever the forget gate does.", DISGUISE),
    Mistake("the candidate's parameters in the input gate", _TIED, '-params["W_C"], -params["b_C"]',
            "The input gate is tied to the forget gate, and not to the candidate.", DISGUISE),
    Mistake("the output gate's parameters in the input gate", _TIED, '-params["W_o"], -params["b_o"]',
            "The input gate is tied to the forget gate, and not to the output gate.", DISGUISE),
    Mistake("twice the pre-activation", _TIED, '-2 * params["W_f"], -2 * params["b_f"]',
            "The factor of two belongs to the relation between σ and tanh. Between σ(z) and 1 − σ(z) there is none.",
            DISGUISE),
    Mistake("the forget gate changed", _SAME, 'return params | {"W_f": W_i, "b_f": b_i} | {',
            "The forget gate is what it was. Was one array changed in place under both names?", DISGUISE),
    Mistake("the wrong gate kept", '-params["W_f"], -params["b_f"]\n    return params | {',
            'params["W_f"], params["b_f"]\n    return params | {"W_f": -params["W_f"], "b_f": -params["b_f"]} | {',
            "The two gates are exchanged. The parameters named f are those of the gate that keeps the old.", DISGUISE),
    Mistake("the reciprocal of the parameters", _TIED, '1 / params["W_f"], 1 / params["b_f"]',
            "A gate is not undone by dividing. Which change of z turns σ(z) into 1 − σ(z)?", DISGUISE),
)

TO_LSTM_CHECK = Check(
    name="cifg_to_lstm",
    draw=_draw_params,
    reference=cifg_to_lstm,
    returns={name: Output(name, shape, part) for name, shape, part in
             [("W_i", "(H, H+I)", "W_i"), ("b_i", "(H,)", "b_i"),
              *((f"W_{g}", "(H, H+I)", "the rest") for g in "fCo"), *((f"b_{g}", "(H,)", "the rest") for g in "fCo")]},
    parts={"W_i": 1, "b_i": 1, "the rest": 1},
    mistakes=TO_LSTM_MISTAKES,
)


CHECKS = (STEP_CHECK, BACKWARD_CHECK, COUNT_CHECK, SIZE_CHECK, TO_LSTM_CHECK)
