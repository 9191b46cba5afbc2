"""The network of 1997: the paper's weight counts, and its gradients, truncated and whole, beside torch's autograd."""

import itertools

import numpy as np
import pytest
import torch

from lstmlab.experiments import Network1997, Sequences, WholeGradient1997
from lstmlab.experiments.paper1997 import pick

COUNTS = {
    "1, four blocks of one": (Network1997(7, 7, 4, 1, "gates"), 264),
    "1, three blocks of two": (Network1997(7, 7, 3, 2, "gates"), 276),
    "2a": (Network1997(101, 101, 1, 1, "none", output_gates=False, recurrent=False, direct=True), 10_504),
    "2c, 50": (Network1997(54, 2, 2, 1, "none"), 364),
    "2c, 100": (Network1997(104, 2, 2, 1, "none"), 664),
    "2c, 200": (Network1997(204, 2, 2, 1, "none"), 1_264),
    "2c, 500": (Network1997(504, 2, 2, 1, "none"), 3_064),
    "2c, 1000": (Network1997(1004, 2, 2, 1, "none"), 6_064),
    "3": (Network1997(1, 1, 3, 1, "hidden"), 102),
    "4": (Network1997(2, 1, 2, 2), 93),
    "6a": (Network1997(8, 4, 2, 2), 156),
    "6b": (Network1997(8, 8, 3, 2), 308),
}


@pytest.mark.parametrize(("network", "published"), COUNTS.values(), ids=COUNTS)
def test_weight_counts_are_the_papers(network, published):
    """Each architecture has exactly as many weights as the paper says."""
    assert network.weight_count == published


def draw(rng, network, symbolic):
    """Three sequences of up to six steps with something asked at several of them."""
    lengths = np.array([6, 1, 4])
    classes = rng.integers(-1, network.outputs, (3, 6))
    classes[np.arange(3), lengths - 1] = 0
    if symbolic:
        return Sequences(rng.integers(0, network.inputs, (3, 6)), np.zeros((0, 0, 0)), lengths, classes,
                         np.zeros((0, 0)))
    return Sequences(np.full((3, 6), -1), rng.normal(size=(3, 6, network.inputs)), lengths, classes,
                     rng.uniform(size=(3, network.outputs)))


def descend(network, weights, sequences, rate):
    """The same training by autograd; for the truncated gradient, hidden units are cut off where they are read later."""
    def squash(kind, z, scale):
        return {"logistic": torch.sigmoid, "linear": lambda z: z, "identity": lambda z: z}.get(
            kind, lambda z: scale * (2 * torch.sigmoid(z) - 1))(z)

    w = [torch.tensor(array, requires_grad=True) for array in weights]
    free = [np.ones_like(weights.hidden), network.has_bias, np.ones_like(weights.output),
            np.ones_like(weights.direct), np.full(network.outputs, network.bias == "hidden and output")]
    cells, blocks = network.cell_count, network.blocks

    def update(loss):
        for tensor, mask, gradient in zip(w, free, torch.autograd.grad(loss, w, allow_unused=True), strict=True):
            if gradient is not None:
                tensor.data -= rate * gradient * torch.tensor(mask)

    for n, length in enumerate(sequences.lengths):
        y, s, total = torch.zeros(network.units, dtype=torch.float64), 0.0, 0.0
        for t in range(length):
            symbol = sequences.symbols[n, t]
            x = torch.tensor(np.eye(network.inputs)[symbol] if symbol >= 0 else sequences.values[n, t])
            earlier = y if isinstance(network, WholeGradient1997) else y.detach()
            source = torch.cat([x, earlier]) if network.recurrent else x
            net = w[0] @ source + w[1]
            gates = torch.sigmoid(net[cells:])
            opened = gates[:blocks].repeat_interleave(network.cells)
            s = s + opened * squash(network.g, net[:cells], 2.0)
            shown = squash(network.h, s, 1.0)
            y_cells = shown * gates[blocks:].repeat_interleave(network.cells) if network.output_gates else shown
            y = torch.cat([y_cells, gates])
            wanted, last = sequences.classes[n, t], t == length - 1 and len(sequences.targets)
            if wanted < 0 and not last:
                continue
            a = w[2] @ y_cells + w[4] + (w[3] @ x if network.direct else 0.0)
            target = torch.tensor(sequences.targets[n] if last else np.eye(network.outputs)[wanted])
            if network.cross_entropy:
                loss = torch.nn.functional.binary_cross_entropy_with_logits(a, target, reduction="sum")
            else:
                loss = 0.5 * ((squash(network.output, a, 1.0) - target) ** 2).sum()
            total = total + loss
        update(total)
    return [tensor.detach().numpy() for tensor in w]


