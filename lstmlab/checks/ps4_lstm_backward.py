"""Problem set 4, the LSTM backward: one step, all steps, a loss, and the step of training that needs them."""

from __future__ import annotations

import numpy as np

from ..cells import LSTM, LSTMState
from ..cells.lstm import LSTMTape
from ..tasks import adding
from . import Case, Check, Mistake, Output, Source
from ._backward import LOOP_MISTAKES, draw_params, draw_tapes, gradients_of, rarer_step_mistakes, step_mistakes
from ._training import TrainingCheck, not_finite, one_step_of, unchanged, uphill

READOUT = 'chapter "Training", section "The readout" (eq-readout-gradients)'
MASKED_MEAN = 'chapter "Training", section "What counts: a mean with a mask" (eq-masked-mean)'
SQUARED_ERROR = 'chapter "Training", section "Squared error" (eq-squared-error-dy)'
DESCENT = 'chapter "Training", section "Gradient descent" (eq-sgd)'
MOMENTUM = 'chapter "Training", section "Momentum" (eq-momentum)'
ONE_STEP = 'chapter "Training", section "One step of training" (eq-train-step)'
EXPLODING = 'chapter "Vanishing and exploding gradients", section "Clipping" (eq-clip)'


# -- lstm_step_backward --------------------------------------------------------------------------------

def _draw_step(rng):
    def case(B, I, H):
        cell = LSTM(I, H)
        params = draw_params(rng, cell)
        tape, = draw_tapes(rng, cell, params, 1, B)
        return Case({"params": params, "tape": tape, "dh": rng.normal(0.0, 1.0, (B, H)),
                     "dC": rng.normal(0.0, 1.0, (B, H))}, f"B={B}, I={I}, H={H}")

    return [case(2, 3, 4), case(1, 4, 2), case(3, 3, 3), case(4, 2, 3), case(1, 1, 1)]


def lstm_step_backward(params, tape, dh, dC):
    cell = LSTM(tape["x"].shape[1], dh.shape[1])
    dx, dprev, dparams = cell.step_backward(params, LSTMTape(**tape), LSTMState(dh, dC))
    return dx, dprev.h, dprev.C, dparams


_STEP_MISTAKES = step_mistakes("fiCo")

STEP_CHECK = Check(
    name="lstm_step_backward",
    draw=_draw_step,
    reference=lstm_step_backward,
    inner=(Source(LSTM.step_backward, "lstm_step_backward", LSTM),),
    returns=(Output("dx", "(B, I)"), Output("dh_prev", "(B, H)"), Output("dC_prev", "(B, H)"), gradients_of(LSTM)),
    parts={"dx": 1, "dh_prev": 1, "dC_prev": 1, "dW_f": 1, "dW_i": 1, "dW_C": 1, "dW_o": 1, "biases": 1},
    mistakes=_STEP_MISTAKES + rarer_step_mistakes("fiCo"),
)


# -- lstm_backward -------------------------------------------------------------------------------------

def _draw_backward(rng):
    def case(T, B, I, H):
        cell = LSTM(I, H)
        params = draw_params(rng, cell)
        return Case({"params": params, "tapes": draw_tapes(rng, cell, params, T, B),
                     "dhs": rng.normal(0.0, 1.0, (T, B, H)), "dh": rng.normal(0.0, 1.0, (B, H)),
                     "dC": rng.normal(0.0, 1.0, (B, H))}, f"T={T}, B={B}, I={I}, H={H}")

    # two steps are the fewest that tell the loop's mistakes apart, and diagnosis begins with the first case
    return [case(2, 3, 2, 4), case(4, 2, 3, 2), case(1, 2, 3, 2), case(3, 1, 2, 2), case(3, 3, 3, 3)]


def lstm_backward(params, tapes, dhs, dh, dC):
    dxs = [None] * len(tapes)
    dparams = {name: np.zeros_like(value) for name, value in params.items()}
    for t in reversed(range(len(tapes))):
        dxs[t], dh, dC, dstep = lstm_step_backward(params, tapes[t], dh + dhs[t], dC)
        dparams = {name: dparams[name] + dstep[name] for name in dparams}
    return np.stack(dxs), dh, dC, dparams


_BACKWARD_INNER = (*STEP_CHECK.inner, Source(lstm_step_backward, "lstm_step_backward"))

