"""What the backward sets share: their inputs, and the mistakes in lines that the LSTM and its relatives have in common.

An edit stands here if its old text occurs in the ``step_backward`` of `LSTM`, `PeepholeLSTM` and `CIFGLSTM` alike, or
in the loop that each set writes around it.
"""

from __future__ import annotations

from ..cells import LSTMState
from . import Mistake, Output

CHAPTER = 'chapter "Backpropagation through the LSTM"'
ONE_STEP = f'{CHAPTER}, section "Backward through one step"'
DH = f"{CHAPTER}, the hidden state on the way back (eq-lstm-dh)"
DO = f"{CHAPTER}, the output gate on the way back (eq-lstm-do)"
DC = f"{CHAPTER}, the cell state on the way back (eq-lstm-dC)"
DF = f"{CHAPTER}, what the memory was made of (eq-lstm-df)"
DI = f"{CHAPTER}, what the memory was made of (eq-lstm-di)"
DC_TILDE = f"{CHAPTER}, what the memory was made of (eq-lstm-dC-tilde)"
DC_PREV = f"{CHAPTER}, what the memory was made of (eq-lstm-dC-prev)"
DZ = f"{CHAPTER}, through the squashing functions (eq-lstm-dz)"
DW = f"{CHAPTER}, the weights (eq-lstm-dW)"
DB = f"{CHAPTER}, the biases (eq-lstm-db)"
DHX = f"{CHAPTER}, the joined input (eq-lstm-dhx)"
DH_PREV = f"{CHAPTER}, the joined input is cut (eq-lstm-dh-prev)"
ALL_STEPS = f'{CHAPTER}, section "Backward through all steps" (eq-lstm-dW-sum)'

SYMBOL = {"f": "f", "i": "i", "C": "C_tilde", "o": "o"}


# -- inputs --------------------------------------------------------------------------------------------

def draw_params(rng, cell):
    """Parameters none of which is special: a bias or a peephole of zero would hide mistakes."""
    return {name: rng.normal(0.0, 0.7, shape) for name, shape in cell.parameter_shapes().items()}


def draw_states(rng, batch, hidden_size):
    """States before a step, by the names that students' functions give them."""
    shape = (batch, hidden_size)
    return {"h_prev": rng.uniform(-1.0, 1.0, shape), "C_prev": rng.normal(0.0, 1.5, shape)}


def draw_tapes(rng, cell, params, T, B):
    """The tapes of T steps over random inputs from a random state, as students' steps make them: dicts."""
    state, tapes = LSTMState(**{name[0]: array for name, array in draw_states(rng, B, cell.hidden_size).items()}), []
    for x in rng.normal(0.0, 1.0, (T, B, cell.input_size)):
        state, tape = cell.step(params, x, state)
        tapes.append(tape._asdict())
    return tapes


def gradients_of(cell_type, part="", biases="biases", **others):
    """What a backward pass returns in its dict: an output per parameter, of the part of its weights or biases."""
    outputs = {f"W_{g}": Output(f"dW_{g}", "(H, H+I)", part) for g in cell_type.gates}
    outputs |= {f"b_{g}": Output(f"db_{g}", "(H,)", biases) for g in cell_type.gates}
    return outputs | {name: Output(f"d{name}", "(H,)", other) for name, other in others.items()}


# -- mistakes in one step ------------------------------------------------------------------------------

_PATH = "dh * o * (1 - np.tanh(C) ** 2)"
_DZ_SIGMOID = "d{g} * {g} * (1 - {g})"
_CUT = "dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]"
_TWO_READERS = "C_t has two readers, the next step and this step's h_t, and gradients of several readers add up. "


def _gate_mistakes(g):
    old = _DZ_SIGMOID.format(g=g)
    return (
        Mistake(f"σ′ missing at the gate {g}", old, f"d{g}",
                f"d{g} belongs to the value of the gate. Its weights sit before σ, so the gradient has to pass back "
                "through σ first.", DZ),
        Mistake(f"σ′ taken of the value of {g}", old, f"d{g} * sigmoid({g}) * (1 - sigmoid({g}))",
                f"{g} is σ of its pre-activation already. Your derivative applies σ to it once more; what stands in "
                "the tape is the value after squashing.", DZ),
    )


def _rarer_gate_mistakes(g):
    old = _DZ_SIGMOID.format(g=g)
    return (
        Mistake(f"tanh′ in place of σ′ at the gate {g}", old, f"d{g} * (1 - {g} ** 2)",
                f"{g} came out of σ, so the gradient goes back through σ. The derivative you used belongs to tanh.",
                DZ),
        Mistake(f"only half of σ′ at the gate {g}", old, f"d{g} * {g}",
                "The slope of σ is a product of two shares, the gate and what is missing to 1: it vanishes at both "
                "ends of the curve.", DZ),
    )


