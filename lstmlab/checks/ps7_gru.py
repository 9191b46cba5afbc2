"""Problem set 7, the GRU: a step in its four conventions, its gradients, a sequence, and the weights of torch."""

from __future__ import annotations

import numpy as np

from ..cells import GRU, HState
from ..cells.gru import GRUTape
from ..convert import _stack, _unstack, gru_convention
from . import Case, Check, Mistake, Output, Source

CHAPTER = 'chapter "The GRU"'
UPDATE = f"{CHAPTER}, update gate (eq-gru-update-gate)"
RESET = f"{CHAPTER}, reset gate (eq-gru-reset-gate)"
CANDIDATE = (f'{CHAPTER}, section "The candidate, reset before or after" (eq-gru-candidate-before) and '
             "(eq-gru-candidate-after)")
STATE = f'{CHAPTER}, section "The new state, carry z or 1−z" (eq-gru-state-z) and (eq-gru-state-1-z)'
CARRIES = f'{CHAPTER}, section "Two carries, one family"'
NEW_STATE = f"{CHAPTER}, the new state on the way back (eq-gru-dh)"
SLOPES = f"{CHAPTER}, through the squashing functions (eq-gru-dz-n) and (eq-gru-gates)"
COLLECT = f'{CHAPTER}, section "What both share" (eq-gru-dh-prev) and (eq-gru-dx)'
WEIGHTS = f'{CHAPTER}, section "What both share" (eq-gru-dW-n) and (eq-gru-gates)'
BEFORE = f'{CHAPTER}, section "Reset before" (eq-gru-before-drh) and (eq-gru-before-dr)'
AFTER = f'{CHAPTER}, section "Reset after" (eq-gru-after-dr) and (eq-gru-after-dm)'
FRAMEWORKS = f'{CHAPTER}, section "The layout of torch"'
THROUGH_TIME = ('chapter "Backpropagation through time", section "Backward through all steps" (eq-rnn-dh) and '
                "(eq-rnn-dW-sum)")

_STEP = Source(GRU.step, "gru_step", GRU)
_SHAPES = {"W": "(H, H+I)", "b": "(H,)"}


def _draw_params(rng, I, H, reset="after", scale=1.0):
    """Parameters none of which is special: a bias of zero, or of one for all units, would hide mistakes."""
    return {name: scale * rng.normal(0.0, 0.7, shape) for name, shape in GRU(I, H, reset).parameter_shapes().items()}


# -- gru_step ------------------------------------------------------------------------------------------

def _draw_step(rng):
    def case(B, I, H, reset, carry, scale=1.0, note=""):
        return Case({"params": _draw_params(rng, I, H, reset, scale), "x": rng.normal(0.0, 1.0, (B, I)),
                     "h_prev": rng.uniform(-1.0, 1.0, (B, H)), "reset": reset, "carry": carry},
                    f"reset {reset!r}, carry {carry!r}, B={B}, I={I}, H={H}{note}")

    far = (1e3, ", pre-activations in the thousands")
    return [case(2, 3, 5, "after", "z"), case(2, 3, 4, "before", "z"), case(1, 4, 2, "after", "1-z"),
            case(3, 3, 3, "before", "1-z"), case(4, 2, 3, "after", "z"), case(1, 1, 1, "before", "1-z"),
            case(10, 2, 4, "after", "1-z", *far), case(10, 2, 4, "before", "z", *far)]


def gru_step(params, x, h_prev, reset, carry):
    cell = GRU(x.shape[1], h_prev.shape[1], reset, carry)
    (h,), tape = cell.step(params, x, HState(h_prev))
    return h, {"z": tape.z, "r": tape.r, "n": tape.n}


_HX = "hx = np.concatenate([h_prev, x], axis=1)"
_SPLIT = 'params["W_n"][:, :self.hidden_size], params["W_n"][:, self.hidden_size:]'
_SPLIT_XH = 'params["W_n"][:, x.shape[1]:], params["W_n"][:, :x.shape[1]]'
_Z = {g: f'hx @ params["W_{g}"].T + params["b_{g}"]' for g in "zr"}
_BRANCH = 'if self.reset == "before":'
_BEFORE = '(r * h_prev) @ W_nh.T + x @ W_nx.T + params["b_n"]'
_AFTER = 'x @ W_nx.T + params["b_n"] + r * (h_prev @ W_nh.T + params["b_hn"])'
_BOTH = f"n = np.tanh({_BEFORE})\n        else:\n            n = np.tanh({_AFTER})"
_KEEP = 'keep = z if self.carry == "z" else 1 - z'
_NEW_STATE = "h = keep * h_prev + (1 - keep) * n"
_OF = {"z": UPDATE, "r": RESET}
_WEIGHTED_MEAN = "The new state is a weighted mean of the old state and the candidate: the two shares add up to 1. "


def _both(name, before, after, why, see=CANDIDATE):
    """A mistake made in both candidates."""
    return Mistake(name, _BOTH, f"n = {before}\n        else:\n            n = {after}", why, see)


def _gate(g, other):
    yield Mistake(f"{g} without its bias", f' + params["b_{g}"]', "",
                  f"The bias is what {g} does when h and x are zero: without it the gate then always stands at one "
                  "half.", _OF[g])
    yield Mistake(f"tanh on the gate {g}", f"{g} = sigmoid({_Z[g]})", f"{g} = np.tanh({_Z[g]})",
                  f"{g} is a share between 0 and 1. tanh goes down to −1, and would turn the sign of what it "
                  "multiplies.", _OF[g])
    yield Mistake(f"{g} computed with the parameters of {other}", _Z[g], _Z[other],
                  "Each gate has a weight matrix and a bias of its own; that is what lets it decide something of its "
                  f"own. Compare the indices in the lines of {g} and of {other}.", _OF[g])


