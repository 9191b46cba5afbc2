"""Problem set 2, recurrence: the simple recurrent network forward, backward through time, and truncated."""

from __future__ import annotations

import numpy as np

from ..cells import RNN, HState
from ..cells.rnn import RNNTape
from . import Case, Check, Mistake, Output, Source

SEQUENCES = 'chapter "Sequences and state"'
BPTT = 'chapter "Backpropagation through time"'
STEP = f'{SEQUENCES}, section "One step" (eq-rnn-hidden-state)'
LOOP = f'{SEQUENCES}, section "The loop" (eq-rnn-loop)'
ONE_BACK = f'{BPTT}, section "Backward through one step" (eq-rnn-dhx)'
CUT = f'{BPTT}, section "Backward through one step" (eq-rnn-dh-prev)'
ALL_BACK = f'{BPTT}, section "Backward through all steps" (eq-rnn-dh)'
TRUNCATED = f'{BPTT}, section "Carried on, and detached"'
SLOPE = f'{BPTT}, section "The slope of tanh" (eq-rnn-tanh-slope)'
WEIGHTS = f'{BPTT}, section "Backward through one step" (eq-rnn-dW)'
BIASES = WEIGHTS
RULE = f'{BPTT}, section "The one rule" (eq-one-rule)'
SUMMED = f'{BPTT}, section "Backward through all steps" (eq-rnn-dW-sum)'


def _draw_params(rng, I, H, scale=1.0):
    return {"W_h": scale * rng.normal(0.0, 0.6, (H, H + I)), "b_h": scale * rng.normal(0.0, 0.5, H)}


def _draw_state(rng, B, H):
    return rng.uniform(-0.9, 0.9, (B, H))


# -- rnn_step ------------------------------------------------------------------------------------------

def _draw_step(rng):
    def case(B, I, H, scale=1.0, note="", part="moderate"):
        return Case({"params": _draw_params(rng, I, H, scale), "x": rng.normal(0.0, 1.0, (B, I)),
                     "h_prev": _draw_state(rng, B, H)}, f"B={B}, I={I}, H={H}{note}", part)

    return [case(2, 3, 5), case(1, 4, 2), case(3, 3, 3), case(4, 2, 3), case(1, 1, 1),
            case(40, 2, 4, 1e3, ", pre-activations in the thousands", "extreme")]


def rnn_step(params, x, h_prev):
    state, _ = RNN(x.shape[1], h_prev.shape[1]).step(params, x, HState(h_prev))
    return state.h


_JOIN, _Z = "np.concatenate([h_prev, x], axis=1)  ", 'hx @ params["W_h"].T + params["b_h"]'
STEP_MISTAKES = (
    Mistake("[x, h] in place of [h, x]", _JOIN, "np.concatenate([x, h_prev], axis=1)  ",
            "The columns of W_h are ordered for [h, x]: the first H of them act on h. Where H = I the other order runs "
            "without complaint, and every weight acts on the wrong number.", STEP),
    Mistake("no bias", ' + params["b_h"]', "",
            "The bias is what a unit does when h and x are zero; without it that is always zero.", STEP),
    Mistake("the bias subtracted", ' + params["b_h"]', ' - params["b_h"]',
            "The bias is added: a positive one pushes its unit up.", STEP),
    Mistake("the bias outside tanh", f"np.tanh({_Z})", 'np.tanh(hx @ params["W_h"].T) + params["b_h"]',
            "The bias shifts what is squashed. Added afterwards it pushes h out of the range between −1 and 1.", STEP),
    Mistake("no tanh", f"np.tanh({_Z})", f"({_Z})",
            "Without squashing the step is linear: many of them are no more than one, and the state may grow at every "
            "step.", STEP),
    Mistake("σ in place of tanh", f"np.tanh({_Z})", f"(0.5 + 0.5 * np.tanh(0.5 * ({_Z})))",
            "σ lies between 0 and 1: the state could never be negative, and would be one half where nothing happens.",
            STEP),
    Mistake("a ReLU in place of tanh", f"np.tanh({_Z})", f"np.maximum({_Z}, 0.0)",
            "That is a recurrent network too, but not this one: its state has no upper end, and no negative side.",
            STEP),
    Mistake("tanh through exponentials that overflow", f"np.tanh({_Z})",
            f"(lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)))({_Z})",
            "The formula is right, but e¹⁰⁰⁰ is infinite in float64, and infinity over infinity is NaN. NumPy has a "
            "tanh that saturates by itself.", STEP),
    Mistake("the previous state left out", _JOIN, "np.concatenate([0.0 * h_prev, x], axis=1)  ",
            "Without it the step knows nothing of what came before: that is no recurrence.", STEP),
    Mistake("the input left out", _JOIN, "np.concatenate([h_prev, 0.0 * x], axis=1)  ",
            "The new state does not depend on x: nothing that is read could ever be remembered.", STEP),
    Mistake("the previous state added", f"np.tanh({_Z})", f"h_prev + np.tanh({_Z})",
            "The state is written anew at each step; what is to survive has to come through W_h. (Adding to the old "
            "state is the idea of the LSTM.)", STEP),
    Mistake("the previous state squashed once more", _JOIN, "np.concatenate([np.tanh(h_prev), x], axis=1)  ",
            "h_prev has been through tanh already, at the step before.", STEP),
    Mistake("the input squashed first", _JOIN, "np.concatenate([h_prev, np.tanh(x)], axis=1)  ",
            "Only the sum is squashed; the input enters as it is.", STEP),
    Mistake("the recurrent weights transposed", _Z,
            'h_prev @ params["W_h"][:, :self.hidden_size] + x @ params["W_h"][:, self.hidden_size:].T + params["b_h"]',
            "The block of W_h that acts on h is square, so it fits either way round and nothing complains. Row j of "
            "W_h belongs to unit j of the new state.", STEP),
)