BACKWARD_CHECK = Check(
    name="lstm_backward",
    draw=_draw_backward,
    reference=lstm_backward,
    inner=_BACKWARD_INNER,
    returns=(Output("dxs", "(T, B, I)"), Output("dh0", "(B, H)"), Output("dC0", "(B, H)"),
             gradients_of(LSTM, part="weights")),
    parts={"dxs": 1, "dh0": 1, "dC0": 1, "weights": 2, "biases": 1},
    # a transposed dW does not fit the sum over time: it is an exception in every loop
    mistakes=(*(m for m in _STEP_MISTAKES if m.name != "dW transposed"), *LOOP_MISTAKES),
)


# -- squared_error -------------------------------------------------------------------------------------

def _draw_loss(rng):
    def case(T, B, H, K):
        return Case({"W_y": rng.normal(0.0, 0.7, (K, H)), "b_y": rng.normal(0.0, 0.7, K),
                     "hs": rng.uniform(-1.0, 1.0, (T, B, H)), "targets": rng.normal(0.0, 1.0, (T, B, K))},
                    f"T={T}, B={B}, H={H}, K={K}")

    return [case(4, 2, 3, 5), case(1, 3, 4, 2), case(5, 1, 2, 1), case(3, 4, 2, 2), case(2, 3, 3, 3)]


def squared_error(W_y, b_y, hs, targets):
    T, B, _ = hs.shape
    error = hs @ W_y.T + b_y - targets
    loss = np.sum(error ** 2) / (2 * T * B)
    dys = error / (T * B)
    return loss, dys @ W_y, np.einsum("tbk,tbh->kh", dys, hs), dys.sum(axis=(0, 1))


_LOSS, _DYS = "np.sum(error ** 2) / (2 * T * B)", "dys = error / (T * B)"
LOSS_MISTAKES = (
    Mistake("the readout's bias missing", "hs @ W_y.T + b_y - targets", "hs @ W_y.T - targets",
            "The prediction is a product plus a bias; the bias is left out.", READOUT),
    Mistake("the bias subtracted", "hs @ W_y.T + b_y - targets", "hs @ W_y.T - b_y - targets",
            "The bias is part of the prediction, and only the target is subtracted from that.", READOUT),
    Mistake("the prediction not compared with the target", "hs @ W_y.T + b_y - targets", "hs @ W_y.T + b_y",
            "The error is how far the prediction is from the target; the targets are not used.", SQUARED_ERROR),
    Mistake("the sign of the gradient", _DYS, "dys = -error / (T * B)",
            "A loss goes up when the prediction moves away from the target: with your sign, training would run uphill.",
            SQUARED_ERROR),
    Mistake("a factor of two in the gradient", _DYS, "dys = 2 * error / (T * B)",
            "The derivative of a square brings a factor of two, and the loss has one half in front.", SQUARED_ERROR),
    Mistake("the half missing in loss and gradient", f"{_LOSS}\n    {_DYS}",
            "np.sum(error ** 2) / (T * B); dys = 2 * error / (T * B)",
            "Loss and gradient agree with each other, but the loss here has one half in front.", SQUARED_ERROR),
    Mistake("the half missing in the loss", _LOSS, "np.sum(error ** 2) / (T * B)",
            "The gradient is right; the loss is twice the one whose gradient it is.", SQUARED_ERROR),
    Mistake("the loss summed in place of averaged", _LOSS, "np.sum(error ** 2) / 2",
            "The gradient is right; the loss is the sum over all steps and examples, and not their mean.", MASKED_MEAN),
    Mistake("the gradient not divided by T·B", _DYS, "dys = error",
            "The loss is a mean over steps and examples, so every single error counts for one T·B-th.", MASKED_MEAN),
    Mistake("the gradient divided by T·B twice", _DYS, "dys = error / (T * B) ** 2",
            "The mean brings one factor 1/(T·B). Does it come in once in the error, and once more in what is made of "
            "it?", MASKED_MEAN),
    Mistake("dhs not divided by T·B", "return loss, dys @ W_y", "return loss, error @ W_y",
            "The gradients of the readout have the factor of the mean. What goes back to h belongs to the same loss.",
            MASKED_MEAN),
    Mistake("sums in place of means", f"{_LOSS}\n    {_DYS}", "np.sum(error ** 2) / 2; dys = error",
            "Loss and gradient agree with each other, but both are sums over steps and examples; here the loss is a "
            "mean over these two.", MASKED_MEAN),
    Mistake("a mean over the examples alone", f"{_LOSS}\n    {_DYS}", "np.sum(error ** 2) / (2 * B); dys = error / B",
            "The loss is a mean over the steps as well.", MASKED_MEAN),
    Mistake("a mean over the steps alone", f"{_LOSS}\n    {_DYS}", "np.sum(error ** 2) / (2 * T); dys = error / T",
            "The loss is a mean over the examples as well.", MASKED_MEAN),
    Mistake("a mean over the K predictions too", f"{_LOSS}\n    {_DYS}",
            "np.mean(error ** 2) / 2; dys = error / error.size",
            "Over the K numbers of one prediction the loss is a sum; the mean is over steps and examples.",
            MASKED_MEAN),
    Mistake("the mean over all entries in the loss alone", _LOSS, "np.mean(error ** 2) / 2",
            "The gradient is right. In the loss the mean also runs over the K numbers of one prediction, which the "
            "gradient knows nothing of.", MASKED_MEAN),
    Mistake("the prediction in place of the error in the gradient", _DYS, "dys = (error + targets) / (T * B)",
            "The slope of a square is proportional to what is squared, which is the error.", SQUARED_ERROR),
    Mistake("dW_y transposed", '"tbk,tbh->kh", dys, hs', '"tbk,tbh->hk", dys, hs',
            "A gradient has the shape of what it belongs to. Where K = H the wrong way round runs without complaint.",
            READOUT),
    Mistake("dW_y from the last step only", '"tbk,tbh->kh", dys, hs', '"tbk,tbh->kh", dys[-1:], hs[-1:]',
            "The readout is read at every step, and gradients of several readers add up.", READOUT),
    Mistake("dW_y divided once more", '"tbk,tbh->kh", dys, hs', '"tbk,tbh->kh", dys / (T * B), hs',
            "The errors that are summed have been divided already: gradients of several readers add up.", READOUT),
    Mistake("db_y averaged", "dys.sum(axis=(0, 1))", "dys.mean(axis=(0, 1))",
            "The bias is read at every step for every example, and their shares add up. The mean in the loss has been "
            "taken care of already.", READOUT),
    Mistake("db_y summed over time only", "dys.sum(axis=(0, 1))", "dys.sum(axis=0)",
            "The bias has one number per prediction, whatever the batch: the examples' shares add up too.", READOUT),
    Mistake("db_y from the last step only", "dys.sum(axis=(0, 1))", "dys[-1].sum(axis=0)",
            "The bias is read at every step, and gradients of several readers add up.", READOUT),
)

