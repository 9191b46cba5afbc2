"""Numerical gradients: what a derivative is, computed from function values alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

CENTRAL_STEP = np.finfo(np.float64).eps ** (1 / 3)       # where truncation and rounding error balance
COMPLEX_STEP = 1e-100                                    # its square is nothing beside 1, and it is far from underflow


def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, eps: float | None = None) -> np.ndarray:
    r"""Gradient of a scalar function by central differences.

    .. math:: \frac{\partial f}{\partial x_k} \approx \frac{f(x + \epsilon e_k) - f(x - \epsilon e_k)}{2 \epsilon}

    The truncation error falls with :math:`\epsilon^2`, the rounding error grows with :math:`1/\epsilon`;
    they balance near the cube root of the machine epsilon.

    Parameters
    ----------
    f : callable
        Takes an array of the shape of `x`, returns a float. It must not keep or change what it is given.
    x : ndarray of float64
        The point. It is never changed.
    eps : float, optional
        The step, relative to ``max(1, |x_k|)``; 6.06e-6 by default, the cube root of the float64 epsilon.

    Returns
    -------
    ndarray of float64
        The gradient, in the shape of `x`.

    Raises
    ------
    TypeError
        If `x` is no float64 array: an integer or float32 copy would swallow the step.
    ValueError
        If `eps` is not positive, or `f` does not return a scalar.

    Examples
    --------
    >>> x = np.array([1.0, -2.0])
    >>> numerical_gradient(lambda x: (x ** 2).sum(), x).round(8)
    array([ 2., -4.])
    """
    _require_float64("x", x)
    eps = CENTRAL_STEP if eps is None else eps
    if not eps > 0:
        raise ValueError(f"eps is {eps}; expected a positive step")
    gradient = np.empty_like(x)
    for k in np.ndindex(x.shape):
        step = eps * max(1.0, abs(x[k]))
        values = []
        for sign in (1, -1):
            moved = x.copy()
            moved[k] += sign * step
            x_k = moved[k]
            values.append((float(_require_scalar(f(moved))), x_k))
        (above, x_above), (below, x_below) = values
        gradient[k] = (above - below) / (x_above - x_below)         # the step as it was stored
    return gradient


def directional_derivative(f: Callable[[np.ndarray], float], x: np.ndarray, v: np.ndarray,
                           eps: float | None = None) -> float:
    r"""Derivative of a scalar function along `v`, by one central difference.

    .. math:: \langle \nabla f(x), v \rangle \approx \frac{f(x + \epsilon v) - f(x - \epsilon v)}{2 \epsilon}

    Two evaluations whatever the size of `x`: how the gradient of a large model is checked.

    Parameters
    ----------
    f : callable
        Takes an array of the shape of `x`, returns a float.
    x : ndarray of float64
        The point. It is never changed.
    v : ndarray of float64
        The direction, in the shape of `x`.
    eps : float, optional
        The step, relative to the largest entry of `x` or 1; 6.06e-6 by default.

    Returns
    -------
    float
        The derivative.

    Raises
    ------
    TypeError
        If `x` or `v` is no float64 array.
    ValueError
        If the shapes differ, `v` is zero, or `f` does not return a scalar.

    Examples
    --------
    >>> x, v = np.array([1.0, -2.0]), np.array([1.0, 1.0])
    >>> round(directional_derivative(lambda x: (x ** 2).sum(), x, v), 6)
    -2.0
    """
    _require_float64("x", x)
    _require_float64("v", v)
    if v.shape != x.shape or not np.any(v):
        raise ValueError(f"v has shape {v.shape} and largest entry {np.abs(v).max(initial=0)}; "
                         f"expected shape {x.shape} and not all zeros")
    step = float((CENTRAL_STEP if eps is None else eps) * max(1.0, np.abs(x).max()) / np.abs(v).max())
    above, below = (float(_require_scalar(f(x + sign * step * v))) for sign in (1, -1))
    return (above - below) / (2 * step)


def complex_step_gradient(f: Callable[[np.ndarray], complex], x: np.ndarray) -> np.ndarray:
    r"""Gradient of a scalar function by complex steps: exact to rounding.

    .. math::

        \frac{\partial f}{\partial x_k} = \frac{\operatorname{Im} f(x + i \epsilon e_k)}{\epsilon} + O(\epsilon^2),
        \qquad \epsilon = 10^{-100}

    Nothing is subtracted, so nothing cancels and the step can be as small as one likes. The price: `f` must
    be analytic and must carry complex numbers from end to end. Where it does not (an absolute value, a
    comparison, a buffer of floats) the imaginary part is lost in silence; so the result is held
    against one directional central difference, and refused where they disagree.

    Parameters
    ----------
    f : callable
        Takes a complex array of the shape of `x`, returns a complex number; real in, real out.
    x : ndarray of float64
        The point. It is never changed.

    Returns
    -------
    ndarray of float64
        The gradient, in the shape of `x`.

    Raises
    ------
    TypeError
        If `x` is no float64 array, or `f` returns a real number for a complex argument.
    ValueError
        If the gradient disagrees with a central difference: `f` drops the imaginary part on the way.

    References
    ----------
    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review
    40(1), 1998.

    Examples
    --------
    >>> complex_step_gradient(lambda x: (x ** 2).sum(), np.array([1.0, -2.0]))
    array([ 2., -4.])
    >>> complex_step_gradient(lambda x: np.abs(x).sum(), np.array([1.0, -2.0]))
    Traceback (most recent call last):
        ...
    TypeError: f returned float64 for a complex argument; expected complex128: the imaginary part was dropped
    """
    _require_float64("x", x)
    gradient = _complex_steps(f, x)
    _require_agreement(f, x, gradient)
    return gradient


def _complex_steps(f, x) -> np.ndarray:
    """The gradient, whatever `f` does on the way."""
    gradient = np.empty_like(x)
    for k in np.ndindex(x.shape):
        moved = x.astype(np.complex128)
        moved[k] += 1j * COMPLEX_STEP
        gradient[k] = _imaginary(f, moved) / COMPLEX_STEP
    return gradient


def _imaginary(f, moved) -> float:
    """The imaginary part of f, which must be complex; a cast to real inside of f is an error too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            value = _require_scalar(f(moved))
        except np.exceptions.ComplexWarning as cast:
            raise TypeError("f casts complex numbers to real on the way; a complex step needs them all along") from cast
    if value.dtype.kind != "c":
        raise TypeError(f"f returned {value.dtype} for a complex argument; expected complex128: "
                        "the imaginary part was dropped")
    return float(value.imag)


def _require_agreement(f, x, gradient) -> None:
    """Refuse a complex-step gradient that one central difference, along random signs, contradicts."""
    v = np.random.default_rng(0).choice([-1.0, 1.0], size=x.shape)
    by_complex, by_difference = float((gradient * v).sum()), directional_derivative(f, x, v)
    size = max(1.0, abs(float(np.real(f(x)))))
    allowed = 1e-5 * max(np.linalg.norm(gradient), abs(by_difference)) + 1e-8 * size
    if not abs(by_complex - by_difference) <= allowed:
        raise ValueError(f"the complex step gives {by_complex:.6g} along a direction in which a central difference "
                         f"gives {by_difference:.6g}; f is not analytic, or drops the imaginary part on the way")


def _require_float64(name, x) -> None:
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        came = f"dtype {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"{name} is {came}; expected a float64 array, or the step is lost in rounding")


def _require_scalar(value) -> np.ndarray:
    value = np.asarray(value)
    if value.shape != ():
        raise ValueError(f"f returned shape {value.shape}; expected a scalar")
    return value
