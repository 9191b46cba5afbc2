"""Reading what a probe sent back. An answer is untrusted: anything may come, and nothing may raise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

MAX_TEXT = 300


class Output(NamedTuple):
    """One array or number that a function returns.

    Attributes
    ----------
    name : str
        The book's symbol, as the code writes it.
    shape : str, optional
        Its shape in words, such as ``"(B, H)"``; empty for a number.
    part : str, optional
        The part it counts for; the part of its own name by default. A case may name another.
    rule : callable, optional
        ``rule(array) -> str``, for what may be any of many values: what is wrong with it, or nothing.
    """

    name: str
    shape: str = ""
    part: str = ""
    rule: Callable[[np.ndarray], str] | None = None


class Trouble(NamedTuple):
    """Why an output is not an array that could be compared."""

    text: str


class Raised(NamedTuple):
    """The exception a student's function ended with; `inside` says where in a function of another cell it began."""

    type: str
    message: str
    line: int | None
    source: str
    inside: str = ""


class Answer(NamedTuple):
    """One answer, read.

    Attributes
    ----------
    outputs : dict of str to (ndarray or Trouble)
        Every output by name; empty where nothing could be read.
    raised : Raised or None
    trouble : str
        What is wrong with the returned value as a whole, or with the answer.
    changed, warnings, extras : tuple of str
        Arguments changed in place, warnings, and keys nobody asked for.
    """

    outputs: dict[str, Any]
    raised: Raised | None = None
    trouble: str = ""
    changed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()


def outputs_of(returns: Any) -> Iterator[Output]:
    """The outputs in a description of what a function returns: an `Output`, or a tuple or dict of descriptions."""
    if isinstance(returns, Output):
        yield returns
    else:
        for item in returns.values() if isinstance(returns, dict) else returns:
            yield from outputs_of(item)


def flatten(returns: Any, value: Any) -> dict[str, np.ndarray]:
    """What a reference returned, as arrays by name.

    A key that it leaves out of a dict is not asked for there; None stands for what a mutant leaves open.
    """
    if value is None:
        return {}
    if isinstance(returns, Output):
        return {returns.name: np.asarray(value)}
    pairs = ([(item, value[key]) for key, item in returns.items() if key in value] if isinstance(returns, dict)
             else zip(returns, value, strict=True))
    return {name: array for item, part in pairs for name, array in flatten(item, part).items()}


def read(answer: Any, returns: Any, array: str = "NumPy array") -> Answer:
    """Read one answer of a probe, whatever it is; `array` is what the function's arrays are called."""
    if not isinstance(answer, dict):
        return Answer({}, trouble="The answer cannot be read.")
    if "error" in answer:
        return Answer({}, raised=_read_error(answer["error"]))
    if not isinstance(answer.get("value"), dict):
        return Answer({}, trouble="The answer cannot be read.")
    if plain(answer["value"].get("type")) == "NoneType":
        return Answer({}, trouble=f"None came; expected {_expected(returns, array)}. "
                                  "Does the function end without a return?")
    extras: list[str] = []
    outputs = _match(returns, answer["value"], extras, array)
    if isinstance(outputs, Trouble):
        return Answer({}, trouble=f"{outputs.text[0].upper()}{outputs.text[1:]}.")
    return Answer(outputs, changed=_texts(answer.get("changed")), warnings=_texts(answer.get("warnings")),
                  extras=tuple(extras))


def plain(text: Any) -> str:
    """`text` as one printable line of limited length: it may hold escape sequences, or not be text at all."""
    if not isinstance(text, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:MAX_TEXT]).split())


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(plain(item) for item in itertools.islice(value, 16)) if isinstance(value, list) else ()


def _read_error(error: Any) -> Raised:
    error = error if isinstance(error, dict) else {}
    inside = error.get("inside") if isinstance(error.get("inside"), dict) else {}
    function, line, source = plain(inside.get("function")), _read_line(inside), plain(inside.get("source"))
    return Raised(plain(error.get("type")) or "an exception", plain(error.get("message")),
                  _read_line(error), plain(error.get("source")),
                  f"line {line} of {function}{f': {source}' if source else ''}" if line and function else "")


def _read_line(place: dict) -> int | None:
    line = place.get("line")
    return line if type(line) is int and 0 < line < 10**6 else None


def _match(returns: Any, node: Any, extras: list[str], array: str) -> dict[str, Any] | Trouble:
    """Lay a returned value beside its description; a Trouble is about the value as a whole."""
    node = node if isinstance(node, dict) else {}
    items = node.get("items")
    if isinstance(returns, Output):
        return {returns.name: _leaf(returns, node, array)}
    if isinstance(returns, dict):
        if not isinstance(items, dict):
            return Trouble(f"{_kind(node)} came; expected {_expected(returns, array)}")
        extras += [plain(key) for key in itertools.islice(items, 16) if key not in returns]
        missing = {key: Trouble(_no_key(key, [plain(came) for came in itertools.islice(items, 16)])) for key in returns}
        pairs = [(item, _match(item, items[key], extras, array) if key in items else missing[key])
                 for key, item in returns.items()]
    else:
        if not isinstance(items, list) or len(items) != len(returns):
            came = f"{len(items)} value{'s' * (len(items) != 1)}" if isinstance(items, list) else _kind(node)
            return Trouble(f"{came} came; expected {_expected(returns, array)}")
        pairs = [(item, _match(item, part, extras, array)) for item, part in zip(returns, items, strict=True)]
    found = {}
    for item, part in pairs:
        # a Trouble with one value is the trouble of each output in it; the other values are still compared
        found |= {output.name: part for output in outputs_of(item)} if isinstance(part, Trouble) else part
    return found


def _leaf(output: Output, node: dict, array: str) -> np.ndarray | Trouble:
    came, items = node.get("array"), node.get("items")
    if isinstance(came, np.ndarray) and came.dtype.kind in "biufc":
        return came
    if "dtype" in node:
        return Trouble(f"dtype {plain(node['dtype'])} came; expected numbers")
    length = f" of {len(items)}" if isinstance(items, list) else ""
    return Trouble(f"{_kind(node)}{length} came; expected {_expected(output, array)}")


def _expected(returns: Any, array: str) -> str:
    """What a function is to return, in words."""
    if isinstance(returns, Output):
        of = "of shape " if returns.shape.startswith("(") else "of "
        return f"a {array} {of}{returns.shape}" if returns.shape else "a number"
    if isinstance(returns, dict):
        return f"a dict with the keys {', '.join(returns)}"
    names = [item.name if isinstance(item, Output) else "a dict" if isinstance(item, dict) else "a tuple"
             for item in returns]
    return f"{len(names)} values: {', '.join(names)}"


def _kind(node: dict) -> str:
    """What a returned value is, in words."""
    kind = plain(node.get("type")) or "something"
    if kind == "NoneType":
        return "None"
    if kind == "ndarray":
        kind = "NumPy array"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _no_key(key: str, came: list[str]) -> str:
    """That a key is missing, and which key stands there that may be meant for it: ``"dW_f"`` for ``"W_f"``."""
    meant = [other for other in came if other.lower() in (key.lower(), f"d{key.lower()}")]
    return f"no key {key!r}" + (f", but {meant[0]!r}" if meant else
                                f"; the dict has {', '.join(map(repr, came[:12])) or 'none'}")