LOSS_CHECK = Check(
    name="squared_error",
    draw=_draw_loss,
    reference=squared_error,
    returns=(Output("loss"), Output("dhs", "(T, B, H)"), Output("dW_y", "(K, H)"), Output("db_y", "(K,)")),
    parts={"loss": 1, "dhs": 1, "dW_y": 1, "db_y": 1},
    mistakes=LOSS_MISTAKES,
)


# -- clip_gradients ------------------------------------------------------------------------------------

def _draw_clip(rng):
    def case(size, share, words, part):
        grads = {"W_f": size * rng.normal(0.0, 1.0, (3, 5)), "b_f": 3.0 * size * rng.normal(0.0, 1.0, 3),
                 "W_y": 0.5 * size * rng.normal(0.0, 1.0, (2, 3))}
        norm = np.sqrt(sum(np.sum(g ** 2) for g in grads.values()))
        return Case({"grads": grads, "max_norm": float(share * norm) if norm else 1.0}, words, part)

    def clipped(size, share):
        return case(size, share, f"a norm {1 / share:.3g} times the limit", "above the limit")

    # the limit is drawn from the norm, so that no case lands on the wrong side of it
    return [clipped(1.0, rng.uniform(0.5, 0.8)), clipped(1e4, rng.uniform(0.001, 0.1)),
            clipped(1e-3, rng.uniform(0.1, 0.5)),
            case(1.0, rng.uniform(1.05, 1.3), "a norm a little below the limit", "below the limit"),
            case(0.1, rng.uniform(3.0, 9.0), "a norm far below the limit", "below the limit"),
            case(0.0, 1.0, "gradients of zero", "below the limit")]


def clip_gradients(grads, max_norm):
    norm = np.sqrt(sum(np.sum(g ** 2) for g in grads.values()))
    scale = max_norm / max(norm, max_norm)
    return {name: scale * g for name, g in grads.items()}


_NORM, _SCALE, _CLIPPED = "np.sqrt(sum(np.sum(g ** 2) for g in grads.values()))", "max_norm / max(norm, max_norm)", \
    "scale * g for"