_STEP_SOURCE = Source(RNN.step, "rnn_step", RNN)

STEP_CHECK = Check(
    name="rnn_step",
    draw=_draw_step,
    reference=rnn_step,
    inner=(_STEP_SOURCE,),
    returns=Output("h", "(B, H)"),
    parts={"moderate": 1, "extreme": 1},
    mistakes=STEP_MISTAKES,
    hints={"extreme": "The formula is right, but not its arithmetic at large numbers: float64 ends near e^709."},
)


# -- rnn_forward ---------------------------------------------------------------------------------------

def _draw_forward(rng):
    def case(T, B, I, H):
        return Case({"params": _draw_params(rng, I, H), "xs": rng.normal(0.0, 1.0, (T, B, I)),
                     "h0": _draw_state(rng, B, H)}, f"T={T}, B={B}, I={I}, H={H}")

    return [case(4, 2, 3, 5), case(1, 3, 2, 4), case(5, 1, 4, 2), case(3, 3, 3, 3), case(2, 4, 2, 3)]


def rnn_forward(params, xs, h0):
    cell = RNN(xs.shape[2], h0.shape[1])
    state, shown = HState(h0), []
    for x in xs:
        state, _ = cell.step(params, x, state)
        shown.append(state.h)
    hs = np.stack(shown)
    return hs


_STACK, _EACH = "np.stack(shown)", "for x in xs:"
FORWARD_MISTAKES = (
    Mistake("the state reset at every step", "cell.step(params, x, state)", "cell.step(params, x, HState(h0))",
            "Every step starts from the initial state, so each output knows its own input and nothing before it. What "
            "a step returns is where the next one starts.", LOOP),
    Mistake("h0 ignored", "state, shown = HState(h0), []", "state, shown = HState(0.0 * h0), []",
            "The sequence starts from zeros, whatever h0 is. It is an argument so that a long sequence can be cut in "
            "two and carried on.", LOOP),
    Mistake("batch and time exchanged in the output", _STACK, "np.stack(shown, axis=1)",
            "Sequences are time-major: hs[t] is the state after step t for the whole batch, so time is the first axis.",
            LOOP),
    Mistake("the loop runs over the batch", _EACH, "for x in xs.swapaxes(0, 1):",
            "Sequences are time-major: the first axis of xs is time. Running over the second one takes the examples of "
            "a batch for moments of one story.", LOOP),
    Mistake("the loop runs backwards in time", _EACH, "for x in xs[::-1]:",
            "The last input is read first. Backwards is the way of the gradient; the state goes forward.", LOOP),
    Mistake("the outputs in reverse order", _STACK, "np.stack(shown[::-1])",
            "Each output is right, but hs[0] belongs to the first input.", LOOP),
    Mistake("the same input at every step", _EACH, "for x in xs[:1].repeat(len(xs), axis=0):",
            "Every step reads the first input: look at the index inside the loop.", LOOP),
    Mistake("outputs one step late", _STACK, "np.stack([h0, *shown[:-1]])",
            "hs begins with h0 and lacks the last output: it is written before the step instead of after it.", LOOP),
    Mistake("h0 collected as an output", _STACK, "np.stack([h0, *shown])",
            "hs has T entries, one for each input; h0 belongs to no input.", LOOP),
    Mistake("every output is the last one", _STACK, "np.stack([shown[-1]] * len(shown))",
            "All T entries of hs are equal. Either one array was changed in place and collected T times, or hs was "
            "filled after the loop: an array in a list is the array, not a copy of it.", LOOP),
    Mistake("outputs joined along the batch", _STACK, "np.concatenate(shown)",
            "The T outputs were laid end to end on an axis that exists already. hs has a new axis, time.", LOOP),
    Mistake("only the last output returned", "return hs", "return hs[-1]",
            "What came is the state after the last step. A loss may look at every output, so all of them are returned.",
            LOOP),
    Mistake("the inputs added up over time", _EACH, "for x in xs.cumsum(axis=0):",
            "Each step reads its own input; the past comes in through the state.", LOOP),
)

