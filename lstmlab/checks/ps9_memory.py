"""Problem set 9, vanishing gradients measured: Jacobians and their products, and three cells over the gap."""

from __future__ import annotations

import numpy as np

from ..cells import LSTM, LSTM1997, RNN, HState
from . import Case, Check, Mistake, Output, Source

VANISHING = 'chapter "Vanishing and exploding gradients"'
JACOBIAN = f'{VANISHING}, section "The Jacobian and its products" (eq-rnn-jacobian)'
PRODUCT = f'{VANISHING}, section "The Jacobian and its products" (eq-jacobian-product)'
MEASURED = f'{VANISHING}, section "Measured over the gap"'
THROUGH_TIME = 'chapter "Backpropagation through time"'
GOING_BACK = f'{THROUGH_TIME}, section "Backward through all steps" (eq-rnn-dh)'
SHARES = f'{THROUGH_TIME}, section "Backward through all steps" (eq-rnn-dW-sum)'


def _mistakes(see, *entries):
    return tuple(Mistake(name, old, new, why, see) for name, old, new, why in entries)


def _draw_params(rng, cell):
    """Parameters none of which is special, of a size at which no gate is stuck."""
    scale = 1.4 / np.sqrt(cell.hidden_size + cell.input_size)
    return {name: rng.normal(0.0, scale, shape) for name, shape in cell.parameter_shapes().items()}


# -- rnn_jacobians -------------------------------------------------------------------------------------

def _draw_jacobians(rng):
    def case(T, I, H):
        return Case({"params": _draw_params(rng, RNN(I, H)), "xs": rng.normal(0.0, 1.0, (T, I)),
                     "h0": rng.uniform(-1.0, 1.0, H)}, f"T={T}, I={I}, H={H}")

    return [case(4, 3, 3), case(3, 2, 4), case(1, 4, 2), case(2, 1, 1), case(6, 5, 3)]


def rnn_jacobians(params, xs, h0):
    cell, states, found = RNN(xs.shape[1], len(h0)), [HState(h0[None])], []
    for x in xs:
        states.append(cell.step(params, x[None], states[-1])[0])
        h = states[-1].h[0]
        found.append((1 - h ** 2)[:, None] * params["W_h"][:, :len(h)])
    return np.stack(found)


