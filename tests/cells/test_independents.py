"""Every cell against code that shares nothing with it: torch.nn where it has the cell, else autograd of formulas."""

import numpy as np
import pytest
import torch

from lstmlab import GRU, LSTM, RNN
from tests.cells.cases import CELLS, by_name, draw, draw_state, relative_gap


def affine(p, gate, h, x):
    """W·[h, x] + b of a gate."""
    return torch.cat([h, x], dim=1) @ p[f"W_{gate}"].T + p[f"b_{gate}"]


def lstm_family(name):
    """The LSTM and its relatives after Greff et al.'s list, as one torch function of a step.

    eq-lstm-forget-gate to eq-lstm-hidden-state; eq-peephole-forget-gate, eq-peephole-input-gate,
    eq-peephole-output-gate; eq-cifg-input-gate.
    """
    kind = name.split("-")[-1]

    def step(p, x, h, C, *before):
        recurrent = dict(zip("fio", before, strict=False))

        def gate(g, seen):
            if f"W_{g}" not in p:
                return torch.ones_like(C)
            z = affine(p, g, h, x)
            if f"p_{g}" in p:
                z = z + p[f"p_{g}"] * seen
            for a, value in recurrent.items():
                z = z + value @ p[f"R_{a}{g}"].T
            return torch.sigmoid(z)

        f = gate("f", C)
        i = 1 - f if kind == "CIFG" else gate("i", C)
        candidate = affine(p, "C", h, x)
        new = f * C + i * (candidate if kind == "NIAF" else torch.tanh(candidate))
        o = gate("o", new)
        h = o * (new if kind == "NOAF" else torch.tanh(new))
        return (h, new, f, i, o) if kind == "FGR" else (h, new)
    return step


def gru_family(name):
    """The GRU in its conventions, as one torch function of a step: eq-gru-update-gate to eq-gru-keep."""
    def step(p, x, h):
        H = h.shape[1]
        z, r = torch.sigmoid(affine(p, "z", h, x)), torch.sigmoid(affine(p, "r", h, x))
        if "-before-" in name:
            n = torch.tanh(affine(p, "n", r * h, x))
        else:
            n = torch.tanh(x @ p["W_n"][:, H:].T + p["b_n"] + r * (h @ p["W_n"][:, :H].T + p["b_hn"]))
        return ((1 - z) * h + z * n,) if name.endswith("1-z") else (z * h + (1 - z) * n,)
    return step


def rnn(p, x, h):
    """The formula of the simple recurrent network."""
    return (torch.tanh(affine(p, "h", h, x)),)


def formulas(name):
    return rnn if name == "RNN" else gru_family(name) if name.startswith("GRU") else lstm_family(name)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("masked", [False, True])
def test_outputs_and_gradients_equal_autograd_of_the_formulas(name, masked):
    """Outputs to 1e-12, every gradient to 1e-10, against torch's autograd of separately written formulas.

    RNN: eq-rnn-hidden-state, eq-rnn-dz, eq-rnn-dhx, eq-rnn-dh and eq-rnn-dW-sum, masked eq-rnn-mask-backward.
    """
    cell, rng = CELLS[name](3, 5), np.random.default_rng(0)
    params, xs, state = draw(cell, rng, T=9, B=3)
    mask = rng.random((9, 3)) < 0.7 if masked else np.ones((9, 3), bool)
    dhs, dlast = rng.normal(size=(9, 3, 5)), draw_state(cell, rng, 3)
    hs, last, tape = cell.forward(params, xs, state, mask if masked else None)
    ours = by_name(cell, *cell.backward(params, tape, dhs, dlast))

    p = {k: torch.tensor(v, requires_grad=True) for k, v in params.items()}
    inputs, start = torch.tensor(xs, requires_grad=True), [torch.tensor(s, requires_grad=True) for s in state]
    values, outputs, step = start, [], formulas(name)
    for x, on in zip(inputs, torch.tensor(mask)[..., None], strict=True):
        new = step(p, x, *values)
        outputs.append(torch.where(on, new[0], torch.zeros_like(new[0])))
        values = [torch.where(on, a, b) for a, b in zip(new, values, strict=True)]
    outputs = torch.stack(outputs)
    loss = (outputs * torch.tensor(dhs)).sum() + sum((v * torch.tensor(d)).sum()
                                                     for v, d in zip(values, dlast, strict=True))
    loss.backward()
    theirs = by_name(cell, inputs.grad, [s.grad for s in start], {k: v.grad for k, v in p.items()})
    assert relative_gap(hs, outputs.detach().numpy()) <= 1e-12
    assert all(relative_gap(a, b.detach().numpy()) <= 1e-12 for a, b in zip(last, values, strict=True))
    assert max(relative_gap(ours[k], theirs[k].numpy()) for k in theirs) <= 1e-10


