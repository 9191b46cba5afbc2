"""Problem set 5, the peephole LSTM: a step, its full gradient, and the gradient of a sequence."""

from __future__ import annotations

import numpy as np

from ..cells import LSTMState, PeepholeLSTM
from ..cells.peephole import PeepholeTape
from . import Case, Check, Mistake, Output, Source
from ._backward import LOOP_MISTAKES, draw_params, draw_states, draw_tapes, gradients_of, step_mistakes

CHAPTER = 'chapter "Peephole LSTM"'
LSTM_CELL = 'chapter "The LSTM cell"'
GATES = {"f": f"{CHAPTER}, forget gate (eq-peephole-forget-gate)",
         "i": f"{CHAPTER}, input gate (eq-peephole-input-gate)",
         "o": f"{CHAPTER}, output gate (eq-peephole-output-gate)"}
EQUATIONS = f'{CHAPTER}, section "The equations"'
DC = f"{CHAPTER}, the cell state on the way back (eq-peephole-dC)"
DC_PREV = f"{CHAPTER}, the old cell state on the way back (eq-peephole-dC-prev)"
DP = f"{CHAPTER}, the gradients of the peepholes (eq-peephole-dp)"


def _peepholes(params):
    """The gates that have a peephole among these parameters."""
    return "".join(g for g in "fio" if f"p_{g}" in params)


# -- peephole_step -------------------------------------------------------------------------------------

def _draw_step(rng):
    def case(peepholes, B, I, H):
        return Case({"params": draw_params(rng, PeepholeLSTM(I, H, peepholes)), "x": rng.normal(0.0, 1.0, (B, I)),
                     **draw_states(rng, B, H)}, f"peepholes {peepholes!r}, B={B}, I={I}, H={H}")

    return [case("fio", 2, 3, 5), case("fio", 1, 4, 2), case("fio", 3, 3, 3), case("o", 2, 2, 3), case("fi", 3, 1, 2),
            case("", 2, 3, 4), case("i", 1, 1, 1)]


def peephole_step(params, x, h_prev, C_prev):
    cell = PeepholeLSTM(x.shape[1], h_prev.shape[1], _peepholes(params))
    (h, C), tape = cell.step(params, x, LSTMState(h_prev, C_prev))
    return h, C, {"f": tape.f, "i": tape.i, "C_tilde": tape.C_tilde, "o": tape.o}


_Z = {g: f'hx @ params["W_{g}"].T + params["b_{g}"]' for g in "fiCo"}
_SEEN = {"f": "C_prev", "i": "C_prev", "o": "C"}


def _peep(g):
    return f"{_Z[g]} + p_{g} * {_SEEN[g]}"


def _forward_gate_mistakes(g):
    other = {"f": "i", "i": "f", "o": "f"}[g]
    return (
        Mistake(f"the peephole of {g} missing", _peep(g), _Z[g],
                f"The gate {g} reads h and x alone. With a peephole it sees the memory too, each unit its own.",
                GATES[g]),
        Mistake(f"the peephole of {g} added after σ", f"{g} = sigmoid({_peep(g)})",
                f"{g} = sigmoid({_Z[g]}) + p_{g} * {_SEEN[g]}",
                "What the gate sees goes into the sum under the σ. Added after it, the gate can leave (0, 1), "
                "and is no "
                "share any more.", GATES[g]),
        Mistake(f"the peephole of {g} sees tanh(C)", _peep(g), f"{_Z[g]} + p_{g} * np.tanh({_SEEN[g]})",
                "A peephole looks at the memory itself, before it is squashed and gated for the output: that is what "
                "lets it count and time.", GATES[g]),
        Mistake(f"the peephole of {g} sees h", _peep(g), f"{_Z[g]} + p_{g} * h_prev",
                "h is what the output gate lets out, and W acts on it already. Behind a closed output gate only a "
                "peephole sees what is stored.", GATES[g]),
        Mistake(f"the peephole of {other} used at {g}", _peep(g), f"{_Z[g]} + p_{other} * {_SEEN[g]}",
                f"Each gate has a vector of its own. Compare the index in the line of {g}.", GATES[g]),
        Mistake(f"every unit's {g} sees the sum of the memory", _peep(g),
                f"{_Z[g]} + p_{g} * {_SEEN[g]}.sum(axis=1, keepdims=True)",
                "A peephole is a vector, not a matrix: the gate of a unit sees the memory of that unit and of "
                "no other.",
                GATES[g]),
        Mistake(f"the sign of the peephole of {g}", _peep(g), f"{_Z[g]} - p_{g} * {_SEEN[g]}",
                "What the peephole sees is added; whether it opens or shuts the gate is for the sign of p to say.",
                GATES[g]),
    )


