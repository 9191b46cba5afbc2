r"""To and from the weight layouts of torch, ONNX and Keras, and between the conventions of the GRU.

lstmlab keeps one weight ``W_g (H, H+I)`` and one bias ``b_g (H,)`` per gate; others stack the gates of a cell in an
order of their own, keep what acts on x apart from what acts on h, and may have two biases:

========  ==============  ==================  ===============  =============================================
layout    LSTM            GRU                 weights          biases
========  ==============  ==================  ===============  =============================================
torch     i, f, C, o      r, z, n             ``(G*H, I)``     two ``(G*H,)``, one with W and one with R
ONNX      i, o, f, C      z, r, n             ``(D, G*H, I)``  ``(D, 2*G*H)``, the two side by side
Keras     i, f, C, o      z, r, n             ``(I, G*H)``     one ``(G*H,)``; GRU, reset after: ``(2, G*H)``
========  ==============  ==================  ===============  =============================================

Two biases act as their sum: on the way in they are added, on the way out the sum stands with W and the other is zero.
Only the candidate of a GRU that resets after the product keeps two, ``b_n`` and ``b_hn``: the reset gate scales one.
"""

from __future__ import annotations

import numpy as np

from . import cells

_ORDERS = {
    "torch": {cells.RNN: "h", cells.LSTM: "ifCo", cells.GRU: "rzn"},
    "ONNX": {cells.RNN: "h", cells.LSTM: "iofC", cells.PeepholeLSTM: "iofC", cells.GRU: "zrn"},
    "Keras": {cells.RNN: "h", cells.LSTM: "ifCo", cells.GRU: "zrn"},
}
_ONNX_PEEPHOLES = "iof"


# -- torch -----------------------------------------------------------------------------------------------

def from_torch(nn_module, layer=0, reverse=False):
    """The NumPy cell and parameters that compute what one layer of a torch module computes.

    Parameters
    ----------
    nn_module : torch.nn.RNN, torch.nn.LSTM or torch.nn.GRU
        In float32 or float64. Its two biases are added up (but for the candidate of a GRU); with ``bias=False`` they
        are zeros.
    layer : int, optional
        Which layer of the stack.
    reverse : bool, optional
        The backward direction of a bidirectional module.

    Returns
    -------
    cell : Cell
    params : dict of str to ndarray
        Copies, in the module's dtype.

    Raises
    ------
    TypeError
        If the module is another one, or not in float32 or float64.
    ValueError
        If it has no counterpart: ``nonlinearity="relu"``, ``proj_size``; or lacks that layer or direction.

    Examples
    --------
    >>> import torch
    >>> from lstmlab import convert
    >>> convert.from_torch(torch.nn.GRU(3, 5))[0]
    GRU(input_size=3, hidden_size=5, reset='after', carry='z')
    """
    from torch import nn

    kinds = {nn.RNN: cells.RNN, nn.LSTM: cells.LSTM, nn.GRU: cells.GRU}
    if type(nn_module) not in kinds:
        raise TypeError(f"nn_module is {type(nn_module).__name__}; expected torch.nn.RNN, LSTM or GRU")
    if getattr(nn_module, "nonlinearity", "tanh") != "tanh":
        raise ValueError(f"nn_module has nonlinearity={nn_module.nonlinearity!r}; lstmlab's RNN is the one with tanh")
    if nn_module.proj_size:
        raise ValueError(f"nn_module has proj_size={nn_module.proj_size}; no cell of lstmlab projects its output")
    if not 0 <= layer < nn_module.num_layers:
        raise ValueError(f"layer is {layer}; nn_module has num_layers={nn_module.num_layers}, counted from 0")
    if reverse and not nn_module.bidirectional:
        raise ValueError("reverse is True; nn_module is not bidirectional")

    end = f"_l{layer}" + ("_reverse" if reverse else "")
    W, R = (_array(getattr(nn_module, f"weight_{kind}{end}")) for kind in ("ih", "hh"))
    b_x, b_h = ((_array(getattr(nn_module, f"bias_{kind}{end}")) for kind in ("ih", "hh")) if nn_module.bias
                else np.zeros((2, len(W)), W.dtype))
    cell = kinds[type(nn_module)](W.shape[1], R.shape[1])
    return cell, _unstack(cell, "torch", W, R, b_x, b_h)