FORWARD_CHECK = Check(
    name="rnn_forward",
    draw=_draw_forward,
    reference=rnn_forward,
    inner=(_STEP_SOURCE,),
    returns=Output("hs", "(T, B, H)"),
    parts={"hs": 2},
    mistakes=STEP_MISTAKES[:7] + STEP_MISTAKES[8:] + FORWARD_MISTAKES,           # nothing overflows here
)


# -- rnn_step_backward ---------------------------------------------------------------------------------

def _draw_step_backward(rng):
    def case(B, I, H):
        return Case({"params": _draw_params(rng, I, H), "x": rng.normal(0.0, 1.0, (B, I)),
                     "h_prev": _draw_state(rng, B, H), "h": _draw_state(rng, B, H), "dh": rng.normal(0.0, 1.0, (B, H))},
                    f"B={B}, I={I}, H={H}")

    return [case(3, 2, 4), case(1, 4, 2), case(3, 3, 3), case(4, 2, 3), case(2, 1, 1)]


def rnn_step_backward(params, x, h_prev, h, dh):
    tape = RNNTape(x, h_prev, h)
    dx, (dh_prev,), dparams = RNN(x.shape[1], h.shape[1]).step_backward(params, tape, HState(dh))
    return dx, dh_prev, dparams


_SLOPE, _SPREAD = "dh * (1 - h ** 2)", 'dhx = dz_h @ params["W_h"]'
_CUT = "dh_prev, dx = dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]"
_DW, _DB, _HX = "dz_h.T @ hx", "dz_h.sum(axis=0)", "hx = np.concatenate([h_prev, x], axis=1)\n"
STEP_BACKWARD_MISTAKES = (
    Mistake("tanh′ missing", _SLOPE, "dh",
            "The gradient passes through tanh as if it were not there. Where the curve is flat almost nothing comes "
            "back: the chain rule asks for its slope.", SLOPE),
    Mistake("the gradient from above missing", _SLOPE, "(1 - h ** 2)",
            "That is the slope alone. How much the loss cares about h arrives as dh, and every share is a product with "
            "it.", RULE),
    Mistake("the square forgotten in tanh′", _SLOPE, "dh * (1 - h)",
            "tanh is flat at both ends, −1 as well as 1. Yours is not symmetric.", SLOPE),
    Mistake("the square on the wrong thing in tanh′", _SLOPE, "dh * (1 - h) ** 2",
            "Only h is squared; here the whole bracket is.", SLOPE),
    Mistake("1 + h² in place of 1 − h²", _SLOPE, "dh * (1 + h ** 2)",
            "Toward its ends tanh becomes flat, so the factor has to go to zero there, not to two.", SLOPE),
    Mistake("the slope of σ in place of that of tanh", _SLOPE, "dh * h * (1 - h)",
            "That is how σ bends. Which function did the forward pass use?", SLOPE),
    Mistake("tanh applied to its own value", _SLOPE, "dh * (1 - np.tanh(h) ** 2)",
            "h is the value after squashing already. Written in terms of h the slope needs no tanh any more.", SLOPE),
    Mistake("tanh′ at the previous state", _SLOPE, "dh * (1 - h_prev ** 2)",
            "The slope is wanted at the point where this step's tanh stood, and that is what h tells.", SLOPE),
    Mistake("dx and dh_prev without tanh′", _SPREAD, 'dhx = dh @ params["W_h"]',
            "The weights and the bias got their gradient through tanh, but x and h_prev got it past tanh. All of them "
            "stand behind the same pre-activation.", ONE_BACK),
    Mistake("cut as [x, h]", _CUT, "dx, dh_prev = dhx[:, :self.input_size], dhx[:, self.input_size:]",
            "h and x were joined in the order [h, x], so the gradient is cut in that order too: the first H columns "
            "belong to h. Where H = I the other cut has the right shapes.", CUT),
    Mistake("the recurrent weights transposed on the way back", _CUT,
            _CUT + '; dh_prev = dz_h @ params["W_h"][:, :self.hidden_size].T',
            "The block of W_h that acts on h is square, so it fits either way round. Forward it was transposed; what "
            "comes back goes through it the other way.", ONE_BACK),
    Mistake("dh added to dh_prev", _CUT, _CUT + "; dh_prev = dh_prev + dh",
            "h_prev reaches h only through W_h and tanh; there is no path past them. (In an LSTM there is one, for the "
            "cell state.)", CUT),
    Mistake("the size of the weights on the way back", _SPREAD, 'dhx = dz_h @ np.abs(params["W_h"])',
            "A weight acts with its sign, forward and back.", ONE_BACK),
    Mistake("dh_prev through the slope of the step before", _CUT, _CUT + "; dh_prev = dh_prev * (1 - h_prev ** 2)",
            "The slope at h_prev belongs to the step before: it will be applied there, and then it would count twice.",
            CUT),
    Mistake("dx averaged over the batch", _CUT, _CUT + "; dx = dx / len(x)",
            "Each row of x is read by its own example alone: nothing is summed there, and nothing averaged.", CUT),
    Mistake("dh_prev returned as zeros", _CUT, _CUT + "; dh_prev = 0.0 * dh_prev",
            "Then nothing flows back in time, and the network could not learn what to remember.", CUT),
    Mistake("dW with the new state", _HX, "hx = np.concatenate([h, x], axis=1)\n",
            "The weights multiplied the state before this step. h is what came out.", WEIGHTS),
    Mistake("dW with [x, h]", _HX, "hx = np.concatenate([x, h_prev], axis=1)\n",
            "The columns of W_h are ordered for [h, x], and so are those of its gradient.", WEIGHTS),
    Mistake("dW without tanh′", _DW, "dh.T @ hx",
            "The weights stand behind tanh: their gradient comes through its slope.", WEIGHTS),
    Mistake("dW divided by the batch", _DW, "dz_h.T @ hx / len(x)",
            "Every example reads the same weights, and shares add: it is a sum. If the loss is a mean, its own "
            "derivative brings the factor.", WEIGHTS),
    Mistake("dW from the first example only", _DW, "np.outer(dz_h[0], hx[0])",
            "All examples read the same weights, and each sends its share.", WEIGHTS),
    Mistake("dW from the last example only", _DW, "np.outer(dz_h[-1], hx[-1])",
            "All examples read the same weights, and each sends its share. Was it overwritten in a loop?", WEIGHTS),
    Mistake("dW transposed", _DW, "hx.T @ dz_h",
            "A gradient has the shape of what it belongs to: W_h is (H, H+I).", WEIGHTS),
    Mistake("the input's columns of dW missing", _HX, "hx = np.concatenate([h_prev, 0.0 * x], axis=1)\n",
            "The last I columns of W_h multiply x, and have a gradient too.", WEIGHTS),
    Mistake("the state's columns of dW missing", _HX, "hx = np.concatenate([0.0 * h_prev, x], axis=1)\n",
            "The first H columns of W_h multiply h_prev, and have a gradient too.", WEIGHTS),
    Mistake("db without tanh′", _DB, "dh.sum(axis=0)",
            "The bias stands behind tanh: its gradient comes through the slope.", BIASES),
    Mistake("db averaged over the batch", _DB, "dz_h.mean(axis=0)",
            "Every example reads the same bias, and shares add: it is a sum.", BIASES),
    Mistake("db from the first example only", _DB, "dz_h[0]",
            "All examples read the same bias, and each sends its share.", BIASES),
    Mistake("db not summed", _DB, "dz_h",
            "The bias is one vector for the whole batch; what came has a row for each example.", BIASES),
    Mistake("db summed along the wrong axis", _DB, "dz_h.sum(axis=1)",
            "Examples stand in rows. Wanted is one number for each unit.", BIASES),
)

