"""A mistake is one edit of the reference's own source; here a reference is rebuilt with edits made to it.

So the catalogue reads as a list of what students write, each entry is a mutant its check has to catch, and no
equation is written a second time.
"""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
import itertools
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple


class Mistake(NamedTuple):
    """One edit of a reference, and what it tells the student.

    Attributes
    ----------
    name : str
        What is wrong, in a few words: the headline, and the entry in a class report.
    old, new : str
        The edit. `old` occurs exactly once in the sources of the check.
    why : str
        Why it is wrong, in the student's terms, without the corrected code.
    see : str
        Where the book explains it.
    """

    name: str
    old: str
    new: str
    why: str
    see: str


class Source(NamedTuple):
    """A function of lstmlab that a reference is made of, and that an edit may change.

    Attributes
    ----------
    function : callable
    student : str
        Name of the student's function in which these lines are written.
    owner : type, optional
        For a method: the class it is called on.
    """

    function: Callable
    student: str
    owner: type | None = None

    @property
    def text(self) -> str:
        """The source as it stands in its file."""
        return _read(self.function)

    @property
    def name(self) -> str:
        """The name under which other modules use it; a method is used through its class."""
        return (self.owner or self.function).__name__


def home(mistake: Mistake, sources: tuple[Source, ...]) -> Source:
    """The one source that `mistake` edits.

    Raises
    ------
    ValueError
        If its old text does not occur exactly once: the reference has changed, or the edit is ambiguous.
    """
    count = sum(source.text.count(mistake.old) for source in sources)
    if count != 1:
        raise ValueError(f"mistake {mistake.name!r}: {mistake.old!r} occurs {count} times in the reference; "
                         "expected exactly once")
    return next(source for source in sources if mistake.old in source.text)


def edited(sources: tuple[Source, ...], mistakes: tuple[Mistake, ...]) -> list[str] | None:
    """The texts of `sources` with `mistakes` made in them; None if two edits overlap."""
    texts = []
    for source in sources:
        text = _edit(source.text, [m for m in mistakes if home(m, sources) is source])
        if text is None:
            return None
        texts.append(text)
    return texts


@functools.lru_cache(maxsize=4096)
def mutant(sources: tuple[Source, ...], mistakes: tuple[Mistake, ...]) -> Callable | None:
    """The last of `sources` with `mistakes` made in it and in those before; None if two edits overlap."""
    texts = edited(sources, mistakes)
    return None if texts is None else _build(sources, texts, {})


def replay(sources: tuple[Source, ...], student: str, keep: str, names: set[str], given: dict[str, Any]) -> Callable:
    """The reference, taking the student's own values for what it has already worked out.

    In the lines that the function `student` is made of, ``name = expression`` becomes ``name = given[name]``
    for all `names` but `keep`. What it returns for `keep` is then right *given the student's other outputs*.
    """
    texts = []
    for source in sources:
        tree = ast.parse(_in_class(source, source.text))
        if source.student == student:
            tree = ast.fix_missing_locations(_Given(names - {keep}).visit(tree))
        texts.append(ast.unparse(tree))
    return _build(sources, texts, {"_given": given}, wrapped=True)


def depends_on(sources: tuple[Source, ...], student: str, names: set[str]) -> dict[str, list[str]]:
    """For each of `names` that the lines of `student` assign: the other names that its value is made of.

    A name that is none of `names` stands for what it was itself made of.
    """
    read: dict[str, set[str]] = {}
    for source in sources:
        if source.student == student:
            for node in ast.walk(ast.parse(_in_class(source, source.text))):
                if name := _target(node):
                    leaves = {leaf.id for leaf in ast.walk(node.value) if isinstance(leaf, ast.Name)}
                    read.setdefault(name, set()).update(leaves)
    return {name: [other for other in names if other != name and other in _reached(name, names, read)]
            for name in read if name in names}


def _reached(start: str, names: set[str], read: dict[str, set[str]]) -> set[str]:
    """What `start` is made of, followed through all that is none of `names`."""
    found, ahead = set(), set(read[start])
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead |= set() if name in names else read.get(name, set())
    return found


class _Given(ast.NodeTransformer):
    def __init__(self, names: set[str]):
        self.names = names

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        if (name := _target(node)) in self.names:
            node.value = ast.parse(f"_given[{name!r}]", mode="eval").body
        return node


def _target(node: ast.AST) -> str | None:
    """The name on the left of ``name = expression``."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def _edit(text: str, mistakes: list[Mistake]) -> str | None:
    """Make the edits from last to first, so that none moves the place of another."""
    spans = sorted(((text.index(m.old), m) for m in mistakes), reverse=True)
    for (later, _), (start, mistake) in itertools.pairwise(spans):
        if start + len(mistake.old) > later:
            return None
    for start, mistake in spans:
        text = text[:start] + mistake.new + text[start + len(mistake.old):]
    return text


def _build(sources: tuple[Source, ...], texts: list[str], extra: dict[str, Any], wrapped: bool = False) -> Callable:
    """Run `texts` in copies of their modules, each seeing the rebuilt ones before it in place of the originals."""
    spaces = {s.function.__module__: dict(vars(sys.modules[s.function.__module__])) | extra for s in sources}
    made: dict[Any, Any] = {}
    for source, text in zip(sources, texts, strict=True):
        original = source.owner or source.function
        before = made.get(original, original)
        space = spaces[source.function.__module__] | {"_owner": before}
        exec(_compile(text if wrapped else _in_class(source, text)), space)
        made[original] = space[source.name]
        for other in spaces.values():
            other.update({name: made[original] for name, value in other.items() if value is before})
    return made[sources[-1].function]


def _in_class(source: Source, text: str) -> str:
    """A method's text, indented as it stands in its file, as the body of a subclass of its owner."""
    return f"class {source.name}(_owner):\n{text}" if source.owner else text


@functools.lru_cache(maxsize=4096)
def _compile(text: str) -> CodeType:
    return compile(text, "<reference>", "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)


@functools.cache
def _read(function: Callable) -> str:
    return inspect.getsource(function)
