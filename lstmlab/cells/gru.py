"""The gated recurrent unit in all four of its conventions: chapter "The GRU"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cell import Cell, HState, Params, finish_sigmoid, sigmoid, sigmoid_slope, tanh_slope
from ._tape import Read
from ._validate import require_choice


class GRUTape(NamedTuple):
    """What one `GRU.step` saves for `GRU.step_backward`."""

    x: np.ndarray
    h_prev: np.ndarray
    z: np.ndarray
    r: np.ndarray
    n: np.ndarray


class GRU(Cell):
    r"""Gated recurrent unit: an update gate z, a reset gate r and a candidate n; no memory beside h.

    .. math::

        z_t &= \sigma(W_z \cdot [h_{t-1}, x_t] + b_z) \\
        r_t &= \sigma(W_r \cdot [h_{t-1}, x_t] + b_r)

    The reset gate acts on the state before the matrix product, as in the paper, or on the product after it,
    as in torch and cuDNN; there the recurrent half of the candidate has a bias of its own,
    :math:`W_n = [W_n^h, W_n^x]`:

    .. math::

        \text{before:}\quad n_t &= \tanh(W_n \cdot [r_t \odot h_{t-1}, x_t] + b_n) \\
        \text{after:}\quad n_t &= \tanh(W_n^x x_t + b_n \\
            &\qquad + r_t \odot (W_n^h h_{t-1} + b_{hn}))

    And z is what is carried on of the old state, as in torch and Cho's paper, or what is taken of the
    candidate, as in Chung's:

    .. math::

        \text{carry z:}\quad h_t &= z_t \odot h_{t-1} + (1 - z_t) \odot n_t \\
        \text{carry 1−z:}\quad h_t &= (1 - z_t) \odot h_{t-1} + z_t \odot n_t

    Parameters
    ----------
    input_size : int
        I, the number of features of one input :math:`x_t`.
    hidden_size : int
        H, the number of units of :math:`h_t`.
    reset : {"after", "before"}, optional
        Where the reset gate acts; ``"after"`` by default, as in torch.
    carry : {"z", "1-z"}, optional
        The factor of the old state; ``"z"`` by default, as in torch.

    Attributes
    ----------
    gates : tuple of str
        ``("z", "r", "n")``: each has a weight ``W (H, H+I)`` and a bias ``b (H,)``; with ``reset="after"``
        the candidate has ``b_hn (H,)`` too.

    Notes
    -----
    The two carries are one family: :math:`\sigma(-a) = 1 - \sigma(a)`, so negating ``W_z`` and ``b_z`` turns
    one into the other. The two resets are not: they compute different functions.

    References
    ----------
    K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
    translation", EMNLP 2014: reset before, carry z.
    J. Chung, C. Gulcehre, K. Cho and Y. Bengio, "Empirical evaluation of gated recurrent neural networks on
    sequence modeling", 2014: carry 1−z.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import GRU
    >>> cell = GRU(input_size=3, hidden_size=5)            # torch's convention
    >>> params = cell.init(np.random.default_rng(0))
    >>> hs, state, tape = cell.forward(params, np.ones((7, 2, 3)))
    >>> other = GRU(3, 5, carry="1-z")
    >>> flipped = {**params, "W_z": -params["W_z"], "b_z": -params["b_z"]}
    >>> bool(np.allclose(other.forward(flipped, np.ones((7, 2, 3)))[0], hs))
    True
    """

    gates = ("z", "r", "n")
    State = HState
    _sigmoids = ("z", "r")

    def __init__(self, input_size: int, hidden_size: int, reset: str = "after", carry: str = "z"):
        super().__init__(input_size, hidden_size)
        self.reset = require_choice("reset", reset, ("before", "after"))
        self.carry = require_choice("carry", carry, ("z", "1-z"))
        if reset == "before":                                    # rh = r⊙h is known only inside the step
            self._slots = ("z", "r", "n", "rh")
            self._reads = {"x": Read(0, self.gates), "h": Read(0, ("z", "r")), "rh": Read(2, ("n",))}
        else:                                                    # m = W_n^h h + b_hn waits for r in its own slot
            self._slots = ("m", "z", "r", "n")
            self._reads = {"x": Read(1, self.gates), "h": Read(0, ("n", "z", "r"))}

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, reset={self.reset!r}, carry={self.carry!r})"

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter: per gate ``W (H, H+I)`` and ``b (H,)``; ``b_hn (H,)`` with reset after."""
        own = {"b_hn": (self.hidden_size,)} if self.reset == "after" else {}
        return {**super().parameter_shapes(), **own}

    def step(self, params: Params, x: np.ndarray, state: HState) -> tuple[HState, GRUTape]:
        r"""One time step, :math:`h_{t-1}, x_t \mapsto h_t`, one line per equation.

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
        tape : GRUTape
            What `step_backward` needs.
        """
        self._check_step(params, x, state)
        h_prev, = state
        W_nh, W_nx = params["W_n"][:, :self.hidden_size], params["W_n"][:, self.hidden_size:]
        hx = np.concatenate([h_prev, x], axis=1)                # (B, H+I)
        z = sigmoid(hx @ params["W_z"].T + params["b_z"])
        r = sigmoid(hx @ params["W_r"].T + params["b_r"])
        if self.reset == "before":
            n = np.tanh((r * h_prev) @ W_nh.T + x @ W_nx.T + params["b_n"])
        else:
            n = np.tanh(x @ W_nx.T + params["b_n"] + r * (h_prev @ W_nh.T + params["b_hn"]))
        keep = z if self.carry == "z" else 1 - z
        h = keep * h_prev + (1 - keep) * n
        return HState(h), GRUTape(x, h_prev, z, r, n)

    def step_backward(self, params: Params, tape: GRUTape, dstate: HState):
        r"""Gradients of one step, from :math:`dh_t` to everything the step read.

        The lines run through those of `step` from last to first.

        Parameters
        ----------
        params : dict of str to ndarray
            As given to `step`.
        tape : GRUTape
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
        x, h_prev, z, r, n = tape
        dh, = self._check_state("dstate", dstate, len(x))
        W_nh, W_nx = params["W_n"][:, :self.hidden_size], params["W_n"][:, self.hidden_size:]
        hx = np.concatenate([h_prev, x], axis=1)
        keep = z if self.carry == "z" else 1 - z
        dkeep = dh * (h_prev - n)
        dh_prev = dh * keep
        dn = dh * (1 - keep)
        dz = dkeep if self.carry == "z" else -dkeep
        dz_n = dn * (1 - n ** 2)
        if self.reset == "before":
            drh = dz_n @ W_nh
            dr = drh * h_prev
            dh_prev = dh_prev + drh * r
            dW_nh = dz_n.T @ (r * h_prev)
        else:
            dm = dz_n * r
            dr = dz_n * (h_prev @ W_nh.T + params["b_hn"])
            dh_prev = dh_prev + dm @ W_nh
            dW_nh = dm.T @ h_prev
        dz_r = dr * r * (1 - r)
        dz_z = dz * z * (1 - z)
        dhx = dz_z @ params["W_z"] + dz_r @ params["W_r"]
        dh_prev = dh_prev + dhx[:, :self.hidden_size]
        dx = dz_n @ W_nx + dhx[:, self.hidden_size:]
        dparams = {"W_z": dz_z.T @ hx, "b_z": dz_z.sum(axis=0), "W_r": dz_r.T @ hx, "b_r": dz_r.sum(axis=0)}
        dparams["W_n"] = np.concatenate([dW_nh, dz_n.T @ x], axis=1)
        dparams["b_n"] = dz_n.sum(axis=0)
        if self.reset == "after":
            dparams["b_hn"] = dm.sum(axis=0)
        return dx, HState(dh_prev), dparams

    def _advance(self, params, slots, prev, now):
        y = dict(zip(self._slots, slots, strict=True))
        z, r, n = y["z"], y["r"], y["n"]
        for gate in (z, r):
            finish_sigmoid(np.tanh(gate, out=gate))
        if self.reset == "before":
            np.multiply(r, prev.h, out=y["rh"])
            n += self._weight(params, "rh", "n") @ y["rh"]
        else:
            y["m"] += params["b_hn"][:, None]
            n += r * y["m"]
        np.tanh(n, out=n)
        keep = z if self.carry == "z" else 1 - z
        np.subtract(prev.h, n, out=now.h)                        # h = n + keep⊙(h_{t-1} − n)
        np.multiply(now.h, keep, out=now.h)
        np.add(now.h, n, out=now.h)

    def _slopes(self, params, slots, prev, now):
        y = dict(zip(self._slots, slots.swapaxes(0, 1), strict=True))
        z, r, n = y["z"], y["r"], y["n"]
        keep, toward_z = (z, 1) if self.carry == "z" else (1 - z, -1)
        dz_z = toward_z * (prev.h - n) * sigmoid_slope(z)
        dz_n = (1 - keep) * tanh_slope(n)
        if self.reset == "before":                               # dr waits for the product that gives d(r⊙h)
            return np.stack([dz_z, prev.h * sigmoid_slope(r), dz_n, keep, r], axis=1)
        return np.stack([dz_n * r, dz_z, dz_n * y["m"] * sigmoid_slope(r), dz_n, keep], axis=1)

    def _retreat(self, params, dz, slopes, dstate):
        dh = dstate.h
        if self.reset == "before":
            np.multiply(dh, slopes[0:3:2], out=dz[0:3:2])
            drh = self._weight(params, "rh", "n").T @ dz[2]
            np.multiply(drh, slopes[1], out=dz[1])
            dh *= slopes[3]
            dh += drh * slopes[4]
        else:
            np.multiply(dh, slopes[:4], out=dz)
            dh *= slopes[4]

    def _sum_other_gradients(self, dparams, dz, tape, chunk):
        if self.reset == "after":
            dparams["b_hn"] += dz[self._slots.index("m")].sum(axis=(1, 2))
