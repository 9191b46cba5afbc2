"""The half of a check that runs where the student's function is: call it, and say what came back.

An answer is plain data that `wire.encode` can write. It is either ``{"value": ..., "changed": [...],
"warnings": [...]}`` or ``{"error": {"type", "message", "line", "source"}}``, the latter with ``"inside"`` where the
line called a function of another cell. A returned value is described node by node: every node has the ``"type"`` name
of what came, with the ``"array"`` of a number or an array, the ``"items"`` of a list, tuple or dict, and nothing more
for what is neither.
This file is staged with `wire` and NumPy where student code runs: of lstmlab it imports nothing else but the tasks, for
training runs, and torch only for the kinds that call torch code.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

MAX_BYTES = 1 << 23             # of all arrays in one answer
MAX_NODES = 2000                # of one returned value, and nesting below wire.MAX_DEPTH
MAX_NESTING = 8
MAX_TEXT = 300                  # characters of a message, a name or a source line
MAX_WARNINGS = 8


class TooLarge(Exception):
    """What the function returned is beyond what any exercise asks for."""


class _Nowhere(io.TextIOBase):
    """Swallows what is printed: it could be endless, and nobody reads it during a check."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def call(fn: Callable, requests: list[dict]) -> list[dict]:
    """Call `fn` once per request, on copies of its arguments.

    Parameters
    ----------
    fn : callable
        The student's function.
    requests : list of dict
        Each ``{"args": {name: value, ...}}``, passed by position in that order.

    Returns
    -------
    list of dict
        One answer per request. Whatever `fn` raises is an answer, never an escape. An interrupt ends the
        run: the remaining requests are answered with it too.
    """
    return _each(lambda *args: fn(*args), fn, requests)


def call_with_function(fn: Callable, requests: list[dict]) -> list[dict]:
    """As `call`, with the function that the argument f describes, made by `build`, in place of the description."""
    return _each(lambda f, *args: fn(build(f), *args), fn, requests)


def train(fn: Callable, requests: list[dict]) -> list[dict]:
    """Let `fn` train: as `call`, with the batches that the argument batches describes, drawn one by one by `stream`."""
    def use(params: dict, batches: dict) -> Any:
        left = stream(batches)
        trained = fn(params, left)
        if unused := sum(1 for _ in left):
            warnings.warn(f"{unused} of the {batches['count']} batches were not used", stacklevel=2)
        return trained

    return _each(use, fn, requests)


def call_with_tensors(fn: Callable, requests: list[dict]) -> list[dict]:
    """As `call`, with torch tensors in place of arrays."""
    return _each(lambda *args: fn(*map(_tensor, args)), fn, requests)


def autograd_function(fn: type, requests: list[dict]) -> list[dict]:
    """Apply a ``torch.autograd.Function`` and send gradients back through it.

    Each request has the ``inputs`` of ``apply`` by name, and ``gradients``, one per output. The value that is
    described is ``{"outputs": ..., "gradients": {name: gradient of the input}}``.
    """
    def use(inputs: dict, gradients: list) -> dict:
        import torch

        if not (isinstance(fn, type) and issubclass(fn, torch.autograd.Function)):
            raise TypeError("expected a class derived from torch.autograd.Function")
        leaves = [_tensor(array, leaf=True) for array in inputs.values()]
        outputs = fn.apply(*leaves)
        return {"outputs": outputs,
                "gradients": dict(zip(inputs, _gradients(outputs, gradients, leaves), strict=True))}

    return _each(use, fn, requests)


