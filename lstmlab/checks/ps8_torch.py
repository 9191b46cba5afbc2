"""Problem set 8, from NumPy to Torch: torch's weights, an nn.Module, an autograd.Function, sequences of unequal length.

The student's code runs on torch; the references are the NumPy cells, whose arrays it has to reproduce. Where a mutant's
outputs are wrong, the gradients are left open: autograd's would be those of the wrong forward.
"""

from __future__ import annotations

import numpy as np

from ..cells import LSTM, LSTMState
from . import Case, Check, Mistake, Output, Source
from ._backward import everywhere_mistakes
from .ps3_lstm_forward import FORWARD_MISTAKES, HIDDEN, SEQUENCE, STEP_MISTAKES

TORCH = 'chapter "From NumPy to Torch"'
LAYOUT = f'{TORCH}, section "The equations" (eq-torch-layout)'
BIASES = f'{TORCH}, section "Why there are two biases, and what they do" (eq-torch-two-biases)'
OWN_NODE = f'{TORCH}, section "One node for a whole sequence" (eq-vjp)'
UNEQUAL = f'{TORCH}, section "Sequences of unequal length"'
COUNTED = f'{TORCH}, section "A loss that does not count padding" (eq-masked-loss)'
SLIPS = f'{TORCH}, section "Common mistakes"'
CELL = 'chapter "The LSTM cell"'
BACKWARD = 'chapter "Backpropagation through the LSTM", section "The derivation of the backward pass"'

ERRORS = {
    "in-place operation": "Autograd needs the values that the forward pass used. An in-place update (+=, *=, a method "
                          "that ends in an underscore, an assignment to a slice) overwrites them: make a new tensor.",
    "inplace operation": "Autograd needs the values that the forward pass used. An in-place update (+=, *=, a method "
                         "that ends in an underscore, an assignment to a slice) overwrote one before the backward "
                         "pass came to it: make a new tensor.",
    "in state_dict": "The weights are set by name, in the book's names. Every parameter has to be an nn.Parameter, "
                     "assigned to an attribute of self under that name, and there are no others.",
    "size mismatch for": "A parameter is there under the right name, but with another shape than in the book.",
    "has no parameter": "Only an nn.Parameter is trained and moved. A plain tensor, or a parameter kept in a list or "
                        "a dict of Python's, is invisible to the module.",
    "expected device": "Two tensors met that are on different devices. What the module makes itself, parameters and "
                       "initial states, has to be made where the device argument or the input says.",
    "on the device": "The output is not where the input is. What the module makes itself has to be made on the "
                     "input's device, and nothing may be moved back.",
    "Sizes of tensors must match": "Two tensors do not fit side by side. Sequences are time-major, (T, B, I): an x of "
                                   "the loop is (B, I), and beside it h is (B, H).",
    "same dtype": "Two tensors met that have different dtypes. What the module makes itself, parameters and initial "
                  "states, has to have the dtype that the argument or the input says.",
    "unexpected keyword argument": "The module is built as TorchLSTM(input_size, hidden_size, device=..., dtype=...).",
    "numpy()": "A NumPy array has no graph behind it: autograd cannot pass through. Stay with torch's functions.",
    "meta tensor": "The device \"meta\" has shapes and no numbers. Code that takes a number out of a tensor, or goes "
                   "through NumPy, runs on no other device than the one it was written for.",
    "Meta": "The device \"meta\" has shapes and no numbers. Code that takes a number out of a tensor, or goes "
            "through NumPy, runs on no other device than the one it was written for.",
    "incorrect number of gradients": "backward returns one gradient for every argument of forward but ctx, in the "
                                     "same order; None where there is none.",
    "invalid gradient": "A gradient has the shape of what it is the gradient of, and they are returned in the order "
                        "of forward's arguments.",
}


# -- from_torch_layout ---------------------------------------------------------------------------------

def _draw_layout(rng):
    def case(I, H):
        return Case({"weight_ih": rng.normal(0.0, 1.0, (4 * H, I)), "weight_hh": rng.normal(0.0, 1.0, (4 * H, H)),
                     "bias_ih": rng.normal(0.0, 1.0, 4 * H), "bias_hh": rng.normal(0.0, 1.0, 4 * H)}, f"I={I}, H={H}")

    return [case(2, 3), case(4, 2), case(3, 3), case(1, 1), case(1, 4)]


def from_torch_layout(weight_ih, weight_hh, bias_ih, bias_hh):
    params = {}
    blocks = (np.split(weight_ih, 4), np.split(weight_hh, 4), np.split(bias_ih + bias_hh, 4))
    for gate, W_x, W_h, b in zip("ifCo", *blocks, strict=True):
        params[f"W_{gate}"] = np.concatenate([W_h, W_x], axis=1)
        params[f"b_{gate}"] = b
    return params


def _order(letters, name, why):
    return Mistake(name, 'zip("ifCo"', f'zip("{letters}"', why, LAYOUT)


def _strided(name):
    return f"[{name}[k::4] for k in range(4)]"