STEP_MISTAKES = (
    Mistake("[x, h] in place of [h, x] in the gates", _HX, "hx = np.concatenate([x, h_prev], axis=1)",
            "The columns of each W are ordered for [h, x]: the first H of them act on h. Where H = I the other order "
            "runs without complaint, and every weight acts on the wrong number.", UPDATE),
    Mistake("the columns of W_n read as [x, h]", _SPLIT, _SPLIT_XH,
            "W_n was cut in two at the wrong place, or its halves were exchanged: its first H columns act on the "
            "state, the other I on the input.", CANDIDATE),
    Mistake("[x, h] in place of [h, x] everywhere", _HX,
            f"hx = np.concatenate([x, h_prev], axis=1); W_nh, W_nx = {_SPLIT_XH}",
            "The columns of each W are ordered for [h, x]: the first H of them act on h, in both gates and in the "
            "candidate.", UPDATE),
    *_gate("z", "r"), *_gate("r", "z"),
    Mistake("z and r exchanged", _BRANCH, f"z, r = r, z\n        {_BRANCH}",
            "What is called z was computed with the parameters of r and the other way round. z decides about the new "
            "state, r about what the candidate gets to see.", UPDATE),
    Mistake("the hidden state left out of the gates", _HX, "hx = np.concatenate([0.0 * h_prev, x], axis=1)",
            "Both gates see the previous state beside the input; without it they cannot react to what is stored.",
            UPDATE),
    Mistake("the gates see the reset state", _BRANCH,
            f"z = sigmoid({_Z['z']})\n        {_BRANCH}".replace("hx", "np.concatenate([r * h_prev, x], axis=1)"),
            "z reads the whole previous state. Only the candidate sees it through the reset gate.", UPDATE),
    _both("σ on the candidate", f"sigmoid({_BEFORE})", f"sigmoid({_AFTER})",
          "The candidate is new content, not a share: it has to be able to lower the state as well as raise it. σ is "
          "never negative."),
    _both("no squashing of the candidate", f"({_BEFORE})", f"({_AFTER})",
          "The candidate is bounded, to between −1 and 1, and so is the state, a mean of such numbers. Without the "
          "squashing nothing bounds it."),
    _both("b_n missing", 'np.tanh((r * h_prev) @ W_nh.T + x @ W_nx.T)',
          'np.tanh(x @ W_nx.T + r * (h_prev @ W_nh.T + params["b_hn"]))',
          "The candidate has its own bias in both conventions: what it proposes when h and x are zero."),
    Mistake("b_n missing with reset before", _BEFORE, "(r * h_prev) @ W_nh.T + x @ W_nx.T",
            "The candidate has its own bias in both conventions; in this one it is the only one.", CANDIDATE),
    Mistake("b_n missing with reset after", _AFTER, 'x @ W_nx.T + r * (h_prev @ W_nh.T + params["b_hn"])',
            "With reset after the candidate has two biases. One stands beside the state and is reset with it; the "
            "other stands beside the input and is not.", CANDIDATE),
    Mistake("b_hn missing", 'r * (h_prev @ W_nh.T + params["b_hn"])', "r * (h_prev @ W_nh.T)",
            "With reset after the recurrent half of the candidate has a bias of its own. It is not the same as b_n, "
            "since the reset gate multiplies it.", CANDIDATE),
    Mistake("W_n cut as [x, h] for the reset after", _AFTER,
            'x @ params["W_n"][:, :x.shape[1]].T + params["b_n"] '
            '+ r * (h_prev @ params["W_n"][:, x.shape[1]:].T + params["b_hn"])',
            "The columns of W_n are ordered for [h, x], as everywhere: the first H of them act on h, the others on x. "
            "The reset before has it right.", CANDIDATE),
    Mistake("b_hn outside the reset", 'r * (h_prev @ W_nh.T + params["b_hn"])',
            'r * (h_prev @ W_nh.T) + params["b_hn"]',
            "b_hn belongs to the recurrent half, so the reset gate acts on it too. Outside it would be a second b_n, "
            "and nothing would be gained by having both.", CANDIDATE),
    Mistake("reset before computed as reset after", _BEFORE, 'r * (h_prev @ W_nh.T) + x @ W_nx.T + params["b_n"]',
            "Before and after are not the same: before, r picks which units of the old state enter the product; "
            "after, it picks which results of the product are used.", CANDIDATE),
    Mistake("reset after computed as reset before", _AFTER,
            'x @ W_nx.T + params["b_n"] + (r * h_prev) @ W_nh.T + params["b_hn"]',
            "Before and after are not the same: before, r picks which units of the old state enter the product; "
            "after, it picks which results of the product are used.", CANDIDATE),
    Mistake("always reset before", _BRANCH, "if True:",
            "The argument reset is not looked at: both conventions come out alike, and b_hn is never read.",
            CANDIDATE),
    Mistake("before and after exchanged", _BRANCH, 'if self.reset == "after":',
            "The name says where the gate acts, seen from the matrix product: on the state that goes in, or on the "
            "result that comes out.", CANDIDATE),
    _both("the reset gate is not used", 'np.tanh(h_prev @ W_nh.T + x @ W_nx.T + params["b_n"])',
          'np.tanh(x @ W_nx.T + params["b_n"] + h_prev @ W_nh.T + params["b_hn"])',
          "The candidate sees all of the old state, whatever r is. The reset gate lets it begin afresh.", RESET),
    Mistake("the reset gate is not used with reset before", "(r * h_prev) @", "h_prev @",
            "The candidate sees all of the old state, whatever r is. The reset gate lets it begin afresh.", RESET),
    Mistake("the reset gate is not used with reset after", "r * (h_prev @", "(h_prev @",
            "The candidate sees all of the old state, whatever r is. The reset gate lets it begin afresh.", RESET),
    _both("1 − r in place of r", f"np.tanh({_BEFORE.replace('r * h', '(1 - r) * h', 1)})",
          f"np.tanh({_AFTER.replace('r * (', '(1 - r) * (', 1)})",
          "An open reset gate, r = 1, lets the old state through to the candidate; a closed one, r = 0, hides it. "
          "The name suggests the opposite, which is why this happens.", RESET),
    _both("z in place of r in the candidate", f"np.tanh({_BEFORE.replace('r * h', 'z * h', 1)})",
          f"np.tanh({_AFTER.replace('r * (', 'z * (', 1)})",
          "The update gate has its say in the new state. What the candidate gets to see of the old one is the other "
          "gate's business.", RESET),
    Mistake("the reset gate acts on the input too", _AFTER,
            'r * (x @ W_nx.T + params["b_n"] + h_prev @ W_nh.T + params["b_hn"])',
            "r multiplies the recurrent half alone: a closed reset gate hides the past, not the input.", CANDIDATE),
    Mistake("the reset gate acts on the input's half", _AFTER,
            'r * (x @ W_nx.T + params["b_n"]) + h_prev @ W_nh.T + params["b_hn"]',
            "r multiplies the half that comes from the state; yours multiplies the half that comes from the input.",
            CANDIDATE),
    Mistake("the reset gate acts after the squashing", f"np.tanh({_AFTER})",
            'r * np.tanh(x @ W_nx.T + params["b_n"] + h_prev @ W_nh.T + params["b_hn"])',
            "\"After\" means after the matrix product, and still inside the tanh: a closed reset gate hides the past "
            "and leaves the input, where yours would leave nothing.", CANDIDATE),
    Mistake("z and 1 − z exchanged", _KEEP, 'keep = 1 - z if self.carry == "z" else z',
            "carry names the factor of the OLD state. With the shares exchanged an open gate overwrites where it "
            "should keep.", STATE),
    Mistake("always carry z", _KEEP, "keep = z",
            "The argument carry is not looked at. With \"1-z\" it is 1 − z that multiplies the old state.", STATE),
    Mistake("always carry 1 − z", _KEEP, "keep = 1 - z",
            "The argument carry is not looked at. With \"z\" it is z itself that multiplies the old state.", STATE),
    Mistake("both shares alike", _NEW_STATE, "h = keep * h_prev + keep * n",
            _WEIGHTED_MEAN + "Yours are the same share twice.", STATE),
    Mistake("the candidate enters whole", _NEW_STATE, "h = keep * h_prev + n",
            _WEIGHTED_MEAN + "Yours adds the whole candidate, so h can leave the interval from −1 to 1.", STATE),
    Mistake("the old state enters whole", _NEW_STATE, "h = h_prev + (1 - keep) * n",
            _WEIGHTED_MEAN + "Yours keeps all of the old state, so nothing is ever forgotten.", STATE),
    Mistake("the old state is not carried on", _NEW_STATE, "h = (1 - keep) * n",
            _WEIGHTED_MEAN + "Without the old state there is no direct path from one step to the next, and that path "
            "is what the GRU is for.", STATE),
    Mistake("the reset state is carried on", _NEW_STATE, "h = keep * (r * h_prev) + (1 - keep) * n",
            "The reset gate hides the old state from the candidate only. What is carried on is the old state itself.",
            STATE),
    Mistake("a tanh on the new state", _NEW_STATE, "h = np.tanh(keep * h_prev + (1 - keep) * n)",
            "The LSTM squashes what it shows, since its C can grow. The GRU's state is a mean of numbers between −1 "
            "and 1 and needs no squashing; with it the memory would fade at every step.", STATE),
    Mistake("a gate on the output", _NEW_STATE, "h = r * (keep * h_prev + (1 - keep) * n)",
            "The GRU has no output gate: all of its state is shown.", STATE),
    Mistake("the factor of the old state returned as z", "GRUTape(x, h_prev, z, r, n)",
            "GRUTape(x, h_prev, keep, r, n)",
            "With carry \"1-z\" what multiplies the old state is 1 − z, but the gate is z as σ gave it.", UPDATE),
)

