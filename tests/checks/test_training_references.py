"""The references of problem set 4 that train, against the equations of the chapter "Training"."""

import numpy as np

from lstmlab import complex_step_gradient
from lstmlab.checks.ps4_lstm_backward import clip_gradients, sgd_step, squared_error


def test_the_gradients_of_the_squared_error():
    """dhs, dW_y and db_y are what a complex step finds: eq-readout-gradients, eq-squared-error-dy, eq-masked-mean."""
    rng = np.random.default_rng(0)
    W_y, b_y, hs = rng.normal(size=(2, 3)), rng.normal(size=2), rng.uniform(-1, 1, (4, 5, 3))
    targets = rng.normal(size=(4, 5, 2))
    _, dhs, dW_y, db_y = squared_error(W_y, b_y, hs, targets)
    measured = (complex_step_gradient(lambda v: squared_error(W_y, b_y, v, targets)[0], hs),
                complex_step_gradient(lambda v: squared_error(v, b_y, hs, targets)[0], W_y),
                complex_step_gradient(lambda v: squared_error(W_y, v, hs, targets)[0], b_y))
    for gradient, found in zip((dhs, dW_y, db_y), measured, strict=True):
        assert np.abs(gradient - found).max() < 1e-14


def test_the_velocity_is_a_fading_sum():
    """After s steps the velocity is the sum of μ^(s−τ) g_τ: eq-momentum, eq-momentum-unrolled."""
    gradients = np.random.default_rng(1).normal(size=(12, 3))
    params, velocity = {"w": np.ones(3)}, {"w": np.zeros(3)}
    for g in gradients:
        params, velocity = sgd_step(params, velocity, {"w": g}, 0.1, 0.8)
    fading = 0.8 ** np.arange(12)[::-1]
    np.testing.assert_allclose(velocity["w"], fading @ gradients, rtol=1e-13)


def test_without_momentum_a_step_is_gradient_descent():
    """θ − η g, and nothing else: eq-sgd."""
    g = np.array([3.0, -4.0])
    params, _ = sgd_step({"w": np.ones(2)}, {"w": np.zeros(2)}, {"w": g}, 0.1, 0.0)
    np.testing.assert_array_equal(params["w"], 1.0 - 0.1 * g)


def test_the_clipped_step_is_no_longer_than_the_limit_allows():
    """A step from clipped gradients is at most ηc long and keeps its direction: eq-clip, eq-train-step."""
    g = {"a": np.array([30.0]), "b": np.array([-40.0])}
    params, _ = sgd_step({"a": np.zeros(1), "b": np.zeros(1)}, {"a": np.zeros(1), "b": np.zeros(1)},
                         clip_gradients(g, 5.0), 0.1, 0.0)
    np.testing.assert_allclose([params["a"][0], params["b"][0]], [-0.3, 0.4], rtol=1e-14)