STEP_BACKWARD_RETURN = (
    Mistake("dx and dh_prev exchanged", "return dx, dh_prev, dparams", "return dh_prev, dx, dparams",
            "Both are right, but the first returned value is dx and the second dh_prev.", CUT),
    Mistake("a step downhill in place of the gradient", "return dx, dh_prev, dparams",
            "return -dx, -dh_prev, {name: -value for name, value in dparams.items()}",
            "Every sign is turned. The minus belongs to whoever changes the weights, not to the gradient.", RULE),
)

_DPARAMS = {"W_h": Output("dW_h", "(H, H+I)"), "b_h": Output("db_h", "(H,)")}
_BACKWARD_SOURCE = Source(RNN.step_backward, "rnn_step_backward", RNN)

STEP_BACKWARD_CHECK = Check(
    name="rnn_step_backward",
    draw=_draw_step_backward,
    reference=rnn_step_backward,
    inner=(_BACKWARD_SOURCE,),
    returns=(Output("dx", "(B, I)"), Output("dh_prev", "(B, H)"), _DPARAMS),
    parts={"dx": 1, "dh_prev": 1, "dW_h": 1, "db_h": 1},
    mistakes=STEP_BACKWARD_MISTAKES + STEP_BACKWARD_RETURN,
)


# -- rnn_backward --------------------------------------------------------------------------------------

