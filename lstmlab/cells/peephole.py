"""The LSTM whose gates see the memory: chapter "Peephole LSTM"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cell import Params, sigmoid
from ._memory import MemoryCell
from .lstm import LSTMState


class PeepholeTape(NamedTuple):
    """What one `PeepholeLSTM.step` saves for `PeepholeLSTM.step_backward`."""

    x: np.ndarray
    h_prev: np.ndarray
    C_prev: np.ndarray
    f: np.ndarray
    i: np.ndarray
    C_tilde: np.ndarray
    C: np.ndarray
    o: np.ndarray


class PeepholeLSTM(MemoryCell):
    r"""Long short-term memory with peepholes: the gates see the memory, each unit its own.

    .. math::

        f_t &= \sigma(W_f \cdot [h_{t-1}, x_t] + b_f + p_f \odot C_{t-1}) \\
        i_t &= \sigma(W_i \cdot [h_{t-1}, x_t] + b_i + p_i \odot C_{t-1}) \\
        \tilde C_t &= \tanh(W_C \cdot [h_{t-1}, x_t] + b_C) \\
        C_t &= f_t \odot C_{t-1} + i_t \odot \tilde C_t \\
        o_t &= \sigma(W_o \cdot [h_{t-1}, x_t] + b_o + p_o \odot C_t) \\
        h_t &= o_t \odot \tanh(C_t)

    Parameters
    ----------
    input_size : int
        I, the number of features of one input :math:`x_t`.
    hidden_size : int
        H, the number of units of :math:`h_t` and :math:`C_t`.
    peepholes : str, optional
        The gates that have one, any of the letters f, i and o; ``"fio"`` by default, ``""`` is the LSTM.

    Attributes
    ----------
    gates : tuple of str
        ``("f", "i", "C", "o")``: each has a weight ``W (H, H+I)`` and a bias ``b (H,)``.
    peepholes : str
        The gates with a peephole ``p (H,)``, in the order f, i, o.

    Notes
    -----
    A peephole is a vector, not a matrix: unit k's gate sees :math:`C_k` and no other. f and i are computed
    before the memory changes and see :math:`C_{t-1}`; o comes after and sees :math:`C_t`, so part of the
    gradient of :math:`o_t` flows into :math:`C_t`. The gradient here is the full one; in the 2002 paper no
    error flowed from the gates through the peepholes into the memory.

    References
    ----------
    F. A. Gers, N. N. Schraudolph and J. Schmidhuber, "Learning precise timing with LSTM recurrent networks",
    Journal of Machine Learning Research 3, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import PeepholeLSTM
    >>> cell = PeepholeLSTM(input_size=3, hidden_size=5, peepholes="fo")
    >>> params = cell.init(np.random.default_rng(0))
    >>> params["p_f"]                                      # peepholes start closed
    array([0., 0., 0., 0., 0.])
    >>> "p_i" in params
    False
    >>> hs, state, tape = cell.forward(params, np.ones((7, 2, 3)))
    >>> dxs, dstate0, dparams = cell.backward(params, tape, np.ones_like(hs))
    >>> dparams["p_o"].shape
    (5,)
    """

    gates = ("f", "i", "C", "o")
    State = LSTMState

    def __init__(self, input_size: int, hidden_size: int, peepholes: str = "fio"):
        if not isinstance(peepholes, str) or len(set(peepholes)) != len(peepholes) or not set(peepholes) <= set("fio"):
            raise ValueError(f"peepholes is {peepholes!r}; expected some of the letters 'f', 'i', 'o', each once")
        self.peepholes = "".join(g for g in "fio" if g in peepholes)
        super().__init__(input_size, hidden_size)

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, peepholes={self.peepholes!r})"

    def step(self, params: Params, x: np.ndarray, state: LSTMState) -> tuple[LSTMState, PeepholeTape]:
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
        tape : PeepholeTape
            What `step_backward` needs.
        """
        self._check_step(params, x, state)
        h_prev, C_prev = state
        p_f, p_i, p_o = (params.get(f"p_{gate}", 0) for gate in "fio")  # 0: no peephole
        hx = np.concatenate([h_prev, x], axis=1)                # (B, H+I)
        f = sigmoid(hx @ params["W_f"].T + params["b_f"] + p_f * C_prev)
        i = sigmoid(hx @ params["W_i"].T + params["b_i"] + p_i * C_prev)
        C_tilde = np.tanh(hx @ params["W_C"].T + params["b_C"])
        C = f * C_prev + i * C_tilde
        o = sigmoid(hx @ params["W_o"].T + params["b_o"] + p_o * C)
        h = o * np.tanh(C)
        return LSTMState(h, C), PeepholeTape(x, h_prev, C_prev, f, i, C_tilde, C, o)

    def step_backward(self, params: Params, tape: PeepholeTape, dstate: LSTMState):
        r"""Gradients of one step, from :math:`(dh_t, dC_t)` to everything the step read.

        The lines run through those of `step` from last to first.

        Parameters
        ----------
        params : dict of str to ndarray
            As given to `step`.
        tape : PeepholeTape
            As `step` returned.
        dstate : LSTMState
            Gradient of the loss with respect to :math:`h_t` and to :math:`C_t` (what reaches :math:`C_t`
            from later steps; the paths through :math:`h_t` and through :math:`o_t` are added here).

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
        p_f, p_i, p_o = (params.get(f"p_{gate}", 0) for gate in "fio")
        hx = np.concatenate([h_prev, x], axis=1)
        do = dh * np.tanh(C)
        dz_o = do * o * (1 - o)
        dC = dC + dh * o * (1 - np.tanh(C) ** 2) + p_o * dz_o
        df = dC * C_prev
        di = dC * C_tilde
        dC_tilde = dC * i
        dz_f = df * f * (1 - f)
        dz_i = di * i * (1 - i)
        dz_C = dC_tilde * (1 - C_tilde ** 2)
        dC_prev = dC * f + p_f * dz_f + p_i * dz_i
        dhx = dz_f @ params["W_f"] + dz_i @ params["W_i"] + dz_C @ params["W_C"] + dz_o @ params["W_o"]
        dh_prev, dx = dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]
        dparams = {}
        for gate, dz in zip(self.gates, (dz_f, dz_i, dz_C, dz_o), strict=True):
            dparams[f"W_{gate}"] = dz.T @ hx
            dparams[f"b_{gate}"] = dz.sum(axis=0)
        for gate, dz, seen in (("f", dz_f, C_prev), ("i", dz_i, C_prev), ("o", dz_o, C)):
            if gate in self.peepholes:
                dparams[f"p_{gate}"] = (dz * seen).sum(axis=0)
        return dx, LSTMState(dh_prev, dC_prev), dparams
