"""The three numerical derivatives, and what they refuse."""

import numpy as np
import pytest

from lstmlab.gradcheck import complex_step_gradient, directional_derivative, numerical_gradient

X = np.random.default_rng(0).normal(size=(3, 2))


def smooth(x):
    """A function with a known gradient, `smooth_gradient`."""
    return (np.sin(x) * np.exp(x)).sum()


def smooth_gradient(x):
    return (np.cos(x) + np.sin(x)) * np.exp(x)


def test_central_difference_is_good_to_the_two_thirds_power_of_epsilon():
    """Central differences agree with the formula to about 1e-10: eq-central-difference, eq-best-error."""
    np.testing.assert_allclose(numerical_gradient(smooth, X), smooth_gradient(X), rtol=1e-8, atol=1e-9)


def test_complex_step_is_exact_to_rounding():
    """Complex steps agree with the formula to a few units of rounding: eq-complex-step-limit."""
    np.testing.assert_allclose(complex_step_gradient(smooth, X), smooth_gradient(X), rtol=1e-14)


def test_directional_derivative_is_the_gradient_along_v():
    """One difference along v gives ⟨∇f, v⟩, whatever the length of v: eq-directional-derivative."""
    v = np.random.default_rng(1).normal(size=X.shape)
    for length in (1e-3, 1.0, 1e3):
        assert directional_derivative(smooth, X, length * v) == pytest.approx(
            length * (smooth_gradient(X) * v).sum(), rel=1e-8)


@pytest.mark.parametrize("derivative", [numerical_gradient, complex_step_gradient,
                                        lambda f, x: directional_derivative(f, x, np.ones(x.shape))])
def test_the_point_is_left_alone_and_must_be_float64(derivative):
    """x is never changed; an integer, float32 or list x is refused, for it would swallow the step."""
    before = X.copy()
    derivative(smooth, X)
    np.testing.assert_array_equal(X, before)
    for wrong in (X.astype(int), X.astype(np.float32)):
        with pytest.raises(TypeError, match=f"x is dtype {wrong.dtype}; expected a float64 array"):
            derivative(smooth, wrong)


@pytest.mark.parametrize("derivative", [numerical_gradient, complex_step_gradient,
                                        lambda f, x: directional_derivative(f, x, np.ones(x.shape))])
def test_the_function_must_return_a_scalar(derivative):
    """A function that returns an array is refused with the shape that came."""
    with pytest.raises(ValueError, match=r"f returned shape \(3, 2\); expected a scalar"):
        derivative(lambda x: 2 * x, X)


@pytest.mark.parametrize(("f", "error", "message"), [
    (lambda x: np.abs(x).sum(), TypeError, "f returned float64 for a complex argument"),
    (lambda x: (np.abs(x) * x).sum(), ValueError, "f is not analytic, or drops the imaginary part"),
    (lambda x: (x.real ** 2).sum() + 0 * x.sum(), ValueError, "the complex step gives 0 along a direction"),
    (lambda x: x.astype(float).sum(), TypeError, "f casts complex numbers to real on the way"),
])
def test_complex_step_refuses_what_is_not_analytic(f, error, message):
    """A function that loses the imaginary part, wholly, partly or by a cast, gets a refusal and no gradient."""
    with pytest.raises(error, match=message):
        complex_step_gradient(f, X)


def test_a_step_must_be_positive_and_a_direction_must_point_somewhere():
    """eps ≤ 0 and a zero or misshapen direction are refused."""
    with pytest.raises(ValueError, match="eps is 0; expected a positive step"):
        numerical_gradient(smooth, X, eps=0)
    with pytest.raises(ValueError, match="not all zeros"):
        directional_derivative(smooth, X, 0 * X)
    with pytest.raises(ValueError, match=r"v has shape \(3,\)"):
        directional_derivative(smooth, X, X[:, 0].copy())