def everywhere_mistakes(gates):
    """The same slip in every line that goes back through a squashing function, where these lines are side by side."""
    def lines(sigmoid, tanh="dC_tilde * (1 - C_tilde ** 2)"):
        return "\n        ".join(f"dz_{g} = " + (tanh if g == "C" else sigmoid.format(g=g)) for g in gates)

    right, twice = lines(_DZ_SIGMOID), "d{g} * sigmoid({g}) * (1 - sigmoid({g}))"
    squashed = "The value was squashed already, and your derivative squashes it once more: a function for the "
    return (
        Mistake("σ′ missing at every gate", right, lines("d{g}"),
                "Each gate's weights sit before its σ, so its gradient has to pass back through σ first.", DZ),
        Mistake("no slope at any gate nor at the candidate", right, lines("d{g}", "dC_tilde"),
                "The weights sit before σ and tanh, so every gradient has to pass back through them first.", DZ),
        Mistake("σ′ taken of the values of all gates", right, lines(twice),
                f"{squashed}slope that takes the pre-activation was given the gate.", DZ),
        Mistake("both slopes taken of values that are squashed already", right,
                lines(twice, "dC_tilde * (1 - np.tanh(C_tilde) ** 2)"),
                f"{squashed}slope that takes the pre-activation was given the value.", DZ),
        Mistake("tanh′ in place of σ′ at every gate", right, lines("d{g} * (1 - {g} ** 2)"),
                "The gates came out of σ, so their gradients go back through σ. The derivative you used belongs to "
                "tanh.", DZ),
    )


def _box_mistakes(gates, g):
    last = g == gates[-1]
    name = SYMBOL[g]
    term = f'{" + " * last}dz_{g} @ params["W_{g}"]{" + " * (not last)}'
    return Mistake(f"the box of {name} missing from the joined input", term, "",
                   f"h and x are read by all the boxes, and each sends back its share. That of {name} is missing in "
                   "dh_prev and dx.", DHX)