STEP_CHECK = Check(
    name="gru_step",
    draw=_draw_step,
    reference=gru_step,
    inner=(_STEP,),
    returns=(Output("h", "(B, H)"), {name: Output(name, "(B, H)") for name in "zrn"}),
    parts={"z": 1, "r": 1, "n": 2, "h": 2},
    mistakes=STEP_MISTAKES,
)


# -- gru_flip_carry ------------------------------------------------------------------------------------

def _draw_flip(rng):
    return [Case({"params": _draw_params(rng, I, H)}, f"I={I}, H={H}") for I, H in [(3, 5), (4, 2), (3, 3), (1, 1)]]


def _cell(params):
    H, columns = params["W_z"].shape
    return GRU(columns - H, H)


def gru_flip_carry(params):
    return gru_convention(_cell(params), params, carry="1-z")[1]


_NAMES, _NEGATE = 'if name in ("W_z", "b_z")', "sign * value"


def _flipped(names, name, why):
    return Mistake(name, _NAMES, f"if name in {names}", why, CARRIES)


FLIP_MISTAKES = (
    _flipped('("W_z",)', "the sign of b_z kept",
             "The whole pre-activation has to change its sign, or σ(−a) = 1 − σ(a) does not apply. The bias is part "
             "of it."),
    _flipped('("b_z",)', "the sign of W_z kept",
             "The whole pre-activation has to change its sign, or σ(−a) = 1 − σ(a) does not apply. The product with "
             "the weights is part of it."),
    _flipped("()", "nothing changed",
             "The parameters came back as they were. The two conventions then compute different states."),
    _flipped("params", "the sign of everything changed",
             "The update gate's parameters are the only ones that change: the candidate and the reset gate are the "
             "same in both conventions."),
    _flipped('("W_r", "b_r")', "the reset gate changed",
             "It is the update gate, not the reset gate, whose meaning differs between the two conventions."),
    _flipped('("W_n", "b_n")', "the candidate changed",
             "It is the update gate, not the candidate, whose meaning differs between the two conventions."),
    _flipped('("W_z", "b_z", "W_r", "b_r")', "the reset gate changed too",
             "The update gate is right. The reset gate means the same in both conventions."),
    Mistake("1 minus the parameters", _NEGATE, "1 - value",
            "It is the gate that becomes 1 minus what it was, after σ. Which change before σ does that?", CARRIES),
    Mistake("the inverse of the parameters", _NEGATE, "1 / value",
            "The gate is to become 1 minus what it was. Look at how σ(−a) and σ(a) belong together.", CARRIES),
    Mistake("the parameters set to zero", f"{_NEGATE} {_NAMES}", f"0.0 * value {_NAMES}",
            "At zero the gate stands at one half for every input, and what was learnt is lost.", CARRIES),
)

FLIP_CHECK = Check(
    name="gru_flip_carry",
    draw=_draw_flip,
    reference=gru_flip_carry,
    inner=(Source(gru_convention, "gru_flip_carry"),),
    returns={name: Output(name, shape, "the parameters") for name, shape in
             [*((f"{kind}_{g}", _SHAPES[kind]) for g in "zrn" for kind in "Wb"), ("b_hn", "(H,)")]},
    parts={"the parameters": 2},
    mistakes=FLIP_MISTAKES,
)


# -- gru_step_backward, gru_step_backward_before -------------------------------------------------------

def _draw_step_backward(reset):
    def case(rng, B, I, H):
        params, x, h_prev = _draw_params(rng, I, H, reset), rng.normal(0.0, 1.0, (B, I)), rng.uniform(-1, 1, (B, H))
        _, gates = gru_step(params, x, h_prev, reset, "z")
        return Case({"params": params, "x": x, "h_prev": h_prev, "gates": gates, "dh": rng.normal(0.0, 1.0, (B, H))},
                    f"B={B}, I={I}, H={H}")

    return lambda rng: [case(rng, *sizes) for sizes in [(3, 2, 4), (1, 4, 2), (3, 3, 3), (2, 2, 5), (1, 1, 1)]]


def gru_step_backward(params, x, h_prev, gates, dh):
    cell = GRU(x.shape[1], h_prev.shape[1])
    dx, (dh_prev,), dparams = cell.step_backward(params, GRUTape(x, h_prev, **gates), HState(dh))
    return dx, dh_prev, dparams


def gru_step_backward_before(params, x, h_prev, gates, dh):
    cell = GRU(x.shape[1], h_prev.shape[1], reset="before")
    dx, (dh_prev,), dparams = cell.step_backward(params, GRUTape(x, h_prev, **gates), HState(dh))
    return dx, dh_prev, dparams


def _gradients(parts, biases=()):
    """The outputs of a backward pass: gradients by parameter, with the part each counts for."""
    outputs = {f"{kind}_{g}": Output(f"d{kind}_{g}", _SHAPES[kind], parts[g]) for g in "zrn" for kind in "Wb"}
    return outputs | {name: Output(f"d{name}", "(H,)", parts["n"]) for name in biases}


def _step_gradients(parts, biases=()):
    return (Output("dx", "(B, I)"), Output("dh_prev", "(B, H)"), _gradients(parts, biases))


