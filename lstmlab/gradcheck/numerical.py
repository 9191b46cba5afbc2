"""Numerical gradients: what a derivative is, computed from function values alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


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
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        came = f"dtype {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"x is {came}; expected a float64 array, or the step is lost in rounding")
    if eps is None:
        eps = np.finfo(np.float64).eps ** (1 / 3)
    if not eps > 0:
        raise ValueError(f"eps is {eps}; expected a positive step")
    gradient = np.empty_like(x)
    for k in np.ndindex(x.shape):
        step = eps * max(1.0, abs(x[k]))
        values = []
        for sign in (1, -1):
            moved = x.copy()
            moved[k] += sign * step
            value = np.asarray(f(moved))
            if value.shape != ():
                raise ValueError(f"f returned shape {value.shape}; expected a scalar")
            values.append((float(value), moved[k]))
        (above, x_above), (below, x_below) = values
        gradient[k] = (above - below) / (x_above - x_below)       # the step as it was stored, not as it was meant
    return gradient
