"""Two arrays: are they equal, and if not, what can be said about it without giving the answer away."""

from __future__ import annotations

import itertools
import math

import numpy as np

# below this an array's size does not count: an output that is zero but for rounding may be so in its own way
SMALLEST_SCALE = 1e-4
SINGLE = 1e-5                   # smallest tolerance where float32 is expected: the sums of a sequence round


def close(came: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays have one shape and entries equal within `tolerance` of the largest; NaN equals NaN."""
    return came.shape == expected.shape and not _off(came, expected, tolerance).any()


def difference(came: np.ndarray, expected: np.ndarray, words: str, tolerance: float) -> str:
    """What is wrong with `came`, in one phrase; empty if nothing is.

    Parameters
    ----------
    came, expected : ndarray
    words : str
        The expected shape in words, such as ``"(B, H)"``.
    tolerance : float
        As for `close`.

    Returns
    -------
    str
        It tells at most the order of magnitude of what was expected, or how many digits of what came are right.
    """
    if came.shape != expected.shape:
        return _shape_note(came, expected, words, tolerance)
    if expected.dtype.kind in "iu" and came.dtype.kind not in "iu":
        return f"dtype {came.dtype} came; expected an integer"
    if came.dtype.kind not in "f" and expected.dtype.kind == "f":
        return f"dtype {came.dtype} came; expected {expected.dtype}"
    off = _off(came, expected, tolerance)
    if not off.any():
        return (f"dtype {came.dtype} came; the inputs have {expected.dtype}"
                if expected.dtype == np.float32 != came.dtype else "")
    if came.dtype.itemsize < expected.dtype.itemsize and close(came, expected, 1e-5):
        return f"dtype {came.dtype} came: the precision of the {expected.dtype} inputs is lost"
    return _value_note(came, expected, off)


def _off(came: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    """Where two arrays of one shape differ."""
    tolerance = max(tolerance, SINGLE) if expected.dtype == np.float32 else tolerance
    common = np.result_type(came, expected, np.float64)
    came, expected = came.astype(common), expected.astype(common)
    finite = np.isfinite(expected)
    scale = max(np.abs(expected[finite]).max(initial=0.0), SMALLEST_SCALE)
    with np.errstate(all="ignore"):
        near = np.abs(came - expected) <= tolerance * scale
    return ~np.where(finite, near, (came == expected) | (np.isnan(came) & np.isnan(expected)))


def _value_note(came: np.ndarray, expected: np.ndarray, off: np.ndarray) -> str:
    for test, what in ((np.isnan, "NaN"), (np.isinf, "infinite")):
        bad = test(came) & off
        if bad.any():
            return f"{what}{_share(bad)}{_at(tuple(np.argwhere(bad)[0]), 'first at')}"
    error = np.where(off & np.isfinite(expected), np.abs(came - expected), -1.0)
    worst = np.unravel_index(np.argmax(error), error.shape)
    return f"off{_share(off)}{_at(worst, 'worst at')}: {_told(came[worst], expected[worst])}"


def _told(came: np.generic, expected: np.generic) -> str:
    """What may be said of two numbers; of those that nearly agree neither, or the one would tell the other."""
    apart = abs(came - expected) / abs(expected) if expected and np.isfinite(expected) else math.inf
    if apart < 1e-3:
        return f"right to {math.floor(-math.log10(apart))} digits only"
    another = ", but another number" if came and _order(came) == _order(expected) else ""
    return f"{came:.3g} came, {_order(expected)} expected{another}"


def _share(bad: np.ndarray) -> str:
    return f" in {bad.sum()} of {bad.size} entries" if bad.size > 1 else ""


def _at(index: tuple, words: str) -> str:
    return f", {words} [{', '.join(str(int(n)) for n in index)}]" if index else ""


def _order(value: np.generic) -> str:
    """The order of magnitude: enough to see a wild answer, too little to copy from."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    return f"the order of {10.0 ** round(math.log10(abs(value))):g}"


def _shape_note(came: np.ndarray, expected: np.ndarray, words: str, tolerance: float) -> str:
    note = f"shape {came.shape} came; expected {expected.shape}{f' = {words}' if words else ''}"
    candidates = itertools.permutations(range(came.ndim)) if came.ndim <= 4 else ()
    orders = [order for order in candidates if came.transpose(order).shape == expected.shape]
    if not orders:
        return note
    # where several orders fit the lengths, the values may tell
    order = next((order for order in orders if close(came.transpose(order), expected, tolerance)), orders[0])
    names = [name.strip() for name in words.strip("()").split(",")]
    if len(names) != came.ndim:
        return f"{note}: the axes look swapped"
    return f"{note}: the axes look swapped, ({', '.join(names[order.index(axis)] for axis in range(came.ndim))})"