_DIRECT, _DN, _DKEEP = "dh_prev = dh * keep", "dn = dh * (1 - keep)", "dkeep = dh * (h_prev - n)"
_DZ_N, _DZ_R, _DZ_Z = "dz_n = dn * (1 - n ** 2)", "dz_r = dr * r * (1 - r)", "dz_z = dz * z * (1 - z)"
_DHX = 'dhx = dz_z @ params["W_z"] + dz_r @ params["W_r"]'
_INTO_H = "dh_prev = dh_prev + dhx[:, :self.hidden_size]"
_INTO_X = "dx = dz_n @ W_nx + dhx[:, self.hidden_size:]"
_GATES = 'dparams = {"W_z": dz_z.T @ hx, "b_z": dz_z.sum(axis=0), "W_r": dz_r.T @ hx, "b_r": dz_r.sum(axis=0)}'
_RETURN = "return dx, HState(dh_prev), dparams"
_FOUR_PATHS = ("h_prev is read in four places: carried on by z, in the candidate, and by each of the two gates. Their "
               "shares are added. ")


def _backward(see, name, old, new, why):
    return Mistake(name, old, new, why, see)


STEP_BACKWARD_MISTAKES = (
    _backward(NEW_STATE, "the direct path missing in dh_prev", _DIRECT, "dh_prev = 0.0 * dh",
              _FOUR_PATHS + "Yours lacks the first, the one along which a gradient survives many steps."),
    _backward(NEW_STATE, "the direct path without its gate", _DIRECT, "dh_prev = dh",
              "Only a share of the old state was carried on, so only that share of dh comes back along this path."),
    _backward(NEW_STATE, "the direct path with 1 − z", _DIRECT, "dh_prev = dh * (1 - keep)",
              "What multiplied h_prev on the way forward multiplies dh on the way back. Here that is z."),
    _backward(NEW_STATE, "the candidate's share with z", _DN, "dn = dh * keep",
              "What multiplied n on the way forward multiplies dh on the way back. Here that is 1 − z."),
    _backward(NEW_STATE, "dh reaches the candidate whole", _DN, "dn = dh",
              "Only a share of the candidate entered the state, so only that share of dh comes back to it."),
    _backward(NEW_STATE, "z and 1 − z exchanged", f"{_DIRECT}\n        {_DN}",
              "dh_prev = dh * (1 - keep)\n        dn = dh * keep",
              "Old state and candidate got each other's factor. With carry z it is z that kept the old state."),
    _backward(NEW_STATE, "the sign of dz", _DKEEP, "dkeep = dh * (n - h_prev)",
              "If z grows, the state moves towards the old one and away from the candidate. Which of the two has the "
              "plus sign in the derivative?"),
    _backward(NEW_STATE, "dz lacks the candidate", _DKEEP, "dkeep = dh * h_prev",
              "z stands in both terms of the new state; the second one holds 1 − z, whose derivative is −1."),
    _backward(NEW_STATE, "dz lacks the old state", _DKEEP, "dkeep = -dh * n",
              "z stands in both terms of the new state, also beside h_prev."),
    _backward(SLOPES, "tanh′ missing", _DZ_N, "dz_n = dn",
              "Between n and its pre-activation stands a tanh: its slope multiplies what comes back."),
    _backward(SLOPES, "tanh′ without the square", _DZ_N, "dz_n = dn * (1 - n)",
              "The slope of tanh is largest, and 1, at zero, and falls off to both sides alike. Yours does not."),
    _backward(SLOPES, "tanh′ taken of n as if it were a pre-activation", _DZ_N, "dz_n = dn * (1 - np.tanh(n) ** 2)",
              "n has already been through the tanh. Its slope is written with n itself; another tanh is one too "
              "many."),
    _backward(SLOPES, "σ′ on the candidate", _DZ_N, "dz_n = dn * n * (1 - n)",
              "That is the slope of σ; the candidate went through a tanh."),
    _backward(SLOPES, "σ′ of z missing", _DZ_Z, "dz_z = dz",
              "Between z and its pre-activation stands a σ: its slope multiplies what comes back."),
    _backward(SLOPES, "σ′ of r missing", _DZ_R, "dz_r = dr",
              "Between r and its pre-activation stands a σ: its slope multiplies what comes back."),
    _backward(SLOPES, "σ′ of both gates missing", f"{_DZ_R}\n        {_DZ_Z}", "dz_r = dr\n        dz_z = dz",
              "Between each gate and its pre-activation stands a σ: its slope multiplies what comes back."),
    _backward(SLOPES, "tanh′ on both gates", f"{_DZ_R}\n        {_DZ_Z}",
              "dz_r = dr * (1 - r ** 2)\n        dz_z = dz * (1 - z ** 2)",
              "That is the slope of tanh; the gates went through a σ."),
    _backward(SLOPES, "σ′ taken of the gates as if they were pre-activations", f"{_DZ_R}\n        {_DZ_Z}",
              "dz_r = dr * sigmoid(r) * (1 - sigmoid(r))\n        dz_z = dz * sigmoid(z) * (1 - sigmoid(z))",
              "z and r have already been through σ. The slope is written with them as they are."),
    _backward(SLOPES, "the slope of z used for r", _DZ_R, "dz_r = dr * z * (1 - z)",
              "Each gate has its own slope, taken at its own value."),
    _backward(SLOPES, "the slope of r used for z", _DZ_Z, "dz_z = dz * r * (1 - r)",
              "Each gate has its own slope, taken at its own value."),
    _backward(COLLECT, "the path through the reset gate missing", _DHX, 'dhx = dz_z @ params["W_z"]',
              _FOUR_PATHS + "Yours lacks the one through r, in dh_prev and in dx: r was computed from both."),
    _backward(COLLECT, "the path through the update gate missing", _DHX, 'dhx = dz_r @ params["W_r"]',
              _FOUR_PATHS + "Yours lacks the one through z, in dh_prev and in dx: z was computed from both."),
    _backward(COLLECT, "the weights of the two gates exchanged", _DHX,
              'dhx = dz_z @ params["W_r"] + dz_r @ params["W_z"]',
              "The gradient goes back through the matrix it came through: each gate's own."),
    _backward(COLLECT, "the path through the gates missing in dh_prev", _INTO_H, "dh_prev = dh_prev",
              _FOUR_PATHS + "Yours lacks both that lead through the gates."),
    _backward(COLLECT, "the path through the gates missing in dx", _INTO_X, "dx = dz_n @ W_nx",
              "x is read in three places, the two gates and the candidate. Yours has the candidate's share alone."),
    _backward(COLLECT, "the path through the candidate missing in dx", _INTO_X, "dx = dhx[:, self.hidden_size:]",
              "x is read in three places, the two gates and the candidate. Yours lacks the candidate's share."),
    _backward(COLLECT, "the columns for h and x exchanged", f"{_INTO_H}\n        {_INTO_X}",
              "dh_prev = dh_prev + dhx[:, x.shape[1]:]\n        dx = dz_n @ W_nx + dhx[:, :x.shape[1]]",
              "What comes back through a gate's matrix has H + I columns in the order [h, x]: the first H belong to "
              "h_prev."),
    _backward(WEIGHTS, "[x, h] in the weight gradients of the gates", f"{_HX}\n",
              "hx = np.concatenate([x, h_prev], axis=1)\n",
              "The columns of dW are those of W, ordered for [h, x]."),
    _backward(WEIGHTS, "the gradients of z and r exchanged", _GATES,
              'dparams = {"W_r": dz_z.T @ hx, "b_r": dz_z.sum(axis=0), "W_z": dz_r.T @ hx, "b_z": dz_r.sum(axis=0)}',
              "They are right, but each stands under the other's name."),
    _backward(WEIGHTS, "the bias gradients averaged over the batch", _RETURN,
              'return dx, HState(dh_prev), {k: v / len(x) ** (k[0] == "b") for k, v in dparams.items()}',
              "The loss is the sum over the batch, so a bias collects the sum of what its rows send, not the mean."),
    _backward(WEIGHTS, "all parameter gradients averaged over the batch", _RETURN,
              "return dx, HState(dh_prev), {k: v / len(x) for k, v in dparams.items()}",
              "The loss is the sum over the batch, so a parameter collects the sum of what the rows send. Whoever "
              "wants a mean has it in the loss, and so in dh, already."),
    _backward(COLLECT, "dx and dh_prev exchanged", "return dx, dh_prev, dparams", "return dh_prev, dx, dparams",
              "Both are right, but the first returned value is dx and the second dh_prev."),
    _backward(COLLECT, "dh_prev left as it came", _RETURN, "return dx, HState(dh), dparams",
              "What came back is the gradient after the step. The one before it is what the step before needs."),
)