def step_mistakes(gates):
    """The mistakes that fit every cell with a memory and these boxes."""
    boxes = "".join(f"dz_{g}, " for g in gates)[:-2]
    before = ", ".join(f"d{SYMBOL[g]}" for g in gates)
    i = "i" if "i" in gates else "(1 - f)"
    swap_first = ", ".join([f"dz_{gates[1]}", f"dz_{gates[0]}", *(f"dz_{g}" for g in gates[2:])])
    return (
        Mistake("the path from h into C missing", f"dC = dC + {_PATH}", "dC = dC",
                _TWO_READERS + "The share that comes through h_t is missing.", DC),
        Mistake("dC from the next step missing", "dC = dC + dh", "dC = dh",
                _TWO_READERS + "The dC that came in as an argument is thrown away: the road along the memory is cut at "
                "every step.", DC),
        Mistake("o missing on the path from h into C", _PATH, "dh * (1 - np.tanh(C) ** 2)",
                "h_t is a product, and the derivative with respect to one factor keeps the other. The output gate "
                "stands in front of the tanh on the way back as well.", DC),
        Mistake("tanh′ missing on the path from h into C", _PATH, "dh * o",
                "Between C_t and h_t stands a tanh. Going back through it multiplies by its slope, which is small "
                "where C_t is large.", DC),
        Mistake("tanh′ taken of C as if it were tanh(C)", "1 - np.tanh(C) ** 2", "1 - C ** 2",
                "One minus the square is the slope of tanh in terms of its VALUE. C_t is what goes into the tanh, not "
                "what comes out.", DC),
        Mistake("tanh in place of tanh′ on the path from h into C", "(1 - np.tanh(C) ** 2)", "np.tanh(C)",
                "That is the function; what travels back is multiplied by its derivative.", DC),
        Mistake("do uses C in place of tanh(C)", "do = dh * np.tanh(C)", "do = dh * C",
                "In the product that makes h_t, the partner of o_t is the squashed cell state.", DO),
        Mistake("do without its factor", "do = dh * np.tanh(C)", "do = dh",
                "o_t is multiplied by something to make h_t. The derivative of a product is the other factor.", DO),
        Mistake("do uses tanh′", "do = dh * np.tanh(C)", "do = dh * (1 - np.tanh(C) ** 2)",
                "o_t stands beside the tanh, not inside it: on the way to o_t nothing passes through the tanh.", DO),
        Mistake("df uses C_t", "df = dC * C_prev", "df = dC * C",
                "The forget gate multiplied the memory as it was BEFORE the step.", DF),
        Mistake("di uses C_prev", "di = dC * C_tilde", "di = dC * C_prev",
                "The input gate's partner in the sum that makes C_t is the candidate; the old memory belongs to the "
                "forget gate.", DI),
        Mistake("di uses i", "di = dC * C_tilde", f"di = dC * {i} * C_tilde",
                "The derivative of a product with respect to one factor is the OTHER factor alone; yours still has "
                "both.", DI),
        Mistake("dC_prev without f", "dC_prev = dC * f", "dC_prev = dC",
                "Only a part of the old memory reached the new one, and the same part of the gradient goes back. "
                "(Without it the road is that of the 1997 cell, which had no forget gate.)", DC_PREV),
        Mistake("dC_prev with i in place of f", "dC_prev = dC * f", f"dC_prev = dC * {i}",
                "The old memory was multiplied by the gate that decides about the old. The other decides about the "
                "candidate.", DC_PREV),
        Mistake("dC_prev without what came through h", "dC_prev = dC * f", "dC_prev = dstate.C * f",
                "dC has to be complete before it is handed on: the share through h_t goes back to C_{t−1} as well. "
                "Look at the order of your lines.", DC_PREV),
        *(mistake for g in gates if g != "C" for mistake in _gate_mistakes(g)),
        Mistake("tanh′ missing at the candidate", "dC_tilde * (1 - C_tilde ** 2)", "dC_tilde",
                "The candidate's weights sit before its tanh, so the gradient passes back through the tanh first.", DZ),
        Mistake("tanh′ taken of the value of C_tilde", "1 - C_tilde ** 2", "1 - np.tanh(C_tilde) ** 2",
                "C_tilde is a tanh already. Your derivative applies tanh to it once more.", DZ),
        Mistake("σ′ in place of tanh′ at the candidate", "(1 - C_tilde ** 2)", "C_tilde * (1 - C_tilde)",
                "The candidate came out of tanh, so the gradient goes back through tanh. The derivative you used "
                "belongs to σ.", DZ),
        Mistake("weight gradients taken before the squashing functions", f"({boxes})", f"({before})",
                "The gradient of a weight needs that of the pre-activation it feeds; you used that of the gate, after "
                "squashing. What goes on to h and x is right.", DW),
        Mistake(f"{SYMBOL[gates[0]]} and {SYMBOL[gates[1]]} exchanged in the weight gradients", f"({boxes})",
                f"({swap_first})",
                "dx is right, so the two pre-activation gradients are; but they are stored under each other's name.",
                DW),
        Mistake("dW transposed", "dz.T @ hx", "hx.T @ dz",
                "A gradient has the shape of what it belongs to. Which of the two factors gives the rows?", DW),
        Mistake("dW divided by the batch", "dz.T @ hx", "dz.T @ hx / len(hx)",
                "All examples read the same weight, and gradients of several readers add up: a sum, not a mean. If the "
                "loss is a mean, its own derivative has brought the factor.", DW),
        Mistake("db averaged over the batch", "dz.sum(axis=0)", "dz.mean(axis=0)",
                "All examples read the same bias, and gradients of several readers add up: a sum, not a mean.", DB),
        Mistake("db not summed over the batch", "dz.sum(axis=0)", "dz",
                "A bias has one number per unit, whatever the batch, and so has its gradient. Every example reads it: "
                "their shares add up.", DB),
        Mistake("db summed over the units", "dz.sum(axis=0)", "dz.sum(axis=1)",
                "The sum runs over the examples of the batch, and leaves one number per unit.", DB),
        Mistake("dW uses h_t in place of h_{t−1}", "np.concatenate([h_prev, x], axis=1)\n",
                "np.concatenate([o * np.tanh(C), x], axis=1)\n",
                "The boxes read what the cell said at the step BEFORE; h_t did not exist yet when they did.", DW),
        Mistake("dW with [x, h] in place of [h, x]", "np.concatenate([h_prev, x], axis=1)\n",
                "np.concatenate([x, h_prev], axis=1)\n",
                "The columns of each W are ordered for [h, x], and so are those of its gradient.", DW),
        *(_box_mistakes(gates, g) for g in gates),
        Mistake("the joined gradient cut as [x, h]", _CUT, "dhx[:, x.shape[1]:], dhx[:, :x.shape[1]]",
                "The joined input was [h, x] in that order, so its gradient is cut in that order.", DH_PREV),
        Mistake("dh_prev keeps the dh that came in", _CUT,
                "dh + dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]",
                "h_{t−1} reaches the rest of the network through the boxes alone. No line carries h_{t−1} into h_t as "
                "it is, so none carries dh back as it is.", DH_PREV),
        Mistake("dh_prev returned as zeros", "LSTMState(dh_prev, dC_prev)", "LSTMState(0.0 * dh_prev, dC_prev)",
                "h_{t−1} is read by every box of this step, and they all send something back.", DH_PREV),
        Mistake("dC_prev returned as zeros", "LSTMState(dh_prev, dC_prev)", "LSTMState(dh_prev, 0.0 * dC_prev)",
                "C_{t−1} is what the memory was made of; what goes back to it is the long road of the LSTM.", DC_PREV),
        Mistake("dh_prev and dC_prev exchanged", "LSTMState(dh_prev, dC_prev)", "LSTMState(dC_prev, dh_prev)",
                "They have one shape, so nothing complains. Look at the order in which they are returned.", ONE_STEP),
        Mistake("dx and dh_prev exchanged", "return dx, dprev.h, dprev.C", "return dprev.h, dx, dprev.C",
                "Both are right, but the first returned value is dx and the second dh_prev.", ONE_STEP),
    )


