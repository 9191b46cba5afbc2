"""The simple recurrent network: chapters "Sequences and state" and "Backpropagation through time"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cell import Cell, HState, Params, tanh_slope


class RNNTape(NamedTuple):
    """What one `RNN.step` saves for `RNN.step_backward`."""

    x: np.ndarray
    h_prev: np.ndarray
    h: np.ndarray


class RNN(Cell):
    r"""Simple recurrent network with a tanh, after Elman.

    .. math::

        h_t = \tanh(W_h \cdot [h_{t-1}, x_t] + b_h)

    Parameters
    ----------
    input_size : int
        I, the number of features of one input :math:`x_t`.
    hidden_size : int
        H, the number of units of :math:`h_t`.

    Attributes
    ----------
    gates : tuple of str
        ``("h",)``: one weight ``W_h (H, H+I)`` and one bias ``b_h (H,)``.

    Notes
    -----
    Every step back in time multiplies the gradient by :math:`W^\top \mathrm{diag}(1 - h_t^2)`: over long
    lags the product vanishes or explodes, which is what the LSTM was made to mend.

    References
    ----------
    J. L. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.
    Y. Bengio, P. Simard and P. Frasconi, "Learning long-term dependencies with gradient descent is
    difficult", IEEE Transactions on Neural Networks 5(2), 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import RNN
    >>> cell = RNN(input_size=3, hidden_size=5)
    >>> params = cell.init(np.random.default_rng(0))
    >>> hs, state, tape = cell.forward(params, np.ones((7, 2, 3)))
    >>> hs.shape, state.h.shape
    ((7, 2, 5), (2, 5))
    >>> dxs, dstate0, dparams = cell.backward(params, tape, np.ones_like(hs))
    >>> dparams["W_h"].shape
    (5, 8)
    """

    gates = ("h",)
    State = HState

    def step(self, params: Params, x: np.ndarray, state: HState) -> tuple[HState, RNNTape]:
        r"""One time step, :math:`h_{t-1}, x_t \mapsto h_t`.

        Parameters
        ----------
        params : dict of str to ndarray
            As `init` returns.
        x : ndarray (B, I)
            Input of this step.
        state : HState
            :math:`h_{t-1}` (B, H).

        Returns
        -------
        state : HState
            :math:`h_t`.
        tape : RNNTape
            What `step_backward` needs.
        """
        self._check_step(params, x, state)
        h_prev, = state
        hx = np.concatenate([h_prev, x], axis=1)                # (B, H+I)
        h = np.tanh(hx @ params["W_h"].T + params["b_h"])
        return HState(h), RNNTape(x, h_prev, h)

    def step_backward(self, params: Params, tape: RNNTape, dstate: HState):
        r"""Gradients of one step, from :math:`dh_t` to everything the step read.

        Parameters
        ----------
        params : dict of str to ndarray
            As given to `step`.
        tape : RNNTape
            As `step` returned.
        dstate : HState
            Gradient of the loss with respect to :math:`h_t`.

        Returns
        -------
        dx : ndarray (B, I)
        dstate_prev : HState
            Gradient with respect to :math:`h_{t-1}`.
        dparams : dict of str to ndarray
            Gradient of every parameter.
        """
        self._check_params(params)
        x, h_prev, h = tape
        dh, = self._check_state("dstate", dstate, len(x))
        hx = np.concatenate([h_prev, x], axis=1)
        dz_h = dh * (1 - h ** 2)
        dhx = dz_h @ params["W_h"]
        dh_prev, dx = dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]
        dparams = {"W_h": dz_h.T @ hx, "b_h": dz_h.sum(axis=0)}
        return dx, HState(dh_prev), dparams

    def _advance(self, params, slots, prev, now):
        slots[0] = np.tanh(slots[0], out=now.h)

    def _slopes(self, params, slots, prev, now):
        return tanh_slope(slots)

    def _retreat(self, params, dz, slopes, dstate):
        np.multiply(dstate.h, slopes, out=dz)
        dstate.h[:] = 0