_M, _DR, _INTO_H_N = "dm = dz_n * r", 'dr = dz_n * (h_prev @ W_nh.T + params["b_hn"])', "dh_prev = dh_prev + dm @ W_nh"
_DW_NH, _DB_HN, _DB_N = "dW_nh = dm.T @ h_prev", 'dparams["b_hn"] = dm.sum(axis=0)', 'dparams["b_n"] = dz_n.sum(axis=0)'
AFTER_MISTAKES = (
    _backward(AFTER, "r missing on the way to the recurrent half", _M, "dm = dz_n",
              "On the way forward r multiplied all of the recurrent half. On the way back it multiplies what that "
              "half receives: its weights, its bias and h_prev."),
    _backward(AFTER, "dr multiplied by h_prev", _DR, "dr = dz_n * h_prev",
              "What stood beside r on the way forward was the product with the weights, and its bias. (h_prev alone "
              "is what stands there with reset before.)"),
    _backward(AFTER, "b_hn missing in dr", _DR, "dr = dz_n * (h_prev @ W_nh.T)",
              "r multiplied the recurrent half with its bias, so that is what dr is multiplied by."),
    _backward(AFTER, "dr multiplied by the whole pre-activation", _DR,
              'dr = dz_n * (x @ W_nx.T + params["b_n"] + h_prev @ W_nh.T + params["b_hn"])',
              "r multiplied the recurrent half alone; what comes from the input has no part in dr."),
    _backward(AFTER, "the slope of tanh missing in dr", _DR, 'dr = dn * (h_prev @ W_nh.T + params["b_hn"])',
              "r stands inside the tanh, so what reaches it has passed the slope of the tanh."),
    _backward(AFTER, "the path through the candidate missing in dh_prev", _INTO_H_N, "dh_prev = dh_prev",
              _FOUR_PATHS + "Yours lacks the one through the candidate."),
    _backward(AFTER, "r missing on the way from the candidate to h_prev", _INTO_H_N, "dh_prev = dh_prev + dz_n @ W_nh",
              "The candidate saw h_prev through r, so r stands on the way back as well."),
    _backward(AFTER, "r on the wrong side on the way to h_prev", _INTO_H_N, "dh_prev = dh_prev + (dz_n @ W_nh) * r",
              "The forward pass went through the matrix and then through r. The way back meets them in the opposite "
              "order."),
    _backward(AFTER, "the recurrent weights of the candidate transposed", _INTO_H_N, "dh_prev = dh_prev + dm @ W_nh.T",
              "This block of weights is square, so both run. Forward the rows were multiplied by the transpose; "
              "backward it is turned once more."),
    _backward(AFTER, "r missing in the recurrent part of dW_n", _DW_NH, "dW_nh = dz_n.T @ h_prev",
              "The recurrent half was multiplied by r, so its weights get what comes back through r."),
    _backward(AFTER, "dW_n as with reset before", _DW_NH, "dW_nh = dz_n.T @ (r * h_prev)",
              "With reset after the matrix met the old state itself, and r came later: it belongs to what comes "
              "back, not to what went in."),
    _backward(AFTER, "db_hn equal to db_n", _DB_HN, 'dparams["b_hn"] = dz_n.sum(axis=0)',
              "The two biases of the candidate are not alike: one of them was multiplied by r."),
    _backward(WEIGHTS, "db_n with r", _DB_N, 'dparams["b_n"] = dm.sum(axis=0)',
              "b_n stands beside the input, outside of what r multiplies."),
    _backward(COLLECT, "r on the way to x", _INTO_X, "dx = dm @ W_nx + dhx[:, self.hidden_size:]",
              "The candidate sees the input as it is; r multiplies the recurrent half alone."),
    _backward(WEIGHTS, "r in the input part of dW_n", "dz_n.T @ x", "dm.T @ x",
              "The candidate sees the input as it is; r multiplies the recurrent half alone."),
)

_DRH, _DR_B, _INTO_H_B = "drh = dz_n @ W_nh", "dr = drh * h_prev", "dh_prev = dh_prev + drh * r"
BEFORE_MISTAKES = (
    _backward(BEFORE, "dr multiplied by r", _DR_B, "dr = drh * r",
              "A product gives to each factor the other one: what reaches r is multiplied by what stood beside it."),
    _backward(BEFORE, "dr lacks the old state", _DR_B, "dr = drh",
              "r multiplied the old state on the way forward, so what reaches r is multiplied by it."),
    _backward(BEFORE, "dr as with reset after", _DR_B, "dr = dz_n * (h_prev @ W_nh.T)",
              "With reset before r stands in front of the matrix: what comes back has to pass the matrix first."),
    _backward(BEFORE, "dr lacks the weights", _DR_B, "dr = dz_n * h_prev",
              "Between r and the candidate stands the matrix: what comes back has to pass it on the way to r."),
    _backward(BEFORE, "the path through the candidate missing in dh_prev", _INTO_H_B, "dh_prev = dh_prev",
              _FOUR_PATHS + "Yours lacks the one through the candidate."),
    _backward(BEFORE, "r missing on the way from the candidate to h_prev", _INTO_H_B, "dh_prev = dh_prev + drh",
              "The candidate saw h_prev through r, so r stands on the way back as well."),
    _backward(BEFORE, "r on the wrong side on the way to h_prev", _INTO_H_B, "dh_prev = dh_prev + (dz_n * r) @ W_nh",
              "The forward pass went through r and then through the matrix. The way back meets them in the opposite "
              "order."),
    _backward(BEFORE, "the recurrent weights of the candidate transposed", _DRH, "drh = dz_n @ W_nh.T",
              "This block of weights is square, so both run. Forward the rows were multiplied by the transpose; "
              "backward it is turned once more."),
    _backward(BEFORE, "r missing in the recurrent part of dW_n", "dz_n.T @ (r * h_prev)", "dz_n.T @ h_prev",
              "What met the matrix on the way forward was the reset state, not the old one."),
    _backward(BEFORE, "dW_n as with reset after", "dz_n.T @ (r * h_prev)", "(r * dz_n).T @ h_prev",
              "With reset before r belongs to what went into the matrix, not to what comes back."),
)