def _draw_sequence(rng, T, B, I, H, **more):
    """A sequence that was really run, with a gradient on every output and on the final state."""
    params, xs, h0 = _draw_params(rng, I, H), rng.normal(0.0, 1.0, (T, B, I)), _draw_state(rng, B, H)
    label = ", ".join(f"{name}={value}" for name, value in {"T": T, "B": B, "I": I, "H": H, **more}.items())
    return Case({"params": params, "xs": xs, "h0": h0, "hs": rnn_forward(params, xs, h0),
                 "dhs": rng.normal(0.0, 1.0, (T, B, H)), "dh_T": rng.normal(0.0, 1.0, (B, H)), **more}, label)


def _draw_backward(rng):
    return [_draw_sequence(rng, *sizes)
            for sizes in ((4, 3, 2, 4), (1, 2, 3, 2), (6, 1, 4, 2), (3, 3, 3, 3), (2, 4, 2, 3))]


def rnn_backward(params, xs, h0, hs, dhs, dh_T):
    cell, dh = RNN(xs.shape[2], h0.shape[1]), dh_T
    dxs, dparams = np.zeros_like(xs), {name: np.zeros_like(value) for name, value in params.items()}
    for t in reversed(range(len(xs))):
        h_prev = hs[t - 1] if t > 0 else h0
        arrived = dh + dhs[t]
        dxs[t], (dh,), here = cell.step_backward(params, RNNTape(xs[t], h_prev, hs[t]), HState(arrived))
        for name in dparams:
            dparams[name] += here[name]
    return dxs, dh, dparams