def module(make: type, requests: list[dict]) -> list[dict]:
    """Build a ``torch.nn.Module``, give it weights by name, call it, and send gradients back through it.

    Each request has the ``sizes`` it is built with, beside the keywords ``device`` and ``dtype`` (that of the
    inputs); ``params`` by name; the ``inputs`` it is called with, followed by the tuple ``state`` unless its arrays
    are empty; and ``gradients``, one per output. The value that is described is ``{"outputs": ..., "params":
    {name: gradient}, "inputs": [gradients of those that are not integers], "state": [gradients]}``. On the device
    ``"meta"``, which has shapes and no numbers, all arrays are zeros. With no ``params`` the module is not called, and
    the value is ``{"start": {name: parameter}}``, as it was built.
    """
    def use(sizes: list, params: dict, inputs: list, state: list, gradients: list, device: str) -> dict:
        import torch

        built = make(*sizes, device=device, dtype=torch.from_numpy(inputs[0]).dtype)
        if not params:
            return {"start": dict(built.named_parameters())}
        if device == "cpu":                          # strict: a name that is missing or surplus is an error in words
            built.load_state_dict({name: torch.from_numpy(array) for name, array in params.items()})
        weights = [_parameter(built, name) for name in params]
        passed = [_tensor(array, True, device) for array in inputs]
        given = [_tensor(array, True, device) for array in state]
        outputs = built(*passed, tuple(given)) if all(array.size for array in state) else built(*passed)
        for tensor in _flat(outputs):
            if tensor.device.type != device:
                raise RuntimeError(f"the input is on the device {device}, an output on {tensor.device.type}")
        leaves = [*weights, *(tensor for tensor in passed if tensor.requires_grad), *given]
        found = iter(_gradients(outputs, gradients, leaves))
        return {"outputs": outputs, "params": {name: next(found) for name in params},
                "inputs": [next(found) for tensor in passed if tensor.requires_grad], "state": list(found)}

    return _each(use, make, requests)


KINDS: dict[str, Callable[[Callable, list[dict]], list[dict]]] = {
    "call": call, "function": call_with_function, "training run": train, "tensors": call_with_tensors,
    "autograd function": autograd_function, "module": module}


def _each(use: Callable, fn: Callable, requests: list[dict]) -> list[dict]:
    """Answer each request by a call of `use` with copies of its arguments; `fn` is the student's."""
    answers = []
    for request in requests:
        answers.append(_use_once(use, fn, request["args"]))
        if answers[-1].get("error", {}).get("type") == "KeyboardInterrupt":
            answers += answers[-1:] * (len(requests) - len(answers))
            break
    return answers


def _use_once(use: Callable, fn: Callable, args: dict[str, Any]) -> dict:
    passed = copied(args)
    nowhere = _Nowhere()
    with (contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere),
          warnings.catch_warnings(record=True) as caught,
          np.errstate(divide="warn", over="warn", invalid="warn", under="ignore")):
        warnings.simplefilter("default")             # one per line of code, so that a loop cannot flood the list
        try:
            value = _describe(use(*passed.values()), _Budget(), 0)
            changed = [name for name, before in args.items() if not _same(before, passed[name])]
        except BaseException as error:               # SystemExit and its like included: the answer is the error
            return {"error": _describe_error(fn, error)}
    texts = dict.fromkeys(_cap(f"{w.category.__name__}: {w.message}") for w in caught)
    return {"value": value, "changed": changed, "warnings": list(texts)[:MAX_WARNINGS]}


# -- torch ---------------------------------------------------------------------------------------------

def _tensor(value: Any, leaf: bool = False, device: str = "cpu") -> Any:
    """Arrays as tensors that share their memory; as a `leaf`, one that gradients are asked for if it can have any."""
    import torch

    if isinstance(value, dict):
        return {key: _tensor(item, leaf, device) for key, item in value.items()}
    if not isinstance(value, np.ndarray):
        return value
    tensor = torch.from_numpy(value).to(device)
    return tensor.requires_grad_() if leaf and tensor.is_floating_point() else tensor


def _parameter(built: Any, name: str) -> Any:
    found = dict(built.named_parameters()).get(name)
    if found is None:
        raise AttributeError(f"the module has no parameter {name!r}")
    return found