def to_torch(cell, params):
    """A torch module that computes what a cell computes with these parameters.

    Parameters
    ----------
    cell : RNN, LSTM or GRU
        A GRU has to reset after the product, as torch does; a carry of 1−z is turned into z.
    params : dict of str to ndarray
        Its parameters.

    Returns
    -------
    torch.nn.RNN, torch.nn.LSTM or torch.nn.GRU
        One layer, time first. The bias is ``bias_ih``, and ``bias_hh`` is zero, but for the ``b_hn`` of a GRU.

    Raises
    ------
    TypeError
        If torch has no such cell.
    ValueError
        If the GRU resets before the product.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import LSTM, convert
    >>> cell = LSTM(3, 5)
    >>> convert.to_torch(cell, cell.init(np.random.default_rng(0)))
    LSTM(3, 5)
    """
    import torch

    _require_kind("torch", cell)
    if isinstance(cell, cells.GRU):
        cell, params = gru_convention(cell, params, reset="after", carry="z")
    W, R, b_x, b_h = map(torch.from_numpy, _stack(cell, "torch", params))
    module = getattr(torch.nn, type(cell).__name__)(cell.input_size, cell.hidden_size, dtype=W.dtype)
    module.load_state_dict({"weight_ih_l0": W, "weight_hh_l0": R, "bias_ih_l0": b_x, "bias_hh_l0": b_h})
    return module


# -- ONNX ------------------------------------------------------------------------------------------------

def from_onnx(op_type, inputs, linear_before_reset=0, direction=0):
    """The NumPy cell and parameters of an ONNX operator.

    Parameters
    ----------
    op_type : {"RNN", "LSTM", "GRU"}
        With the operator's default activations.
    inputs : dict of str to ndarray
        The operator's inputs by their names in the specification: ``W (D, G*H, I)``, ``R (D, G*H, H)``, and where
        they are there ``B (D, 2*G*H)`` and for an LSTM ``P (D, 3*H)``.
    linear_before_reset : int, optional
        The GRU's attribute: 0, ONNX's default, resets before the product (whose "linear" then comes after); any other
        number after it.
    direction : int, optional
        0 or, in a bidirectional operator, 1.

    Returns
    -------
    cell : Cell
        `PeepholeLSTM` if there is a P, else `RNN`, `LSTM` or `GRU`.
    params : dict of str to ndarray

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import convert
    >>> convert.from_onnx("GRU", {"W": np.ones((1, 15, 3)), "R": np.ones((1, 15, 5))})[0]
    GRU(input_size=3, hidden_size=5, reset='before', carry='z')
    """
    if op_type not in ("RNN", "LSTM", "GRU"):
        raise ValueError(f"op_type is {op_type!r}; expected 'RNN', 'LSTM' or 'GRU'")
    if unknown := sorted(inputs.keys() - set("WRBP")):
        raise ValueError(f"inputs has unknown {', '.join(unknown)}; expected W, R, and optionally B and P")
    if missing := sorted({"W", "R"} - inputs.keys()):
        raise ValueError(f"inputs lacks {', '.join(missing)}; expected W, R, and optionally B and P")
    W, R = inputs["W"][direction], inputs["R"][direction]
    b_x, b_h = np.split(inputs["B"][direction], 2) if "B" in inputs else np.zeros((2, len(W)), W.dtype)
    sizes = W.shape[-1], R.shape[-1]
    if op_type == "GRU":
        cell = cells.GRU(*sizes, reset="after" if linear_before_reset else "before")
    else:
        cell = cells.PeepholeLSTM(*sizes) if "P" in inputs else getattr(cells, op_type)(*sizes)
    params = _unstack(cell, "ONNX", W, R, b_x, b_h)
    if "P" in inputs:
        _require_shape("P", inputs["P"][direction], (3 * cell.hidden_size,))
        for gate, p in zip(_ONNX_PEEPHOLES, np.split(inputs["P"][direction], 3), strict=True):
            params[f"p_{gate}"] = p.copy()
    return cell, params