_ARRIVED, _BEFORE, _LOOP = "arrived = dh + dhs[t]", "h_prev = hs[t - 1] if t > 0 else h0", "reversed(range(len(xs)))"
_ADD = "dparams[name] += here[name]"
_TAPE, _RETURN = "RNNTape(xs[t], h_prev, hs[t])", "return dxs, dh, dparams"
LOOP_MISTAKES = (
    Mistake("dh from the next step missing", _ARRIVED, "arrived = dhs[t] + (dh if t == len(xs) - 1 else 0.0)",
            "h_t has two readers, the loss at t and the step t + 1, and only the first was heard. Without the second, "
            "nothing flows back in time.", ALL_BACK),
    Mistake("dh from the next step missing, and that of the final state", _ARRIVED, "arrived = dhs[t]",
            "h_t has two readers, the loss at t and the step t + 1; and h_T has one more in dh_T. Only the loss at t "
            "was heard.", ALL_BACK),
    Mistake("the loss at each step missing", _ARRIVED, "arrived = dh",
            "h_t has two readers, the loss at t and the step t + 1, and only the second was heard.", ALL_BACK),
    Mistake("only the last output's loss", _ARRIVED, "arrived = dh + dhs[t] * (t == len(xs) - 1)",
            "The loss may read every output, and each share enters at its own step.", ALL_BACK),
    Mistake("dh_T left out", _ARRIVED, "arrived = dh * (t < len(xs) - 1) + dhs[t]",
            "The loss may read the final state directly as well. That share stands where the next step's would.",
            ALL_BACK),
    Mistake("dh_T added at every step", _ARRIVED, "arrived = dh + dhs[t] + dh_T * (t < len(xs) - 1)",
            "Only the last state is read by whoever sends dh_T.", ALL_BACK),
    Mistake("dh_T in place of the last output's share", _ARRIVED,
            "arrived = dh + dhs[t] * (t < len(xs) - 1)",
            "h_T is both the last output and the final state: two readers, so both shares are added.", ALL_BACK),
    Mistake("the difference of the two shares", _ARRIVED, "arrived = dh - dhs[t]",
            "A loss that reads a value in two places sends two shares, and they add up, each with the sign it has.",
            RULE),
    Mistake("the mean of the two shares", _ARRIVED, "arrived = 0.5 * (dh + dhs[t])",
            "Shares of several readers add up; it is a sum and not a mean.", RULE),
    Mistake("the loss of the step before", _ARRIVED, "arrived = dh + dhs[t - 1]",
            "The index is one off: dhs[t] is the gradient of the state after step t, which is hs[t].", ALL_BACK),
    Mistake("the losses in reverse order", _ARRIVED, "arrived = dh + dhs[len(xs) - 1 - t]",
            "The loop runs backward, but dhs is in the order of time like hs: dhs[t] belongs to hs[t].", ALL_BACK),
    Mistake("the gradient kept beside what goes back", "for name in dparams:",
            "dh = dh + arrived\n        for name in dparams:",
            "What arrived at h_t has been passed on through the step. It does not reach h_{t-1} by any other way.",
            ALL_BACK),
    Mistake("the loop runs forward in time", _LOOP, "range(len(xs))",
            "What h_t sends back needs what arrived from step t + 1, so the last step comes first.", ALL_BACK),
    Mistake("the last step left out", _LOOP, "reversed(range(len(xs) - 1))",
            "There are T steps to go back through; yours begins at the last but one.", ALL_BACK),
    Mistake("the first step left out", _LOOP, "reversed(range(1, len(xs)))",
            "There are T steps to go back through; yours stops before the first, and its input and h0 get nothing.",
            ALL_BACK),
    Mistake("hs[t − 1] at the first step", _BEFORE, "h_prev = hs[t - 1]",
            "At t = 0 the index −1 is Python's last entry, so the first step is given the final state. Before the "
            "first step stands h0.", ALL_BACK),
    Mistake("zeros in place of h0", _BEFORE, "h_prev = hs[t - 1] if t > 0 else 0.0 * h0",
            "The first step read h0, which need not be zero; the gradient of its weights does too.", ALL_BACK),
    Mistake("hs[t] taken for the state before the step", _BEFORE, "h_prev = hs[t]",
            "hs[t] is what step t wrote. What it read was written one step earlier.", ALL_BACK),
    Mistake("h0 taken for the state before every step", _BEFORE, "h_prev = h0",
            "Only the first step read h0; each later one read what the step before it wrote.", ALL_BACK),
    Mistake("the slope at the state before", _TAPE, "RNNTape(xs[t], h_prev, h_prev)",
            "The slope of tanh is wanted at the state that step t wrote.", ALL_BACK),
    Mistake("the first input at every step", _TAPE, "RNNTape(xs[0], h_prev, hs[t])",
            "Step t read xs[t]: look at the index inside the loop.", ALL_BACK),
    Mistake("dparams overwritten", _ADD, "dparams[name] = here[name]",
            "All T steps read the same weights, and shares add. With = in place of += only the step that was visited "
            "last is left.", SUMMED),
    Mistake("dparams from the last step only", _ADD, "dparams[name] += here[name] * (t == len(xs) - 1)",
            "All T steps read the same weights, and shares add.", SUMMED),
    Mistake("dparams averaged over time", _ADD, "dparams[name] += here[name] / len(xs)",
            "It is a sum over the steps and not a mean. If the loss is a mean over time, its own derivative brings the "
            "factor.", SUMMED),
    Mistake("dparams averaged over the batch", _ADD, "dparams[name] += here[name] / len(h0)",
            "It is a sum over the batch and not a mean. If the loss is a mean, its own derivative brings the factor.",
            SUMMED),
    Mistake("the bias overwritten", _ADD, "dparams[name] = here[name] + dparams[name] * (name == 'W_h')",
            "The weights are added up over the steps, but the bias holds the share of one step only.", SUMMED),
    Mistake("the weights overwritten", _ADD, "dparams[name] = here[name] + dparams[name] * (name == 'b_h')",
            "The bias is added up over the steps, but the weights hold the share of one step only.", SUMMED),
    Mistake("dxs in reverse order", _RETURN, "return dxs[::-1], dh, dparams",
            "Collected from the last step to the first, and not turned round: dxs[t] belongs to xs[t].", ALL_BACK),
    Mistake("what arrived at h₁ returned as dh0", "return dxs, dh, dparams", "return dxs, arrived, dparams",
            "That is the gradient of the state after the first step. h0 stands before it, so it has to go back through "
            "that step too.", ALL_BACK),
    Mistake("dh0 returned as zeros", "return dxs, dh, dparams", "return dxs, 0.0 * dh, dparams",
            "The initial state is an input like any other: a loss depends on it, through all that follows.", ALL_BACK),
)