CLIP_MISTAKES = (
    Mistake("each array clipped by its own norm", _CLIPPED,
            "max_norm / max(np.sqrt(np.sum(g ** 2)), max_norm) * g for",
            "The arrays are shortened by different factors, so the gradient points elsewhere afterwards. One norm and "
            "one factor serve all of them.", EXPLODING),
    Mistake("entries cut off one by one", _CLIPPED, "np.clip(g, -max_norm, max_norm) for",
            "Cutting single entries turns the direction of the gradient. Here the whole of it is shortened by one "
            "factor, and its direction stays.", EXPLODING),
    Mistake("short gradients stretched", _SCALE, "max_norm / (norm or 1.0)",
            "A gradient within the limit is left as it is. Yours gives every gradient the same length, also the tiny "
            "ones near a minimum.", EXPLODING),
    Mistake("short gradients stretched, zero over zero", _SCALE, "max_norm / norm",
            "A gradient within the limit is left as it is. Yours gives every gradient the same length, also the tiny "
            "ones near a minimum, and where all are zero 0/0 makes them NaN.", EXPLODING),
    Mistake("the square root missing in the norm", _NORM, "sum(np.sum(g ** 2) for g in grads.values())",
            "That is the square of the length. Compared with the limit it means something else for every scale.",
            EXPLODING),
    Mistake("the norms of the arrays added", _NORM, "sum(np.sqrt(np.sum(g ** 2)) for g in grads.values())",
            "Lengths along different directions do not add up like that: take the length of all entries as one long "
            "vector.", EXPLODING),
    Mistake("the largest norm in place of the common one", _NORM,
            "max(np.sqrt(np.sum(g ** 2)) for g in grads.values())",
            "The limit is on the length of all entries together, not of the longest array.", EXPLODING),
    Mistake("the largest entry in place of the norm", _NORM, "max(np.max(np.abs(g)) for g in grads.values())",
            "The limit is on the length of the whole gradient, and not on its largest entry.", EXPLODING),
    Mistake("absolute values in place of squares", _NORM, "sum(np.sum(np.abs(g)) for g in grads.values())",
            "That is another norm, the sum of absolute values. The length meant here is the root of the sum "
            "of squares.",
            EXPLODING),
    Mistake("a mean in place of a sum in the norm", _NORM,
            "np.sqrt(sum(np.sum(g ** 2) for g in grads.values()) / sum(g.size for g in grads.values()))",
            "That is the size of a typical entry. The length grows with the number of entries.", EXPLODING),
    Mistake("the factor upside down", _SCALE, "max(norm, max_norm) / max_norm",
            "A gradient that is too long has to get shorter: is your factor above 1 or below?", EXPLODING),
    Mistake("the wrong side of the limit", _SCALE, "max_norm / (min(norm, max_norm) or 1.0)",
            "Yours leaves long gradients as they are and stretches the short ones: look at the comparison.", EXPLODING),
    Mistake("shortened to length 1", _SCALE, "1.0 / norm if norm > max_norm else 1.0",
            "A gradient beyond the limit is shortened to the limit, whatever that is.", EXPLODING),
    Mistake("gradients beyond the limit thrown away", _SCALE, "float(norm <= max_norm)",
            "A long gradient is shortened, and not dropped: its direction is still worth following.", EXPLODING),
    Mistake("nothing clipped", _SCALE, "1.0",
            "The gradients came back as they went in. Does the shortened array reach the dict that is returned?",
            EXPLODING),
)

CLIP_CHECK = Check(
    name="clip_gradients",
    draw=_draw_clip,
    reference=clip_gradients,
    returns={name: Output(name, "the shape of its parameter") for name in ("W_f", "b_f", "W_y")},
    parts={"above the limit": 1, "below the limit": 1},
    mistakes=CLIP_MISTAKES,
)


# -- sgd_step ------------------------------------------------------------------------------------------

def _draw_sgd(rng):
    def like(params):
        return {name: rng.normal(0.0, 1.0, array.shape) for name, array in params.items()}

    def case(H, I, momentum):
        params = like({"W_f": np.empty((H, H + I)), "b_f": np.empty(H)})
        return Case({"params": params, "velocity": like(params), "grads": like(params),
                     "learning_rate": float(rng.uniform(0.05, 0.5)), "momentum": momentum},
                    f"H={H}, I={I}, momentum {momentum:.2g}")

    return [case(3, 2, float(rng.uniform(0.5, 0.8))), case(2, 4, 0.9), case(1, 1, float(rng.uniform(0.2, 0.4))),
            case(4, 3, 0.0)]


