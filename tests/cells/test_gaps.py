"""What the book proves of gradients over a gap, held against `RNN.backward`."""

import numpy as np
import pytest

from lstmlab import RNN, HState


def run(size, seed, T=20, H=6):
    """An RNN whose recurrent block has the spectral norm `size`; its states and ∂h_T/∂h_0 by `backward`."""
    rng = np.random.default_rng(seed)
    cell = RNN(3, H)
    params = cell.init(rng)
    U = rng.normal(size=(H, H))
    params["W_h"][:, :H] = size * U / np.linalg.norm(U, 2)
    xs = np.repeat(rng.normal(size=(T, 1, 3)), H, axis=1)
    hs, _, tape = cell.forward(params, xs)
    _, dstate0, _ = cell.backward(params, tape, np.zeros_like(hs), HState(np.eye(H)))
    return params["W_h"][:, :H], hs[:, 0], dstate0.h


@pytest.mark.parametrize("size", [0.5, 1.0, 3.0])
def test_the_gradient_over_a_gap_is_the_product_of_jacobians(size):
    """The rows that come back for each entry of h_T are J_T ⋯ J_1: eq-rnn-jacobian, eq-jacobian-product."""
    U, hs, found = run(size, seed=0)
    product = np.eye(len(U))
    for h in hs:
        product = (1 - h ** 2)[:, None] * U @ product
    assert np.abs(found - product).max() <= 1e-13 * np.abs(product).max()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [0.5, 0.9, 1.0, 2.0, 8.0])
def test_no_gradient_over_a_gap_exceeds_the_bound(size, seed):
    """The norm is at most the largest slopes times ‖U‖, step by step: eq-vanishing-bound."""
    _, hs, found = run(size, seed)
    assert np.linalg.norm(found, 2) <= (1 + 1e-12) * np.prod(size * (1 - hs ** 2).max(axis=1))


@pytest.mark.parametrize("w", [1.1, 1.5, 2.0, 5.0])
def test_the_latch_keeps_its_bit_up_to_its_threshold(w):
    """Disturbances up to d* never bring the state below h*, a lasting one beyond does: eq-rnn-latch."""
    h_star = np.sqrt(1 - 1 / w)
    d_star = w * h_star - np.arctanh(h_star)
    cell, params = RNN(1, 1), {"W_h": np.array([[w, 1.0]]), "b_h": np.zeros(1)}
    noise = -d_star * np.random.default_rng(0).uniform(-1, 1, size=(2000, 8, 1))
    noise[:, 0] = -0.999 * d_star
    kept, _, _ = cell.forward(params, noise, HState(np.full((8, 1), h_star)))
    lost, _, _ = cell.forward(params, np.full((2000, 1, 1), -1.02 * d_star), HState(np.ones((1, 1))))
    assert kept.min() >= h_star - 1e-12
    assert lost[-1] < 0
