"""The data format between a grader and the process a student's function runs in.

JSON, in which an array is ``{"__array__": "<f8", "shape": [2, 3], "data": "<base64>"}``. It carries data and
nothing else: no object is built from bytes that the other side chose, which is why it is not pickle.
This file is staged alone, with NumPy, where student code runs: it imports nothing else of lstmlab.

Examples
--------
>>> import numpy as np
>>> decode(encode({"h": np.zeros((1, 2)), "note": None}))
{'h': array([[0., 0.]]), 'note': None}
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from typing import Any

import numpy as np

DTYPES = ("|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f4", "<f8", "<c8", "<c16")
MAX_DEPTH = 32
MAX_NDIM = 16                   # below every NumPy version's own limit
MAX_TOKENS = 1 << 21            # texts, commas and brackets of one message: an empty list takes 30 times its two bytes
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{},]', re.DOTALL)      # a text may lack its end


class WireError(ValueError):
    """The bytes are no message of this format, or the value has no place in one."""


def encode(value: Any) -> bytes:
    """Write `value` as bytes.

    Parameters
    ----------
    value : None, bool, int, float, str, ndarray, or a list or dict (with str keys) of these
        Arrays are of bool, integers, float32, float64 or complex.

    Returns
    -------
    bytes

    Raises
    ------
    WireError
        If the value holds anything else, or is nested deeper than `MAX_DEPTH`.
    """
    try:
        return json.dumps(_pack(value, 0), separators=(",", ":")).encode("ascii")
    except ValueError as error:                      # an integer of thousands of digits
        raise WireError(str(error)) from None


def decode(data: bytes) -> Any:
    """Read what `encode` wrote; the bytes may come from anyone.

    Memory stays within a small multiple of ``len(data)``: an array is only made from bytes that are there, and the
    number of values is limited before any is built.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    None, bool, int, float, str, ndarray, list or dict

    Raises
    ------
    WireError
        Whatever is wrong with the bytes.
    """
    try:
        data = bytes(memoryview(data))
        if _crowded(data):
            raise WireError(f"more than {MAX_TOKENS:,} texts, commas and brackets")
        # decoded here: json.loads would also guess at UTF-16 and UTF-32
        raw = json.loads(data.decode("utf-8"), object_pairs_hook=_object)
        return _unpack(raw, 0)
    except WireError:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise WireError(f"not a message: {error}") from None


def _crowded(data: bytes) -> bool:
    """Whether there are more tokens than `MAX_TOKENS`; what stands inside a text is none."""
    # most messages: no need to look closer
    if sum(map(data.count, (b'"', b",", b"[", b"]", b"{", b"}"))) <= MAX_TOKENS:
        return False
    return next(itertools.islice(_TOKEN.finditer(data), MAX_TOKENS, None), None) is not None


def _pack(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError(f"nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        dtype = value.dtype.newbyteorder("<").str
        if dtype not in DTYPES or value.ndim > MAX_NDIM:
            raise WireError(f"an array of {value.dtype} with {value.ndim} axes cannot be sent")
        data = base64.b64encode(value.astype(dtype, copy=False).tobytes()).decode("ascii")
        return {"__array__": dtype, "shape": list(value.shape), "data": data}
    if isinstance(value, list):
        return [_pack(item, depth + 1) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise WireError("a dict is sent with str keys only")
        return {_escape(key): _pack(item, depth + 1) for key, item in value.items()}
    raise WireError(f"{type(value).__name__} cannot be sent")


def _unpack(raw: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(raw, list):
        return [_unpack(item, depth + 1) for item in raw]
    if not isinstance(raw, dict):
        return raw
    if "__array__" in raw:
        return _array(raw)
    return {_unescape(key): _unpack(item, depth + 1) for key, item in raw.items()}


def _array(raw: dict) -> np.ndarray:
    """The array that `raw` describes; nothing is allocated before its description is believed."""
    if raw.keys() != {"__array__", "shape", "data"}:
        raise WireError("an array has a dtype, a shape and data")
    dtype, shape, data = raw["__array__"], raw["shape"], raw["data"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise WireError("an array has a dtype that is not allowed")
    if not isinstance(shape, list) or len(shape) > MAX_NDIM or not all(type(n) is int and n >= 0 for n in shape):
        raise WireError("an array has a shape that is not a list of lengths")
    if not isinstance(data, str):
        raise WireError("an array has data that are not text")
    content = bytearray(base64.b64decode(data, validate=True))        # a bytearray makes the array writable
    if math.prod(shape) * np.dtype(dtype).itemsize != len(content):
        raise WireError(f"an array of shape {shape} has {len(content)} bytes")
    if dtype == "|b1" and content.translate(None, b"\0\1"):
        raise WireError("an array of bool has a byte that is neither 0 nor 1")
    array = np.frombuffer(content, dtype).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _object(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise WireError("a key occurs twice")
    return found


# "__array__" is ours; a key of the sender's that begins with two underscores travels with two more
def _escape(key: str) -> str:
    return "__" + key if key.startswith("__") else key


def _unescape(key: str) -> str:
    if not key.startswith("__"):
        return key
    if not key.startswith("____"):
        raise WireError("a key begins with two underscores")
    return key[2:]