def sgd_step(params, velocity, grads, learning_rate, momentum):
    velocity = {name: momentum * velocity[name] + grads[name] for name in params}
    params = {name: params[name] - learning_rate * velocity[name] for name in params}
    return params, velocity


_VELOCITY, _UPDATE = "momentum * velocity[name] + grads[name]", "params[name] - learning_rate * velocity[name]"
_BOTH = f"velocity = {{name: {_VELOCITY} for name in params}}\n    params = {{name: {_UPDATE}"
SGD_MISTAKES = (
    Mistake("the step uphill", _UPDATE, "params[name] + learning_rate * velocity[name]",
            "A gradient points to where the loss grows; a step of training goes the other way.", DESCENT),
    Mistake("the gradient subtracted from the velocity", _VELOCITY, "momentum * velocity[name] - grads[name]",
            "The velocity here is a running sum of gradients, and the minus sign comes once, in the step.", MOMENTUM),
    Mistake("the learning rate missing", _UPDATE, "params[name] - velocity[name]",
            "The step is a small share of the velocity; the learning rate says how small.", DESCENT),
    Mistake("the learning rate moved into the velocity", f"{_VELOCITY} for name in params}}\n    params = {{name: "
            f"{_UPDATE}", "momentum * velocity[name] + learning_rate * grads[name] for name in params}\n    "
            "params = {name: params[name] - velocity[name]",
            "That is another convention, in which the velocity holds steps and not gradients. Here the learning rate "
            "stands in the second line only; it matters when the learning rate changes during training.", MOMENTUM),
    Mistake("the velocity made of steps", _BOTH,
            "velocity = {name: momentum * velocity[name] - learning_rate * grads[name] for name in params}\n    "
            "params = {name: params[name] + velocity[name]",
            "That is a widespread convention, in which the velocity holds steps: downhill, and with the learning rate "
            "in them. Here it is a running sum of gradients; learning rate and minus sign stand in the second line.",
            MOMENTUM),
    Mistake("the step taken with the old velocity", _BOTH,
            f"before, velocity = velocity, {{name: {_VELOCITY} for name in params}}\n    "
            "params = {name: params[name] - learning_rate * before[name]",
            "The new velocity comes first, and the step follows it. Yours does not hear of this gradient until the "
            "next step.", MOMENTUM),
    Mistake("no momentum at all", _BOTH, "params = {name: params[name] - learning_rate * grads[name]",
            "That is plain gradient descent. The velocity came back as it went in, and was not used.", MOMENTUM),
    Mistake("the momentum ignored", _VELOCITY, "grads[name]",
            "The velocity remembers what it was; yours is only the present gradient.", MOMENTUM),
    Mistake("the momentum factor missing", _VELOCITY, "velocity[name] + grads[name]",
            "The old velocity has to fade, or it grows without end. The factor for that is an argument.", MOMENTUM),
    Mistake("the gradient scaled by 1 − momentum", _VELOCITY,
            "momentum * velocity[name] + (1 - momentum) * grads[name]",
            "That is a running mean, as Adam keeps one. Here the velocity is a running sum, and the gradient enters "
            "whole.", MOMENTUM),
    Mistake("momentum on the gradient in place of the velocity", _VELOCITY, "velocity[name] + momentum * grads[name]",
            "The momentum says how much of the OLD velocity stays.", MOMENTUM),
    Mistake("momentum on the gradient too", _VELOCITY, "momentum * (velocity[name] + grads[name])",
            "The new gradient enters whole; only the old velocity fades.", MOMENTUM),
    Mistake("the step taken with the gradient alone", _UPDATE, "params[name] - learning_rate * grads[name]",
            "The velocity was computed and not used: the step follows the velocity.", MOMENTUM),
    Mistake("the momentum applied twice", _UPDATE,
            "params[name] - learning_rate * (momentum * velocity[name] + grads[name])",
            "That is Nesterov's form, which looks one step ahead. Here the step follows the velocity itself.",
            MOMENTUM),
    Mistake("the parameters decayed", _UPDATE, "(1 - learning_rate) * params[name] - learning_rate * velocity[name]",
            "The parameters also shrink towards zero. That is weight decay, which was not asked for.", DESCENT),
    Mistake("the old velocity returned", "return params, velocity",
            "return params, {name: (velocity[name] - grads[name]) / (momentum or np.inf) for name in params}",
            "The step is right, but the velocity that comes back is the old one, and the next step would not remember "
            "this one.", MOMENTUM),
    Mistake("the old parameters returned", "return params, velocity",
            "return {name: params[name] + learning_rate * velocity[name] for name in params}, velocity",
            "The velocity is right, but the parameters that come back are the old ones.", DESCENT),
    Mistake("the step returned in place of the parameters", _UPDATE, "-learning_rate * velocity[name]",
            "That is the change. What is returned are the parameters after it.", DESCENT),
)