_J = '(1 - h ** 2)[:, None] * params["W_h"][:, :len(h)]'
_SQUARE = "The slope of tanh is 1 − y², where y is its value, and the value is h after the step."
JACOBIAN_MISTAKES = _mistakes(
    JACOBIAN,
    ("tanh′ missing", _J, 'params["W_h"][:, :len(h)]',
     "Between h before and h after stands a tanh, and its slope multiplies each row. It is never more than 1, which is "
     "half of the story of the vanishing gradient."),
    ("W missing", _J, "np.diag(1 - h ** 2)",
     "The slopes alone say how tanh passes a change on, not how the units pass it to each other."),
    ("the slopes on the columns", "(1 - h ** 2)[:, None]", "(1 - h ** 2)",
     "Row j belongs to the new h[j], whose slope it is. Broadcasting laid the slopes along the other axis."),
    ("the Jacobian transposed", _J, 'np.ascontiguousarray(((1 - h ** 2)[:, None] * params["W_h"][:, :len(h)]).T)',
     "Entry [j, k] is the change of the new h[j] by the old h[k]. Yours has them the other way round. (A gradient "
     "that stands in a column is multiplied by the transpose; in a row, as in this course, by the Jacobian itself.)"),
    ("W transposed", _J, '(1 - h ** 2)[:, None] * params["W_h"][:, :len(h)].T',
     "Row j of W makes unit j. The slopes are where they belong, the weights are transposed."),
    ("the columns of x in place of those of h", '["W_h"][:, :len(h)]', '["W_h"][:, -len(h):]',
     "W acts on [h, x]: the first H columns belong to h."),
    ("all columns of W", '["W_h"][:, :len(h)]', '["W_h"]',
     "W acts on [h, x], and the derivative by h has only the columns that act on h."),
    ("the slope taken before the step", "(1 - h ** 2)", "(1 - states[-2].h[0] ** 2)",
     f"{_SQUARE} Yours is the h before."),
    ("h not squared in the slope", "(1 - h ** 2)", "(1 - h)", _SQUARE),
    ("σ′ in place of tanh′", "(1 - h ** 2)", "(h * (1 - h))", "y(1 − y) is the slope of σ. " + _SQUARE),
    ("tanh taken twice in the slope", "(1 - h ** 2)", "(1 - np.tanh(h) ** 2)", f"{_SQUARE} Was tanh applied to h?"),
    ("the slope squared", "(1 - h ** 2)", "((1 - h ** 2) ** 2)", f"{_SQUARE} It enters once."),
    ("the slope inverted", "(1 - h ** 2)", "(1 / (1 - h ** 2))",
     "A slope multiplies. Yours makes a gradient grow where tanh is flat."),
    ("the state not carried on", "x[None], states[-1])", "x[None], HState(h0[None]))",
     "Every step starts from h0. Where a step ends the next one begins."),
    ("the initial state ignored", "[HState(h0[None])], []", "[HState(0 * h0[None])], []",
     "The sequence starts from h0, and not from zeros."),
    ("the inputs from last to first", "for x in xs:", "for x in xs[::-1]:",
     "xs[0] is the first input, and the sequence is read from there."),
    ("the Jacobians from last to first", "np.stack(found)", "np.stack(found[::-1])",
     "Entry t of the result belongs to the step that reads xs[t]."),
    ("[x, h] in place of [h, x]", "np.concatenate([h_prev, x], axis=1)", "np.concatenate([x, h_prev], axis=1)",
     "The columns of W are ordered for [h, x]; the step joined them the other way round."),
    ("the bias left out of the step", ' + params["b_h"]', "",
     "Without the bias h is another one, and with it every slope."),
    ("no tanh in the step", 'np.tanh(hx @ params["W_h"].T + params["b_h"])', '(hx @ params["W_h"].T + params["b_h"])',
     "The state that is carried on has to go through tanh first."),
)

JACOBIANS_CHECK = Check(
    name="rnn_jacobians",
    draw=_draw_jacobians,
    reference=rnn_jacobians,
    inner=(Source(RNN.step, "rnn_jacobians", RNN),),
    returns=Output("Js", "(T, H, H)"),
    parts={"Js": 3},
    mistakes=JACOBIAN_MISTAKES,
)


# -- log_norms -----------------------------------------------------------------------------------------

def _draw_products(rng):
    def case(T, H, size, part):
        return Case({"jacobians": rng.normal(0.0, size / np.sqrt(H), (T, H, H))},
        f"T={T}, H={H}, entries near {size:g}",
                    part)

    return [case(6, 3, 0.8, "short"), case(5, 4, 2.0, "short"), case(1, 3, 1.0, "short"), case(4, 1, 0.5, "short"),
            case(400, 3, 0.05, "long"), case(300, 2, 40.0, "long")]


def log_norms(jacobians):
    product, log, found = np.eye(jacobians.shape[1]), 0.0, []
    for J in jacobians[::-1]:
        product = product @ J
        size = np.linalg.norm(product, 2)
        log += np.log10(size)
        product = product / size
        found.append(log)
    return np.array(found)


