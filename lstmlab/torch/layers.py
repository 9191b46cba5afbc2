"""The layers: of each cell the signature and, in ``step``, its equations in torch."""

from __future__ import annotations

import torch
from torch import sigmoid, tanh

from .. import cells
from ._layer import Recurrent


class RNN(Recurrent):
    r"""Simple recurrent network with a tanh.

    .. math::

        h_t = \tanh(W_h \cdot [h_{t-1}, x_t] + b_h)

    Parameters as for `LSTM`; the state is a bare ``h``. `torch.nn.RNN` is the same function with two biases.

    Examples
    --------
    >>> import torch
    >>> import lstmlab.torch as lt
    >>> layer = lt.RNN(3, 5)
    >>> output, h_n = layer(torch.ones(7, 2, 3))
    >>> output.shape, h_n.shape
    (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]))
    """

    cell_type = cells.RNN

    def step(self, w, zx, h):
        z_h, = w.pre_activations(zx, h)
        h = tanh(z_h)
        return (h,), {"h": h}


class LSTM(Recurrent):
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
    num_layers : int, optional
        How many layers stand on each other; each reads the one below.
    bidirectional : bool, optional
        Run a second set of weights backward in time; outputs stand side by side, ``(T, B, 2H)``.
    batch_first : bool, optional
        Input and output are ``(B, T, ...)``; states are not, as in torch.
    dropout : float, optional
        Probability with which an output of a layer below the last is set to zero in training.
    backend : {"auto", "loop", "fused"}, optional
        ``"loop"`` is plain torch operations: it serves `torch.func` (vmap, per-sample gradients), double backward
        and `torch.compile`. ``"fused"`` is a whole pass as one operation: the NumPy engine on torch's memory, for
        float32 and float64 on the CPU; on an NVIDIA GPU the kernels of `lstmlab.torch.kernels`, for float32,
        bfloat16 and float16 with sums in float32. It gives outputs and first gradients, fast; asked for a gradient
        of the gradient, or for many at once (``is_grads_batched``), it replays the loop. ``"auto"`` takes the fused
        one wherever it serves.
    device, dtype : optional
        Of the parameters, as in torch.

    Attributes
    ----------
    W_f_l0, b_f_l0, ... : Parameter
        Per gate one weight ``(H, H+I)``, which acts on :math:`[h_{t-1}, x_t]` in that order, and one bias
        ``(H,)``, named as in the NumPy cell; the suffix ``_l{k}`` is the layer, ``_reverse`` the second
        direction. They start uniform in :math:`\pm 1/\sqrt H`, the forget bias at 1, as in the NumPy cell.

    Notes
    -----
    On the CPU the fused backend uses NumPy's own threads, which ``OPENBLAS_NUM_THREADS`` sets, not
    `torch.set_num_threads`. On a GPU it forms float32 products as torch forms its own (in TF32 where
    ``torch.backends.cuda.matmul`` allows it), and repeats itself bit for bit as far as cuBLAS does
    (``CUBLAS_WORKSPACE_CONFIG``): no sum of its own depends on chance. While a stream is captured as a CUDA graph,
    ``"auto"`` takes the loop: the fused backend replays graphs of its own.

    Examples
    --------
    >>> import torch
    >>> import lstmlab.torch as lt
    >>> layer = lt.LSTM(3, 5)
    >>> output, (h_n, C_n) = layer(torch.ones(7, 2, 3))    # T=7 steps of a batch of 2
    >>> output.shape, C_n.shape
    (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]))
    >>> output, state, gates = layer(torch.ones(7, 2, 3), return_gates=True)
    >>> sorted(gates)
    ['C_l0', 'C_tilde_l0', 'f_l0', 'i_l0', 'o_l0']
    """

    cell_type = cells.LSTM

    def step(self, w, zx, h, C):
        z_f, z_i, z_C, z_o = w.pre_activations(zx, h)
        f, i, C_tilde, o = sigmoid(z_f), sigmoid(z_i), tanh(z_C), sigmoid(z_o)
        C = f * C + i * C_tilde
        return (o * tanh(C), C), {"f": f, "i": i, "C_tilde": C_tilde, "C": C, "o": o}


class LSTM1997(Recurrent):
    r"""Long short-term memory without a forget gate: the memory only ever adds up.

    .. math::

        i_t &= \sigma(W_i \cdot [h_{t-1}, x_t] + b_i) \\
        \tilde C_t &= \tanh(W_C \cdot [h_{t-1}, x_t] + b_C) \\
        C_t &= C_{t-1} + i_t \odot \tilde C_t \\
        o_t &= \sigma(W_o \cdot [h_{t-1}, x_t] + b_o) \\
        h_t &= o_t \odot \tanh(C_t)

    Parameters as for `LSTM`.

    Examples
    --------
    >>> import torch
    >>> import lstmlab.torch as lt
    >>> layer = lt.LSTM1997(3, 5)
    >>> [name for name, _ in layer.named_parameters()]
    ['W_i_l0', 'b_i_l0', 'W_C_l0', 'b_C_l0', 'W_o_l0', 'b_o_l0']
    """

    cell_type = cells.LSTM1997

    def step(self, w, zx, h, C):
        z_i, z_C, z_o = w.pre_activations(zx, h)
        i, C_tilde, o = sigmoid(z_i), tanh(z_C), sigmoid(z_o)
        C = C + i * C_tilde
        return (o * tanh(C), C), {"i": i, "C_tilde": C_tilde, "C": C, "o": o}


class PeepholeLSTM(Recurrent):
    r"""Long short-term memory whose gates see the cell state.

    .. math::

        f_t &= \sigma(W_f \cdot [h_{t-1}, x_t] + b_f + p_f \odot C_{t-1}) \\
        i_t &= \sigma(W_i \cdot [h_{t-1}, x_t] + b_i + p_i \odot C_{t-1}) \\
        \tilde C_t &= \tanh(W_C \cdot [h_{t-1}, x_t] + b_C) \\
        C_t &= f_t \odot C_{t-1} + i_t \odot \tilde C_t \\
        o_t &= \sigma(W_o \cdot [h_{t-1}, x_t] + b_o + p_o \odot C_t) \\
        h_t &= o_t \odot \tanh(C_t)

    Parameters
    ----------
    input_size, hidden_size, num_layers
        As for `LSTM`.
    peepholes : str, optional
        The gates that have a peephole: some of the letters f, i, o.
    **arguments
        As for `LSTM`.

    Examples
    --------
    >>> import torch
    >>> import lstmlab.torch as lt
    >>> layer = lt.PeepholeLSTM(3, 5, peepholes="o")
    >>> layer
    PeepholeLSTM(3, 5, peepholes='o')
    >>> layer.p_o_l0.shape
    torch.Size([5])
    """

    cell_type = cells.PeepholeLSTM
    options = ("peepholes",)

    def __init__(self, input_size, hidden_size, num_layers=1, *, peepholes="fio", **arguments):
        super().__init__(input_size, hidden_size, num_layers, peepholes=peepholes, **arguments)

    def step(self, w, zx, h, C):
        z_f, z_i, z_C, z_o = w.pre_activations(zx, h)
        f, i, C_tilde = sigmoid(w.peep("f", z_f, C)), sigmoid(w.peep("i", z_i, C)), tanh(z_C)
        C = f * C + i * C_tilde
        o = sigmoid(w.peep("o", z_o, C))
        return (o * tanh(C), C), {"f": f, "i": i, "C_tilde": C_tilde, "C": C, "o": o}


class CIFGLSTM(Recurrent):
    r"""Long short-term memory with coupled input and forget gates.

    .. math::

        f_t &= \sigma(W_f \cdot [h_{t-1}, x_t] + b_f) \\
        i_t &= 1 - f_t \\
        \tilde C_t &= \tanh(W_C \cdot [h_{t-1}, x_t] + b_C) \\
        C_t &= f_t \odot C_{t-1} + i_t \odot \tilde C_t \\
        o_t &= \sigma(W_o \cdot [h_{t-1}, x_t] + b_o) \\
        h_t &= o_t \odot \tanh(C_t)

    Parameters as for `LSTM`.

    Examples
    --------
    >>> import torch
    >>> import lstmlab.torch as lt
    >>> output, state, gates = lt.CIFGLSTM(3, 5)(torch.ones(7, 2, 3), return_gates=True)
    >>> bool((gates["i_l0"] + gates["f_l0"] == 1).all())
    True
    """

    cell_type = cells.CIFGLSTM

    def step(self, w, zx, h, C):
        z_f, z_C, z_o = w.pre_activations(zx, h)
        f, C_tilde, o = sigmoid(z_f), tanh(z_C), sigmoid(z_o)
        i = 1 - f
        C = f * C + i * C_tilde
        return (o * tanh(C), C), {"f": f, "i": i, "C_tilde": C_tilde, "C": C, "o": o}


class GRU(Recurrent):
    r"""Gated recurrent unit, in the four conventions of the NumPy cell.

    .. math::

        z_t &= \sigma(W_z \cdot [h_{t-1}, x_t] + b_z) \\
        r_t &= \sigma(W_r \cdot [h_{t-1}, x_t] + b_r) \\
        \text{reset before:}\quad n_t &= \tanh(W_n \cdot [r_t \odot h_{t-1}, x_t] + b_n) \\
        \text{reset after:}\quad n_t &= \tanh(W_n^x x_t + b_n \\
            &\qquad + r_t \odot (W_n^h h_{t-1} + b_{hn})) \\
        \text{carry z:}\quad h_t &= z_t \odot h_{t-1} + (1 - z_t) \odot n_t \\
        \text{carry 1−z:}\quad h_t &= (1 - z_t) \odot h_{t-1} + z_t \odot n_t

    Parameters
    ----------
    input_size, hidden_size, num_layers
        As for `LSTM`; the state is a bare ``h``.
    reset : {"after", "before"}, optional
        Where the reset gate acts; ``"after"`` by default, as in torch.
    carry : {"z", "1-z"}, optional
        The factor of the old state; ``"z"`` by default, as in torch.
    **arguments
        As for `LSTM`.

    Examples
    --------
    >>> import torch
    >>> import lstmlab.torch as lt
    >>> layer = lt.GRU(3, 5, num_layers=2, reset="before")
    >>> output, h_n = layer(torch.ones(7, 2, 3))
    >>> h_n.shape
    torch.Size([2, 2, 5])
    """

    cell_type = cells.GRU
    options = ("reset", "carry")

    def __init__(self, input_size, hidden_size, num_layers=1, *, reset="after", carry="z", **arguments):
        super().__init__(input_size, hidden_size, num_layers, reset=reset, carry=carry, **arguments)

    def sources(self, cell):
        return {"h": ("z", "r"), "rh": ("n",)} if cell.reset == "before" else super().sources(cell)

    def step(self, w, zx, h):
        cell = self.cells[0]
        zr, n = self._reset_before(w, zx, h) if cell.reset == "before" else self._reset_after(w, zx, h)
        z, r = zr.chunk(2, dim=-1)
        keep = z if cell.carry == "z" else 1 - z
        return (keep * h + (1 - keep) * n,), {"z": z, "r": r, "n": n}

    def _reset_before(self, w, zx, h):
        H = h.shape[-1]
        zx_zr, zx_n = zx.split((2 * H, H), dim=-1)
        zr = sigmoid(zx_zr + w.product("h", h))
        return zr, tanh(zx_n + w.product("rh", zr[..., H:] * h))

    def _reset_after(self, w, zx, h):
        H = h.shape[-1]
        zx_zr, zx_n = zx.split((2 * H, H), dim=-1)
        m_zr, m_n = w.product("h", h).split((2 * H, H), dim=-1)
        zr = sigmoid(zx_zr + m_zr)
        return zr, tanh(zx_n + zr[..., H:] * (m_n + w.vectors["b_hn"]))


class AblatedLSTM(Recurrent):
    r"""One of Greff et al.'s eight variants of the vanilla LSTM (all peepholes); the table is at the NumPy cell.

    Parameters
    ----------
    input_size, hidden_size, num_layers
        As for `LSTM`; under FGR the state is ``FGRState(h, C, f, i, o)``.
    variant : {"NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR"}
        The part that is taken out or put in. A gate that is gone takes its W, b and p with it.
    **arguments
        As for `LSTM`.

    Examples
    --------
    >>> import torch
    >>> import lstmlab.torch as lt
    >>> output, state = lt.AblatedLSTM(3, 5, variant="FGR")(torch.ones(7, 2, 3))
    >>> state._fields
    ('h', 'C', 'f', 'i', 'o')
    """

    cell_type = cells.AblatedLSTM
    options = ("variant",)

    def __init__(self, input_size, hidden_size, num_layers=1, *, variant, **arguments):
        super().__init__(input_size, hidden_size, num_layers, variant=variant, **arguments)

    def step(self, w, zx, h, C, *gates_prev):
        cell = self.cells[0]
        z = dict(zip(cell.gates, w.pre_activations(zx, h), strict=True))

        def gate(name, C):
            if name not in z:
                return torch.ones_like(C)
            z_gate = w.peep(name, z[name], C)
            for a, value in zip("fio", gates_prev, strict=False):
                z_gate = z_gate + w.product(f"R_{a}{name}", value)
            return sigmoid(z_gate)

        f = gate("f", C)
        i = 1 - f if cell.variant == "CIFG" else gate("i", C)
        C_tilde = z["C"] if cell.variant == "NIAF" else tanh(z["C"])
        C = f * C + i * C_tilde
        o = gate("o", C)
        h = o * (C if cell.variant == "NOAF" else tanh(C))
        return (h, C, f, i, o)[:2 + len(gates_prev)], {"f": f, "i": i, "C_tilde": C_tilde, "C": C, "o": o}


_LAYERS = {layer.cell_type: layer for layer in (RNN, LSTM, LSTM1997, PeepholeLSTM, CIFGLSTM, GRU, AblatedLSTM)}


def from_numpy(cell, params, **arguments):
    """A layer that computes what a NumPy cell computes with these parameters.

    Parameters
    ----------
    cell : lstmlab.cells.Cell
        The NumPy cell.
    params : dict of str to ndarray
        Its parameters; the layer takes a copy, in their dtype.
    **arguments
        Of the layer: ``batch_first``, ``backend``, ``device``.

    Returns
    -------
    Recurrent
        A layer of one level and one direction.

    Examples
    --------
    >>> import numpy as np
    >>> import lstmlab.torch as lt
    >>> from lstmlab import GRU
    >>> cell = GRU(3, 5, reset="before")
    >>> layer = lt.from_numpy(cell, cell.init(np.random.default_rng(0)))
    >>> layer
    GRU(3, 5, reset='before', carry='z')
    """
    if type(cell) not in _LAYERS:
        raise TypeError(f"cell is {type(cell).__name__}; expected a cell of lstmlab.cells")
    cell._check_params(params)
    layer_type = _LAYERS[type(cell)]
    options = {name: getattr(cell, name) for name in layer_type.options}
    tensors = {name + "_l0": torch.from_numpy(value) for name, value in params.items()}
    dtype = next(iter(tensors.values())).dtype
    layer = layer_type(cell.input_size, cell.hidden_size, **options, dtype=dtype, **arguments)
    layer.load_state_dict(tensors)
    return layer