SGD_CHECK = Check(
    name="sgd_step",
    draw=_draw_sgd,
    reference=sgd_step,
    returns=({name: Output(name, "the shape it had", "params") for name in ("W_f", "b_f")},
             {name: Output(f"velocity of {name}", "the shape it had", "velocity") for name in ("W_f", "b_f")}),
    parts={"params": 1, "velocity": 1},
    mistakes=SGD_MISTAKES,
)


# -- train_step ----------------------------------------------------------------------------------------

def _draw_train(rng):
    def case(T, B, I, H, K, limit):
        params = draw_params(rng, LSTM(I, H)) | {"W_y": rng.normal(0.0, 0.7, (K, H)), "b_y": rng.normal(0.0, 0.7, K)}
        return Case({"params": params, "velocity": {k: rng.normal(0.0, 0.1, v.shape) for k, v in params.items()},
                     "xs": rng.normal(0.0, 1.0, (T, B, I)), "targets": 2.0 + rng.normal(0.0, 1.0, (B, K)),
                     "learning_rate": float(rng.uniform(0.05, 0.5)), "momentum": float(rng.uniform(0.3, 0.9)),
                     "max_norm": limit}, f"T={T}, B={B}, I={I}, H={H}, K={K}, max_norm {limit:g}")

    return [case(2, 3, 2, 3, 2, 0.01), case(3, 2, 3, 2, 1, 1e3), case(1, 2, 1, 2, 2, 1e3), case(4, 1, 2, 3, 1, 0.01)]


def lstm_forward(params, xs, h0, C0):
    cell = LSTM(xs.shape[2], h0.shape[1])
    state, hs, tapes = LSTMState(h0, C0), [], []
    for x in xs:
        state, tape = cell.step(params, x, state)
        hs.append(state.h)
        tapes.append(tape._asdict())
    return np.stack(hs), tapes


def train_step(params, velocity, xs, targets, learning_rate, momentum, max_norm):
    cell = {name: value for name, value in params.items() if not name.endswith("_y")}
    zeros = np.zeros((xs.shape[1], params["W_y"].shape[1]))
    hs, tapes = lstm_forward(cell, xs, zeros, zeros)
    dhs = np.zeros_like(hs)
    loss, dhs[-1:], dW_y, db_y = squared_error(params["W_y"], params["b_y"], hs[-1:], targets[None])
    _, _, _, grads = lstm_backward(cell, tapes, dhs, zeros, zeros)
    grads = clip_gradients(grads | {"W_y": dW_y, "b_y": db_y}, max_norm)
    params, velocity = sgd_step(params, velocity, grads, learning_rate, momentum)
    return loss, params, velocity


_CLIP, _SGD = 'clip_gradients(grads | {"W_y": dW_y, "b_y": db_y}, max_norm)', \
    "= sgd_step(params, velocity, grads, learning_rate, momentum)"
