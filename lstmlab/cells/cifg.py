"""The LSTM whose input gate is tied to its forget gate: chapter "Coupled forget and input gates"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cell import Params, sigmoid
from ._memory import MemoryCell
from .lstm import LSTMState


class CIFGTape(NamedTuple):
    """What one `CIFGLSTM.step` saves for `CIFGLSTM.step_backward`."""

    x: np.ndarray
    h_prev: np.ndarray
    C_prev: np.ndarray
    f: np.ndarray
    C_tilde: np.ndarray
    C: np.ndarray
    o: np.ndarray


class CIFGLSTM(MemoryCell):
    r"""Long short-term memory with coupled input and forget gates: what is forgotten makes room for what is new.

    .. math::

        f_t &= \sigma(W_f \cdot [h_{t-1}, x_t] + b_f) \\
        i_t &= 1 - f_t \\
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
        ``("f", "C", "o")``: each has a weight ``W (H, H+I)`` and a bias ``b (H,)``.

    Notes
    -----
    The memory is a running mean of candidates, so :math:`|C_t|` never exceeds the larger of 1 and
    :math:`|C_0|`. The gradient reaches f twice: through :math:`f \odot C_{t-1}` and, with a minus sign,
    through :math:`i = 1 - f`.

    References
    ----------
    K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink and J. Schmidhuber, "LSTM: A search space
    odyssey", IEEE Transactions on Neural Networks and Learning Systems 28(10), 2017: CIFG. They keep i and
    set f = 1 − i, which names the same functions the other way round.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import CIFGLSTM
    >>> cell = CIFGLSTM(input_size=3, hidden_size=5)
    >>> params = cell.init(np.random.default_rng(0))
    >>> hs, state, tape = cell.forward(params, np.ones((7, 2, 3)))
    >>> hs.shape, state.C.shape
    ((7, 2, 5), (2, 5))
    >>> sorted(params)
    ['W_C', 'W_f', 'W_o', 'b_C', 'b_f', 'b_o']
    """

    gates = ("f", "C", "o")
    State = LSTMState
    coupled = True

    def step(self, params: Params, x: np.ndarray, state: LSTMState) -> tuple[LSTMState, CIFGTape]:
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
        tape : CIFGTape
            What `step_backward` needs.
        """
        self._check_step(params, x, state)
        h_prev, C_prev = state
        hx = np.concatenate([h_prev, x], axis=1)                # (B, H+I)
        f = sigmoid(hx @ params["W_f"].T + params["b_f"])
        i = 1 - f
        C_tilde = np.tanh(hx @ params["W_C"].T + params["b_C"])
        C = f * C_prev + i * C_tilde
        o = sigmoid(hx @ params["W_o"].T + params["b_o"])
        h = o * np.tanh(C)
        return LSTMState(h, C), CIFGTape(x, h_prev, C_prev, f, C_tilde, C, o)

    def step_backward(self, params: Params, tape: CIFGTape, dstate: LSTMState):
        r"""Gradients of one step, from :math:`(dh_t, dC_t)` to everything the step read.

        The lines run through those of `step` from last to first.

        Parameters
        ----------
        params : dict of str to ndarray
            As given to `step`.
        tape : CIFGTape
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
        x, h_prev, C_prev, f, C_tilde, C, o = tape
        dh, dC = self._check_state("dstate", dstate, len(x))
        hx = np.concatenate([h_prev, x], axis=1)
        do = dh * np.tanh(C)
        dC = dC + dh * o * (1 - np.tanh(C) ** 2)
        di = dC * C_tilde
        dC_tilde = dC * (1 - f)
        df = dC * C_prev - di
        dC_prev = dC * f
        dz_f = df * f * (1 - f)
        dz_C = dC_tilde * (1 - C_tilde ** 2)
        dz_o = do * o * (1 - o)
        dhx = dz_f @ params["W_f"] + dz_C @ params["W_C"] + dz_o @ params["W_o"]
        dh_prev, dx = dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]
        dparams = {}
        for gate, dz in zip(self.gates, (dz_f, dz_C, dz_o), strict=True):
            dparams[f"W_{gate}"] = dz.T @ hx
            dparams[f"b_{gate}"] = dz.sum(axis=0)
        return dx, LSTMState(dh_prev, dC_prev), dparams