def rarer_step_mistakes(gates):
    """More of them, for the check where the step is learnt: elsewhere the pairs of so many would take too long."""
    boxes = "".join(f"dz_{g}, " for g in gates)[:-2]
    swap_last = ", ".join([*(f"dz_{g}" for g in gates[:-2]), f"dz_{gates[-1]}", f"dz_{gates[-2]}"])
    return (
        *(mistake for g in gates if g != "C" for mistake in _rarer_gate_mistakes(g)),
        *everywhere_mistakes(gates),
        Mistake("tanh′ without the square", "1 - np.tanh(C) ** 2", "1 - np.tanh(C)",
                "The slope of tanh is the same on both sides of zero; yours is not, since the square is missing.", DC),
        Mistake("do from dC", "do = dh * np.tanh(C)", "do = dC * np.tanh(C)",
                "The output gate is read by h_t alone, so its gradient comes from dh.", DO),
        Mistake("df uses h_prev", "df = dC * C_prev", "df = dC * h_prev",
                "The forget gate acts on the memory, not on what was shown of it.", DF),
        Mistake("dC_prev with o in place of f", "dC_prev = dC * f", "dC_prev = dC * o",
                "The output gate decides what is shown. On the road along the memory stands another gate.", DC_PREV),
        Mistake("tanh′ without the square at the candidate", "1 - C_tilde ** 2", "1 - C_tilde",
                "The slope of tanh is the same on both sides of zero; yours is not, since the square is missing.", DZ),
        Mistake("db of the first example only", "dz.sum(axis=0)", "dz[0]",
                "Every example of the batch reads the bias; only the first one's share was counted.", DB),
        Mistake("db of the last example only", "dz.sum(axis=0)", "dz[-1]",
                "Every example of the batch reads the bias; only the last one's share was counted.", DB),
        Mistake("dW uses C_{t−1} in place of h_{t−1}", "np.concatenate([h_prev, x], axis=1)\n",
                "np.concatenate([C_prev, x], axis=1)\n",
                "The weights act on h and x joined together; the cell state is not what the boxes read.", DW),
        Mistake(f"{SYMBOL[gates[-2]]} and {SYMBOL[gates[-1]]} exchanged in the weight gradients", f"({boxes})",
                f"({swap_last})",
                "dx is right, so the two pre-activation gradients are; but they are stored under each other's name.",
                DW),
    )


# -- mistakes in the loop ------------------------------------------------------------------------------

