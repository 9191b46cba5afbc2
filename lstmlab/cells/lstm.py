"""The LSTM with a forget gate: chapters "The LSTM cell" and "Backpropagation through the LSTM"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cell import Params, sigmoid
from ._memory import MemoryCell


class LSTMState(NamedTuple):
    """State of an LSTM: hidden state ``h (B, H)`` and cell state ``C (B, H)``."""

    h: np.ndarray
    C: np.ndarray


class LSTMTape(NamedTuple):
    """What one `LSTM.step` saves for `LSTM.step_backward`."""

    x: np.ndarray
    h_prev: np.ndarray
    C_prev: np.ndarray
    f: np.ndarray
    i: np.ndarray
    C_tilde: np.ndarray
    C: np.ndarray
    o: np.ndarray


class LSTM(MemoryCell):
    r"""Long short-term memory with a forget gate.

    .. math::

        f_t &= \sigma(W_f \cdot [h_{t-1}, x_t] + b_f) \\
        i_t &= \sigma(W_i \cdot [h_{t-1}, x_t] + b_i) \\
        \tilde C_t &= \tanh(W_C \cdot [h_{t-1}, x_t] + b_C) \\
        C_t &= f_t \odot C_{t-1} + i_t \odot \tilde C_t \\
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
        ``("f", "i", "C", "o")``: each has a weight ``W (H, H+I)`` and a bias ``b (H,)``.

    Notes
    -----
    One weight matrix and one bias per gate act on :math:`[h_{t-1}, x_t]`, concatenated in that order;
    batches are row vectors. The parameter count is :math:`4 (H (H + I) + H)`.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997.
    F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural Computation 12(10), 2000:
    the forget gate.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import LSTM
    >>> cell = LSTM(input_size=3, hidden_size=5)
    >>> params = cell.init(np.random.default_rng(0))
    >>> xs = np.ones((7, 2, 3))                            # T=7 steps of a batch of 2
    >>> hs, state, tape = cell.forward(params, xs)
    >>> hs.shape, state.C.shape
    ((7, 2, 5), (2, 5))
    >>> dxs, dstate0, dparams = cell.backward(params, tape, np.ones_like(hs))
    >>> dparams["W_f"].shape == params["W_f"].shape
    True
    """

    gates = ("f", "i", "C", "o")
    State = LSTMState

    def step(self, params: Params, x: np.ndarray, state: LSTMState) -> tuple[LSTMState, LSTMTape]:
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
        tape : LSTMTape
            What `step_backward` needs.
        """
        self._check_step(params, x, state)
        h_prev, C_prev = state
        hx = np.concatenate([h_prev, x], axis=1)                # (B, H+I)
        f = sigmoid(hx @ params["W_f"].T + params["b_f"])
        i = sigmoid(hx @ params["W_i"].T + params["b_i"])
        C_tilde = np.tanh(hx @ params["W_C"].T + params["b_C"])
        C = f * C_prev + i * C_tilde
        o = sigmoid(hx @ params["W_o"].T + params["b_o"])
        h = o * np.tanh(C)
        return LSTMState(h, C), LSTMTape(x, h_prev, C_prev, f, i, C_tilde, C, o)

    def step_backward(self, params: Params, tape: LSTMTape, dstate: LSTMState):
        r"""Gradients of one step, from :math:`(dh_t, dC_t)` to everything the step read.

        The lines run through those of `step` from last to first.

        Parameters
        ----------
        params : dict of str to ndarray
            As given to `step`.
        tape : LSTMTape
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
        x, h_prev, C_prev, f, i, C_tilde, C, o = tape
        dh, dC = self._check_state("dstate", dstate, len(x))
        hx = np.concatenate([h_prev, x], axis=1)
        do = dh * np.tanh(C)
        dC = dC + dh * o * (1 - np.tanh(C) ** 2)
        df = dC * C_prev
        di = dC * C_tilde
        dC_tilde = dC * i
        dC_prev = dC * f
        dz_f = df * f * (1 - f)
        dz_i = di * i * (1 - i)
        dz_C = dC_tilde * (1 - C_tilde ** 2)
        dz_o = do * o * (1 - o)
        dhx = dz_f @ params["W_f"] + dz_i @ params["W_i"] + dz_C @ params["W_C"] + dz_o @ params["W_o"]
        dh_prev, dx = dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]
        dparams = {}
        for gate, dz in zip(self.gates, (dz_f, dz_i, dz_C, dz_o), strict=True):
            dparams[f"W_{gate}"] = dz.T @ hx
            dparams[f"b_{gate}"] = dz.sum(axis=0)
        return dx, LSTMState(dh_prev, dC_prev), dparams