def to_onnx(cell, params):
    """The ONNX operator that computes what a cell computes with these parameters.

    Parameters
    ----------
    cell : RNN, LSTM, PeepholeLSTM or GRU
        A GRU's carry of 1−z is turned into z, which is ONNX's.
    params : dict of str to ndarray
        Its parameters.

    Returns
    -------
    op_type : str
    inputs : dict of str to ndarray
        ``W (1, G*H, I)``, ``R (1, G*H, H)``, ``B (1, 2*G*H)`` and for a `PeepholeLSTM` ``P (1, 3*H)``, in which a
        peephole that is not there is zero.
    attributes : dict
        ``hidden_size``, and for a GRU ``linear_before_reset``.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import LSTM, convert
    >>> cell = LSTM(3, 5)
    >>> op_type, inputs, attributes = convert.to_onnx(cell, cell.init(np.random.default_rng(0)))
    >>> op_type, inputs["W"].shape, attributes
    ('LSTM', (1, 20, 3), {'hidden_size': 5})
    """
    _require_kind("ONNX", cell)
    attributes = {"hidden_size": cell.hidden_size}
    if isinstance(cell, cells.GRU):
        cell, params = gru_convention(cell, params, carry="z")
        attributes["linear_before_reset"] = int(cell.reset == "after")
    W, R, b_x, b_h = _stack(cell, "ONNX", params)
    inputs = {"W": W, "R": R, "B": np.concatenate([b_x, b_h])}
    if isinstance(cell, cells.PeepholeLSTM):
        closed = np.zeros(cell.hidden_size, W.dtype)
        inputs["P"] = np.concatenate([params.get(f"p_{gate}", closed) for gate in _ONNX_PEEPHOLES])
    op_type = "LSTM" if isinstance(cell, cells.PeepholeLSTM) else type(cell).__name__
    return op_type, {name: value[None] for name, value in inputs.items()}, attributes


# -- Keras -----------------------------------------------------------------------------------------------

def from_keras(layer_type, weights, reset_after=True):
    """The NumPy cell and parameters of a Keras layer.

    Parameters
    ----------
    layer_type : {"SimpleRNN", "LSTM", "GRU"}
        With Keras's default activations: tanh, and sigmoid for the gates.
    weights : sequence of ndarray
        What ``layer.get_weights()`` returns: kernel ``(I, G*H)``, recurrent kernel ``(H, G*H)`` and, with
        ``use_bias``, the bias.
    reset_after : bool, optional
        The GRU's argument.

    Returns
    -------
    cell : Cell
    params : dict of str to ndarray

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import convert
    >>> convert.from_keras("SimpleRNN", [np.ones((3, 5)), np.ones((5, 5)), np.ones(5)])[0]
    RNN(input_size=3, hidden_size=5)
    """
    if layer_type not in ("SimpleRNN", "LSTM", "GRU"):
        raise ValueError(f"layer_type is {layer_type!r}; expected 'SimpleRNN', 'LSTM' or 'GRU'")
    if len(weights) not in (2, 3):
        raise ValueError(f"weights has {len(weights)} arrays; expected kernel, recurrent_kernel and, if any, bias")
    kernel, recurrent_kernel = weights[:2]
    sizes = len(kernel), len(recurrent_kernel)
    if layer_type == "GRU":
        cell = cells.GRU(*sizes, reset="after" if reset_after else "before")
    else:
        cell = {"SimpleRNN": cells.RNN, "LSTM": cells.LSTM}[layer_type](*sizes)
    zero = np.zeros(kernel.shape[-1], kernel.dtype)
    bias = weights[2] if len(weights) == 3 else zero
    two = layer_type == "GRU" and reset_after and len(weights) == 3
    if two:
        _require_shape("bias", bias, (2, len(zero)))
    b_x, b_h = bias if two else (bias, zero)
    return cell, _unstack(cell, "Keras", kernel.T, recurrent_kernel.T, b_x, b_h)


def to_keras(cell, params):
    """The Keras layer that computes what a cell computes with these parameters.

    Parameters
    ----------
    cell : RNN, LSTM or GRU
        A GRU's carry of 1−z is turned into z, which is Keras's.
    params : dict of str to ndarray
        Its parameters.

    Returns
    -------
    layer_type : str
    weights : list of ndarray
        For ``layer.set_weights``: kernel, recurrent kernel, bias.
    arguments : dict
        Of the layer: ``units``, and for a GRU ``reset_after``.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import GRU, convert
    >>> cell = GRU(3, 5)
    >>> layer_type, weights, arguments = convert.to_keras(cell, cell.init(np.random.default_rng(0)))
    >>> [w.shape for w in weights], arguments
    ([(3, 15), (5, 15), (2, 15)], {'units': 5, 'reset_after': True})
    """
    _require_kind("Keras", cell)
    arguments = {"units": cell.hidden_size}
    if isinstance(cell, cells.GRU):
        cell, params = gru_convention(cell, params, carry="z")
        arguments["reset_after"] = cell.reset == "after"
    W, R, b_x, b_h = _stack(cell, "Keras", params)
    bias = np.stack([b_x, b_h]) if arguments.get("reset_after") else b_x
    layer_type = "SimpleRNN" if isinstance(cell, cells.RNN) else type(cell).__name__
    return layer_type, [np.ascontiguousarray(W.T), np.ascontiguousarray(R.T), bias], arguments