LAYOUT_MISTAKES = (
    _order("fiCo", "the book's order of the gates taken for torch's",
           "The book writes f, i, C, o. torch stacks them in another order: look it up in the documentation of "
           "torch.nn.LSTM, which calls the candidate g."),
    _order("iofC", "the order of ONNX taken for torch's",
           "Input, output, forget, cell is how ONNX stacks them. torch's documentation of nn.LSTM names another "
           "order."),
    _order("ifoC", "the candidate and the output gate exchanged",
           "The first two blocks are right. torch calls the candidate g, and it does not come last."),
    _order("iCfo", "the forget gate and the candidate exchanged",
           "The first and the last block are right; look at the two in the middle."),
    _order("ofCi", "the input gate and the output gate exchanged",
           "The middle two blocks are right; the first and the last are each other's."),
    _order("oCfi", "the blocks taken from last to first",
           "The blocks are stacked from top to bottom in the order in which the documentation writes them."),
    Mistake("[x, h] in place of [h, x]", "[W_h, W_x]", "[W_x, W_h]",
            "In the book the columns of W act on [h, x], the first H of them on h. torch keeps the two matrices apart; "
            "weight_hh is the one for h.", LAYOUT),
    Mistake("only bias_ih used", "bias_ih + bias_hh", "bias_ih",
            "torch has two biases for each gate, because cuDNN has two. Both are added.", BIASES),
    Mistake("only bias_hh used", "bias_ih + bias_hh", "bias_hh",
            "torch has two biases for each gate, because cuDNN has two. Both are added.", BIASES),
    Mistake("the biases averaged", "bias_ih + bias_hh", "0.5 * (bias_ih + bias_hh)",
            "A gate of torch's adds both of its biases. One bias that does the same is not their mean.", BIASES),
    Mistake("the biases subtracted", "bias_ih + bias_hh", "bias_ih - bias_hh",
            "A gate of torch's adds both of its biases.", BIASES),
    Mistake("every fourth row of the weights", "(np.split(weight_ih, 4), np.split(weight_hh, 4),",
            f"({_strided('weight_ih')}, {_strided('weight_hh')},",
            "The four gates lie one below the other, H rows each. They are not interleaved.", LAYOUT),
    Mistake("every fourth row, of weights and biases",
            "(np.split(weight_ih, 4), np.split(weight_hh, 4), np.split(bias_ih + bias_hh, 4))",
            f"({_strided('weight_ih')}, {_strided('weight_hh')}, {_strided('(bias_ih + bias_hh)')})",
            "The four gates lie one below the other, H rows each. They are not interleaved.", LAYOUT),
    Mistake("the first block for every gate", "*blocks, strict=True):", "*([b[0]] * 4 for b in blocks), strict=True):",
            "All four gates came out equal: the slice does not move on from gate to gate.", LAYOUT),
    Mistake("the weights transposed", "np.concatenate([W_h, W_x], axis=1)", "np.concatenate([W_h, W_x], axis=1).T",
            "Both torch and the book keep a weight as (outputs, inputs), so nothing has to be transposed.", LAYOUT),
    Mistake("only the recurrent weights", "np.concatenate([W_h, W_x], axis=1)", "W_h",
            "W acts on h and x joined; here are the columns for h alone.", LAYOUT),
)

LAYOUT_CHECK = Check(
    name="from_torch_layout",
    draw=_draw_layout,
    reference=from_torch_layout,
    returns={f"{kind}_{g}": Output(f"{kind}_{g}", shape, part)
             for kind, shape, part in (("W", "(H, H+I)", "weights"), ("b", "(H,)", "biases")) for g in "fiCo"},
    parts={"weights": 2, "biases": 1},
    mistakes=LAYOUT_MISTAKES,
    kind="tensors",
    errors=ERRORS,
    libraries=("torch",),
)


# -- TorchLSTM -----------------------------------------------------------------------------------------

def _draw_sequence(rng, sizes, dtype="f8", state=True, device="cpu", part="", note="", padded=False):
    T, B, I, H = sizes
    cell = LSTM(I, H)
    normal = {name: rng.normal(0.0, 0.7, shape).astype(dtype) for name, shape in cell.parameter_shapes().items()}
    inputs = [rng.normal(0.0, 1.0, (T, B, I)).astype(dtype)]
    if padded:
        inputs.append(_draw_lengths(rng, T, B))
    start = [rng.uniform(-1.0, 1.0, (B, H)), rng.normal(0.0, 1.5, (B, H))] if state else [np.zeros(0), np.zeros(0)]
    gradients = [rng.normal(0.0, 1.0, shape).astype(dtype) for shape in ((T, B, H), (B, H), (B, H))]
    args = {"sizes": [I, H], "params": normal, "inputs": inputs, "state": [array.astype(dtype) for array in start],
            "gradients": gradients, "device": device}
    return Case(args, f"T={T}, B={B}, I={I}, H={H}{note}", part)