PRODUCT_MISTAKES = _mistakes(
    PRODUCT,
    ("the product leaves the range of float64", "log += np.log10(size)\n        product = product / size",
     "log = np.log10(size)",
     "A product of hundreds of small matrices is smaller than any number that float64 knows, and becomes zero; one of "
     "large matrices becomes infinite. Take the size out at every step, and add up its logarithm."),
    ("multiplied on the wrong side", "product @ J", "J @ product",
     "The newest step stands on the left: a change of an early h goes through the early Jacobian first. Going back in "
     "time each further Jacobian comes in on the right."),
    ("from the first step on", "jacobians[::-1]", "jacobians",
     "Entry k − 1 belongs to the last k steps. Yours belongs to the first k."),
    ("from the first step on, in the order of time", "for J in jacobians[::-1]:\n        product = product @ J",
     "for J in jacobians:\n        product = J @ product",
     "That is how a change of h_0 grows forwards. Here the end is fixed, and the gap reaches back from it."),
    ("the Frobenius norm", "np.linalg.norm(product, 2)", "np.linalg.norm(product)",
     "np.linalg.norm of a matrix is the Frobenius norm unless told otherwise. The largest factor by which a matrix can "
     "stretch a vector is another one."),
    ("the largest entry", "np.linalg.norm(product, 2)", "np.abs(product).max()",
     "The largest factor by which a matrix can stretch a vector is its largest singular value, and not its largest "
     "entry."),
    ("the largest column sum", "np.linalg.norm(product, 2)", "np.linalg.norm(product, 1)",
     "The norm with ord=1 is the largest sum of a column. The largest singular value is asked for."),
    ("the largest row sum", "np.linalg.norm(product, 2)", "np.linalg.norm(product, np.inf)",
     "The norm with ord=inf is the largest sum of a row. The largest singular value is asked for."),
    ("the smallest singular value", "np.linalg.norm(product, 2)", "np.linalg.norm(product, -2)",
     "That is the factor of the direction that shrinks most; the largest one is asked for."),
    ("the nuclear norm", "np.linalg.norm(product, 2)", 'np.linalg.norm(product, "nuc")',
     "That is the sum of the singular values; the largest one is asked for."),
    ("the largest eigenvalue", "np.linalg.norm(product, 2)", "np.abs(np.linalg.eigvals(product)).max()",
     "The largest eigenvalue says what happens after very many equal steps. A single product can stretch a vector by "
     "more than that."),
    ("the product of the norms", "product = product @ J", "product = J",
     "The norms multiplied are an upper bound. The norm of the product is what is asked for, and it can be much "
     "smaller: one matrix turns a vector to where the next one shrinks it."),
    ("the natural logarithm", "np.log10(size)", "np.log(size)",
     "The logarithm is to the base 10, for a readable axis."),
    ("the logarithm to the base 2", "np.log10(size)", "np.log2(size)",
     "The logarithm is to the base 10, for a readable axis."),
    ("the logarithm with the wrong sign", "np.log10(size)", "-np.log10(size)",
     "A gradient that shrinks has a negative logarithm."),
    ("only the size of the last step", "log += np.log10(size)", "log = np.log10(size)",
     "The size was taken out at every step; the logarithms have to be added up."),
    ("the gap of 0 in front", "0.0, []", "0.0, [0.0]",
     "The first entry belongs to a gap of 1, one Jacobian. There are T entries."),
    ("the longest gap first", "np.array(found)", "np.array(found[::-1])",
     "Entry 0 belongs to the gap of 1, a single Jacobian."),
    ("no logarithm", "np.array(found)", "10.0 ** np.array(found)",
     "The norm itself came. For long gaps it has no place in float64; its logarithm has."),
)

PRODUCTS_CHECK = Check(
    name="log_norms",
    draw=_draw_products,
    reference=log_norms,
    returns=Output("log norms", "(T,)"),
    parts={"short": 2, "long": 1},
    mistakes=PRODUCT_MISTAKES,
    hints={"long": "Short products are right. What is the norm of 400 matrices that each shrink by 20, and what is the "
                   "smallest number that float64 knows?"},
)


# -- state_gradient_norms ------------------------------------------------------------------------------

_CELLS = {"RNN": RNN, "LSTM": LSTM, "LSTM1997": LSTM1997}


