"""The probe: calls a student's function, and turns whatever happens into plain data."""

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from lstmlab.checks import probe, wire

REQUEST = {"args": {"a": np.array([1.0, np.nan]), "b": {"W": np.ones(2)}}}


def answer(fn, args=None):
    """The probe's answer to one call, once it has been sent and received."""
    [found] = wire.decode(wire.encode(probe.call(fn, [{"args": args} if args is not None else REQUEST])))
    return found


def test_arguments_are_passed_by_position_in_order():
    """The student may call the arguments what they like."""
    found = answer(lambda first, second: first - second, {"x": np.array(5.0), "y": np.array(3.0)})
    assert found["value"]["array"] == 2.0


@pytest.mark.parametrize(("value", "kind", "array"), [
    (np.arange(3.0), "ndarray", [0.0, 1.0, 2.0]), (np.float32(2), "float32", 2.0), (3, "int", 3), (2.5, "float", 2.5),
    (True, "bool", True), (1j, "complex", 1j), (np.ma.array([1]), "MaskedArray", [1])])
def test_numbers_and_arrays_keep_their_type_name(value, kind, array):
    """A number or an array arrives as an array with the name of what it was."""
    node = answer(lambda a, b: value)["value"]
    assert node["type"] == kind
    assert np.array_equal(node["array"], array)


@pytest.mark.parametrize(("value", "node"), [
    (None, {"type": "NoneType"}), ("text", {"type": "str"}), (object(), {"type": "object"}),
    ((), {"type": "tuple", "items": []}), ([None], {"type": "list", "items": [{"type": "NoneType"}]}),
    ({"f": None, 1: "x"}, {"type": "dict", "items": {"f": {"type": "NoneType"}, "1": {"type": "str"}}}),
    (np.array(["a"]), {"type": "ndarray", "dtype": "<U1"}), (10**30, {"type": "int", "dtype": "object"}),
    (np.zeros(2, np.float16), {"type": "ndarray", "dtype": "float16"})])
def test_everything_else_is_described(value, node):
    """What is not an array is told by its type and its items."""
    assert answer(lambda a, b: value)["value"] == node


def test_mutation_is_reported():
    """Arguments changed in place are named, inside a dict too; NaN is not taken for a change."""
    def change(a, b):
        b["W"][0] = 7

    assert answer(change)["changed"] == ["b"]
    assert answer(lambda a, b: a + 1)["changed"] == []


def test_a_changed_dict_is_reported():
    """A key added to an argument counts as a change."""
    assert answer(lambda a, b: b.update(new=1))["changed"] == ["b"]


def test_mutation_in_one_call_does_not_reach_the_next():
    """Each call gets copies of its own."""
    def add(a):
        a += 1
        return a

    found = probe.call(add, [{"args": {"a": REQUEST["args"]["a"]}}] * 3)
    assert [item["value"]["array"][0] for item in found] == [2.0, 2.0, 2.0]
    assert REQUEST["args"]["a"][0] == 1.0


def fails(kind):
    def fn(a, b):
        raise kind("because")

    return fn


@pytest.mark.parametrize("kind", [ValueError, NotImplementedError, SystemExit, KeyboardInterrupt, GeneratorExit,
                                  MemoryError, RecursionError, BaseException])
def test_every_exception_is_an_answer(kind):
    """No exception escapes, not even those that end a program."""
    error = answer(fails(kind))["error"]
    assert (error["type"], error["message"]) == (kind.__name__, "because")


def test_the_line_is_the_students_own():
    """An error inside NumPy is reported at the line of the student's function that led there."""
    def fn(a, b):
        c = a
        return c @ np.ones((5, 5))

    error = answer(fn)["error"]
    assert error["source"] == "return c @ np.ones((5, 5))"
    assert error["line"] == fn.__code__.co_firstlineno + 2


def cells(**sources):
    """Functions of a notebook's cells: one space of names, a file for each."""
    space = {"np": np}
    for name, source in sources.items():
        exec(compile(source, f"cell of {name}", "exec"), space)
    return space


def test_an_error_in_another_cell_is_reported_at_both_places():
    """The line that called the function of an earlier cell, and where that one raised."""
    space = cells(half="def half(a):\n    return a @ np.ones((5, 5))",
                  fn="def fn(a, b):\n    c = a\n    return half(c)")
    error = answer(space["fn"])["error"]
    assert error["line"] == 3
    assert (error["inside"]["function"], error["inside"]["line"]) == ("half", 2)


def test_an_error_in_the_functions_own_cell_has_one_place():
    """What is raised inside a library, or by a helper beside the function, is not looked for elsewhere."""
    space = cells(fn="def half(a):\n    return a @ np.ones((5, 5))\n\n\ndef fn(a, b):\n    return half(a)")
    error = answer(space["fn"])["error"]
    assert error["line"] == 2
    assert "inside" not in error


def test_an_exception_that_cannot_be_printed_is_an_answer():
    """A student's exception class may fail when it is asked for its message."""
    class Odd(Exception):
        def __str__(self):
            raise ValueError

    def fn(a, b):
        raise Odd

    assert answer(fn)["error"] == {"type": "Odd", "message": "", "line": fn.__code__.co_firstlineno + 1,
                                   "source": "raise Odd"}


@pytest.mark.parametrize("fn", [None, 3, "sigmoid", np.zeros(2)])
def test_something_that_is_no_function_is_an_answer(fn):
    """Calling what cannot be called is a TypeError of the student's."""
    assert answer(fn)["error"]["type"] == "TypeError"