_ERROR = 'squared_error(params["W_y"], params["b_y"], hs[-1:], targets[None])'
TRAIN_MISTAKES = (
    Mistake("no clipping", _CLIP, 'grads | {"W_y": dW_y, "b_y": db_y}',
            "The gradients go into the step at full length. On a long sequence a single one of them can undo hours of "
            "training.", ONE_STEP),
    Mistake("the readout's gradients not clipped", _CLIP,
            'clip_gradients(grads, max_norm) | {"W_y": dW_y, "b_y": db_y}',
            "The norm is that of ALL gradients together; W_y and b_y were added after the clipping.", ONE_STEP),
    Mistake("the readout and the cell clipped apart", _CLIP,
            'clip_gradients(grads, max_norm) | clip_gradients({"W_y": dW_y, "b_y": db_y}, max_norm)',
            "Two norms and two factors turn the direction of the step. One norm and one factor serve all parameters.",
            ONE_STEP),
    Mistake("the readout not trained", _CLIP,
            'clip_gradients(grads | {"W_y": 0.0 * dW_y, "b_y": 0.0 * db_y}, max_norm)',
            "W_y and b_y are parameters too; their gradients do not reach the step.", ONE_STEP),
    Mistake("the cell not trained", _CLIP,
            'clip_gradients({k: 0.0 * v for k, v in grads.items()} | {"W_y": dW_y, "b_y": db_y}, max_norm)',
            "Only the readout learns: the gradients of the cell's parameters do not reach the step.", ONE_STEP),
    Mistake("the loss on every output", f"dhs[-1:], dW_y, db_y = {_ERROR}",
            'dhs[:], dW_y, db_y = squared_error(params["W_y"], params["b_y"], hs, '
            "targets[None].repeat(len(hs), axis=0))",
            "The target is asked for once, after the last input. Before that the cell cannot know the answer.",
            MASKED_MEAN),
    Mistake("the loss on the first output", f"dhs[-1:], dW_y, db_y = {_ERROR}",
            'dhs[:1], dW_y, db_y = squared_error(params["W_y"], params["b_y"], hs[:1], targets[None])',
            "The target is asked for after the last input; the first output has seen one input only.", MASKED_MEAN),
    Mistake("the gradient of the loss at the wrong step", "loss, dhs[-1:], dW_y", "loss, dhs[:1], dW_y",
            "The loss is that of the last output, but its gradient is put in at the first.", MASKED_MEAN),
    Mistake("the gradient of the last output counted twice", "lstm_backward(cell, tapes, dhs, zeros, zeros)",
            "lstm_backward(cell, tapes, dhs, dhs[-1], zeros)",
            "It stands in dhs already; handed in as the gradient of the final state it counts once more.", ONE_STEP),
    Mistake("the gradient of the last output sent to C", "lstm_backward(cell, tapes, dhs, zeros, zeros)",
            "lstm_backward(cell, tapes, dhs, zeros, dhs[-1])",
            "The readout reads h; C gets its share inside the step, through h.", READOUT),
    Mistake("the gradient sent in at every step", "_, _, _, grads = lstm_backward(cell, tapes, dhs,",
            "_, _, _, grads = lstm_backward(cell, tapes, 0.0 * dhs + dhs[-1],",
            "Only the last output meets the target, so only the last entry of dhs is not zero.", MASKED_MEAN),
    Mistake("the velocity forgotten", _SGD,
            "= sgd_step(params, {k: 0.0 * v for k, v in velocity.items()}, grads, learning_rate, momentum)",
            "The step starts from a velocity of zeros each time, so there is no momentum.", MOMENTUM),
    Mistake("learning rate and momentum exchanged", _SGD,
            "= sgd_step(params, velocity, grads, momentum, learning_rate)",
            "Both are numbers, so nothing complains. Look at the order of the arguments.", ONE_STEP),
    Mistake("the old parameters returned", "return loss, params, velocity",
            "return loss, {k: v + learning_rate * velocity[k] for k, v in params.items()}, velocity",
            "The velocity is new and the loss is right, but the parameters that come back are those that went in.",
            ONE_STEP),
)

TRAIN_CHECK = Check(
    name="train_step",
    draw=_draw_train,
    reference=train_step,
    # no mistakes of the earlier functions: they have checks of their own, and are named where they are wrong
    inner=(*_BACKWARD_INNER, Source(lstm_backward, "lstm_backward"), Source(squared_error, "squared_error"),
           Source(clip_gradients, "clip_gradients"), Source(sgd_step, "sgd_step")),
    returns=(Output("loss"), {name: Output(name, "the shape it had", "params") for name in
                              ("W_f", "b_f", "W_i", "b_i", "W_C", "b_C", "W_o", "b_o", "W_y", "b_y")},
             {name: Output(f"velocity of {name}", "the shape it had", "velocity") for name in
              ("W_f", "b_f", "W_i", "b_i", "W_C", "b_C", "W_o", "b_o", "W_y", "b_y")}),
    parts={"loss": 1, "params": 1, "velocity": 1},
    mistakes=TRAIN_MISTAKES,
)


# -- train ---------------------------------------------------------------------------------------------

UPDATES, UNSEEN = 400, 500      # batches to train on, sequences to judge by
BASELINE = 1 / 6                # mean squared error of the constant answer 1: the variance of two uniform numbers' sum