def _flat(outputs: Any) -> list:
    """The tensors in nested tuples and lists, in order."""
    import torch

    if isinstance(outputs, (tuple, list)):
        return [tensor for item in outputs[:MAX_NESTING] for tensor in _flat(item)]
    return [outputs] if isinstance(outputs, torch.Tensor) else []


def _gradients(outputs: Any, gradients: list, leaves: list) -> list:
    """Gradients of the leaves, given those of the outputs; zeros where nothing leads from a leaf to an output."""
    import torch

    pairs = [(tensor, _tensor(array, device=tensor.device))
             for tensor, array in zip(_flat(outputs), gradients, strict=False)
             if tensor.requires_grad and tensor.shape == array.shape]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    found: Any = [None] * len(wanted)
    if pairs and wanted:
        tensors, given = zip(*pairs, strict=True)
        found = torch.autograd.grad(tensors, wanted, given, allow_unused=True)
    found = iter(found)
    gradients = [next(found) if leaf.requires_grad else None for leaf in leaves]
    return [torch.zeros_like(leaf) if gradient is None else gradient
            for leaf, gradient in zip(leaves, gradients, strict=True)]


def _array_of(tensor: Any) -> np.ndarray:
    """The tensor's numbers; zeros where it has none."""
    if tensor.device.type == "meta":
        return np.broadcast_to(tensor.new_zeros((), device="cpu").numpy(), tuple(tensor.shape))
    return tensor.detach().resolve_conj().cpu().numpy()


# -- arguments -----------------------------------------------------------------------------------------

def copied(value: Any) -> Any:
    """A copy of arguments, so that nothing done to them in place reaches the original."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def _same(before: Any, after: Any) -> bool:
    """Whether an argument is still what was passed, bit for bit (so NaN is the same as itself)."""
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        return (before.shape, before.dtype) == (after.shape, after.dtype) and before.tobytes() == after.tobytes()
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(item, after[key]) for key, item in before.items())
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_same, before, after))
    return True                                      # numbers and text cannot be changed in place


# -- data to train on ----------------------------------------------------------------------------------

def stream(description: dict[str, Any]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of a task, each drawn when it is asked for; the same description gives the same batches.

    Parameters
    ----------
    description : dict
        ``"task"``, the name of a generator in `lstmlab.tasks`; its ``"length"`` and ``"batch"``; the ``"seed"``, and
        the ``"count"`` of batches (int).

    Yields
    ------
    xs, targets : ndarray
        As the task gives them.
    """
    from lstmlab import tasks

    rng = np.random.default_rng(description["seed"])
    for _ in range(description["count"]):
        yield getattr(tasks, description["task"])(rng, description["length"], description["batch"])


# -- functions as arguments ----------------------------------------------------------------------------

OUTER = {"sin": np.sin, "tanh": np.tanh, "exp": np.exp, "square": np.square, "cube": lambda z: z * z * z}


def build(description: dict[str, Any]) -> Callable[[np.ndarray], np.generic]:
    r"""Make the scalar function :math:`f(x) = c + \sum_j s \, w_j^\top g_j(A_j \cdot x / s + b_j)`.

    It is analytic, so it carries complex numbers; with the scale s both x and f(x) are of that size, and the
    gradient is not.

    Parameters
    ----------
    description : dict
        ``"shape"`` of x (list of int), ``"offset"`` c and ``"scale"`` s (float), and ``"terms"``, a list of dicts with
        ``"outer"`` g (a key of `OUTER`), ``"A"`` (M, N), ``"b"`` (M,) and ``"w"`` (M,) for the N entries of x.

    Returns
    -------
    callable
        Takes an array of that shape, returns a NumPy float, or a complex number for a complex array.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> f = build({"shape": [1], "offset": 5.0, "scale": 1.0,
    ...            "terms": [{"outer": "square", "A": 3 * one, "b": one[0], "w": one[0]}]})
    >>> float(f(np.array([2.0]))), complex(f(np.array([1j])))
    (54.0, (-3+6j))
    """
    shape, scale = tuple(description["shape"]), description["scale"]

    def f(x: np.ndarray) -> np.generic:
        if np.shape(x) != shape:
            raise ValueError(f"f takes an array of shape {shape}; it was called on one of shape {np.shape(x)}")
        u = np.ravel(x) / scale
        # sums, and not a matrix product: their rounding is the same in every process
        terms = [(t["w"] * OUTER[t["outer"]]((t["A"] * u).sum(axis=1) + t["b"])).sum() for t in description["terms"]]
        return description["offset"] + scale * sum(terms)

    return f