def _draw_memory(rng):
    def case(kind, T, B, I, H):
        return Case({"kind": kind, "params": _draw_params(rng, _CELLS[kind](I, H)),
                     "xs": rng.normal(0.0, 1.0, (T, B, I)), "dh": rng.normal(0.0, 1.0, (B, H))},
                    f"{kind}, T={T}, B={B}, I={I}, H={H}", kind)

    return [case("LSTM", 4, 2, 3, 4), case("LSTM", 1, 3, 2, 3), case("LSTM1997", 5, 1, 3, 3),
            case("LSTM1997", 3, 3, 2, 4), case("RNN", 4, 2, 3, 5), case("RNN", 6, 1, 1, 2), case("LSTM", 12, 2, 2, 3)]


def state_gradient_norms(kind, params, xs, dh):
    cell = _CELLS[kind](xs.shape[2], dh.shape[1])
    state, tapes = cell.initial_state(len(dh)), []
    for x in xs:
        state, tape = cell.step(params, x, state)
        tapes.append(tape)
    dstate = cell.State(dh, *(0 * dh for _ in state[1:]))
    norms = [np.linalg.norm(np.concatenate(dstate, axis=1), axis=1)]
    for tape in tapes[::-1]:
        _, dstate, _ = cell.step_backward(params, tape, dstate)
        norms.append(np.linalg.norm(np.concatenate(dstate, axis=1), axis=1))
    return np.stack(norms)


_NORM, _BACK = "norms.append(np.linalg.norm(np.concatenate(dstate, axis=1), axis=1))", "params, tape, dstate)"
_START = "cell.State(dh, *(0 * dh for _ in state[1:]))"
_ONCE = "The loss looks at the last h alone."
_FORWARD_MISTAKES = (
    ("the state not carried on", "params, x, state)", "params, x, cell.initial_state(len(dh)))",
     "Every step of the forward pass starts from zeros. Where a step ends the next one begins."),
    ("the inputs from last to first", "for x in xs:", "for x in xs[::-1]:",
     "xs[0] is the first input, and the sequence is read from there."),
    ("the same input at every step", "for x in xs:", "for x in xs[:1].repeat(len(xs), axis=0):",
     "Every step reads the first input: look at the index inside the loop."),
)
_BACKWARD_MISTAKES = (
    ("the tapes from first to last", "tapes[::-1]", "tapes",
     "The way back begins at the last step, so its tape comes first."),
    ("the last tape at every step", "tapes[::-1]", "tapes[-1:] * len(tapes)",
     "Every step back uses what the last step saved. Each has a tape of its own."),
    ("the gradient of the last step at every step", _BACK,
     "params, tape, " + _START + ")",
     "Each step back starts from dh anew. What a step returns for its state is what the step before it starts from."),
    ("dh added at every step", _BACK, "params, tape, dstate._replace(h=dstate.h + dh * (tape is not tapes[-1])))",
     f"{_ONCE} dh enters at the end, and is not added again on the way."),
    ("dC dropped between the steps", _BACK, "params, tape, cell.State(dstate.h, *(0 * d for d in dstate[1:])))",
     "The cell state carries its gradient on to the step before; that path is what an LSTM is about."),
    ("dh dropped between the steps", _BACK,
     "params, tape, dstate._replace(h=dstate.h * (tape is tapes[-1] or len(dstate) == 1)))",
     "C is not all that leads back: every gate reads h of the step before."),
    ("dh given for the cell state too", _START, "cell.State(dh, *(dh for _ in state[1:]))",
     f"{_ONCE} What reaches C at the end comes through h, and the backward step adds it by itself."),
    ("dh given for the cell state in place of h", _START,
     "cell.State(dh if len(state) == 1 else 0 * dh, *(dh for _ in state[1:]))", f"{_ONCE} dh is the gradient of h."),
    ("ones in place of dh", _START, "cell.State(0 * dh + 1, *(0 * dh for _ in state[1:]))",
     "The gradient that starts the way back is the argument dh."),
)