_HIDDEN = "o * np.tanh(C)\n        return LSTMState(h, C)"
STEP_MISTAKES = (
    *(mistake for g in "fio" for mistake in _forward_gate_mistakes(g)),
    Mistake("o sees C_{t−1}", _peep("o"), f"{_Z['o']} + p_o * C_prev",
            "f and i are computed before the memory changes. o comes after, and sees the memory as it is now.",
            GATES["o"]),
    Mistake("f sees the memory without its bias", _peep("f"), 'hx @ params["W_f"].T + p_f * C_prev',
            "The peephole is one more term in the sum; it does not take the place of the bias.", GATES["f"]),
    Mistake("i sees the memory without its bias", _peep("i"), 'hx @ params["W_i"].T + p_i * C_prev',
            "The peephole is one more term in the sum; it does not take the place of the bias.", GATES["i"]),
    Mistake("o sees the memory without its bias", _peep("o"), 'hx @ params["W_o"].T + p_o * C',
            "The peephole is one more term in the sum; it does not take the place of the bias.", GATES["o"]),
    Mistake("the candidate sees the memory", _Z["C"], f"{_Z['C']} + p_i * C_prev",
            "Only the three gates have peepholes: they decide how much. What is written comes from h and x.",
            EQUATIONS),
    Mistake("f and i swapped in the cell state", "f * C_prev + i * C_tilde", "i * C_prev + f * C_tilde",
            "Both gates are right, but each multiplies the other's partner.",
            f"{LSTM_CELL}, cell state (eq-lstm-cell-state)"),
    Mistake("the memory seen through the peephole as well as f", "f * C_prev + i", "f * (1 + p_f) * C_prev + i",
            "The peephole acts inside the gate. The sum that makes C_t is that of the plain LSTM.", EQUATIONS),
    Mistake("no tanh on the output", _HIDDEN, _HIDDEN.replace("np.tanh(C)", "C"),
            "The last line is that of the plain LSTM: what is shown is squashed first.",
            f"{LSTM_CELL}, hidden state (eq-lstm-hidden-state)"),
)

STEP_CHECK = Check(
    name="peephole_step",
    draw=_draw_step,
    reference=peephole_step,
    inner=(Source(PeepholeLSTM.step, "peephole_step", PeepholeLSTM),),
    returns=(Output("h", "(B, H)"), Output("C", "(B, H)"),
             {name: Output(name, "(B, H)") for name in ("f", "i", "C_tilde", "o")}),
    parts={"f": 1, "i": 1, "C_tilde": 1, "C": 1, "o": 1, "h": 1},
    mistakes=STEP_MISTAKES,
)


# -- peephole_step_backward ----------------------------------------------------------------------------

_GRADIENTS = gradients_of(PeepholeLSTM, "weights", p_f="p_f", p_i="p_i", p_o="p_o")