# -- results -------------------------------------------------------------------------------------------

class _Budget:
    """What one answer may still hold."""

    def __init__(self):
        self.bytes, self.nodes = MAX_BYTES, MAX_NODES

    def spend(self, nbytes: int) -> None:
        self.bytes, self.nodes = self.bytes - nbytes, self.nodes - 1
        if self.bytes < 0:
            raise TooLarge(f"the function returned more than {MAX_BYTES >> 20} MiB")
        if self.nodes < 0:
            raise TooLarge(f"the function returned more than {MAX_NODES} objects, one inside the other")


def _describe(value: Any, budget: _Budget, depth: int) -> dict:
    node: dict[str, Any] = {"type": _cap(type(value).__name__)}
    if depth > MAX_NESTING:
        raise TooLarge(f"the function returned something nested more than {MAX_NESTING} deep")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = _array_of(value)
    if isinstance(value, np.ndarray):
        budget.spend(value.nbytes)
        return node | _describe_array(np.asarray(value))
    budget.spend(0)
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return node | _describe_array(np.asarray(value))
    if isinstance(value, dict):
        node["items"] = {_cap(str(key)): _describe(item, budget, depth + 1) for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        node["items"] = [_describe(item, budget, depth + 1) for item in value]
    return node


def _describe_array(array: np.ndarray) -> dict:
    """The array itself, or its dtype alone where that cannot be sent (objects, text, float16).

    More precision than was asked for is none the worse: it travels as double precision.
    """
    if array.dtype in (np.longdouble, np.clongdouble):
        array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    sendable = array.dtype.kind in "biu" or array.dtype in (np.float32, np.float64, np.complex64, np.complex128)
    return {"array": array} if sendable else {"dtype": _cap(str(array.dtype))}


def _describe_error(fn: Callable, error: BaseException) -> dict:
    try:
        message = str(error)
    except Exception:                                # a student's exception class may fail even at this
        message = ""
    return {"type": _cap(type(error).__name__), "message": _cap(message)} | _where(fn, error)


def _where(fn: Callable, error: BaseException) -> dict:
    """Line of the student's own code that raised: the innermost frame in the file that holds `fn`.

    Where that line called a function of another cell which raised, it is said too, under ``"inside"``.
    """
    methods = vars(fn).values() if isinstance(fn, type) else (fn,)
    functions = [getattr(method, "__func__", method) for method in methods]
    functions = [function for function in functions if hasattr(function, "__code__")]
    home = functions[0].__code__.co_filename if functions else None
    # the cells of a notebook share their global names, and nothing else does
    cells = getattr(functions[0], "__globals__", None) if functions else None
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)
              if frame.f_globals is cells or frame.f_code.co_filename == home]
    lines = [line for code, line in frames if code.co_filename == home]
    if not lines:
        return {"line": None, "source": None}
    place = {"line": lines[-1], "source": _line(home, lines[-1])}
    code, line = frames[-1]
    if code.co_filename == home:
        return place
    return place | {"inside": {"function": _cap(code.co_name), "line": line, "source": _line(code.co_filename, line)}}


def _line(file: str, number: int) -> str | None:
    return _cap(linecache.getline(file, number).strip()) or None


def _cap(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT - 1] + "…"