STATE_MISTAKES = _mistakes(
    GOING_BACK,
    *_FORWARD_MISTAKES,
    *_BACKWARD_MISTAKES,
    ("the norm of dh alone", _NORM, "norms.append(np.linalg.norm(dstate[0], axis=1))",
     "The state of a cell with a memory is h and C together, and so is the gradient whose norm is meant."),
    ("the norm of dC alone", _NORM, "norms.append(np.linalg.norm(dstate[-1], axis=1))",
     "The state of a cell with a memory is h and C together, and so is the gradient whose norm is meant."),
    ("the norms of dh and dC added", _NORM, "norms.append(sum(np.linalg.norm(d, axis=1) for d in dstate))",
     "The norm of two vectors laid end to end is not the sum of their norms: the squares add up."),
    ("the square of the norm", _NORM, "norms.append((np.concatenate(dstate, axis=1) ** 2).sum(axis=1))",
     "A norm is the root of the sum of the squares; the root is missing."),
    ("the largest entry", _NORM, "norms.append(np.abs(np.concatenate(dstate, axis=1)).max(axis=1))",
     "The Euclidean norm is asked for: the root of the sum of the squares."),
    ("the sum of the absolute values", _NORM, "norms.append(np.abs(np.concatenate(dstate, axis=1)).sum(axis=1))",
     "The Euclidean norm is asked for: the root of the sum of the squares."),
    ("the root mean square", _NORM, "norms.append(np.sqrt((np.concatenate(dstate, axis=1) ** 2).mean(axis=1)))",
     "The Euclidean norm has the sum of the squares under its root, and not their mean."),
    ("the gradient of the input", f"_, dstate, _ = cell.step_backward({_BACK}\n        {_NORM}",
     f"dx, dstate, _ = cell.step_backward({_BACK}\n        norms.append(np.linalg.norm(dx, axis=1))",
     "A step back returns three things: the gradient of its input, of its state and of the parameters."),
    ("the whole batch in one norm", "return np.stack(norms)",
     "return np.repeat(np.linalg.norm(norms, axis=1)[:, None], len(dh), axis=1)",
     "Each example of the batch has a norm of its own: only the last axis is summed over."),
    ("the mean over the batch", "return np.stack(norms)", "return np.stack(norms).mean(axis=1)",
     "Each example of the batch has a norm of its own."),
    ("divided by the first", "return np.stack(norms)", "return np.stack(norms) / norms[0]",
     "The norm itself is asked for; dividing is left to the picture."),
    ("the logarithm", "return np.stack(norms)", "return np.log10(np.stack(norms))",
     "The norm itself is asked for; its logarithm is left to the picture."),
    ("the longest gap first", "return np.stack(norms)", "return np.stack(norms[::-1])",
     "Entry 0 belongs to the gap of 0, the end of the sequence."),
    ("the gap of 0 missing", "return np.stack(norms)", "return np.stack(norms[1:])",
     "There are T + 1 entries: the first is the norm of what starts the way back."),
    ("the initial state missing", "return np.stack(norms)", "return np.stack(norms[:-1])",
     "There are T + 1 entries: the last belongs to the state before the first input."),
    ("batch and gap exchanged", "return np.stack(norms)", "return np.stack(norms, axis=1)",
     "The gap is the first axis, the batch the second."),
)

STATE_CHECK = Check(
    name="state_gradient_norms",
    draw=_draw_memory,
    reference=state_gradient_norms,
    returns=Output("norms", "(T+1, B)"),
    parts={"RNN": 1, "LSTM": 2, "LSTM1997": 1},
    mistakes=STATE_MISTAKES,
    hints={"RNN": "The cells with a memory are right. The state of an RNN is (h,), without a C."},
)


# -- share_norms ---------------------------------------------------------------------------------------

def share_norms(kind, params, xs, dh):
    cell = _CELLS[kind](xs.shape[2], dh.shape[1])
    state, tapes = cell.initial_state(len(dh)), []
    for x in xs:
        state, tape = cell.step(params, x, state)
        tapes.append(tape)
    dstate, norms = cell.State(dh, *(0 * dh for _ in state[1:])), []
    for tape in tapes[::-1]:
        _, dstate, dparams = cell.step_backward(params, tape, dstate)
        norms.append(np.sqrt(sum(np.sum(d ** 2) for d in dparams.values())))
    return np.array(norms)