# -- the GRU's conventions -------------------------------------------------------------------------------

def gru_convention(cell, params, reset=None, carry=None):
    r"""The same function as a GRU of another convention.

    A carry of z and one of 1−z are one family, since :math:`1 - \sigma(a) = \sigma(-a)`: ``W_z`` and ``b_z`` change
    their sign. A reset before and one after the product are not: :math:`W_n^h (r \odot h)` scales what each unit of h
    gives, :math:`r \odot (W_n^h h)` what each unit of n gets, and no weights make one the other.

    Parameters
    ----------
    cell : GRU
    params : dict of str to ndarray
        Its parameters.
    reset : {"before", "after"}, optional
        That of the new cell; has to be the old one's.
    carry : {"z", "1-z"}, optional
        That of the new cell; the old one's by default.

    Returns
    -------
    cell : GRU
    params : dict of str to ndarray

    Raises
    ------
    ValueError
        If the reset would have to change its place.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmlab import GRU, convert
    >>> cell = GRU(3, 5, carry="1-z")
    >>> convert.gru_convention(cell, cell.init(np.random.default_rng(0)), carry="z")[0]
    GRU(input_size=3, hidden_size=5, reset='after', carry='z')
    """
    if not isinstance(cell, cells.GRU):
        raise TypeError(f"cell is {type(cell).__name__}; expected GRU")
    cell._check_params(params)
    new = cells.GRU(cell.input_size, cell.hidden_size, cell.reset if reset is None else reset,
                    cell.carry if carry is None else carry)
    if new.reset != cell.reset:
        raise ValueError(f"the GRU has reset={cell.reset!r} and cannot be written with reset={new.reset!r}: scaling h "
                         "before the matrix W_n and scaling the product after it are different functions of h, and no "
                         "weights make one the other")
    sign = 1 if new.carry == cell.carry else -1
    return new, {name: sign * value if name in ("W_z", "b_z") else value.copy() for name, value in params.items()}


# -- stacking --------------------------------------------------------------------------------------------

def _stack(cell, layout, params):
    """Parameters as ``W (G*H, I)``, ``R (G*H, H)`` and two biases ``(G*H,)``, the gates in the layout's order."""
    cell._check_params(params)
    order, H = _ORDERS[layout][type(cell)], cell.hidden_size
    W, R = (np.concatenate([params[f"W_{g}"][:, part] for g in order]) for part in (slice(H, None), slice(H)))
    b_x = np.concatenate([params[f"b_{g}"] for g in order])
    b_h = np.zeros_like(b_x)
    if "b_hn" in params:
        b_h[order.index("n") * H:][:H] = params["b_hn"]
    return W, R, b_x, b_h


def _unstack(cell, layout, W, R, b_x, b_h):
    """Undo `_stack`; biases are added up where the cell has one."""
    order, H, I = _ORDERS[layout][type(cell)], cell.hidden_size, cell.input_size
    rows = len(order) * H
    for name, value, shape in (("W", W, (rows, I)), ("R", R, (rows, H)),
                               ("the input bias", b_x, (rows,)), ("the recurrent bias", b_h, (rows,))):
        _require_shape(name, value, shape)
    params = {}
    for k, g in enumerate(order):
        at = slice(k * H, (k + 1) * H)
        params[f"W_{g}"] = np.concatenate([R[at], W[at]], axis=1)
        if f"b_h{g}" in cell.parameter_shapes():
            params[f"b_{g}"], params[f"b_h{g}"] = b_x[at].copy(), b_h[at].copy()
        else:
            params[f"b_{g}"] = b_x[at] + b_h[at]
    return params


def _require_kind(layout, cell):
    kinds = _ORDERS[layout]
    if type(cell) not in kinds:
        raise TypeError(f"cell is {type(cell).__name__}, which has no counterpart in {layout}; expected one of "
                        f"{', '.join(kind.__name__ for kind in kinds)}")


def _require_shape(name, value, shape):
    if value.shape != shape:
        raise ValueError(f"{name} has shape {value.shape} of one direction; expected {shape}, the gates stacked")


def _array(parameter):
    """A torch parameter as an array of its own."""
    if str(parameter.dtype) not in ("torch.float32", "torch.float64"):
        raise TypeError(f"nn_module has dtype {parameter.dtype}; expected torch.float32 or torch.float64")
    return parameter.detach().cpu().numpy().copy()