AFTER_PARTS = {"z": "dW_z, db_z", "r": "dW_r, db_r", "n": "dW_n, db_n, db_hn"}
STEP_BACKWARD_CHECK = Check(
    name="gru_step_backward",
    draw=_draw_step_backward("after"),
    reference=gru_step_backward,
    inner=(Source(GRU.step_backward, "gru_step_backward", GRU),),
    returns=_step_gradients(AFTER_PARTS, ("b_hn",)),
    parts={"dx": 1, "dh_prev": 2, "dW_z, db_z": 1, "dW_r, db_r": 1, "dW_n, db_n, db_hn": 2},
    mistakes=STEP_BACKWARD_MISTAKES + AFTER_MISTAKES,
)

BEFORE_PARTS = {"z": "dW_z, db_z", "r": "dW_r, db_r", "n": "dW_n, db_n"}
STEP_BACKWARD_BEFORE_CHECK = Check(
    name="gru_step_backward_before",
    draw=_draw_step_backward("before"),
    reference=gru_step_backward_before,
    inner=(Source(GRU.step_backward, "gru_step_backward_before", GRU),),
    returns=_step_gradients(BEFORE_PARTS),
    parts={"dx": 1, "dh_prev": 1, "dW_z, db_z": 1, "dW_r, db_r": 1, "dW_n, db_n": 1},
    mistakes=STEP_BACKWARD_MISTAKES + BEFORE_MISTAKES,
)


# -- gru_backward --------------------------------------------------------------------------------------

def _draw_backward(rng):
    def case(T, B, I, H):
        return Case({"params": _draw_params(rng, I, H), "xs": rng.normal(0.0, 1.0, (T, B, I)),
                     "h0": rng.uniform(-1.0, 1.0, (B, H)), "dhs": rng.normal(0.0, 1.0, (T, B, H)),
                     "dh": rng.normal(0.0, 1.0, (B, H))}, f"T={T}, B={B}, I={I}, H={H}")

    # the first one short: diagnosis tries every pair of mistakes on it
    return [case(2, 3, 2, 3), case(4, 2, 3, 4), case(1, 3, 2, 4), case(5, 1, 4, 2), case(3, 3, 3, 3)]


def gru_backward(params, xs, h0, dhs, dh):
    cell = GRU(xs.shape[2], h0.shape[1])
    state, tapes = HState(h0), []
    for x in xs:
        state, tape = cell.step(params, x, state)
        tapes.append(tape)
    dxs, dparams = np.zeros_like(xs), {name: np.zeros_like(value) for name, value in params.items()}
    for t in reversed(range(len(xs))):
        dxs[t], (dh,), dstep = cell.step_backward(params, tapes[t], HState(dh + dhs[t]))
        for name in dparams:
            dparams[name] += dstep[name]
    return dxs, dh, dparams


_START = "state, tapes = HState(h0), []"
_CALL, _LOOP, _ADD = "HState(dh + dhs[t])", "reversed(range(len(xs)))", "dparams[name] += dstep[name]"
_DONE = "return dxs, dh, dparams"
_TO_THE_END = f"{_CALL})\n        for name in dparams:\n            {_ADD}\n    {_DONE}"


def _through_time(name, old, new, why):
    return Mistake(name, old, new, why, THROUGH_TIME)


SEQUENCE_MISTAKES = (
    _through_time("the gradient from the next step missing", _CALL,
                  "HState(dhs[t] + (t == len(xs) - 1) * dh)",
                  "h_t is read twice: by the loss, and by the step that follows. What comes back from that step has "
                  "to be added, or no gradient travels through time at all."),
    _through_time("the loss on the outputs missing", _START, f"{_START}; dhs = 0.0 * dhs",
                  "h_t is read twice: by the step that follows, and by the loss as the output of step t. Yours lacks "
                  "the second share, dhs[t]."),
    _through_time("the loss on the last output only", _CALL, "HState(dh + (t == len(xs) - 1) * dhs[t])",
                  "Every output is read by the loss, so dhs[t] comes in at every step, not at the last one alone."),
    _through_time("the gradient of the final state ignored", _START, f"{_START}; dh = 0.0 * dh",
                  "The loop starts from zeros, whatever dh is. It is the gradient that a later piece of the sequence "
                  "sends back."),
    _through_time("the gradient of the final state added at every step", _START,
                  f"{_START}; dhs = dhs + dh * (np.arange(len(xs)) < len(xs) - 1)[:, None, None]",
                  "The final state is read once, after the last step, so its gradient comes in once."),
    _through_time("dhs read backwards in time", _CALL, "HState(dh + dhs[len(xs) - 1 - t])",
                  "The loop runs from the last step to the first, and so does t; dhs is still indexed by the time of "
                  "its output."),
    _through_time("dhs one step off", _CALL, "HState(dh + dhs[t - 1])",
                  "At step t the gradient of the output of step t is added."),
    _through_time("the loop runs forward", _LOOP, "range(len(xs))",
                  "Each step needs what comes back from the step after it, so the loop starts at the end."),
    _through_time("the first step left out", _LOOP, "reversed(range(1, len(xs)))",
                  "The loop has to reach step 0: it has an input, an output and the initial state."),
    _through_time("dxs in the order of the loop", _DONE, "return dxs[::-1], dh, dparams",
                  "The gradients were collected in the order in which they were found, from the last step to the "
                  "first. dxs[t] belongs to xs[t]."),
    _through_time("parameter gradients overwritten", _ADD, "dparams[name] = dstep[name]",
                  "One set of parameters serves every step, so its gradient is the sum over the steps. What is left "
                  "at the end of yours is the first step's."),
    _through_time("parameter gradients of the last step only", _ADD,
                  "dparams[name] += dstep[name] * (t == len(xs) - 1)",
                  "One set of parameters serves every step, so its gradient is the sum over the steps."),
    _through_time("parameter gradients averaged over time", _DONE,
                  "return dxs, dh, {name: value / len(xs) for name, value in dparams.items()}",
                  "The loss is a sum over the steps, so the gradients are summed over them, not averaged."),
    _through_time("the bias gradients not summed over time", _ADD,
                  'dparams[name] = dstep[name] + (name[0] == "W") * dparams[name]',
                  "The biases serve every step just as the weights do."),
    _through_time("dh0 returned as zeros", _DONE, "return dxs, 0.0 * dh, dparams",
                  "The initial state is an argument, and the loss depends on it through every step. What is left in "
                  "your hand after the loop is its gradient."),
    _through_time("the gradient after the first step returned as dh0", _TO_THE_END,
                  _TO_THE_END.replace(_CALL, "HState(after := dh + dhs[t])").replace("dxs, dh,", "dxs, after,"),
                  "dh0 is the gradient before the first step; the way through that step is still missing."),
    _through_time("dhs[0] added to dh0", _DONE, "return dxs, dh + dhs[0], dparams",
                  "h0 is no output, so the loss does not read it directly. dhs[0] belongs to the output of the first "
                  "step, and was used there."),
    _through_time("every step goes back with the last step's values", "tapes[t]", "tapes[-1]",
                  "Each step has its own x, h_prev and gates. Are they kept for every t on the way forward?"),
    _through_time("every step goes back with the first step's values", "tapes[t]", "tapes[0]",
                  "Each step has its own x, h_prev and gates. Are they kept for every t on the way forward?"),
    _through_time("h_t in place of h_prev", "tapes.append(tape)", "tapes.append(tape._replace(h_prev=state.h))",
                  "What a step read was the state before it. Yours goes back with the state after it: it was "
                  "overwritten before it was kept."),
    _through_time("the state reset at every step on the way forward", "cell.step(params, x, state)",
                  "cell.step(params, x, HState(h0))",
                  "On the way forward every step started from h0, so the gates you go back with are those of another "
                  "run."),
    _through_time("h0 ignored on the way forward", _START, "state, tapes = HState(0.0 * h0), []",
                  "On the way forward the first step started from zeros, whatever h0 is."),
)