_SHARE = "np.sqrt(sum(np.sum(d ** 2) for d in dparams.values()))"
_ALL = "All parameters count, as one long vector: the root of the sum of all squares."
SHARE_MISTAKES = _mistakes(
    SHARES,
    *_FORWARD_MISTAKES,
    *_BACKWARD_MISTAKES,
    ("the weights alone", "dparams.values()", 'dparams.values() if d.ndim == 2', _ALL + " The biases are missing."),
    ("the biases alone", "dparams.values()", 'dparams.values() if d.ndim == 1', _ALL + " The weights are missing."),
    ("the norms of the parameters added", _SHARE, "sum(np.sqrt(np.sum(d ** 2)) for d in dparams.values())", _ALL),
    ("the largest norm of a parameter", _SHARE, "max(np.sqrt(np.sum(d ** 2)) for d in dparams.values())", _ALL),
    ("the first parameter alone", "dparams.values()", "list(dparams.values())[:1]", _ALL),
    ("the square of the norm", _SHARE, "sum(np.sum(d ** 2) for d in dparams.values())",
     "A norm is the root of the sum of the squares; the root is missing."),
    ("the sum of the absolute values", _SHARE, "sum(np.sum(np.abs(d)) for d in dparams.values())", _ALL),
    ("the largest entry", _SHARE, "max(np.abs(d).max() for d in dparams.values())", _ALL),
    ("spectral norms in place of Euclidean ones", "np.sum(d ** 2)", "np.linalg.norm(d, 2) ** 2",
     _ALL + " np.linalg.norm with ord=2 gives a matrix's largest singular value."),
    ("divided by the batch", _SHARE, f"{_SHARE} / len(dh)",
     "The loss is what it is: if it was a mean, the division is in dh already."),
    ("divided by the first", "np.array(norms)", "np.array(norms) / norms[0]",
     "The norm itself is asked for; dividing is left to the picture."),
    ("the shares added up", "np.array(norms)", "np.cumsum(norms)",
     "Each entry is the share of one step. Added up they are something else, and the norms of a sum do not add."),
    ("the first step first", "np.array(norms)", "np.array(norms[::-1])",
     "Entry 0 belongs to the gap of 0, the last step."),
    ("the gap of 0 missing", "np.array(norms)", "np.array(norms[1:])",
     "There are T entries, one for each step; the last step is the first entry."),
    ("the logarithm", "np.array(norms)", "np.log10(norms)",
     "The norm itself is asked for; its logarithm is left to the picture."),
)

SHARE_CHECK = Check(
    name="share_norms",
    draw=_draw_memory,
    reference=share_norms,
    returns=Output("norms", "(T,)"),
    parts={"RNN": 1, "LSTM": 1, "LSTM1997": 1},
    mistakes=SHARE_MISTAKES,
)


# -- factor_per_step -----------------------------------------------------------------------------------

def _draw_curve(rng):
    def case(n, factor, scatter):
        start, noise = rng.uniform(-3.0, 3.0), scatter * rng.normal(0.0, 1.0, n)
        return Case({"norms": np.exp(start + np.arange(n) * np.log(factor) + noise)},
                    f"{n} gaps, factor near {factor:.2g}", "scattered" if scatter else "straight")

    return [case(12, rng.uniform(0.6, 0.9), 0.5), case(30, rng.uniform(1.05, 1.3), 0.7), case(5, 0.99, 0.5),
            case(20, rng.uniform(0.3, 0.9), 0.0), case(2, rng.uniform(1.1, 2.0), 0.0), case(300, 0.2, 0.0)]


def factor_per_step(norms):
    gaps = np.arange(len(norms))
    slope, _ = np.polyfit(gaps, np.log(norms), 1)
    return np.exp(slope)


