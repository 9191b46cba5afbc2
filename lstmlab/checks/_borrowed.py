"""Does a student's function call what it is meant to be? A look at its compiled code, without running anything."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

PACKAGE = __name__.partition(".")[0]
ALLOWED = ("checks", "figures", "tasks", "grading")         # rooms that hold no reference
TORCH_CELLS = "torch.nn.modules.rnn"
_NOTHING = object()


def borrowed(fn: Any) -> list[str]:
    """What `fn`, and the student's functions that it calls, use of lstmlab's references and torch's cells.

    Parameters
    ----------
    fn : object
        The student's function, or a class or an instance of a class of theirs.

    Returns
    -------
    list of str
        Names such as ``"lstmlab.LSTM"`` or ``"torch.nn.LSTM"``, in no order that means anything.
    """
    found, seen, ahead, home = {}, set(), [fn], None
    while ahead:
        value = ahead.pop()
        if name := _reference(value):
            found[name] = None
        elif id(value) not in seen:
            seen.add(id(value))
            for function in _functions(value):
                home = function.__globals__ if home is None else home
                if function.__globals__ is home:             # the notebook's own, and no library's
                    ahead += _values(function)
    return list(found)


def _reference(value: Any) -> str:
    """The name of a reference, or of the class of what is one; empty for anything else."""
    if isinstance(value, _Imported):
        return str(value)
    if isinstance(value, ModuleType):                        # only what is taken from it tells
        return ""
    if isinstance(value, MethodType):
        value = value.__self__
    kind = value if isinstance(value, (type, FunctionType, BuiltinFunctionType)) else type(value)
    for base in (kind.__mro__ if isinstance(kind, type) else (kind,)):
        home = str(base.__module__)
        if home == TORCH_CELLS:
            return f"torch.nn.{base.__name__}"
        if name := _of_package(home, base.__name__):
            return name
    return ""


def _of_package(module: str, name: str) -> str:
    """``lstmlab.NAME`` if `module` is of a room that holds references."""
    package, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    if package != PACKAGE or not room or room in ALLOWED:
        return ""
    return f"{PACKAGE}.torch.{name}" if room == "torch" else f"{PACKAGE}.{name}"


class _Imported(str):
    """The name of a reference that a function imports when it runs."""


def _functions(value: Any) -> Iterator[FunctionType]:
    """The functions in a function, a method, a partial, a class, or an instance of a class."""
    if isinstance(value, functools.partial):
        value = value.func
    if isinstance(value, (FunctionType, MethodType)):
        yield inspect.unwrap(getattr(value, "__func__", value))
    else:
        kind = value if isinstance(value, type) else type(value)
        yield from (item for item in vars(kind).values() if isinstance(item, FunctionType))


def _values(function: FunctionType) -> Iterator[Any]:
    """What the code of a function names: globals, what it closes over, defaults, and what it imports."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:                                   # not filled yet
            continue
    yield from _named(function.__code__, function.__globals__)


def _named(code: CodeType, names: dict[str, Any]) -> Iterator[Any]:
    modules: dict[str, Any] = {}                             # imported by the code itself, by the name they get there
    value: Any = _NOTHING
    for step in dis.get_instructions(code):
        is_module = isinstance(value, (ModuleType, _Module))
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            value = names.get(step.argval, _NOTHING)
        elif step.opname == "IMPORT_NAME":
            value = _Module(step.argval)
        elif step.opname == "IMPORT_FROM" and is_module:
            yield _attribute(value, step.argval)
            continue                                         # more names may follow, of the same module
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and is_module:
            value = _attribute(value, step.argval)
        elif step.opname == "STORE_FAST" and is_module:
            modules[step.argval] = value
            continue
        elif step.opname.startswith("LOAD_FAST"):
            value = modules.get(step.argval, _NOTHING)
        elif step.opname not in ("CACHE", "PUSH_NULL"):
            value = _NOTHING
        yield value
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant, names)


class _Module(str):
    """The name of a module that is imported by the code looked at: it is not imported here."""


def _attribute(module: ModuleType | _Module, name: str) -> Any:
    """An attribute of a module, without loading what would load when it is used."""
    home = module.__name__ if isinstance(module, ModuleType) else module
    if isinstance(module, ModuleType) and name in vars(module):
        return vars(module)[name]
    if home == PACKAGE and name not in ("check", *ALLOWED) and not name.startswith("_"):
        return _Imported(f"{PACKAGE}.{name}")
    if reference := _of_package(home, name):
        return _Imported(reference)
    if home == "torch.nn" and name.removesuffix("Cell") in ("RNN", "LSTM", "GRU"):
        return _Imported(f"{home}.{name}")
    return _Module(f"{home}.{name}") if home in ("torch", PACKAGE) else _NOTHING