# What of the step is likely to be wrong still; its own check has the whole list.
_STILL = ("the direct path missing in dh_prev", "the direct path with 1 − z", "z and 1 − z exchanged", "the sign of dz",
          "tanh′ missing", "σ′ of both gates missing", "the path through the reset gate missing",
          "the path through the update gate missing", "the path through the gates missing in dh_prev",
          "the path through the gates missing in dx", "the path through the candidate missing in dx",
          "all parameter gradients averaged over the batch", "dh_prev left as it came",
          "r missing on the way to the recurrent half", "dr multiplied by h_prev", "b_hn missing in dr",
          "the path through the candidate missing in dh_prev", "r missing on the way from the candidate to h_prev")

BACKWARD_CHECK = Check(
    name="gru_backward",
    draw=_draw_backward,
    reference=gru_backward,
    inner=(_STEP, Source(GRU.step_backward, "gru_step_backward", GRU)),
    returns=(Output("dxs", "(T, B, I)"), Output("dh0", "(B, H)"),
             _gradients(dict.fromkeys("zrn", "dparams"), ("b_hn",))),
    parts={"dxs": 1, "dh0": 1, "dparams": 2},
    mistakes=(*(m for m in STEP_BACKWARD_MISTAKES + AFTER_MISTAKES if m.name in _STILL), *SEQUENCE_MISTAKES),
)


# -- gru_to_torch, gru_from_torch ----------------------------------------------------------------------

def gru_to_torch(params):
    return _stack(_cell(params), "torch", params)


def _layout(name, old, new, why):
    return Mistake(name, old, new, why, FRAMEWORKS)


_ONE_FOR_BOTH = "For r and z only the sum of the two biases counts, so torch has one more than it needs. "
_BLOCKS = "The blocks stand one below the other in the order r, z, n, in the biases as in the weights. "
_ORDER = "order, H = _ORDERS[layout][type(cell)], cell.hidden_size"
_WEIGHTS = 'np.concatenate([params[f"W_{g}"][:, part] for g in order])'
_STACK, _PUT_B_HN, _ZEROS = "return W, R, b_x, b_h", 'b_h[order.index("n") * H:][:H] =', "b_h = np.zeros_like(b_x)"
_SWAP = "swap = np.r_[H:2 * H, :H, 2 * H:3 * H]"
TO_TORCH_MISTAKES = (
    *(_layout(f"the order {', '.join(order)}", _ORDER, f'order, H = "{order}", cell.hidden_size', _BLOCKS + why)
      for order, why in [
          ("zrn", "Yours begins with z: nothing complains, and the two gates do each other's work."),
          ("rnz", "Yours has z last."), ("nrz", "Yours begins with the candidate."), ("znr", "Yours begins with z."),
          ("nzr", "Yours is the other way round.")]),
    _layout("the order z, r, n in the weights", _STACK, f"{_SWAP}; return W[swap], R[swap], b_x, b_h",
            _BLOCKS + "Your biases are right, and your weights begin with z."),
    _layout("the order z, r, n in the biases", _STACK, f"{_SWAP}; return W, R, b_x[swap], b_h",
            _BLOCKS + "Your weights are right, and your biases begin with z."),
    _layout("the columns read as [x, h]", "(slice(H, None), slice(H))", "(slice(-H), slice(-H, None))",
            "The first H columns of each W act on h, the other I on x."),
    _layout("ih and hh exchanged", _STACK, "return R, W, b_h, b_x",
            "In torch's names the first letter is where it comes from: ih leads from the input to the hidden units, "
            "hh from the hidden units to themselves."),
    _layout("the two weights exchanged", _STACK, "return R, W, b_x, b_h",
            "ih leads from the input to the hidden units, so it has I columns; hh has H."),
    _layout("the two biases exchanged", _STACK, "return W, R, b_h, b_x",
            "b_n stands beside the input and b_hn beside the state, inside what the reset gate multiplies: they "
            "cannot change places."),
    _layout("the blocks side by side", _WEIGHTS, _WEIGHTS.replace("order]", "order], axis=1"),
            "The blocks stand one below the other: a row for each unit of each gate, so 3H rows."),
    _layout("the blocks on an axis of their own", _WEIGHTS, _WEIGHTS.replace("concatenate", "stack"),
            "torch lays the blocks one below the other in one matrix of 3H rows, without a third axis."),
    _layout("the weights transposed", _STACK, "return W.T, R.T, b_x, b_h",
            "torch keeps a row for each unit, as the book does."),
    _layout("each recurrent block transposed", _STACK,
            "return W, np.concatenate([block.T for block in np.split(R, 3)]), b_x, b_h",
            "torch keeps a row for each unit, as the book does. The recurrent blocks are square, so nothing "
            "complains."),
    _layout("every bias in both", _ZEROS, "b_h = b_x.copy()",
            "torch adds its two biases, so each of yours would count twice."),
    _layout("half of each bias in both", _ZEROS, "b_x[:2 * H] *= 0.5; b_h = b_x.copy()",
            _ONE_FOR_BOTH + "Your halves add up and would work; the task asks for the whole in bias_ih, so that the "
            "way there and back gives the same numbers."),
    _layout("the biases of r and z in bias_hh", _ZEROS, "b_h = b_x.copy(); b_x[:2 * H] = 0.0",
            _ONE_FOR_BOTH + "Yours would work; the task asks for them in bias_ih."),
    _layout("b_hn left out", 'if "b_hn" in params:', "if False:",
            "For r and z bias_hh may be zero. For the candidate it holds the bias that the reset gate multiplies, "
            "which b_n cannot stand in for."),
    _layout("b_hn added to b_n", _PUT_B_HN, "b_x[2 * H:] +=",
            "b_hn is multiplied by the reset gate and b_n is not: their sum is not enough to know."),
    _layout("b_hn in the first block", _PUT_B_HN, "b_h[:H] =",
            "The blocks of a bias are in the order of those of the weights: the candidate comes last."),
    _layout("b_n in both, b_hn nowhere", f'{_PUT_B_HN} params["b_hn"]', f'{_PUT_B_HN} params["b_n"]',
            "The candidate's two biases are different numbers: one stands beside the input, the other beside the "
            "state."),
)

