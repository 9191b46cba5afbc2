"""Checks by name. A problem set is a module of this package named ``ps<number>_<topic>`` with a tuple `CHECKS`."""

from __future__ import annotations

import difflib
import functools
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module

from ._check import Check

PACKAGE = __name__.rpartition(".")[0]


def problem_sets() -> list[str]:
    """Names of the problem sets, such as ``"ps3-lstm-forward"``."""
    return list(_found())


@functools.cache
def _found() -> tuple[str, ...]:
    found = (module.name for module in pkgutil.iter_modules(import_module(PACKAGE).__path__))
    sets = [name for name in found if re.match(r"ps\d+_", name)]
    return tuple(name.replace("_", "-") for name in sorted(sets, key=lambda name: int(re.findall(r"\d+", name)[0])))


def problem_set(name: str) -> tuple[Check, ...]:
    """All checks of the problem set `name`, in the order of its notebook.

    Raises
    ------
    LookupError
        If there is none of that name; the message lists those there are.
    """
    if name not in problem_sets():
        raise LookupError(f"there is no problem set {name!r}; there are {', '.join(problem_sets())}")
    return import_module(f"{PACKAGE}.{name.replace('-', '_')}").CHECKS


def get(name: str) -> Check:
    """The check `name`.

    Raises
    ------
    LookupError
        If there is none of that name; the message lists those there are.
    """
    for check in _all():
        if check.name == name:
            return check
    names = [check.name for check in _all()]
    near = difflib.get_close_matches(str(name), names, 1)
    raise LookupError(f"there is no check {name!r}{f'; did you mean {near[0]!r}?' if near else ''} "
                      f"(there are: {', '.join(names)})")


def _all() -> Iterator[Check]:
    for name in problem_sets():
        yield from problem_set(name)