def test_endless_recursion_is_an_answer():
    """A function that calls itself forever is reported as such."""
    def fn(a, b):
        return fn(a, b)

    assert answer(fn)["error"]["type"] == "RecursionError"


def test_an_interrupt_ends_the_run():
    """After an interrupt no further call is made, but every request has its answer."""
    calls = []

    def fn(a, b):
        calls.append(1)
        raise KeyboardInterrupt

    found = probe.call(fn, [REQUEST] * 4)
    assert len(calls) == 1
    assert [item["error"]["type"] for item in found] == ["KeyboardInterrupt"] * 4


def test_what_is_printed_is_swallowed(capfd):
    """Nothing a function prints reaches the screen."""
    def fn(a, b):
        print("x" * 1000)
        print("y", file=sys.stderr)

    assert "value" in answer(fn)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("fn", [lambda a, b: np.exp(1e4 * np.ones(3)), lambda a, b: np.ones(1) / 0.0,
                                lambda a, b: np.log(-np.ones(1))])
def test_floating_point_errors_are_warnings(fn):
    """An overflow is a warning in the answer even where the student made NumPy raise."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = answer(fn)
    assert "value" in found
    assert found["warnings"][0].startswith("RuntimeWarning: ")


def test_warnings_are_few():
    """A warning in a loop is told once."""
    def fn(a, b):
        for _ in range(1000):
            np.exp(1e4 * np.ones(1))

    assert len(answer(fn)["warnings"]) == 1


def nested(depth):
    return [nested(depth - 1)] if depth else []


def endless():
    value = {}
    value["again"] = value
    return value


@pytest.mark.parametrize("make", [lambda: np.broadcast_to(1.0, (10**6, 10**6)), lambda: np.zeros(1 << 21),
                                  lambda: [0] * 10**5, lambda: nested(40), endless,
                                  lambda: {str(n): 0 for n in range(5000)}])
def test_a_huge_value_is_an_error_answer(make):
    """What is too large to send is not sent."""
    error = answer(lambda a, b: make())["error"]
    assert error["type"] == "TooLarge"


def test_texts_are_capped():
    """A message cannot be used to send megabytes."""
    def fn(a, b):
        raise ValueError("x" * 10**6)

    assert len(wire.encode(probe.call(fn, [REQUEST]))) < 2000


def test_probe_and_wire_need_nothing_else_of_lstmlab(tmp_path):
    """Staged alone beside NumPy, the two files import and run."""
    source = Path(probe.__file__).parent
    package = tmp_path / "lstmlab" / "checks"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    for name in ("probe.py", "wire.py"):
        shutil.copy(source / name, package / name)
    code = ("import sys; sys.path.insert(0, '.'); from lstmlab.checks import probe, wire; "
            "print(wire.decode(wire.encode(probe.KINDS['call'](lambda a: a + 1, [{'args': {'a': 1}}]))), "
            "sorted(m for m in sys.modules if m.startswith('lstmlab')), probe.__file__)")
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "array(2)" in done.stdout
    assert "['lstmlab', 'lstmlab.checks', 'lstmlab.checks.probe', 'lstmlab.checks.wire']" in done.stdout
    assert str(source) not in done.stdout


# -- functions as arguments ------------------------------------------------------------------------

DESCRIPTION = {"shape": [2], "offset": 5.0, "scale": 2.0, "terms": [
    {"outer": outer, "A": np.array([[0.3, -0.2], [0.1, 0.4]]), "b": np.array([0.1, -0.3]), "w": np.array([1.0, -2.0])}
    for outer in probe.OUTER]}


def answer_on_function(fn, **more):
    """The probe's answer to one call of a function that takes a function, once it has been sent and received."""
    requests = wire.decode(wire.encode([{"args": {"f": DESCRIPTION, "x": np.array([0.5, -1.5]), **more}}]))
    [found] = wire.decode(wire.encode(probe.KINDS["function"](fn, requests)))
    return found


def test_a_function_is_built_from_its_description():
    """The student's function is handed a callable, with the formula that the description states."""
    x = np.array([0.5, -1.5])
    z = [(t["A"] @ (x / 2.0) + t["b"], t) for t in DESCRIPTION["terms"]]
    expected = 5.0 + 2.0 * sum(t["w"] @ probe.OUTER[t["outer"]](inner) for inner, t in z)
    assert np.isclose(answer_on_function(lambda f, x: f(x))["value"]["array"], expected, rtol=1e-14)


def test_a_built_function_carries_complex_numbers():
    """Its complex step is its central difference: it is analytic from end to end."""
    def both(f, x):
        e = np.array([1.0, 0.0])
        return f(x + 1e-100j * e).imag / 1e-100, (f(x + 1e-5 * e) - f(x - 1e-5 * e)) / 2e-5

    by_complex, by_difference = (item["array"] for item in answer_on_function(both)["value"]["items"])
    assert np.isclose(by_complex, by_difference, rtol=1e-8)


def test_a_built_function_refuses_another_shape():
    """Called on an entry in place of the array it says so, at the student's own line."""
    error = answer_on_function(lambda f, x: f(x[0]))["error"]
    assert "takes an array of shape (2,); it was called on one of shape ()" in error["message"]
    assert "f(x[0])" in error["source"]


def test_only_arrays_changed_in_place_are_told():
    """The callable in place of its description is no change; an x that was not put back is."""
    def leave_moved(f, x):
        x[0] += 1.0
        return f(x)

    assert answer_on_function(lambda f, x: f(x))["changed"] == []
    assert answer_on_function(leave_moved)["changed"] == ["x"]
