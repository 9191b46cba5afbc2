"""The data format between grader and sandbox: what goes in comes out, and nothing else gets in."""

import contextlib
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from lstmlab.checks.wire import DTYPES, MAX_DEPTH, WireError, decode, encode

arrays = st.sampled_from(DTYPES).flatmap(lambda dtype: nps.arrays(dtype, nps.array_shapes(min_dims=0, min_side=0)))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | arrays
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12)


def same(a, b):
    """Equal in type, shape and every bit that counts."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b or (a != a and b != b)


@given(values)
def test_what_is_encoded_is_decoded(value):
    """Decoding undoes encoding, NaN and empty arrays and odd keys included."""
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize("key", ["__array__", "__", "____array__", "__dict__", "_", ""])
def test_no_key_is_special(key):
    """A sender's key that looks like one of the format's own is a key."""
    assert decode(encode({key: [1], "shape": 2})) == {key: [1], "shape": 2}


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3).T, np.arange(8)[::-2], np.zeros((3, 4), order="F"),
                                   np.arange(3.0).astype(">f8"), np.broadcast_to(1.0, (2, 2))])
def test_memory_layout_does_not_matter(array):
    """Transposed, strided, big-endian and broadcast arrays arrive with their values."""
    arrived = decode(encode(array))
    assert np.array_equal(arrived, array)
    assert arrived.dtype.isnative
    assert arrived.flags.writeable


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, object(), b"bytes", 1j, np.float32(1), np.array(["text"]),
                                   np.array([None]), np.zeros(2, np.float16), np.zeros(1, "M8[s]"), [10**5000]])
def test_what_has_no_place_is_refused(value):
    """Encoding anything but plain data raises WireError."""
    with pytest.raises(WireError):
        encode({"value": value})


def test_a_cycle_is_refused():
    """A list that holds itself ends as WireError."""
    value = []
    value.append(value)
    with pytest.raises(WireError):
        encode(value)


def array(dtype="<f8", shape=(1,), data="AAAAAAAA8D8=", **more):
    return json.dumps({"__array__": dtype, "shape": shape, "data": data, **more}).encode()


HOSTILE = {
    "nothing": b"", "not json": b"{", "not utf-8": b"\xff\xfe", "utf-16": "[1]".encode("utf-16"),
    "pickle": b"\x80\x04N.", "trailing": b"1 2", "deep": b"[" * 100_000, "deep and closed": b"[" * 500 + b"]" * 500,
    "deeper than allowed": b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
    "deep dict": b'{"a":' * 100_000, "key twice": b'{"a": 1, "a": 2}', "endless integer": b"9" * 10_000,
    "reserved key": b'{"__class__": "os"}', "dtype object": array("|O"), "dtype void": array("V8"),
    "dtype text": array("<U2"), "dtype list": array(["<f8"]), "dtype none": array(None), "big endian": array(">f8"),
    "negative": array(shape=[-1]), "two negatives": array(shape=[-1, -1]), "float length": array(shape=[1.0]),
    "bool length": array(shape=[True]), "shape is text": array(shape="1"), "shape is none": array(shape=None),
    "huge": array(shape=[10**15]), "huge without data": array(shape=[10**15], data=""),
    "overflowing": array(shape=[2**32, 2**32, 2**32], data=""), "many axes": array(shape=[1] * 100),
    "zero times huge": array(shape=[0, 2**62, 2**62], data=""), "too short": array(shape=[2]),
    "too long": array(shape=[0]),
    "not base64": array(data="*" * 12), "data is a number": array(data=1), "bad bool": array("|b1", [1], "Ag=="),
    "surplus key": array(extra=1), "missing key": b'{"__array__": "<f8"}', "endless length": array(shape=[10**400]),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_refused(data):
    """Bytes that are no message raise WireError and nothing else."""
    with pytest.raises(WireError):
        decode(data)


@pytest.mark.parametrize("data", [None, 3, "text", [1], {}])
def test_what_is_not_bytes_is_refused(data):
    """Decoding something that is not bytes raises WireError."""
    with pytest.raises(WireError):
        decode(data)


@settings(max_examples=300)
@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_raise_anything_else(data):
    """Random bytes are decoded or refused."""
    try:
        decode(data)
    except WireError:
        return
    json.loads(data)


plain = (st.none() | st.booleans() | st.integers(-9, 10**20) | st.floats() | st.text(max_size=6)
         | st.sampled_from(DTYPES))
keys = st.sampled_from(["__array__", "shape", "data", "x"])
messages = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


@settings(max_examples=300)
@given(messages)
def test_no_message_raises_anything_else(message):
    """JSON that resembles a message is decoded to something that can be encoded, or refused."""
    try:
        value = decode(json.dumps(message).encode())
    except WireError:
        return
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize("shape", [[10**12], [10**6, 10**6], [0, 10**18], [2**31, 2**31]])
def test_a_claimed_size_allocates_nothing(shape):
    """An array said to be huge, without the bytes for it, costs no memory."""
    data = array(shape=shape, data="")
    tracemalloc.start()
    with contextlib.suppress(WireError):
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("item", [b"[]", b'"ab"', b"1", b'{"a":1}', b'""'])
def test_a_crowd_of_values_is_refused_before_any_is_built(item):
    """Millions of small values would take the grader gigabytes; the message is refused at the cost of reading it."""
    data = b"[" + (item + b",") * 3_000_000 + b"0]"
    tracemalloc.start()
    with pytest.raises(WireError, match="texts, commas and brackets"):
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(data)


def test_text_may_hold_any_number_of_brackets():
    """What a student prints is no crowd of values, whatever is in it."""
    text = '[{,"\\' * 1_000_000
    assert decode(encode({"text": text})) == {"text": text}


def test_a_text_without_an_end_costs_its_length_alone():
    """Millions of quotation marks, none of which ends the text, are read once."""
    with pytest.raises(WireError, match="not a message"):
        decode(b'"' + b'\\"' * 3_000_000)