def _draw_lengths(rng, T, B):
    """As different as they can be, none of them T if that leaves enough, and neither end of the range first."""
    limit = max(1, T - 1 if T > B else T)
    lengths = np.sort(rng.choice(limit, min(B, limit), replace=False)) + 1
    lengths = np.append(lengths, rng.integers(1, limit, B - len(lengths), endpoint=True))
    return np.append(lengths[B // 2], np.delete(lengths, B // 2))


def _draw_module(rng):
    meta = rng.integers(2, 9, 4).tolist()
    return [_draw_sequence(rng, (3, 2, 2, 3)), _draw_sequence(rng, (1, 3, 3, 2)), _draw_sequence(rng, (4, 1, 1, 4)),
            _draw_sequence(rng, (3, 3, 3, 3)), _draw_sequence(rng, (3, 2, 3, 2), state=False, note=", no state given"),
            _draw_sequence(rng, (4, 2, 3, 2), "f4", part=ANYWHERE, note=", float32"),
            _draw_sequence(rng, (2, 3, 1, 4), "f4", False, part=ANYWHERE, note=", float32, no state given"),
            _draw_sequence(rng, meta, "f4", False, "meta", ANYWHERE, ", on the device meta, no state given"),
            _draw_start(rng)]


def _draw_start(rng):
    """Enough numbers that a uniform draw comes near both ends of its range: by less than a tenth, but for 1e-24."""
    I, H = rng.integers(24, 33, 2).tolist()
    args = {"sizes": [I, H], "params": {}, "inputs": [np.zeros((1, 1, I))], "state": [np.zeros(0)] * 2,
            "gradients": [], "device": "cpu"}
    return Case(args, f"I={I}, H={H}")


ANYWHERE, START = "dtype, device", "start"


def torch_lstm(sizes, params, inputs, start, gradients, device):
    cell, (xs,) = LSTM(*sizes), inputs
    if not params:
        bound = cell.hidden_size ** -0.5
        return {"start": {name: np.ones(shape) if name == "b_f" else np.resize([-bound, bound], shape)
                          for name, shape in cell.parameter_shapes().items()}}
    h0, C0 = start if start[0].size else cell.initial_state(xs.shape[1], xs.dtype)
    state, shown, tapes = LSTMState(h0, C0), [], []
    for x in xs:
        state, tape = cell.step(params, x, state)
        shown.append(state.h)
        tapes.append(tape)
    hs = np.stack(shown)
    found = {"outputs": (hs, tuple(state)), "params": None, "inputs": None, "state": None}
    if _right(found["outputs"], cell.forward(params, xs, cell.State(h0, C0))):
        dhs, dh, dC = gradients
        later, dxs, dparams = LSTMState(dh, dC), [], {name: np.zeros_like(value) for name, value in params.items()}
        for dh_t, tape in zip(dhs[::-1], tapes[::-1], strict=True):
            dx, before, shares = cell.step_backward(params, tape, LSTMState(later.h + dh_t, later.C))
            later = before
            dxs.append(dx)
            dparams = {name: dparams[name] + shares[name] for name in params}
        found |= {"params": dparams, "inputs": [np.stack(dxs[::-1])], "state": later if start[0].size else start}
    return found if device == "cpu" else _zeros(found)


def _right(outputs, truth):
    """Whether outputs (hs, (h, C)) are those of the cell's own forward, to the rounding of float32."""
    hs, last, _ = truth
    return all(a.shape == b.shape and np.allclose(a, b, 1e-4, 1e-5)
               for a, b in zip((outputs[0], *outputs[1]), (hs, *last), strict=True))


def _zeros(value):
    """Zeros in place of every number: all that a device without numbers can give."""
    if isinstance(value, dict):
        return {key: _zeros(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_zeros(item) for item in value]
    return None if value is None else np.zeros_like(value)


# Of the mistakes in one step those that are made even by who has written it before, no two of them alike from outside.
_AGAIN = (
    "[x, h] in place of [h, x]", "no bias in any gate", "tanh on the gate f", "tanh on the gate i", "tanh on the gate "
    "o",
    "σ on the candidate", "no squashing of the candidate", "the hidden state left out of the gates",
    "f and i swapped in the cell state", "the forget gate is not used", "the input gate is not used",
    "the old cell state is dropped", "1 − f in place of i", "h computed from the previous cell state",
    "no tanh on the output", "σ in place of tanh on the output", "the output gate is not used",
)
AGAIN = tuple(mistake for mistake in STEP_MISTAKES if mistake.name in _AGAIN)
_LOOP = ("cell.step(params, x, state)", "LSTMState(h0, C0)", "for x in xs:", "shown.append(state.h)", "np.stack(shown)")
_ARRIVES, _LATER = "LSTMState(later.h + dh_t, later.C)", "later = before"
_DETACHED = ("The outputs are right, but the gradient ends there: what was detached, taken as .data, turned into NumPy "
             "or computed under no_grad has no past any more. ")

MODULE_MISTAKES = (
    *AGAIN,
    *(mistake for mistake in FORWARD_MISTAKES if mistake.old in _LOOP),
    Mistake("h and C exchanged in the returned state", '"outputs": (hs, tuple(state))',
            '"outputs": (hs, (state.C, state.h))',
            "The state comes as the pair (h, C) and has to go as one, or the next call starts from nonsense.", HIDDEN),
    Mistake("the initial state returned", '"outputs": (hs, tuple(state))', '"outputs": (hs, (h0, C0))',
            "The outputs are right, but the state that is returned is the one that came in.", SEQUENCE),
    Mistake("only the last output returned", '"outputs": (hs, tuple(state))',
            '"outputs": (hs[-1], tuple(state))',
            "The first returned value has the outputs of all steps, (T, B, H).", SEQUENCE),
    Mistake("the last example of the batch taken for the last step", '"outputs": (hs, tuple(state))',
            '"outputs": (hs, (hs[:, -1], state.C))',
            "Sequences are time-major: hs[:, -1] is the last example at all times. That index belongs to "
            "batch_first=True.", SEQUENCE),
    Mistake("the state detached before every step", _LATER, "later = LSTMState(0 * before.h, 0 * before.C)",
            _DETACHED + "Each step then learns from its own output alone. A state is detached between two "
            "sequences of a stream, never within one.", SLIPS),
    Mistake("h detached before every step", _LATER, "later = LSTMState(0 * before.h, before.C)",
            _DETACHED + "Here it is h on its way into the next step: the gates get no gradient from later times.",
            SLIPS),
    Mistake("C detached before every step", _LATER, "later = LSTMState(before.h, 0 * before.C)",
            _DETACHED + "Here it is C on its way into the next step: the very path that carries a gradient far.",
            SLIPS),
    Mistake("the state detached after every step", _ARRIVES, "LSTMState(dh_t, 0 * later.C)",
            _DETACHED + "Each step then learns from its own output alone, and the last state teaches nothing. A "
            "state is detached between two sequences of a stream, never within one.", SLIPS),
    Mistake("the collected outputs detached", _ARRIVES, "LSTMState(later.h + 0 * dh_t, later.C)",
            _DETACHED + "Here it is hs: only a loss on the last state would be learnt from.", SLIPS),
    Mistake("the returned state detached", "LSTMState(dh, dC)", "LSTMState(0 * dh, 0 * dC)",
            _DETACHED + "Here it is the pair of last states. Whoever carries a state from one part of a stream to the "
            "next can detach it there; the module cannot know.", SLIPS),
    Mistake("the returned C detached", "LSTMState(dh, dC)", "LSTMState(dh, 0 * dC)",
            _DETACHED + "Here it is the last C.", SLIPS),
    Mistake("the initial state detached", '"state": later if', '"state": [0 * d for d in later] if',
            _DETACHED + "Here it is the state that comes in, which may be another module's output.", SLIPS),
    Mistake("the inputs detached", "[np.stack(dxs[::-1])]", "[0 * np.stack(dxs[::-1])]",
            _DETACHED + "Here it is xs: whatever produces the inputs, an embedding or another layer, would never be "
            "trained.", SLIPS),
    Mistake("the parameters detached", "dparams[name] + shares[name]", "dparams[name]",
            _DETACHED + "Here it is every parameter. Use them as they are, not their .data and not a copy.", SLIPS),
    Mistake("the biases detached", "dparams[name] + shares[name]", 'dparams[name] + shares[name] * (name[0] == "W")',
            _DETACHED + "Here it is every bias.", SLIPS),
    Mistake("everything under no_grad", "dhs, dh, dC = gradients", "dhs, dh, dC = (0 * d for d in gradients)",
            _DETACHED + "Here nothing is left of the graph. no_grad belongs to an evaluation, around the call.", SLIPS),
)


def _uniform(array):
    """What of a parameter is not uniform in ±1/√H; H is the length of either a weight or a bias."""
    low, high, bound = array.min(), array.max(), len(array) ** -0.5
    if not np.isfinite(array).all():
        return "not every entry is a finite number"
    if low == high:
        return f"all entries are {low:.3g}"
    if max(-low, high) > bound * (1 + 1e-6):
        return f"from {low:.3g} to {high:.3g}, which is beyond ±{bound:.3g}"
    if array.ndim == 2 and min(-low, high) < 0.9 * bound:
        return f"from {low:.3g} to {high:.3g}, which does not fill ±{bound:.3g}"
    return ""


def _ones(array):
    return "" if (array == 1).all() else f"{array[array != 1][0]:.3g} came, 1 expected"


_STATE = (Output("dh0", "(B, H)", "d inputs"), Output("dC0", "(B, H)", "d inputs"))
_MODULE_RETURNS = {
    "outputs": (Output("hs", "(T, B, H)"), (Output("h", "(B, H)"), Output("C", "(B, H)"))),
    "params": {name: Output(f"d{name}", "(H, H+I)" if name[0] == "W" else "(H,)", "d params")
               for name in LSTM(1, 1).parameter_shapes()},
    "inputs": (Output("dxs", "(T, B, I)", "d inputs"),),
    "state": _STATE,
}
_NO_GRAPH = ("The outputs are right, and torch differentiates what it sees. So something was hidden from it: a detach, "
             "a .data, a no_grad, or a way through NumPy.")

_STARTS = {name: Output(f"{name} at the start", "(H, H+I)" if name[0] == "W" else "(H,)", START,
                        _ones if name == "b_f" else _uniform) for name in LSTM(1, 1).parameter_shapes()}

MODULE_CHECK = Check(
    name="TorchLSTM",
    draw=_draw_module,
    reference=torch_lstm,
    inner=(Source(LSTM.step, "TorchLSTM", LSTM),),
    returns=_MODULE_RETURNS | {"start": _STARTS},
    parts={"hs": 1, "h": 1, "C": 1, "d params": 1, "d inputs": 1, ANYWHERE: 1, START: 1},
    mistakes=MODULE_MISTAKES,
    hints={"d params": _NO_GRAPH, "d inputs": _NO_GRAPH,
           ANYWHERE: "In float64 on the CPU all is right. Look for what the module makes without asking where: "
                     "parameters and the initial states need the device and the dtype of the call.",
           START: "This is about what the module is built with, before anything is trained. Uniform in ±1/√H: larger "
                  "weights press the gates to their ends, where nothing is learnt, and equal ones make all units of a "
                  "layer learn the same. And with b_f = 1 the cell remembers before it has learnt when to: chapter "
                  "\"The LSTM cell\", section \"The forget bias\"."},
    kind="module",
    errors=ERRORS,
    libraries=("torch",),
)


# -- LSTMStep ------------------------------------------------------------------------------------------

def _draw_function(rng):
    def case(B, I, H, dtype="f8", note=""):
        arrays = {"x": rng.normal(0.0, 1.0, (B, I)), "h_prev": rng.uniform(-1.0, 1.0, (B, H)),
                  "C_prev": rng.normal(0.0, 1.5, (B, H)), "W": rng.normal(0.0, 0.7, (4 * H, H + I)),
                  "b": rng.normal(0.0, 0.7, 4 * H)}
        gradients = [rng.normal(0.0, 1.0, (B, H)).astype(dtype) for _ in "hC"]
        return Case({"inputs": {name: array.astype(dtype) for name, array in arrays.items()}, "gradients": gradients},
                    f"B={B}, I={I}, H={H}{note}")

    return [case(2, 3, 4), case(1, 4, 2), case(3, 3, 3), case(4, 2, 3), case(3, 2, 4, "f4", ", float32")]


def lstm_step_function(inputs, gradients):
    x, h_prev, C_prev, W, b = inputs.values()
    cell = LSTM(x.shape[1], h_prev.shape[1])
    params = _by_gate(W, b, "fiCo")
    (h, C), tape = cell.step(params, x, LSTMState(h_prev, C_prev))
    found = {"outputs": (h, C), "gradients": None}
    if _right((h[None], (h, C)), cell.forward(_by_gate(W, b), x[None], cell.State(h_prev, C_prev))):
        dh, dC = gradients
        dx, before, shares = cell.step_backward(params, tape, LSTMState(dh, dC))
        dW, db = (np.concatenate([shares[f"{kind}_{gate}"] for gate in "fiCo"]) for kind in "Wb")
        found["gradients"] = {"x": dx, "h_prev": before.h, "C_prev": before.C, "W": dW, "b": db}
    return found


def _by_gate(W, b, order="fiCo"):
    """The rows of W and b under the book's names, given the order in which the gates are stacked."""
    blocks = zip(order, np.split(W, 4), np.split(b, 4), strict=True)
    return {name: block for gate, *pair in blocks for name, block in zip((f"W_{gate}", f"b_{gate}"), pair, strict=True)}


def _stacked(letters, name, why):
    return Mistake(name, '_by_gate(W, b, "fiCo")', f'_by_gate(W, b, "{letters}")', why, OWN_NODE)


def _edit(name, old, new, why, see=BACKWARD):
    return Mistake(name, old, new, why, see)


_MIND = "Compare with the derivation, line by line: what multiplies dC there?"
_JOIN = "np.concatenate([h_prev, x], axis=1)                # (B, H+I)"
_VIA_h = "dC + dh * o * (1 - np.tanh(C) ** 2)"
_SLOPE = "The slope of σ is y(1 − y), where y is its value: what was saved is y already. "
_DROPPED = "Autograd takes what backward returns as it is: a None, or zeros, ends the gradient there without a word."
FUNCTION_MISTAKES = (
    *(mistake._replace(old=_JOIN) if mistake.old in _JOIN else mistake for mistake in AGAIN),
    _stacked("ifCo", "torch's order of the gates taken for the book's",
             "W is stacked as f, i, C, o here, the order of the book. i, f, g, o is torch's own."),
    _stacked("fioC", "the candidate and the output gate exchanged",
             "W is stacked as f, i, C, o. The last two blocks are each other's: the candidate comes before the output "
             "gate."),
    _stacked("ifoC", "the gates chunked as i, f, o, C",
             "W is stacked as f, i, C, o: what chunk returns is in that order."),
    _stacked("iofC", "the gates chunked as i, o, f, C",
             "W is stacked as f, i, C, o: what chunk returns is in that order."),
    _edit("do uses C in place of tanh(C)", "do = dh * np.tanh(C)", "do = dh * C",
          "h is o times tanh(C), so the factor of o is tanh(C) and not C."),
    _edit("the path from h into C missing", _VIA_h, "dC",
          "C is used twice: it goes on to the next step, and it is shown in h. The gradient of a value that is used "
          "twice has two terms."),
    _edit("upstream dC missing", _VIA_h, "dh * o * (1 - np.tanh(C) ** 2)",
          "C is used twice: it is shown in h, and it goes on to the next step. What backward is given for C belongs "
          "to the sum."),
    _edit("tanh′ missing on the way from h to C", _VIA_h, "dC + dh * o",
          "Between C and h stands a tanh, and its slope is a factor of the gradient."),
    _edit("tanh′ taken at tanh of tanh", _VIA_h, "dC + dh * o * (1 - np.tanh(np.tanh(C)) ** 2)",
          "The slope of tanh is 1 − y², where y is its value. Was tanh applied twice?"),
    _edit("tanh′ written with C", _VIA_h, "dC + dh * o * (1 - C ** 2)",
          "The slope of tanh is 1 − y², where y is its value, not its argument."),
    _edit("o missing on the way from h to C", _VIA_h, "dC + dh * (1 - np.tanh(C) ** 2)",
          "h is o times tanh(C), so o is a factor of the gradient that reaches C."),
    _edit("df uses the new cell state", "df = dC * C_prev", "df = dC * C",
          f"f multiplies what was there before the step. {_MIND}"),
    _edit("df uses h_prev", "df = dC * C_prev", "df = dC * h_prev",
          f"f multiplies the old cell state, and not the hidden one. {_MIND}"),
    _edit("df and di exchanged", "df = dC * C_prev\n        di = dC * C_tilde",
          "df = dC * C_tilde\n        di = dC * C_prev",
          f"Each gate's gradient has its partner as a factor; here each has the other's. {_MIND}"),
    _edit("di uses the old cell state", "di = dC * C_tilde", "di = dC * C_prev",
          f"i multiplies the candidate. {_MIND}"),
    _edit("dC_tilde without i", "dC_tilde = dC * i", "dC_tilde = dC",
          f"The candidate enters times i. {_MIND}"),
    _edit("dC_tilde uses f", "dC_tilde = dC * i", "dC_tilde = dC * f",
          f"The candidate enters times i; f belongs to the old state. {_MIND}"),
    _edit("dC_prev without f", "dC_prev = dC * f", "dC_prev = dC",
          "The old state enters times f. Without it the gradient would pass unchanged, as in the cell of 1997."),
    _edit("dC_prev uses i", "dC_prev = dC * f", "dC_prev = dC * i",
          f"The old state enters times f. {_MIND}"),
    _edit("dC_prev without the path through h", "dC_prev = dC * f", "dC_prev = dstate[1] * f",
          "What leaves for the step before is the whole gradient of C, the share that came through h included."),
    *(_edit(f"σ′ missing for {g}", f"dz_{g} = d{g} * {g} * (1 - {g})", f"dz_{g} = d{g}",
            f"Between W·[h, x] + b and {g} stands a σ, and its slope is a factor.") for g in "fio"),
    _edit("tanh′ missing for the candidate", "dC_tilde * (1 - C_tilde ** 2)", "dC_tilde",
          "Between W·[h, x] + b and the candidate stands a tanh, and its slope is a factor."),
    _edit("σ′ in place of tanh′ for the candidate", "dC_tilde * (1 - C_tilde ** 2)",
    "dC_tilde * C_tilde * (1 - C_tilde)",
          "The candidate is a tanh, whose slope is 1 minus the square of its value."),
    *(_edit(f"tanh′ in place of σ′ for {g}", f"dz_{g} = d{g} * {g} * (1 - {g})", f"dz_{g} = d{g} * (1 - {g} ** 2)",
            f"{g} is a σ, whose slope is its value times one minus its value.") for g in "fio"),
    *(_edit(f"σ applied once more in σ′ of {g}", f"dz_{g} = d{g} * {g} * (1 - {g})",
            f"dz_{g} = d{g} * sigmoid({g}) * (1 - sigmoid({g}))", f"{_SLOPE}σ was applied to {g} once more.")
      for g in "fio"),
    *(_edit(f"{g} missing in dx and dh", term, "", "All four blocks read [h, x], so its gradient has four terms.")
      for g, term in (("i", ' + dz_i @ params["W_i"]'), ("the candidate", ' + dz_C @ params["W_C"]'),
                      ("o", ' + dz_o @ params["W_o"]'))),
    _edit("f missing in dx and dh", 'dz_f @ params["W_f"] + ', "",
          "All four blocks read [h, x], so its gradient has four terms."),
    _edit("dW uses the new h", "dz.T @ hx", "dz.T @ np.concatenate([o * np.tanh(C), x], axis=1)",
          "W met h before the step; h after the step came of it."),
    _edit("dW divided by the batch", "dz.T @ hx", "dz.T @ hx / len(hx)",
          "The loss is what it is: if it was a mean, the division is in dh and dC already."),
    _edit("db averaged over the batch", "dz.sum(axis=0)", "dz.mean(axis=0)",
          "b is added for every example of the batch, so its gradient is the sum over them."),
    _edit("dh_prev and dC_prev exchanged", '"h_prev": before.h, "C_prev": before.C',
          '"h_prev": before.C, "C_prev": before.h',
          "They have one shape, so nothing complains: backward returns the gradients in the order of forward's "
          "arguments.", OWN_NODE),
    _edit("dh and dC exchanged", "LSTMState(dh, dC)", "LSTMState(dC, dh)",
          "backward is given the gradients in the order in which forward returned the outputs.", OWN_NODE),
    *(mistake._replace(see=BACKWARD) for mistake in everywhere_mistakes("fiCo")),
    _edit("no gradient for h_prev", '"h_prev": before.h', '"h_prev": 0 * before.h', _DROPPED, OWN_NODE),
    _edit("no gradient for C_prev", '"C_prev": before.C', '"C_prev": 0 * before.C', _DROPPED, OWN_NODE),
    _edit("no gradient for x", '"x": dx', '"x": 0 * dx', _DROPPED, OWN_NODE),
    _edit("no gradient for the parameters", '"W": dW, "b": db', '"W": 0 * dW, "b": 0 * db', _DROPPED, OWN_NODE),
    _edit("no gradient for b", '"b": db', '"b": 0 * db', _DROPPED, OWN_NODE),
    _edit("dW and db stacked in torch's order", 'for gate in "fiCo"]', 'for gate in "ifCo"]',
          "A gradient lies as its parameter does: f, i, C, o from top to bottom.", OWN_NODE),
    _edit("the candidate's and the output gate's rows exchanged in dW and db", 'for gate in "fiCo"]',
          'for gate in "fioC"]', "A gradient lies as its parameter does: f, i, C, o from top to bottom.", OWN_NODE),
)

FUNCTION_CHECK = Check(
    name="LSTMStep",
    draw=_draw_function,
    reference=lstm_step_function,
    inner=(Source(LSTM.step, "LSTMStep", LSTM), Source(LSTM.step_backward, "LSTMStep", LSTM)),
    returns={"outputs": (Output("h", "(B, H)"), Output("C", "(B, H)")),
             "gradients": {name: Output(f"d{name}", shape) for name, shape in
                           (("x", "(B, I)"), ("h_prev", "(B, H)"), ("C_prev", "(B, H)"), ("W", "(4H, H+I)"),
                            ("b", "(4H,)"))}},
    parts={"h": 1, "C": 1, "dx": 1, "dh_prev": 1, "dC_prev": 1, "dW": 1, "db": 1},
    mistakes=FUNCTION_MISTAKES,
    kind="autograd function",
    errors=ERRORS,
    libraries=("torch",),
)


# -- PaddedLSTM ----------------------------------------------------------------------------------------

def _draw_padded(rng):
    def case(*sizes, **more):
        return _draw_sequence(rng, sizes, padded=True, **more)

    return [case(4, 3, 2, 3), case(1, 3, 3, 2), case(4, 1, 2, 4), case(5, 4, 3, 3),
            case(4, 3, 3, 2, state=False, note=", no state given"), case(3, 2, 3, 4, dtype="f4", note=", float32")]


def padded_lstm(sizes, params, inputs, start, gradients, device):
    cell, (xs, lengths) = LSTM(*sizes), inputs
    h0, C0 = start if start[0].size else cell.initial_state(xs.shape[1], xs.dtype)
    counts = np.arange(len(xs))[:, None] < lengths
    state, shown = LSTMState(h0, C0), []
    for x, on in zip(xs, counts[..., None], strict=True):
        new, _ = cell.step(params, x, state)
        state = LSTMState(np.where(on, new.h, state.h), np.where(on, new.C, state.C))
        shown.append(np.where(on, new.h, 0.0))
    found = {"outputs": (np.stack(shown), tuple(state)), "params": None, "inputs": None, "state": None}
    mask = np.arange(len(xs))[:, None] + 1 <= lengths
    truth = cell.forward(params, xs, cell.State(h0, C0), mask)
    if _right(found["outputs"], truth):
        dhs, dh, dC = gradients
        dxs, dstate0, dparams = cell.backward(params, truth[2], dhs, cell.State(dh, dC))
        found |= {"params": dparams, "inputs": [dxs], "state": dstate0 if start[0].size else start}
    return found


_COUNTS, _CARRIED = "[:, None] < lengths", "LSTMState(np.where(on, new.h, state.h), np.where(on, new.C, state.C))"
_PAST = ("A sequence that is over stays as it is: its state is the one after its own last step, whatever stands in the "
         "rest.")
_LOOP_HERE = ("for x in xs:", "shown.append(state.h)")
PADDED_MISTAKES = (
    *(mistake for mistake in FORWARD_MISTAKES if mistake.old in _LOOP and mistake.old not in _LOOP_HERE),
    _edit("the lengths ignored", _COUNTS, "[:, None] < 0 * lengths + len(xs)",
          "The padding is read as if it were input. " + _PAST, UNEQUAL),
    _edit("one step too many", _COUNTS, "[:, None] <= lengths",
          "With a length of n the steps 0 to n − 1 count. Yours reads the first step of the padding too.", UNEQUAL),
    _edit("one step too few", _COUNTS, "[:, None] < lengths - 1",
          "With a length of n the steps 0 to n − 1 count. Yours leaves out the last one.", UNEQUAL),
    _edit("all sequences cut to the shortest", _COUNTS, "[:, None] < 0 * lengths + lengths.min()",
          "Each sequence of the batch has its own length.", UNEQUAL),
    _edit("all sequences run to the longest", _COUNTS, "[:, None] < 0 * lengths + lengths.max()",
          "Each sequence of the batch has its own length. " + _PAST, UNEQUAL),
    _edit("the lengths sorted, the batch not", _COUNTS, "[:, None] < np.sort(lengths)[::-1]",
          "The lengths were sorted, as some of torch's functions like it, but the sequences are still in their order.",
          UNEQUAL),
    _edit("the first length for the whole batch", _COUNTS, "[:, None] < 0 * lengths + lengths[0]",
          "Each sequence of the batch has its own length.", UNEQUAL),
    _edit("the padding taken to be in front", _COUNTS, "[:, None] >= len(xs) - lengths",
          "A sequence begins at step 0; the padding is at its end.", UNEQUAL),
    _edit("the state runs on through the padding", _CARRIED, "new",
          "The outputs are right, the last states are not. " + _PAST, UNEQUAL),
    _edit("h runs on through the padding", _CARRIED, "LSTMState(new.h, np.where(on, new.C, state.C))",
          "C is held where a sequence is over, h is not. " + _PAST, UNEQUAL),
    _edit("C runs on through the padding", _CARRIED, "LSTMState(np.where(on, new.h, state.h), new.C)",
          "h is held where a sequence is over, C is not. " + _PAST, UNEQUAL),
    _edit("the state set to zero past the end", _CARRIED, "LSTMState(on * new.h, on * new.C)",
          "Only the outputs are 0 there. " + _PAST, UNEQUAL),
    _edit("h set to zero past the end", _CARRIED, "LSTMState(on * new.h, np.where(on, new.C, state.C))",
          "The output is 0 past the end, but the last h is not an output: it is the one after the sequence's own last "
          "step. (This is also what hs[-1] gives.)", UNEQUAL),
    _edit("C set to zero past the end", _CARRIED, "LSTMState(np.where(on, new.h, state.h), on * new.C)", _PAST,
          UNEQUAL),
    _edit("the padded input set to zero, and the cell run on", "cell.step(params, x, state)",
          "cell.step(params, on * x, state); on = on | True",
          "Zeros are an input like any other: the biases and the old state go on acting. " + _PAST, UNEQUAL),
    _edit("the outputs run on past the end", "np.where(on, new.h, 0.0)", "new.h",
          "The last states are right, but past its end a sequence has no output: 0 stands there.", UNEQUAL),
    _edit("the last output repeated past the end", "np.where(on, new.h, 0.0)", "state.h",
          "The last states are right, but past its end a sequence has no output: 0 stands there, not its last one.",
          UNEQUAL),
    _edit("the initial states returned for the last ones", "(np.stack(shown), tuple(state))",
          "(np.stack(shown), (h0, C0))", "The outputs are right, but the states that are returned are those that "
          "came in.", SEQUENCE),
    _edit("h and C exchanged in the returned state", "(np.stack(shown), tuple(state))",
          "(np.stack(shown), (state.C, state.h))",
          "The state comes as the pair (h, C) and has to go as one, or the next call starts from nonsense.", HIDDEN),
)

PADDED_CHECK = Check(
    name="PaddedLSTM",
    draw=_draw_padded,
    reference=padded_lstm,
    inner=(Source(LSTM.step, "TorchLSTM", LSTM),),
    returns=_MODULE_RETURNS,
    parts={"hs": 1, "h": 1, "C": 1, "d params": 1, "d inputs": 1},
    mistakes=PADDED_MISTAKES,
    hints={"d params": _NO_GRAPH, "d inputs": _NO_GRAPH},
    kind="module",
    errors=ERRORS,
    libraries=("torch",),
)


# -- padded_mse ----------------------------------------------------------------------------------------

def _draw_loss(rng):
    def case(T, B, K, part):
        lengths = np.full(B, T) if part == "full length" else _draw_lengths(rng, T, B)
        return Case({"prediction": rng.normal(0.0, 1.0, (T, B, K)), "target": rng.normal(0.0, 1.0, (T, B, K)),
                     "lengths": lengths}, f"T={T}, B={B}, K={K}, lengths {', '.join(map(str, lengths))}", part)

    return [case(6, 3, 2, "padded"), case(4, 2, 3, "padded"), case(5, 1, 1, "padded"), case(5, 4, 5, "padded"),
            case(3, 2, 4, "full length"), case(1, 3, 1, "full length")]


def padded_mse(prediction, target, lengths):
    on = np.arange(len(prediction))[:, None] < lengths
    errors = (prediction - target) ** 2
    return np.mean(errors[on])


_MEAN = "np.mean(errors[on])"
LOSS_MISTAKES = tuple(Mistake(name, old, new, why, COUNTED) for name, old, new, why in (
    ("padded steps counted", _MEAN, "np.mean(errors)",
     "Whatever stands past the end of a sequence is neither predicted nor asked for; here it is part of the mean."),
    ("padded steps counted in the denominator", _MEAN, "np.mean(errors * on[..., None])",
     "The errors past the end are gone from the sum, but their places are still counted when it is divided."),
    ("the mean of the sequences' means", _MEAN,
     "np.mean((errors.mean(2) * on).sum(0) / lengths)",
     "Every number that counts has the same weight. The mean of means gives the steps of a short sequence more."),
    ("the sum in place of the mean", _MEAN, "np.sum(errors[on])",
     "A sum grows with the lengths and the batch, and the step size of the training with it."),
    ("not divided by the number of features", _MEAN, "np.sum(errors[on]) / np.sum(on)",
     "The sum is divided by the steps that count, but each of them has K numbers."),
    ("divided by the batch alone", _MEAN, "np.sum(errors[on]) / len(lengths)",
     "The mean is over all numbers that count, whichever sequence and step they belong to."),
    ("the root of the mean", _MEAN, "np.sqrt(np.mean(errors[on]))",
     "That is the root mean square. The gradient of the mean itself is the simpler one."),
    ("half the mean", _MEAN, "0.5 * np.mean(errors[on])",
     "A factor of one half is a habit from derivations; the mean has none."),
    ("the absolute error", "(prediction - target) ** 2", "np.abs(prediction - target)",
     "It is the mean of the squares that is asked for."),
    ("the error not squared", "(prediction - target) ** 2", "prediction - target",
     "Errors of both signs cancel. It is the mean of the squares that is asked for."),
    ("one step too many", "[:, None] < lengths", "[:, None] <= lengths",
     "With a length of n the steps 0 to n − 1 count. Yours counts the first step of the padding too."),
    ("one step too few", "[:, None] < lengths", "[:, None] < np.maximum(1, lengths - 1)",
     "With a length of n the steps 0 to n − 1 count. Yours leaves out the last one."),
    ("only the last step", "[:, None] < lengths", "[:, None] == lengths - 1",
     "Every step of a sequence has a target; yours looks at the last one alone."),
    ("all sequences cut to the shortest", "[:, None] < lengths", "[:, None] < 0 * lengths + lengths.min()",
     "Each sequence of the batch has its own length."),
    ("the first length for the whole batch", "[:, None] < lengths", "[:, None] < 0 * lengths + lengths[0]",
     "Each sequence of the batch has its own length."),
    ("the padded steps alone", "[:, None] < lengths", "[:, None] >= lengths % len(prediction)",
     "The mask is the wrong way round: it keeps the padding and drops the sequence."),
))

LOSS_CHECK = Check(
    name="padded_mse",
    draw=_draw_loss,
    reference=padded_mse,
    returns=Output("loss"),
    parts={"full length": 1, "padded": 2},
    mistakes=LOSS_MISTAKES,
    hints={"padded": "With sequences of full length it is right. Count, for two short sequences, how many numbers "
                     "there are that matter."},
    kind="tensors",
    errors=ERRORS,
    libraries=("torch",),
)


CHECKS = (LAYOUT_CHECK, MODULE_CHECK, FUNCTION_CHECK, PADDED_CHECK, LOSS_CHECK)