_STACKED = (Output("weight_ih", "(3H, I)", "weights"), Output("weight_hh", "(3H, H)", "weights"),
            Output("bias_ih", "(3H,)", "biases"), Output("bias_hh", "(3H,)", "biases"))

TO_TORCH_CHECK = Check(
    name="gru_to_torch",
    draw=_draw_flip,
    reference=gru_to_torch,
    inner=(Source(_stack, "gru_to_torch"),),
    returns=_STACKED,
    parts={"weights": 1, "biases": 1},
    mistakes=TO_TORCH_MISTAKES,
)


def _draw_stacked(rng):
    def case(I, H):
        shapes = {"weight_ih": (3 * H, I), "weight_hh": (3 * H, H), "bias_ih": (3 * H,), "bias_hh": (3 * H,)}
        return Case({name: rng.normal(0.0, 0.7, shape) for name, shape in shapes.items()}, f"I={I}, H={H}")

    return [case(3, 5), case(4, 2), case(3, 3), case(1, 1)]


def gru_from_torch(weight_ih, weight_hh, bias_ih, bias_hh):
    return _unstack(GRU(weight_ih.shape[1], weight_hh.shape[1]), "torch", weight_ih, weight_hh, bias_ih, bias_hh)


_SUM, _PAIR = "b_x[at] + b_h[at]", "b_x[at].copy(), b_h[at].copy()"
_JOINED, _SWAPPED = "[R[at], W[at]]", "H * (1, 0, 2)[k]:"
FROM_TORCH_MISTAKES = (
    *(_layout(f"the order {', '.join(order)}", "order, H, I = _ORDERS[layout][type(cell)], ",
              f'order, H, I = "{order}", ',
              "torch's blocks stand in the order r, z, n. Yours are read in another: nothing complains, and each "
              "matrix does another's work.") for order in ("zrn", "rnz", "nrz", "znr", "nzr")),
    _layout("the order z, r, n in the weights", _JOINED, f"[R[{_SWAPPED}][:H], W[{_SWAPPED}][:H]]",
            "torch's blocks stand in the order r, z, n. Your biases are right, your weights are read with z first."),
    _layout("the order z, r, n in the biases", _SUM, f"(b_x + b_h)[{_SWAPPED}][:H]",
            "torch's blocks stand in the order r, z, n. Your weights are right, your biases are read with z first."),
    _layout("[x, h] in place of [h, x]", _JOINED, "[W[at], R[at]]",
            "In the book's W the columns for h come first, and weight_hh is what acts on h."),
    _layout("only bias_ih for r and z", _SUM, "b_x[at]",
            "torch adds both of its biases. The book's one bias has to be as much as the two together."),
    _layout("only bias_hh for r and z", _SUM, "b_h[at]",
            "torch adds both of its biases. The book's one bias has to be as much as the two together."),
    _layout("the mean of the two biases", _SUM, "(b_x[at] + b_h[at]) / 2",
            "torch adds its two biases, without halving them."),
    _layout("the difference of the two biases", _SUM, "b_x[at] - b_h[at]",
            "torch adds its two biases; neither is subtracted from the other."),
    _layout("b_n the sum of both", _PAIR, "b_x[at] + b_h[at], b_h[at]",
            "For the candidate the two do not add up, since the reset gate multiplies one of them. Yours counts that "
            "one twice."),
    _layout("b_n the sum of both and b_hn zero", _PAIR, "b_x[at] + b_h[at], 0.0 * b_h[at]",
            "For the candidate the two do not add up: the reset gate multiplies one of them and not the other."),
    _layout("b_hn zero", _PAIR, "b_x[at], 0.0 * b_h[at]",
            "The last block of bias_hh is lost; the reset gate multiplies it, so it cannot be dropped."),
    _layout("b_hn the sum of both", _PAIR, "b_x[at], b_x[at] + b_h[at]",
            "Only the bias beside the state is multiplied by the reset gate."),
    _layout("both biases of the candidate the sum", _PAIR,
            "b_x[at] + b_h[at], b_x[at] + b_h[at]",
            "The candidate's two biases stay apart: one stands beside the input, the other beside the state."),
    _layout("b_n and b_hn exchanged", _PAIR, "b_h[at], b_x[at]",
            "ih leads from the input: its bias stands beside the input, outside of what the reset gate multiplies."),
    _layout("b_hn from the first block", _PAIR, "b_x[at], b_h[:H]",
            "The blocks of a bias are in the order of those of the weights: the candidate comes last."),
    _layout("every third row", "slice(k * H, (k + 1) * H)", "slice(k, None, 3)",
            "A gate's H rows stand together, one gate below the other; they are not interleaved."),
    _layout("the recurrent blocks transposed", _JOINED, "[R[at].T, W[at]]",
            "torch keeps a row for each unit, as the book does. The recurrent blocks are square, so nothing "
            "complains."),
    _layout("weights as a column for each unit", "return params",
            'return {k: v.T if k[0] == "W" else v for k, v in params.items()}',
            "The book's W has a row for each unit, (H, H+I), as torch's blocks do."),
)

FROM_TORCH_CHECK = Check(
    name="gru_from_torch",
    draw=_draw_stacked,
    reference=gru_from_torch,
    inner=(Source(_unstack, "gru_from_torch"),),
    returns={name: Output(name, shape, part) for name, shape, part in
             [*((f"W_{g}", "(H, H+I)", "weights") for g in "zrn"),
              *((name, "(H,)", "biases") for name in ("b_z", "b_r", "b_n", "b_hn"))]},
    parts={"weights": 1, "biases": 1},
    mistakes=FROM_TORCH_MISTAKES,
)


CHECKS = (STEP_CHECK, FLIP_CHECK, STEP_BACKWARD_CHECK, STEP_BACKWARD_BEFORE_CHECK, BACKWARD_CHECK, TO_TORCH_CHECK,
          FROM_TORCH_CHECK)