def _draw_training(rng):
    def case(T, H):
        params = LSTM(2, H).init(rng) | {"W_y": rng.uniform(-1.0, 1.0, (1, H)) / np.sqrt(H), "b_y": np.zeros(1)}
        batches = {"task": "adding", "length": T, "batch": 32, "count": UPDATES, "seed": int(rng.integers(2**32))}
        return Case({"params": params, "batches": batches}, f"T={T}, H={H}")

    return [case(8, 8), case(10, 12)]


def train(params, batches):
    velocity = {name: np.zeros_like(value) for name, value in params.items()}
    for xs, targets in batches:
        _, params, velocity = train_step(params, velocity, xs, targets, 0.3, 0.9, 1.0)
    return params


def _error(params, xs, targets):
    """Mean squared error of the network with these parameters."""
    cell = LSTM(xs.shape[2], params["W_y"].shape[1])
    hs, _, _ = cell.forward({name: value for name, value in params.items() if not name.endswith("_y")}, xs)
    return float(np.mean((hs[-1] @ params["W_y"].T + params["b_y"] - targets) ** 2))


def _first_gradient(params, xs, targets):
    """Gradient on one batch, up to a factor: a step from rest, seen from its end."""
    rest = {name: np.zeros_like(value) for name, value in params.items()}
    return train_step(params, rest, xs, targets, 1.0, 0.0, 1e9)[2]


_UPDATE_ALL = "_, params, velocity = train_step(params, velocity, xs, targets, 0.3, 0.9, 1.0)"
_KEPT = ("_, new, velocity = train_step(params, velocity, xs, targets, 0.3, 0.9, 1.0); "
         "params = params | {name: new[name] for name in params if ")
_CELL = tuple(f"{letter}_{gate}" for gate in "fiCo" for letter in "Wb")
_TRAINING = (
    (Mistake("the new parameters not kept", "_, params, velocity = train_step", "_, _, velocity = train_step",
             "The parameters that came back are those that went in. A step changes nothing where it stands: it returns "
             "new parameters, and the next step has to start from them.", ONE_STEP), unchanged()),
    (Mistake("only the readout trained", _UPDATE_ALL, _KEPT + "name.endswith('_y')}",
             "W_y and b_y moved, the cell's own eight arrays did not. A readout of an untrained memory cannot know "
             "which numbers were marked.", ONE_STEP), unchanged(*_CELL)),
    (Mistake("the readout not trained", _UPDATE_ALL, _KEPT + "not name.endswith('_y')}",
             "The cell's parameters moved, W_y and b_y did not. They are parameters like the others.", ONE_STEP),
     unchanged("W_y", "b_y")),
    (Mistake("it blew up", "0.3, 0.9, 1.0)", "1e200, 0.9, 1e200)",
             "Parameters that are not finite came back. A step was so long that the next gradient was no number any "
             "more: see that the gradients are clipped, and that the learning rate is not far above 1.", ONE_STEP),
     not_finite),
    (Mistake("a single step", "0.3, 0.9, 1.0)", "0.3, 0.9, 1.0); break",
             "The parameters lie exactly one step from where they began, down the gradient of the first batch. Does "
             "something leave the loop too early, such as a return inside it?", ONE_STEP),
     one_step_of(_first_gradient)),
    (Mistake("the loss driven up", "0.3, 0.9, 1.0)", "-0.3, 0.9, 1.0)",
             "Even on data it trained on, the error is far larger than it was to begin with. The gradient points to "
             "where the loss grows, and a step goes the other way. If yours do, they are so long that each leaps past "
             "the valley: try a smaller learning rate, and clip.", DESCENT), uphill),
)

TRAINING_CHECK = TrainingCheck(
    name="train",
    draw=_draw_training,
    reference=train,
    returns={name: Output(name, "the shape it had") for name in (*_CELL, "W_y", "b_y")},
    parts={"it learns": 1, "it solves the task": 2},
    limits={"it learns": BASELINE / 2, "it solves the task": 0.02},
    baseline=BASELINE,
    error=_error,
    fresh=lambda rng, case: adding(rng, case.args["batches"]["length"], UNSEEN),
    mistakes=tuple(mistake for mistake, _ in _TRAINING),
    signs={mistake.name: sign for mistake, sign in _TRAINING},
)


CHECKS = (STEP_CHECK, BACKWARD_CHECK, LOSS_CHECK, CLIP_CHECK, SGD_CHECK, TRAIN_CHECK, TRAINING_CHECK)