def _draw_step_backward(rng):
    def case(peepholes, B, I, H):
        cell = PeepholeLSTM(I, H, peepholes)
        params = draw_params(rng, cell)
        tape, = draw_tapes(rng, cell, params, 1, B)
        return Case({"params": params, "tape": tape, "dh": rng.normal(0.0, 1.0, (B, H)),
                     "dC": rng.normal(0.0, 1.0, (B, H))}, f"peepholes {peepholes!r}, B={B}, I={I}, H={H}")

    return [case("fio", 2, 3, 4), case("fio", 1, 4, 2), case("fio", 3, 3, 3), case("o", 2, 2, 3), case("fi", 3, 1, 2),
            case("", 2, 3, 4), case("i", 1, 1, 1)]


def peephole_step_backward(params, tape, dh, dC):
    cell = PeepholeLSTM(tape["x"].shape[1], dh.shape[1], _peepholes(params))
    dx, dprev, dparams = cell.step_backward(params, PeepholeTape(**tape), LSTMState(dh, dC))
    return dx, dprev.h, dprev.C, dparams


_READERS = "C_{t−1} is now read by three: the sum that makes C_t, and the gates f and i, which see it. "
_DP, _LOOKS = "(dz * seen).sum(axis=0)", '("f", dz_f, C_prev), ("i", dz_i, C_prev), ("o", dz_o, C)'
_BACK = "dC * f + p_f * dz_f + p_i * dz_i"
PEEPHOLE_MISTAKES = (
    Mistake("p_o's path into dC missing", " + p_o * dz_o\n", "\n",
            "C_t has one reader more than in the plain LSTM: the output gate sees it. What o sends back is missing.",
            DC),
    Mistake("p_o's path into dC without σ′", "+ p_o * dz_o\n", "+ p_o * do\n",
            "The peephole sits before the σ of the gate, so its gradient is that of the pre-activation.", DC),
    Mistake("p_o missing on the path from o into C", "+ p_o * dz_o\n", "+ dz_o\n",
            "o sees the memory times its peephole weights, so what it sends back is multiplied by them.", DC),
    Mistake("p_f's path into dC_prev missing", _BACK, "dC * f + p_i * dz_i",
            _READERS + "The share of f is missing.", DC_PREV),
    Mistake("p_i's path into dC_prev missing", _BACK, "dC * f + p_f * dz_f",
            _READERS + "The share of i is missing.", DC_PREV),
    Mistake("both peepholes' paths into dC_prev missing", _BACK, "dC * f",
            _READERS + "The shares of both gates are missing. (The paper of 2002 cut them off on purpose; here the "
            "gradient is the full one.)", DC_PREV),
    Mistake("the peepholes' paths into dC_prev without σ′", _BACK, "dC * f + p_f * df + p_i * di",
            "The peepholes sit before the σ of their gates, so what they send back is the gradient of the "
            "pre-activation times p.", DC_PREV),
    Mistake("the peepholes' weights missing on the way into dC_prev", _BACK, "dC * f + dz_f + dz_i",
            "f and i see the memory times their peephole weights, so what they send back is multiplied by these.",
            DC_PREV),
    Mistake("p_f and p_i exchanged on the way into dC_prev", _BACK, "dC * f + p_i * dz_f + p_f * dz_i",
            "Each gate sends its share back through its own peephole.", DC_PREV),
    Mistake("p_o's path into dC_prev too", _BACK, "dC * f + p_f * dz_f + p_i * dz_i + p_o * dz_o",
            "The output gate sees C_t and not C_{t−1}. Its share is in dC already, and comes back from there.",
            DC_PREV),
    Mistake("dp_o with C_{t−1}", _LOOKS, '("f", dz_f, C_prev), ("i", dz_i, C_prev), ("o", dz_o, C_prev)',
            "A weight's gradient is that of the pre-activation times what the weight was multiplied by. What did o "
            "see?", DP),
    Mistake("dp_f with C_t", _LOOKS, '("f", dz_f, C), ("i", dz_i, C_prev), ("o", dz_o, C)',
            "f was computed before the memory changed. What did it see?", DP),
    Mistake("dp_i with C_t", _LOOKS, '("f", dz_f, C_prev), ("i", dz_i, C), ("o", dz_o, C)',
            "i was computed before the memory changed. What did it see?", DP),
    Mistake("dp_f and dp_i with C_t", _LOOKS, '("f", dz_f, C), ("i", dz_i, C), ("o", dz_o, C)',
            "Only o sees the memory after the step. f and i were computed before it changed.", DP),
    Mistake("dp_f and dp_i exchanged", _LOOKS, '("f", dz_i, C_prev), ("i", dz_f, C_prev), ("o", dz_o, C)',
            "The two gradients are stored under each other's name.", DP),
    Mistake("dp without σ′", _LOOKS, '("f", df, C_prev), ("i", di, C_prev), ("o", do, C)',
            "A peephole sits before the σ of its gate, so its gradient needs that of the pre-activation.", DP),
    Mistake("dp with h in place of C", _LOOKS, '("f", dz_f, h_prev), ("i", dz_i, h_prev), ("o", dz_o, o * np.tanh(C))',
            "A peephole looks at the memory, and not at what is shown of it.", DP),
    Mistake("dp with tanh(C)", _DP, "(dz * np.tanh(seen)).sum(axis=0)",
            "A peephole looks at the memory as it is, before any squashing.", DP),
    Mistake("dp not multiplied by what was seen", _DP, "(dz + 0.0 * seen).sum(axis=0)",
            "That is the gradient of a bias. A peephole's weight was multiplied by the memory, so its gradient is too.",
            DP),
    Mistake("dp averaged over the batch", _DP, "(dz * seen).mean(axis=0)",
            "All examples read the same peephole, and gradients of several readers add up: a sum, not a mean.",
            DP),
    Mistake("dp not summed over the batch", _DP, "dz * seen",
            "A peephole has one number per unit, whatever the batch, and so has its gradient.", DP),
    Mistake("a full matrix in place of a diagonal", _DP, "dz.T @ seen",
            "A peephole is a vector: unit k's gate sees the memory of unit k alone. Off the diagonal there are no "
            "weights to have a gradient.", DP),
    Mistake("the product summed before it is taken", _DP, "dz.sum(axis=0) * seen.sum(axis=0)",
            "The gradient is a sum of products, one for each example; yours is the product of two sums.", DP),
)

