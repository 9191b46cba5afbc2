"""The network of 1997 with the gradient that its authors did not take: whole, by backpropagation through time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from .network1997 import BIASES, OUTPUT, G, H, Network1997, Sequences, Trained, Weights1997, _squash


@dataclass(frozen=True)
class WholeGradient1997(Network1997):
    r"""`Network1997`, whose error also leaves cells and gates through their net inputs.

    The network and its settings are the same; only what is learnt from differs. With :math:`U` the weights among the
    hidden units, :math:`z` their net inputs and :math:`E` the error of all steps,

    .. math::

        \frac{\partial E}{\partial y_{t-1}} = \ldots + U^\top \frac{\partial E}{\partial z_t}

    where the paper sets the last term to zero. It needs the whole sequence, so the weights change when that ends.

    Raises
    ------
    ValueError
        Where the network has no output gates, no weights among the hidden units, or weights from inputs to outputs;
        or where `online` is not ``"sequence"``.

    Examples
    --------
    >>> WholeGradient1997(7, 7, blocks=4, cells=1, bias="gates", online="sequence").weight_count
    264
    """

    def __post_init__(self):
        super().__post_init__()
        if not (self.output_gates and self.recurrent) or self.direct or self.online != "sequence":
            raise ValueError("the whole gradient is there for output_gates=True, recurrent=True, direct=False and "
                             f"online='sequence'; it was asked for with {self.output_gates}, {self.recurrent}, "
                             f"{self.direct} and {self.online!r}")

    def train(self, weights: Weights1997, sequences: Sequences, learning_rate: float,
              keep_outputs: bool = False) -> Trained:
        """As `Network1997.train`, from sequences of symbols that ask for classes.

        Raises
        ------
        ValueError
            Where the sequences hold numbers.
        """
        if learning_rate == 0.0:                                  # what is then to be done is the same
            return super().train(weights, sequences, learning_rate, keep_outputs)
        if len(sequences.values) or len(sequences.targets):
            raise ValueError("the whole gradient is there for symbols and classes; the sequences hold numbers")
        count, steps = sequences.symbols.shape
        kept = np.full((count, steps, self.outputs) if keep_outputs else (0, 0, 0), np.nan)
        worst, squared = _train(*weights[:3], weights.output_bias, sequences.symbols, sequences.lengths,
                                sequences.classes, self.blocks, self.cells, self.has_bias, "o" in BIASES[self.bias],
                                *G[self.g], *H[self.h], OUTPUT[self.output], self.cross_entropy, learning_rate, kept)
        return Trained(worst, squared, kept)


@njit(cache=True)
def _train(hidden, hidden_bias, output, output_bias, symbols, lengths, classes, blocks, size, has_bias,
           has_output_bias, g, g_bound, h, h_bound, f, cross_entropy, rate, kept):
    U, K, N, T = hidden.shape[0], output.shape[0], symbols.shape[0], symbols.shape[1]
    cells, I = blocks * size, hidden.shape[1] - U              # the input gates come after the cells
    y, s = np.zeros((T + 1, U)), np.zeros((T + 1, cells))
    value, g_slope = np.zeros((T, cells)), np.zeros((T, cells))
    shown, h_slope = np.zeros((T, cells)), np.zeros((T, cells))
    e, dy, dz, ds = np.zeros((T, K)), np.zeros(U), np.zeros(U), np.zeros(cells)
    to_hidden, to_hidden_bias = np.zeros_like(hidden), np.zeros_like(hidden_bias)
    to_output, to_output_bias = np.zeros_like(output), np.zeros_like(output_bias)
    worst, squared = np.zeros(N), np.zeros(N)

    for n in range(N):
        asked = 0
        for t in range(lengths[n]):
            for u in range(U - 1, -1, -1):                        # the gates before the cells that they let in and out
                a = hidden_bias[u] + hidden[u, symbols[n, t]]
                for v in range(U):
                    a += hidden[u, I + v] * y[t, v]
                if u >= cells:
                    y[t + 1, u] = 1.0 / (1.0 + np.exp(-a))
                else:
                    b = u // size
                    value[t, u], g_slope[t, u] = _squash(g, a, g_bound)
                    s[t + 1, u] = s[t, u] + y[t + 1, cells + b] * value[t, u]
                    shown[t, u], h_slope[t, u] = _squash(h, s[t + 1, u], h_bound)
                    y[t + 1, u] = shown[t, u] * y[t + 1, cells + blocks + b]
            e[t] = 0.0
            if classes[n, t] < 0:
                continue
            asked += 1
            for k in range(K):
                a = output_bias[k]
                for c in range(cells):
                    a += output[k, c] * y[t + 1, c]
                came, f_slope = _squash(f, a, 1.0)
                error = (1.0 if k == classes[n, t] else 0.0) - came
                e[t, k] = error if cross_entropy else error * f_slope
                worst[n] = max(worst[n], abs(error))
                squared[n] += error * error
                if kept.shape[0] > 0:
                    kept[n, t, k] = came

        dy[:], ds[:] = 0.0, 0.0
        to_hidden[:], to_hidden_bias[:], to_output[:], to_output_bias[:] = 0.0, 0.0, 0.0, 0.0
        for t in range(lengths[n] - 1, -1, -1):
            for k in range(K):
                to_output_bias[k] += e[t, k]
                for c in range(cells):
                    to_output[k, c] += e[t, k] * y[t + 1, c]
                    dy[c] += output[k, c] * e[t, k]
            for c in range(cells):
                opening, closing = cells + c // size, cells + blocks + c // size
                dy[closing] += dy[c] * shown[t, c]
                ds[c] += dy[c] * y[t + 1, closing] * h_slope[t, c]
                dy[opening] += ds[c] * value[t, c]
                dz[c] = ds[c] * y[t + 1, opening] * g_slope[t, c]
            for u in range(cells, U):
                dz[u] = dy[u] * y[t + 1, u] * (1.0 - y[t + 1, u])
            dy[:] = 0.0
            for u in range(U):
                to_hidden[u, symbols[n, t]] += dz[u]
                to_hidden_bias[u] += dz[u]
                for v in range(U):
                    to_hidden[u, I + v] += dz[u] * y[t, v]
                    dy[v] += hidden[u, I + v] * dz[u]             # the term that the paper cuts
        hidden += rate * to_hidden
        hidden_bias += rate * to_hidden_bias * has_bias
        output += rate * to_output
        if has_output_bias:
            output_bias += rate * to_output_bias
        squared[n] /= max(1, asked * K)
    return worst, squared
