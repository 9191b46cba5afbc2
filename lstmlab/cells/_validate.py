"""Input checks whose message says what was expected and what came."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

REAL = (np.dtype(np.float32), np.dtype(np.float64))
COMPLEX = (np.dtype(np.complex64), np.dtype(np.complex128))


def require_integer(name: str, value: int, least: int = 1) -> int:
    """Return `value` as an int, or raise: it must be an integer of at least `least`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); expected an integer >= {least}")
    if value < least:
        raise ValueError(f"{name} is {value}; expected an integer >= {least}")
    return int(value)


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return `value`, or raise: it must be one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, choices))}")
    return value


def require_dtype(dtype: Any) -> np.dtype:
    """Return `dtype` as a NumPy dtype, or raise: it must be float32 or float64 (complex for a complex step)."""
    dtype = np.dtype(dtype)
    if dtype not in REAL + COMPLEX:
        raise TypeError(f"dtype is {dtype}; expected float32 or float64")
    return dtype


def require_floats(name: str, value: np.ndarray, shape: tuple, words: str) -> np.ndarray:
    """Return `value`, or raise: it must be a float32 or float64 array of that shape (None fits any length).

    Complex arrays pass too: a complex step is how a gradient is checked to rounding error.
    """
    return _require_array(name, value, shape, words, REAL + COMPLEX, "float32 or float64")


def require_mask(name: str, value: np.ndarray, shape: tuple, words: str) -> np.ndarray:
    """Return `value`, or raise: it must be an array of bool of that shape."""
    return _require_array(name, value, shape, words, (np.dtype(bool),), "bool")


def _require_array(name, value, shape, words, dtypes, kinds) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} is {type(value).__name__}; expected a NumPy array of shape {_show(shape)} = {words}")
    if value.dtype not in dtypes:
        raise TypeError(f"{name} has dtype {value.dtype}; expected {kinds}")
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