LOOP_MISTAKES = (
    Mistake("dh from the next step missing", "dh + dhs[t], dC)", "dhs[t], dC)",
            "h_t is read by the loss and by the boxes of step t + 1. Only the loss's share goes into your step.", DH),
    Mistake("the loss on the outputs missing", "dh + dhs[t], dC)", "dh, dC)",
            "h_t is read by the loss and by the boxes of step t + 1. dhs holds the loss's share, and it is not used.",
            DH),
    Mistake("only the loss on the last output", "dh + dhs[t], dC)", "dh + dhs[t] * (t == len(tapes) - 1), dC)",
            "Every output has its loss, not only the last: each step adds its own entry of dhs.", DH),
    Mistake("the loss on the outputs counted twice", "dh + dhs[t], dC)", "dh + 2.0 * dhs[t], dC)",
            "The loss reads each h_t once. Is its share added in two places?", DH),
    Mistake("dhs read one step too early", "dh + dhs[t], dC)", "dh + dhs[t - 1], dC)",
            "The output of step t meets the loss at t. Your index is one off (and in Python −1 is the last entry).",
            DH),
    Mistake("dhs read in the other direction", "dh + dhs[t], dC)", "dh + dhs[-1 - t], dC)",
            "The tapes are read from the last to the first, and dhs from the first to the last.", DH),
    Mistake("dhs added to dC too", "dh + dhs[t], dC)", "dh + dhs[t], dC + dhs[t])",
            "The loss at t reads h_t. C_t gets its share of that inside the step, through h_t.", DC),
    Mistake("dC not handed to the step before", "dh + dhs[t], dC)", "dh + dhs[t], 0.0 * dC)",
            "Each step starts with dC of zeros, so the road along the memory is cut at every step.", DC),
    Mistake("the same dC at every step", "dxs[t], dh, dC, dstep =", "dxs[t], dh, _, dstep =",
            "What a step returns as dC_prev is the dC of the step before it. Yours stays that of the final state.",
            DC_PREV),
    Mistake("the same dh at every step", "dxs[t], dh, dC, dstep =", "dxs[t], _, dC, dstep =",
            "What a step returns as dh_prev goes into the step before it. Yours stays that of the final state.",
            DH_PREV),
    Mistake("the loss on the final state ignored", "dxs = [None] * len(tapes)",
            "dxs = [None] * len(tapes); dh, dC = 0.0 * dh, 0.0 * dC",
            "The walk back starts from dh and dC of the final state, which are arguments; yours starts from zeros.",
            DC),
    Mistake("the loss on the final h ignored", "dxs = [None] * len(tapes)", "dxs = [None] * len(tapes); dh = 0.0 * dh",
            "The walk back starts from dh of the final state, beside the loss on the last output; yours starts from "
            "zeros.", DH),
    Mistake("the loss on the final C ignored", "dxs = [None] * len(tapes)", "dxs = [None] * len(tapes); dC = 0.0 * dC",
            "The walk back starts from dC of the final state, which is an argument; yours starts from zeros.", DC),
    Mistake("the loop runs forward", "reversed(range(len(tapes)))", "range(len(tapes))",
            "A step needs what comes from the step after it. So the walk begins at the last step.", ALL_STEPS),
    Mistake("parameter gradients overwritten", "dparams[name] + dstep[name]", "dstep[name]",
            "The weights are read at every step, and gradients of several readers add up. Only one step's share is "
            "left in yours.", ALL_STEPS),
    Mistake("parameter gradients of the last step only", "dparams[name] + dstep[name]",
            "dparams[name] + dstep[name] * (t == len(tapes) - 1)",
            "The weights are read at every step. Only the share of the last step was counted.", ALL_STEPS),
    Mistake("bias gradients overwritten", "dparams[name] + dstep[name]",
            "dparams[name] * (name[0] != 'b') + dstep[name]",
            "The weight matrices are right. A bias too is read at every step, and the shares add up.", ALL_STEPS),
    Mistake("parameter gradients averaged over time", "dparams[name] + dstep[name]",
            "dparams[name] + dstep[name] / len(tapes)",
            "The steps' shares add up: a sum, not a mean. If the loss is a mean over time, dhs has brought the factor.",
            ALL_STEPS),
    Mistake("dxs in reversed order", "np.stack(dxs)", "np.stack(dxs[::-1])",
            "The steps are visited from last to first, so a list that grows on the way is in that order too. dxs[0] "
            "belongs to the first input.", ALL_STEPS),
    Mistake("batch and time exchanged in dxs", "np.stack(dxs)", "np.stack(dxs, axis=1)",
            "Sequences are time-major, and a gradient has the shape of what it belongs to.", ALL_STEPS),
    Mistake("dh0 returned as zeros", "np.stack(dxs), dh, dC", "np.stack(dxs), 0.0 * dh, dC",
            "The initial state is read by the first step, like any other. What that step sends back is dh0.", DH_PREV),
    Mistake("dC0 returned as zeros", "np.stack(dxs), dh, dC", "np.stack(dxs), dh, 0.0 * dC",
            "The initial state is read by the first step, like any other. What that step sends back is dC0.", DC_PREV),
    Mistake("dh0 and dC0 exchanged", "np.stack(dxs), dh, dC", "np.stack(dxs), dC, dh",
            "They have one shape, so nothing complains. Look at the order in which they are returned.", ALL_STEPS),
    Mistake("the loss on the first output added to dh0", "np.stack(dxs), dh, dC", "np.stack(dxs), dh + dhs[0], dC",
            "dhs[0] belongs to h_1, the output of the first step. h_0 is no output; no loss reads it.", DH),
)