@pytest.mark.parametrize(("cell", "layer", "order"), [
    (RNN(3, 5), torch.nn.RNN, "h"), (LSTM(3, 5), torch.nn.LSTM, "ifCo"), (GRU(3, 5), torch.nn.GRU, "rzn")])
def test_outputs_and_gradients_equal_torch_nn(cell, layer, order):
    """RNN, LSTM and GRU (reset after, carry z) equal torch.nn in float64: outputs 1e-12, gradients 1e-10."""
    rng, H = np.random.default_rng(0), 5
    params, xs, state = draw(cell, rng, T=20, B=4)
    layer = layer(3, H).double()
    gru = {} if "b_hn" not in params else {"n": params["b_hn"]}
    with torch.no_grad():
        layer.weight_hh_l0.copy_(torch.tensor(np.concatenate([params[f"W_{g}"][:, :H] for g in order])))
        layer.weight_ih_l0.copy_(torch.tensor(np.concatenate([params[f"W_{g}"][:, H:] for g in order])))
        layer.bias_ih_l0.copy_(torch.tensor(np.concatenate([params[f"b_{g}"] for g in order])))
        layer.bias_hh_l0.copy_(torch.tensor(np.concatenate([gru.get(g, np.zeros(H)) for g in order])))
    dhs, dlast = rng.normal(size=(20, 4, H)), draw_state(cell, rng, 4)
    hs, last, tape = cell.forward(params, xs, state)
    dxs, dstate0, dparams = cell.backward(params, tape, dhs, dlast)

    inputs, start = torch.tensor(xs, requires_grad=True), [torch.tensor(s[None], requires_grad=True) for s in state]
    outputs, final = layer(inputs, tuple(start) if len(start) > 1 else start[0])
    final = final if isinstance(final, tuple) else (final,)
    ((outputs * torch.tensor(dhs)).sum() + sum((v[0] * torch.tensor(d)).sum()
                                               for v, d in zip(final, dlast, strict=True))).backward()
    assert relative_gap(hs, outputs.detach().numpy()) <= 1e-12
    assert all(relative_gap(a, b[0].detach().numpy()) <= 1e-12 for a, b in zip(last, final, strict=True))
    theirs = {"xs": inputs.grad, **{f"s{k}": s.grad[0] for k, s in enumerate(start)}}
    ours = {"xs": dxs, **{f"s{k}": d for k, d in enumerate(dstate0)}}
    for n, g in enumerate(order):
        block = slice(n * H, (n + 1) * H)
        theirs[f"W_{g}"] = torch.cat([layer.weight_hh_l0.grad[block], layer.weight_ih_l0.grad[block]], dim=1)
        theirs[f"b_{g}"] = layer.bias_ih_l0.grad[block]
        ours.update({f"W_{g}": dparams[f"W_{g}"], f"b_{g}": dparams[f"b_{g}"]})
        if g in gru:
            theirs["b_hn"], ours["b_hn"] = layer.bias_hh_l0.grad[block], dparams["b_hn"]
    assert max(relative_gap(ours[k], theirs[k].numpy()) for k in theirs) <= 1e-10