_BACKWARD_INNER = (Source(PeepholeLSTM.step_backward, "peephole_step_backward", PeepholeLSTM),)

STEP_BACKWARD_CHECK = Check(
    name="peephole_step_backward",
    draw=_draw_step_backward,
    reference=peephole_step_backward,
    inner=_BACKWARD_INNER,
    returns=(Output("dx", "(B, I)"), Output("dh_prev", "(B, H)"), Output("dC_prev", "(B, H)"), _GRADIENTS),
    parts={"dx": 1, "dh_prev": 1, "dC_prev": 1, "weights": 2, "biases": 1, "p_f": 1, "p_i": 1, "p_o": 1},
    mistakes=PEEPHOLE_MISTAKES + step_mistakes("fiCo"),
)


# -- peephole_gradients --------------------------------------------------------------------------------

def _draw_gradients(rng):
    def case(peepholes, T, B, I, H):
        states = [{name[0]: array for name, array in draw_states(rng, B, H).items()} for _ in range(2)]
        return Case({"params": draw_params(rng, PeepholeLSTM(I, H, peepholes)), "xs": rng.normal(0.0, 1.0, (T, B, I)),
                     "h0": states[0]["h"], "C0": states[0]["C"], "dhs": rng.normal(0.0, 1.0, (T, B, H)),
                     "dh": states[1]["h"], "dC": states[1]["C"]},
                    f"peepholes {peepholes!r}, T={T}, B={B}, I={I}, H={H}")

    return [case("fio", 2, 3, 2, 4), case("fio", 4, 2, 3, 2), case("fio", 1, 2, 3, 2), case("io", 3, 1, 2, 2),
            case("f", 3, 3, 3, 3), case("", 2, 2, 1, 3)]