_FIT = "np.polyfit(gaps, np.log(norms), 1)"
FACTOR_MISTAKES = _mistakes(
    MEASURED,
    ("the slope in place of the factor", "return np.exp(slope)", "return slope",
     "The slope of the logarithm is a rate, 0 for a gradient that stays. The factor is 1 then."),
    ("1 + slope in place of its exponential", "return np.exp(slope)", "return 1 + slope",
     "That is right for slopes near 0 only, where e^s is nearly 1 + s."),
    ("the sign of the slope", "return np.exp(slope)", "return np.exp(-slope)",
     "A gradient that shrinks with the gap has a factor below 1."),
    ("the half-life", "return np.exp(slope)", "return -np.log(2.0) / slope",
     "That is the number of steps after which half is left; the factor of one step is asked for."),
    ("the logarithm to the base 10 undone with e", "np.log(norms)", "np.log10(norms)",
     "The exponential undoes the natural logarithm. To the base 10 it is 10 to the power of the slope."),
    ("the logarithm to the base 2 undone with e", "np.log(norms)", "np.log2(norms)",
     "The exponential undoes the natural logarithm. To the base 2 it is 2 to the power of the slope."),
    ("the line fitted to the norms", "np.log(norms)", "norms",
     "An exponential is a straight line only in its logarithm."),
    ("both axes logarithmic", _FIT, "np.polyfit(np.log(gaps + 1), np.log(norms), 1)",
     "With both axes logarithmic a straight line is a power law. A factor per step is an exponential: the gap stays as "
     "it is."),
    ("the first and the last point alone", "return np.exp(slope)", "return (norms[-1] / norms[0]) ** (1 / gaps[-1])",
     "On a scattered curve two points are not enough: the line goes as near as it can to all of them."),
    ("the first and the last point alone, one step too many", "return np.exp(slope)",
     "return (norms[-1] / norms[0]) ** (1 / len(norms))",
     "From the first of n points to the last there are n − 1 steps. And on a scattered curve two points are not "
     "enough: the line goes as near as it can to all of them."),
    ("the first two points alone", "return np.exp(slope)", "return norms[1] / norms[0]",
     "On a scattered curve two points are not enough: the line goes as near as it can to all of them."),
    ("one step too many", "return np.exp(slope)", "return np.exp(slope * gaps[-1] / len(norms))",
     "From the first of n points to the last there are n − 1 steps."),
    ("the mean of the ratios", "return np.exp(slope)", "return np.mean(norms[1:] / norms[:-1])",
     "Where the curve scatters, a large ratio weighs more than the small one that undoes it. The line is fitted to the "
     "logarithm."),
    ("the line forced through the first point", _FIT,
     "(gaps @ np.log(norms / norms[0]) / (gaps @ gaps), np.log(norms[0]))",
     "The first point scatters as the others do. A line has a height of its own."),
    ("the line forced through the origin", _FIT, "(gaps @ np.log(norms) / (gaps @ gaps), np.log(norms[0]))",
     "At the gap of 0 the norm need not be 1. A line has a height of its own."),
    ("the height of the line in place of its slope", "slope, _ =", "_, slope =",
     "np.polyfit returns the highest power first: the slope, then the height."),
    ("a parabola", _FIT, "np.polyfit(gaps, np.log(norms), min(2, len(norms) - 1))[-2:]",
     "The degree of a straight line is 1. In a parabola the linear term is the slope at the gap of 0 alone."),
)

FACTOR_CHECK = Check(
    name="factor_per_step",
    draw=_draw_curve,
    reference=factor_per_step,
    returns=Output("factor"),
    parts={"straight": 1, "scattered": 1},
    mistakes=FACTOR_MISTAKES,
    hints={"scattered": "On an exact exponential it is right. On one that scatters, all points have to be used, each "
                        "as much as the others, and in the logarithm."},
)


CHECKS = (JACOBIANS_CHECK, PRODUCTS_CHECK, STATE_CHECK, SHARE_CHECK, FACTOR_CHECK)