def _without(mistakes, *names):
    return tuple(mistake for mistake in mistakes if mistake.name not in names)


# within a loop these either stop with an error or look just like a mistake of the loop's
_SEEN_IN_THE_LOOP = ("dW transposed", "db not summed", "tanh′ at the previous state", "dh added to dh_prev",
                     "dW with the new state")
_SEQUENCE_RETURNS = (Output("dxs", "(T, B, I)"), Output("dh0", "(B, H)"), _DPARAMS)

BACKWARD_CHECK = Check(
    name="rnn_backward",
    draw=_draw_backward,
    reference=rnn_backward,
    inner=(_BACKWARD_SOURCE,),
    returns=_SEQUENCE_RETURNS,
    parts={"dxs": 1, "dh0": 1, "dW_h": 1, "db_h": 1},
    mistakes=_without(STEP_BACKWARD_MISTAKES, *_SEEN_IN_THE_LOOP) + LOOP_MISTAKES,
)


# -- rnn_backward_truncated ----------------------------------------------------------------------------

def _draw_truncated(rng):
    return [_draw_sequence(rng, *sizes, k=k)
            for *sizes, k in ((7, 3, 2, 3, 3), (6, 2, 3, 2, 2), (4, 1, 2, 3, 1), (3, 2, 3, 3, 5), (1, 2, 2, 2, 1))]


def rnn_backward_truncated(params, xs, h0, hs, dhs, dh_T, k):
    cell, dh = RNN(xs.shape[2], h0.shape[1]), dh_T
    dxs, dparams = np.zeros_like(xs), {name: np.zeros_like(value) for name, value in params.items()}
    for t in reversed(range(len(xs))):
        h_prev = hs[t - 1] if t > 0 else h0
        arrived = dh + dhs[t]
        dxs[t], (dh,), here = cell.step_backward(params, RNNTape(xs[t], h_prev, hs[t]), HState(arrived))
        for name in dparams:
            dparams[name] += here[name]
        if t % k == 0 and t > 0:
            dh = np.zeros_like(dh)
    return dxs, dh, dparams