NETWORKS = [Network1997(3, 2, 2, 2, online="sequence"),
            Network1997(3, 2, 3, 1, "gates", online="sequence"),
            Network1997(3, 2, 2, 2, "hidden", output="linear", online="sequence"),
            Network1997(3, 2, 2, 1, "none", cross_entropy=True, online="sequence"),
            Network1997(3, 3, 1, 1, "none", output_gates=False, recurrent=False, direct=True, g="logistic",
                        h="identity", online="sequence")]


@pytest.mark.parametrize(("network", "symbolic"), list(itertools.product(NETWORKS, [True, False])))
def test_the_truncated_gradient_is_autograds(network, symbolic):
    """Appendix A.1: all weights after three sequences equal those of autograd with the recurrent inputs cut off."""
    rng = np.random.default_rng(3)
    weights = network.init(rng, 0.8)
    sequences = draw(rng, network, symbolic)
    expected = descend(network, weights, sequences, 0.3)
    network.train(weights, sequences, 0.3)
    for came, array in zip(weights, expected, strict=True):
        np.testing.assert_allclose(came, array, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("network", [
    WholeGradient1997(3, 2, 2, 2, online="sequence"), WholeGradient1997(3, 2, 3, 1, "gates", online="sequence"),
    WholeGradient1997(3, 2, 2, 2, "none", cross_entropy=True, h="identity", online="sequence")])
def test_the_whole_gradient_is_autograds(network):
    """Nothing is cut: all weights after three sequences equal those of autograd, and so do the errors before."""
    rng = np.random.default_rng(8)
    weights = network.init(rng, 0.8)
    sequences = draw(rng, network, symbolic=True)
    first = network.train(weights, pick(sequences, slice(1)), 0.0, keep_outputs=True)
    expected = descend(network, weights, sequences, 0.3)
    trained = network.train(weights, sequences, 0.3, keep_outputs=True)
    for came, array in zip(weights, expected, strict=True):
        np.testing.assert_allclose(came, array, rtol=1e-12, atol=1e-13)
    for came, array in zip(first, trained, strict=True):
        np.testing.assert_allclose(array[:1], came, rtol=1e-13)


def test_the_whole_gradient_says_what_it_is_not_there_for():
    """Weights that change at once, or sequences of numbers, get one clear error."""
    with pytest.raises(ValueError, match="online='sequence'; it was asked for with True, True, False and 'step'"):
        WholeGradient1997(3, 2, 2, 1)
    network = WholeGradient1997(3, 2, 2, 1, online="sequence")
    rng = np.random.default_rng(9)
    with pytest.raises(ValueError, match="the sequences hold numbers"):
        network.train(network.init(rng, 0.5), draw(rng, network, symbolic=False), 0.1)


def test_online_by_the_step_changes_the_weights_at_once():
    """With one thing asked per sequence both ways are the same; with several they are not."""
    rng = np.random.default_rng(4)
    step, sequence = Network1997(3, 2, 2, 1), Network1997(3, 2, 2, 1, online="sequence")
    asked = draw(rng, step, symbolic=True)
    once = asked._replace(classes=np.where(np.arange(6) == asked.lengths[:, None] - 1, asked.classes, -1))
    for sequences, same in ((once, True), (asked, False)):
        left, right = step.init(np.random.default_rng(5), 0.5), step.init(np.random.default_rng(5), 0.5)
        step.train(left, sequences, 0.5)
        sequence.train(right, sequences, 0.5)
        assert np.allclose(left.hidden, right.hidden, rtol=1e-13, atol=0) == same


def test_predict_leaves_the_weights_and_says_what_was_asked():
    """Outputs are there exactly where something is asked, and looking does not teach."""
    network = Network1997(3, 2, 2, 1)
    weights = network.init(np.random.default_rng(6), 0.5)
    before = [array.copy() for array in weights]
    sequences = draw(np.random.default_rng(7), network, symbolic=True)
    outputs = network.predict(weights, sequences)
    asked = (sequences.classes >= 0) & (np.arange(6) < sequences.lengths[:, None])
    assert np.array_equal(~np.isnan(outputs[..., 0]), asked)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights, strict=True))


@pytest.mark.parametrize(("change", "words"), [
    ({"bias": "some"}, "bias is 'some'; expected one of"), ({"g": "tanh"}, "g is 'tanh'"),
    ({"blocks": 0}, "blocks is 0"),
    ({"output": "linear", "cross_entropy": True}, "needs logistic outputs")])
def test_a_wrong_setting_is_said(change, words):
    """One clear error names what came and what was expected."""
    with pytest.raises(ValueError, match=words):
        Network1997(**({"inputs": 2, "outputs": 1, "blocks": 1, "cells": 1} | change))
