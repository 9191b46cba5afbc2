"""Today's LSTM without its forget gate: chapter "The constant error carousel"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cell import Params, sigmoid
from ._memory import MemoryCell
from .lstm import LSTMState


class LSTM1997Tape(NamedTuple):
    """What one `LSTM1997.step` saves for `LSTM1997.step_backward`."""

    x: np.ndarray
    h_prev: np.ndarray
    i: np.ndarray
    C_tilde: np.ndarray
    C: np.ndarray
    o: np.ndarray


class LSTM1997(MemoryCell):
    r"""Long short-term memory without a forget gate: the memory only ever adds up.

    .. math::

        i_t &= \sigma(W_i \cdot [h_{t-1}, x_t] + b_i) \\
        \tilde C_t &= \tanh(W_C \cdot [h_{t-1}, x_t] + b_C) \\
        C_t &= C_{t-1} + i_t \odot \tilde C_t \\
        o_t &= \sigma(W_o \cdot [h_{t-1}, x_t] + b_o) \\
        h_t &= o_t \odot \tanh(C_t)

    Parameters
    ----------
    input_size : int
        I, the number of features of one input :math:`x_t`.
    hidden_size : int
        H, the number of units of :math:`h_t` and :math:`C_t`.

    Attributes
    ----------
    gates : tuple of str
        ``("i", "C", "o")``: each has a weight ``W (H, H+I)`` and a bias ``b (H,)``.

    Notes
    -----
    The direct path from :math:`C_t` to :math:`C_{t-1}` has the slope 1: the constant error carousel. This is
    the modern cell with its forget gate taken out and its full gradient, not the network of the 1997 paper,
    whose gates feed the hidden layer, whose squashing functions span [−2, 2] and [−1, 1], and whose gradient
    is truncated.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import LSTM1997
    >>> cell = LSTM1997(input_size=3, hidden_size=5)
    >>> params = cell.init(np.random.default_rng(0))
    >>> hs, state, tape = cell.forward(params, np.ones((7, 2, 3)))
    >>> hs.shape, state.C.shape
    ((7, 2, 5), (2, 5))
    >>> sorted(params)
    ['W_C', 'W_i', 'W_o', 'b_C', 'b_i', 'b_o']
    """

    gates = ("i", "C", "o")
    State = LSTMState

    def step(self, params: Params, x: np.ndarray, state: LSTMState) -> tuple[LSTMState, LSTM1997Tape]:
        r"""One time step, :math:`(h_{t-1}, C_{t-1}), x_t \mapsto (h_t, C_t)`, one line per equation.

        Parameters
        ----------
        params : dict of str to ndarray
            As `init` returns.
        x : ndarray (B, I)
            Input of this step.
        state : LSTMState
            :math:`h_{t-1}` and :math:`C_{t-1}`, each (B, H).

        Returns
        -------
        state : LSTMState
            :math:`h_t` and :math:`C_t`.
        tape : LSTM1997Tape
            What `step_backward` needs.
        """
        self._check_step(params, x, state)
        h_prev, C_prev = state
        hx = np.concatenate([h_prev, x], axis=1)                # (B, H+I)
        i = sigmoid(hx @ params["W_i"].T + params["b_i"])
        C_tilde = np.tanh(hx @ params["W_C"].T + params["b_C"])
        C = C_prev + i * C_tilde
        o = sigmoid(hx @ params["W_o"].T + params["b_o"])
        h = o * np.tanh(C)
        return LSTMState(h, C), LSTM1997Tape(x, h_prev, i, C_tilde, C, o)

    def step_backward(self, params: Params, tape: LSTM1997Tape, dstate: LSTMState):
        r"""Gradients of one step, from :math:`(dh_t, dC_t)` to everything the step read.

        The lines run through those of `step` from last to first.

        Parameters
        ----------
        params : dict of str to ndarray
            As given to `step`.
        tape : LSTM1997Tape
            As `step` returned.
        dstate : LSTMState
            Gradient of the loss with respect to :math:`h_t` and to :math:`C_t` (what reaches
            :math:`C_t` from later steps; the path through :math:`h_t` is added here).

        Returns
        -------
        dx : ndarray (B, I)
        dstate_prev : LSTMState
            Gradient with respect to :math:`h_{t-1}` and :math:`C_{t-1}`.
        dparams : dict of str to ndarray
            Gradient of every parameter.
        """
        self._check_params(params)
        x, h_prev, i, C_tilde, C, o = tape
        dh, dC = self._check_state("dstate", dstate, len(x))
        hx = np.concatenate([h_prev, x], axis=1)
        do = dh * np.tanh(C)
        dC = dC + dh * o * (1 - np.tanh(C) ** 2)
        di = dC * C_tilde
        dC_tilde = dC * i
        dC_prev = dC
        dz_i = di * i * (1 - i)
        dz_C = dC_tilde * (1 - C_tilde ** 2)
        dz_o = do * o * (1 - o)
        dhx = dz_i @ params["W_i"] + dz_C @ params["W_C"] + dz_o @ params["W_o"]
        dh_prev, dx = dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]
        dparams = {}
        for gate, dz in zip(self.gates, (dz_i, dz_C, dz_o), strict=True):
            dparams[f"W_{gate}"] = dz.T @ hx
            dparams[f"b_{gate}"] = dz.sum(axis=0)
        return dx, LSTMState(dh_prev, dC_prev), dparams