_DETACH = "if t % k == 0 and t > 0:"
TRUNCATION_MISTAKES = (
    Mistake("nothing is cut", _DETACH, "if False:",
            "The gradient runs through to the beginning, whatever k is. Between two chunks the state is carried on, "
            "but for the gradient it is a number that nobody computed.", TRUNCATED),
    Mistake("cut at every step", _DETACH, "if t > 0:",
            "Nothing flows back in time at all, as if k were 1. Within a chunk of k steps the gradient goes back as "
            "always.", TRUNCATED),
    Mistake("cut one step too early", _DETACH, "if (t - 1) % k == 0 and t > 1:",
            "The first chunk is the steps 0 to k − 1, the second begins at k. The cut lies between the states that "
            "step k − 1 wrote and that step k reads; yours is one step beside it.", TRUNCATED),
    Mistake("cut one step too late", _DETACH, "if (t + 1) % k == 0 and t > 0:",
            "The first chunk is the steps 0 to k − 1, the second begins at k. The cut lies between the states that "
            "step k − 1 wrote and that step k reads; yours is one step beside it.", TRUNCATED),
    Mistake("chunks counted from the end", _DETACH, "if (len(xs) - t) % k == 0 and t > 0:",
            "The chunks are counted from the first step, as they are read; where k does not divide T the last one is "
            "shorter.", TRUNCATED),
    Mistake("chunks of k + 1 steps", _DETACH, "if t % (k + 1) == 0 and t > 0:",
            "The state is detached every k steps, so a chunk holds k of them.", TRUNCATED),
    Mistake("only the first cut is made", _DETACH, "if t == k:",
            "The state is detached every k steps, not once.", TRUNCATED),
    Mistake("only the last cut is made", _DETACH, "if t == (len(xs) - 1) // k * k and t > 0:",
            "The state is detached every k steps, not once.", TRUNCATED),
    Mistake("h0 cut off too", _DETACH, "if t % k == 0:",
            "Before the first step there is nothing to detach: the first chunk reads h0 itself, and sends its share.",
            TRUNCATED),
    Mistake("everything before the last chunk dropped", _DETACH,
            "if t == (len(xs) - 1) // k * k and t > 0:\n            return dxs, 0.0 * dh, dparams\n        if False:",
            "Truncation cuts the path between chunks, it does not leave chunks out: each has losses of its own, which "
            "go back within it.", TRUNCATED),
    Mistake("the loss at the end of a chunk dropped", _ARRIVED,
            "arrived = dh + dhs[t] * ((t + 1) % k != 0 or t + 1 == len(xs))",
            "What is cut off is the share that comes from the next chunk. The loss at that step is another reader, and "
            "belongs to the chunk.", TRUNCATED),
    Mistake("dh_T at the end of every chunk", _ARRIVED,
            "arrived = dh + dhs[t] + dh_T * ((t + 1) % k == 0 and t + 1 < len(xs))",
            "Only the last state of the sequence is read by whoever sends dh_T; the ends of the other chunks are not.",
            TRUNCATED),
    Mistake("the state before a chunk taken for zeros", _BEFORE,
            "h_prev = np.zeros_like(h0) if t % k == 0 and t > 0 else hs[t - 1] if t > 0 else h0",
            "Detached is not reset: the chunk starts from the state that the last one left. Only the gradient does not "
            "go back there.", TRUNCATED),
    Mistake("the state before a chunk taken for h0", _BEFORE, "h_prev = hs[t - 1] if t % k != 0 else h0",
            "Detached is not reset: the chunk starts from the state that the last one left. Only the gradient does not "
            "go back there.", TRUNCATED),
    Mistake("dparams of the first chunk only", "dh = np.zeros_like(dh)",
            "dh = np.zeros_like(dh); dparams = {name: np.zeros_like(value) for name, value in dparams.items()}",
            "The sum was started anew with each chunk, so only the one visited last is left. All steps of all chunks "
            "read the same weights, and shares add.", TRUNCATED),
    Mistake("the gradient across a cut made smaller, not cut", "dh = np.zeros_like(dh)", "dh = dh / k",
            "Detached means that nothing passes: for the chunk that starts there, the state is a given number.",
            TRUNCATED),
)

TRUNCATED_CHECK = Check(
    name="rnn_backward_truncated",
    draw=_draw_truncated,
    reference=rnn_backward_truncated,
    inner=(_BACKWARD_SOURCE,),
    returns=_SEQUENCE_RETURNS,
    parts={"dxs": 1, "dh0": 1, "dW_h": 1, "db_h": 1},
    # the two left out are a truncation at every step, and one before the first
    mistakes=_without(LOOP_MISTAKES, "dh from the next step missing", "dh0 returned as zeros") + TRUNCATION_MISTAKES,
)


CHECKS = (STEP_CHECK, FORWARD_CHECK, STEP_BACKWARD_CHECK, BACKWARD_CHECK, TRUNCATED_CHECK)
