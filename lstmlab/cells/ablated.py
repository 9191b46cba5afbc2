"""The LSTM with one part taken out or put in: chapter "What each part is for"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cell import Params, sigmoid, sigmoid_slope
from ._memory import MemoryCell
from ._tape import Read
from ._validate import require_choice
from .lstm import LSTMState

VARIANTS = ("NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR")


class FGRState(NamedTuple):
    """State under full gate recurrence: ``h``, ``C`` and the gates ``f``, ``i``, ``o``, each ``(B, H)``."""

    h: np.ndarray
    C: np.ndarray
    f: np.ndarray
    i: np.ndarray
    o: np.ndarray


class AblatedTape(NamedTuple):
    """What one `AblatedLSTM.step` saves for `AblatedLSTM.step_backward`; ``gates_prev`` is empty but for FGR."""

    x: np.ndarray
    h_prev: np.ndarray
    C_prev: np.ndarray
    gates_prev: tuple[np.ndarray, ...]
    f: np.ndarray
    i: np.ndarray
    C_tilde: np.ndarray
    C: np.ndarray
    o: np.ndarray


class AblatedLSTM(MemoryCell):
    r"""One of Greff et al.'s eight variants of the vanilla LSTM, which has all three peepholes:

    .. math::

        f_t &= \sigma(W_f \cdot [h_{t-1}, x_t] + b_f + p_f \odot C_{t-1}) \\
        i_t &= \sigma(W_i \cdot [h_{t-1}, x_t] + b_i + p_i \odot C_{t-1}) \\
        \tilde C_t &= \tanh(W_C \cdot [h_{t-1}, x_t] + b_C) \\
        C_t &= f_t \odot C_{t-1} + i_t \odot \tilde C_t \\
        o_t &= \sigma(W_o \cdot [h_{t-1}, x_t] + b_o + p_o \odot C_t) \\
        h_t &= o_t \odot \tanh(C_t)

    ========  ================================  ==========================================================
    variant   stands for                        what changes
    ========  ================================  ==========================================================
    NIG       no input gate                     :math:`i_t = 1`
    NFG       no forget gate                    :math:`f_t = 1`
    NOG       no output gate                    :math:`o_t = 1`
    NIAF      no input activation function      :math:`\tilde C_t = W_C \cdot [h_{t-1}, x_t] + b_C`
    NOAF      no output activation function     :math:`h_t = o_t \odot C_t`
    NP        no peepholes                      :math:`p_f = p_i = p_o = 0`
    CIFG      coupled input and forget gate     :math:`i_t = 1 - f_t`
    FGR       full gate recurrence              gate b also sees :math:`\sum_a R_{ab} a_{t-1}`, a over f, i, o
    ========  ================================  ==========================================================

    Parameters
    ----------
    input_size : int
        I, the number of features of one input :math:`x_t`.
    hidden_size : int
        H, the number of units of :math:`h_t` and :math:`C_t`.
    variant : {"NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR"}
        The part that is taken out or put in. A gate that is gone takes its W, b and p with it.

    Attributes
    ----------
    gates : tuple of str
        The gates with a weight ``W (H, H+I)`` and a bias ``b (H,)``.
    peepholes : str
        The gates with a peephole ``p (H,)``.

    Notes
    -----
    FGR adds nine matrices ``R_ab (H, H)``, from gate a at t−1 into gate b at t; its state is
    ``FGRState(h, C, f, i, o)``, and the gates before the first step are 0 unless given. CIFG keeps the forget
    gate where the paper keeps the input gate: the same functions, renamed.

    References
    ----------
    K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink and J. Schmidhuber, "LSTM: A search space
    odyssey", IEEE Transactions on Neural Networks and Learning Systems 28(10), 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import AblatedLSTM
    >>> cell = AblatedLSTM(input_size=3, hidden_size=5, variant="NFG")
    >>> sorted(cell.init(np.random.default_rng(0)))
    ['W_C', 'W_i', 'W_o', 'b_C', 'b_i', 'b_o', 'p_i', 'p_o']
    >>> fgr = AblatedLSTM(3, 5, "FGR")
    >>> params = fgr.init(np.random.default_rng(0))
    >>> hs, state, tape = fgr.forward(params, np.ones((7, 2, 3)))
    >>> state._fields, params["R_fi"].shape
    (('h', 'C', 'f', 'i', 'o'), (5, 5))
    """

    def __init__(self, input_size: int, hidden_size: int, variant: str):
        self.variant = require_choice("variant", variant, VARIANTS)
        gone = {"NIG": "i", "NFG": "f", "NOG": "o", "CIFG": "i"}.get(variant, "")
        self.gates = tuple(g for g in ("f", "i", "C", "o") if g != gone)
        self.peepholes = "" if variant == "NP" else "".join(g for g in "fio" if g != gone)
        self.coupled = variant == "CIFG"
        self.squash_candidate = variant != "NIAF"
        self.squash_output = variant != "NOAF"
        self.State = FGRState if variant == "FGR" else LSTMState
        super().__init__(input_size, hidden_size)
        self._recurrent_gates = self.State._fields[2:]           # ("f", "i", "o") under FGR, else none
        self._reads.update({a: Read(1, self._recurrent_gates) for a in self._recurrent_gates})

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, variant={self.variant!r})"

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter: per gate ``W`` and ``b``, per peephole ``p``; nine ``R`` under FGR."""
        H, recurrent = self.hidden_size, self._recurrent_gates
        return {**super().parameter_shapes(), **{f"R_{a}{b}": (H, H) for a in recurrent for b in recurrent}}

    def step(self, params: Params, x: np.ndarray, state: LSTMState | FGRState):
        r"""One time step, :math:`(h_{t-1}, C_{t-1}), x_t \mapsto (h_t, C_t)`, one line per equation.

        Parameters
        ----------
        params : dict of str to ndarray
            As `init` returns.
        x : ndarray (B, I)
            Input of this step.
        state : LSTMState, or FGRState for FGR
            :math:`h_{t-1}` and :math:`C_{t-1}`, for FGR :math:`f_{t-1}, i_{t-1}, o_{t-1}` too, each (B, H).

        Returns
        -------
        state : LSTMState, or FGRState for FGR
            :math:`h_t, C_t`, and for FGR the gates.
        tape : AblatedTape
            What `step_backward` needs.
        """
        self._check_step(params, x, state)
        h_prev, C_prev, *gates_prev = state
        hx = np.concatenate([h_prev, x], axis=1)                # (B, H+I)
        f = self._gate(params, "f", hx, C_prev, gates_prev)
        i = 1 - f if self.coupled else self._gate(params, "i", hx, C_prev, gates_prev)
        z_C = hx @ params["W_C"].T + params["b_C"]
        C_tilde = np.tanh(z_C) if self.squash_candidate else z_C
        C = f * C_prev + i * C_tilde
        o = self._gate(params, "o", hx, C, gates_prev)
        h = o * (np.tanh(C) if self.squash_output else C)
        gates = (f, i, o)[:len(self._recurrent_gates)]
        return self.State(h, C, *gates), AblatedTape(x, h_prev, C_prev, tuple(gates_prev), f, i, C_tilde, C, o)

    def step_backward(self, params: Params, tape: AblatedTape, dstate: LSTMState | FGRState):
        r"""Gradients of one step, from the state at t to everything the step read.

        The lines run through those of `step` from last to first. A gate that is gone is the constant 1, and
        its :math:`\sigma' = f (1 - f)` is 0.

        Parameters
        ----------
        params : dict of str to ndarray
            As given to `step`.
        tape : AblatedTape
            As `step` returned.
        dstate : LSTMState, or FGRState for FGR
            Gradient of the loss with respect to the state at t (what reaches it from later steps; the paths
            inside this step are added here).

        Returns
        -------
        dx : ndarray (B, I)
        dstate_prev : LSTMState, or FGRState for FGR
            Gradient with respect to the state at t−1.
        dparams : dict of str to ndarray
            Gradient of every parameter.
        """
        self._check_params(params)
        x, h_prev, C_prev, gates_prev, f, i, C_tilde, C, o = tape
        dh, dC, *dgates = self._check_state("dstate", dstate, len(x))
        df_later, di_later, do_later = dgates or (0, 0, 0)
        p_f, p_i, p_o = (params.get(f"p_{gate}", 0) for gate in "fio")  # 0: no peephole
        hx = np.concatenate([h_prev, x], axis=1)
        do = do_later + dh * (np.tanh(C) if self.squash_output else C)
        dz_o = do * o * (1 - o)
        dC = dC + dh * o * (1 - np.tanh(C) ** 2 if self.squash_output else 1) + p_o * dz_o
        dC_tilde = dC * i
        dz_C = dC_tilde * (1 - C_tilde ** 2 if self.squash_candidate else 1)
        di = di_later + dC * C_tilde
        df = df_later + dC * C_prev - (di if self.coupled else 0)
        dz_i = di * i * (0 if self.coupled else 1 - i)
        dz_f = df * f * (1 - f)
        dC_prev = dC * f + p_f * dz_f + p_i * dz_i
        dz = {"f": dz_f, "i": dz_i, "o": dz_o, "C": dz_C}
        dhx = sum(dz[gate] @ params[f"W_{gate}"] for gate in self.gates)
        dh_prev, dx = dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]
        dgates_prev = (sum(dz[b] @ params[f"R_{a}{b}"] for b in "fio") for a in self._recurrent_gates)
        dparams = {}
        for gate in self.gates:
            dparams[f"W_{gate}"] = dz[gate].T @ hx
            dparams[f"b_{gate}"] = dz[gate].sum(axis=0)
        for gate in self.peepholes:
            dparams[f"p_{gate}"] = (dz[gate] * (C if gate == "o" else C_prev)).sum(axis=0)
        for a, gate_prev in zip(self._recurrent_gates, gates_prev, strict=True):
            dparams.update({f"R_{a}{b}": dz[b].T @ gate_prev for b in "fio"})
        return dx, self.State(dh_prev, dC_prev, *dgates_prev), dparams

    def _gate(self, params, gate, hx, C, gates_prev):
        """A sigmoid gate of `step` with its peephole and, under FGR, the gates before; 1 if it is gone."""
        if gate not in self.gates:
            return np.ones_like(C)
        z = hx @ params[f"W_{gate}"].T + params[f"b_{gate}"] + params.get(f"p_{gate}", 0) * C
        return sigmoid(z + sum(a @ params[f"R_{name}{gate}"].T for name, a in zip("fio", gates_prev, strict=False)))

    def _slopes(self, params, slots, prev, now):
        slopes = super()._slopes(params, slots, prev, now)
        if not self._recurrent_gates:
            return slopes
        return np.concatenate([slopes, sigmoid_slope(slots[:, self._reads["f"].slots])], axis=1)

    def _retreat(self, params, dz, slopes, dstate):
        if not self._recurrent_gates:
            super()._retreat(params, dz, slopes, dstate)
            return
        direct = np.stack(dstate[2:]) * slopes[len(self.gates) + 2:]             # later steps ask the gates themselves
        dC, (p_f, p_i, p_o) = dstate.C, (params[f"p_{g}"][:, None] for g in "fio")
        dC += p_o * direct[2]                                                    # o sees C_t,
        super()._retreat(params, dz, slopes, dstate)
        dz[self._reads["f"].slots] += direct
        dC += p_f * direct[0] + p_i * direct[1]                                  # f and i see C_{t-1}
        for d in dstate[2:]:
            d[:] = 0

    def _weight(self, params, source, gate):
        return params[f"R_{source}{gate}"] if source in self._recurrent_gates else super()._weight(params, source, gate)
