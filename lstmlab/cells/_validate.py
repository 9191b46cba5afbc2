"""Input checks whose message says what was expected and what came."""

from __future__ import annotations

import numbers

import numpy as np

_KINDS = {"f": "float32 or float64", "b": "bool"}


def require_integer(name: str, value: int, least: int = 1) -> int:
    """Return `value` as an int, or raise: it must be an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); expected an integer >= {least}")
    if value < least:
        raise ValueError(f"{name} is {value}; expected an integer >= {least}")
    return int(value)


def require_array(name: str, value: np.ndarray, shape: tuple, words: str, kinds: str = "f") -> np.ndarray:
    """Return `value`, or raise: it must be an array of that dtype kind and shape (None fits any length).

    Complex arrays pass for floats: a complex step is how a gradient is checked to rounding error.
    """
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} is {type(value).__name__}; expected a NumPy array of shape {_show(shape)} = {words}")
    if value.dtype.kind not in (kinds + "c" if kinds == "f" else kinds):
        raise TypeError(f"{name} has dtype {value.dtype}; expected {_KINDS[kinds]}")
    fits = value.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, value.shape, strict=True))
    if not fits:
        raise ValueError(f"{name} has shape {value.shape}; expected {_show(shape)} = {words}")
    if 0 in value.shape:
        raise ValueError(f"{name} has shape {value.shape}; every length must be at least 1")
    return value


def _show(shape: tuple) -> str:
    """A shape with ``:`` for any length, written as Python writes tuples."""
    inside = ", ".join(":" if n is None else str(n) for n in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"
