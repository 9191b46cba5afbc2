r"""The network of 1997 as published: memory blocks, gates that feed the hidden layer, the truncated gradient, online.

Today's `lstmlab.cells.LSTM1997` is the LSTM without its forget gate. The network here is the paper's own, and differs
in four ways: hidden units are cells *and gates*, each of which sees all of them one step back; the cells of a block
share their gates; the squashing functions are :math:`g \in (-2, 2)` and :math:`h \in (-1, 1)`; and the gradient is cut
where an error would leave a cell or a gate through its net input, so that it travels back along the cell state alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

BIASES = {"none": "", "gates": "g", "hidden": "cg", "hidden and output": "cgo"}
LOGISTIC, CENTRED, IDENTITY = 0, 1, 2
# kind and bound of a squashing function
G = {"logistic": (LOGISTIC, 1.0), "in [-2, 2]": (CENTRED, 2.0), "in [-1, 1]": (CENTRED, 1.0)}
H = {"in [-1, 1]": (CENTRED, 1.0), "in [-2, 2]": (CENTRED, 2.0), "identity": (IDENTITY, 1.0)}
OUTPUT = {"logistic": LOGISTIC, "linear": IDENTITY}


class Sequences(NamedTuple):
    """Sequences to learn from, one after the other.

    Attributes
    ----------
    symbols : ndarray of int (N, T)
        Which input is 1 while the others are 0; −1 where `values` holds the input instead.
    values : ndarray (N, T, I)
        Inputs in numbers; of shape (0, 0, 0) where all inputs are symbols.
    lengths : ndarray of int (N,)
        Steps of each sequence.
    classes : ndarray of int (N, T)
        Which output should be 1 while the others are 0; −1 where nothing is asked.
    targets : ndarray (N, K)
        What is asked after the last step in numbers; of shape (0, 0) where classes say it.
    """

    symbols: np.ndarray
    values: np.ndarray
    lengths: np.ndarray
    classes: np.ndarray
    targets: np.ndarray


class Weights1997(NamedTuple):
    """Weights of the network; hidden units are the cells, then the input gates, then the output gates.

    Attributes
    ----------
    hidden : ndarray (U, I + U) or (U, I)
        Into the U hidden units, from the inputs and from the hidden units one step back.
    hidden_bias : ndarray (U,)
    output : ndarray (K, cells)
    direct : ndarray (K, I) or (0, 0)
        From the inputs to the outputs.
    output_bias : ndarray (K,)
    """

    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    direct: np.ndarray
    output_bias: np.ndarray


class Trained(NamedTuple):
    """What came of training on sequences, one entry each.

    Attributes
    ----------
    worst : ndarray (N,)
        Largest error of any output at any step where something was asked, before the update.
    squared : ndarray (N,)
        Mean squared error over those outputs.
    outputs : ndarray (N, T, K)
        The outputs themselves, NaN where nothing was asked; empty unless they were kept.
    """

    worst: np.ndarray
    squared: np.ndarray
    outputs: np.ndarray


@dataclass(frozen=True)
class Network1997:
    r"""A network of memory blocks.

    With sources :math:`u_t = [x_t, y_{t-1}]`, where :math:`y` are the hidden units,

    .. math::

        y^{in}_t &= \sigma(W_{in} u_t), \qquad y^{out}_t = \sigma(W_{out} u_t) \\
        s_t &= s_{t-1} + y^{in}_t \, g(W_c u_t), \qquad y^c_t = y^{out}_t \, h(s_t) \\
        \text{output}_t &= f(W_k y^c_t)

    Parameters
    ----------
    inputs, outputs, blocks, cells : int
        Numbers of input and output units, of memory blocks, and of cells in a block.
    bias : {"hidden and output", "hidden", "gates", "none"}
        Which units have one.
    output_gates, recurrent, direct : bool
        Whether there are output gates, weights among the hidden units, weights from inputs to outputs.
    g, h, output : str
        Squashing functions: keys of `G`, `H` and `OUTPUT`.
    cross_entropy : bool
        With logistic outputs: the error measure is cross-entropy and not squared error.
    online : {"step", "sequence"}
        Whether the weights change at every step where something is asked, or when a sequence ends.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, section 4 and
    appendix A.1.

    Examples
    --------
    >>> Network1997(7, 7, blocks=4, cells=1, bias="gates").weight_count          # experiment 1
    264
    >>> Network1997(2, 1, blocks=2, cells=2).weight_count                        # experiment 4
    93
    """

    inputs: int
    outputs: int
    blocks: int
    cells: int
    bias: str = "hidden and output"
    output_gates: bool = True
    recurrent: bool = True
    direct: bool = False
    g: str = "in [-2, 2]"
    h: str = "in [-1, 1]"
    output: str = "logistic"
    cross_entropy: bool = False
    online: str = "step"

    def __post_init__(self):
        for name, allowed in (("bias", BIASES), ("g", G), ("h", H), ("output", OUTPUT),
                              ("online", ("step", "sequence"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(map(repr, allowed))}")
        for name in ("inputs", "outputs", "blocks", "cells"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if self.cross_entropy and self.output != "logistic":
            raise ValueError("cross_entropy needs logistic outputs")

    @property
    def cell_count(self) -> int:
        """Memory cells in all blocks."""
        return self.blocks * self.cells

    @property
    def units(self) -> int:
        """How many hidden units there are, cells and gates."""
        return self.cell_count + self.blocks * (1 + self.output_gates)

    @property
    def has_bias(self) -> np.ndarray:
        """Which hidden units have a bias (U,)."""
        letters = BIASES[self.bias]
        return np.array(["c" in letters] * self.cell_count + ["g" in letters] * (self.units - self.cell_count))

    @property
    def weight_count(self) -> int:
        """Numbers that are learnt, as the paper counts them."""
        w = self.init(np.random.default_rng(0), 0.1)
        biases = self.has_bias.sum() + ("o" in BIASES[self.bias]) * self.outputs
        return int(w.hidden.size + w.output.size + w.direct.size + biases)

    def init(self, rng: np.random.Generator, spread: float, input_gate_bias: tuple[float, ...] = (),
             output_gate_bias: tuple[float, ...] = ()) -> Weights1997:
        """Draw weights, uniform in ±`spread`.

        Parameters
        ----------
        rng : numpy.random.Generator
        spread : float
        input_gate_bias, output_gate_bias : tuple of float, optional
            Where the gates' biases start, by block; by default they are drawn like the weights.
        """
        def draw(*shape):
            return rng.uniform(-spread, spread, shape)

        sources = self.inputs + self.recurrent * self.units
        bias = draw(self.units) * self.has_bias
        first = self.cell_count
        for start, given in ((first, input_gate_bias), (first + self.blocks, output_gate_bias)):
            if given:
                bias[start:start + self.blocks] = given
        return Weights1997(draw(self.units, sources), bias, draw(self.outputs, self.cell_count),
                           draw(self.outputs, self.inputs) if self.direct else np.zeros((0, 0)),
                           draw(self.outputs) * ("o" in BIASES[self.bias]))

    def train(self, weights: Weights1997, sequences: Sequences, learning_rate: float,
              keep_outputs: bool = False) -> Trained:
        """Learn from sequences in their order; `weights` change in place.

        Parameters
        ----------
        weights : Weights1997
        sequences : Sequences
        learning_rate : float
            0 leaves the weights as they are.
        keep_outputs : bool, optional
            Return the outputs too.

        Returns
        -------
        Trained
        """
        count, steps = sequences.symbols.shape
        kept = np.full((count, steps, self.outputs) if keep_outputs else (0, 0, 0), np.nan)
        worst, squared = _train(*weights, *sequences, self.blocks, self.cells, self.output_gates, self.recurrent,
                                self.has_bias, "o" in BIASES[self.bias], *G[self.g], *H[self.h],
                                OUTPUT[self.output], self.cross_entropy, self.online == "sequence", learning_rate, kept)
        return Trained(worst, squared, kept)

    def predict(self, weights: Weights1997, sequences: Sequences) -> np.ndarray:
        """Outputs (N, T, K) wherever something is asked, NaN elsewhere; the weights stay as they are."""
        return self.train(weights, sequences, 0.0, keep_outputs=True).outputs


# -- compiled --------------------------------------------------------------------------------------------


@njit(cache=True)
def _logistic(x):
    return 1.0 / (1.0 + math.exp(-x))


@njit(cache=True)
def _squash(kind, x, bound):
    """Value and slope of a squashing function; `bound` is that of a centred one."""
    if kind == IDENTITY:
        return x, 1.0
    y = _logistic(x)
    if kind == LOGISTIC:
        return y, y * (1.0 - y)
    return bound * (2.0 * y - 1.0), 2.0 * bound * y * (1.0 - y)


@njit(cache=True)
def _train(hidden, hidden_bias, output, direct, output_bias, symbols, values, lengths, classes, targets,
           blocks, size, output_gates, recurrent, has_bias, has_output_bias, g, g_bound, h, h_bound, f, cross_entropy,
           at_end, rate, kept):
    U, K, N = hidden.shape[0], output.shape[0], symbols.shape[0]
    cells, gate = blocks * size, blocks * size                 # the first input gate comes after the cells
    I = hidden.shape[1] - (U if recurrent else 0)
    y, last, net, s = np.zeros(U), np.zeros(U), np.zeros(U), np.zeros(cells)
    dc, di = np.zeros((cells, hidden.shape[1])), np.zeros((cells, hidden.shape[1]))     # of s, by the cell's weights
    dc_bias, di_bias = np.zeros(cells), np.zeros(cells)                                # and by its input gate's
    e, es, back, slope = np.zeros(K), np.zeros(cells), np.zeros(cells), np.zeros(cells)
    # where changes go: to the weights themselves, or to a sum that is added when the sequence ends
    to_hidden, to_hidden_bias = hidden, hidden_bias
    to_output, to_direct, to_output_bias = output, direct, output_bias
    if at_end:
        to_hidden, to_hidden_bias = np.zeros_like(hidden), np.zeros_like(hidden_bias)
        to_output, to_direct = np.zeros_like(output), np.zeros_like(direct)
        to_output_bias = np.zeros_like(output_bias)
    worst, squared = np.zeros(N), np.zeros(N)

    for n in range(N):
        y[:], s[:], dc_bias[:], di_bias[:] = 0.0, 0.0, 0.0, 0.0
        dc[:], di[:] = 0.0, 0.0
        asked = 0
        for t in range(lengths[n]):
            symbol = symbols[n, t]
            begin, end = (symbol, symbol + 1) if symbol >= 0 else (0, I)
            last[:] = y
            for u in range(U):
                a = hidden_bias[u]
                for j in range(begin, end):
                    a += hidden[u, j] * (1.0 if symbol >= 0 else values[n, t, j])
                if recurrent:
                    for v in range(U):
                        a += hidden[u, I + v] * last[v]
                net[u] = a
            for u in range(gate, U):
                y[u] = _logistic(net[u])
            for c in range(cells):
                b = c // size
                opened = y[gate + b]
                value, g_slope = _squash(g, net[c], g_bound)
                s[c] += opened * value
                by_cell, by_gate = g_slope * opened, value * opened * (1.0 - opened)
                for j in range(begin, end):
                    x = 1.0 if symbol >= 0 else values[n, t, j]
                    dc[c, j] += by_cell * x
                    di[c, j] += by_gate * x
                if recurrent:
                    for v in range(U):
                        dc[c, I + v] += by_cell * last[v]
                        di[c, I + v] += by_gate * last[v]
                dc_bias[c] += by_cell
                di_bias[c] += by_gate
                shown, slope[c] = _squash(h, s[c], h_bound)
                y[c] = shown * (y[gate + blocks + b] if output_gates else 1.0)

            wanted = classes[n, t]
            in_numbers = targets.shape[0] > 0 and t == lengths[n] - 1
            if wanted < 0 and not in_numbers:
                continue
            asked += 1
            for k in range(K):
                a = output_bias[k]
                for c in range(cells):
                    a += output[k, c] * y[c]
                if direct.shape[0] > 0:
                    for j in range(begin, end):
                        a += direct[k, j] * (1.0 if symbol >= 0 else values[n, t, j])
                value, f_slope = _squash(f, a, 1.0)
                target = targets[n, k] if in_numbers else (1.0 if k == wanted else 0.0)
                error = target - value
                e[k] = error if cross_entropy else error * f_slope
                worst[n] = max(worst[n], abs(error))
                squared[n] += error * error
                if kept.shape[0] > 0:
                    kept[n, t, k] = value
            if rate == 0.0:
                continue

            for c in range(cells):
                back[c] = 0.0
                for k in range(K):
                    back[c] += output[k, c] * e[k]
                es[c] = back[c] * slope[c] * (y[gate + blocks + c // size] if output_gates else 1.0)
            for k in range(K):
                for c in range(cells):
                    to_output[k, c] += rate * e[k] * y[c]
                if direct.shape[0] > 0:
                    for j in range(begin, end):
                        to_direct[k, j] += rate * e[k] * (1.0 if symbol >= 0 else values[n, t, j])
                if has_output_bias:
                    to_output_bias[k] += rate * e[k]
            for b in range(blocks):
                if output_gates:
                    u = gate + blocks + b
                    delta = 0.0
                    for c in range(b * size, (b + 1) * size):
                        delta += back[c] * _squash(h, s[c], h_bound)[0]
                    delta *= rate * y[u] * (1.0 - y[u])
                    for j in range(begin, end):
                        to_hidden[u, j] += delta * (1.0 if symbol >= 0 else values[n, t, j])
                    if recurrent:
                        for v in range(U):
                            to_hidden[u, I + v] += delta * last[v]
                    if has_bias[u]:
                        to_hidden_bias[u] += delta
                u = gate + b
                for c in range(b * size, (b + 1) * size):
                    change = rate * es[c]
                    for j in range(hidden.shape[1]):
                        to_hidden[c, j] += change * dc[c, j]
                        to_hidden[u, j] += change * di[c, j]
                    if has_bias[c]:
                        to_hidden_bias[c] += change * dc_bias[c]
                    if has_bias[u]:
                        to_hidden_bias[u] += change * di_bias[c]
        if at_end:
            hidden += to_hidden
            hidden_bias += to_hidden_bias
            output += to_output
            direct += to_direct
            output_bias += to_output_bias
            to_hidden[:], to_hidden_bias[:], to_output[:], to_direct[:] = 0.0, 0.0, 0.0, 0.0
            to_output_bias[:] = 0.0
        squared[n] /= max(1, asked * K)
    return worst, squared