def peephole_gradients(params, xs, h0, C0, dhs, dh, dC):
    cell = PeepholeLSTM(xs.shape[2], h0.shape[1], _peepholes(params))
    state, hs, tapes = LSTMState(h0, C0), [], []
    for x in xs:
        state, tape = cell.step(params, x, state)
        hs.append(state.h)
        tapes.append(tape._asdict())
    dxs = [None] * len(tapes)
    dparams = {name: np.zeros_like(value) for name, value in params.items()}
    for t in reversed(range(len(tapes))):
        dxs[t], dh, dC, dstep = peephole_step_backward(params, tapes[t], dh + dhs[t], dC)
        dparams = {name: dparams[name] + dstep[name] for name in dparams}
    return np.stack(hs), np.stack(dxs), dh, dC, dparams


_TAPE, _FORWARD = "tape._asdict()", 'chapter "Backpropagation through the LSTM", section "The code"'
SEQUENCE_MISTAKES = (
    Mistake("the tape keeps the new h as h_prev", _TAPE, "tape._replace(h_prev=state.h)._asdict()",
            "The backward step asks what the boxes read, which is h BEFORE the step. Was h overwritten before the tape "
            "was written?", _FORWARD),
    Mistake("the tape keeps the new C as C_prev", _TAPE, "tape._replace(C_prev=state.C)._asdict()",
            "The backward step asks what f and i saw and what f multiplied, which is C BEFORE the step. Was C "
            "overwritten before the tape was written?", _FORWARD),
    Mistake("the tape keeps the new states as the previous ones", _TAPE,
            "tape._replace(h_prev=state.h, C_prev=state.C)._asdict()",
            "The backward step asks for the states BEFORE the step. Were they overwritten before the tape was written?",
            _FORWARD),
    Mistake("the tape keeps the old C as C", _TAPE, "tape._replace(C=tape.C_prev)._asdict()",
            "o and the last tanh saw the memory AFTER the step; the tape holds the one before under both names.",
            _FORWARD),
    Mistake("every tape holds the initial states", _TAPE, "tape._replace(h_prev=h0, C_prev=C0)._asdict()",
            "Each step starts where the one before it ended, and its tape has to say where that was.", _FORWARD),
    Mistake("both states reset at every step", "cell.step(params, x, state)", "cell.step(params, x, LSTMState(h0, C0))",
            "Every step starts from the initial state. What a step returns is where the next one starts.", _FORWARD),
    Mistake("C collected in place of h", "hs.append(state.h)", "hs.append(state.C)",
            "hs collects what the cell shows, which is h.", _FORWARD),
)

GRADIENTS_CHECK = Check(
    name="peephole_gradients",
    draw=_draw_gradients,
    reference=peephole_gradients,
    # of the step's mistakes those of the peepholes: the others are named by the check of the step
    inner=(Source(PeepholeLSTM.step, "peephole_step", PeepholeLSTM), *_BACKWARD_INNER,
           Source(peephole_step_backward, "peephole_step_backward")),
    returns=(Output("hs", "(T, B, H)"), Output("dxs", "(T, B, I)"), Output("dh0", "(B, H)"), Output("dC0", "(B, H)"),
             gradients_of(PeepholeLSTM, "parameters", "parameters", p_f="parameters", p_i="parameters",
                          p_o="parameters")),
    parts={"hs": 1, "dxs": 1, "dh0": 1, "dC0": 1, "parameters": 2},
    mistakes=PEEPHOLE_MISTAKES + LOOP_MISTAKES + SEQUENCE_MISTAKES,
)


CHECKS = (STEP_CHECK, STEP_BACKWARD_CHECK, GRADIENTS_CHECK)
