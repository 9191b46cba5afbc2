"""Submissions near-identical to each other or to the reference: what is worth a look, with its evidence.

Short functions all look alike, the more so where equations and notation say what to write. So nothing here is
measured against a fixed idea of originality, but against the class itself. An answer is the set of its statements,
once with the student's own names (and comments) and once with all names and texts taken out, so that neither
renaming nor reordering hides a copy; what the release gives everyone is left out. Two submissions are near-identical
if at least `ALIKE` of their statements are the same. That is worth a look only if it is also unlikely: for each cell
we count who else in the class wrote what the two share there. If n of N others did, we take it that (n + ½) / (N + 1)
of all people would (the Krichevsky-Trofimov estimate: what nobody else wrote is rare, not impossible), and it is worth
the log2 of that in bits. The bits of all cells together have to exceed, by `MARGIN`, the log2 of the number of pairs
in the class. If students chose independently, cell by cell, about one class in 2^`MARGIN` would show such a pair.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import math
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import NamedTuple

from .release import Release
from .submission import Submission

ALIKE = 0.8                        # share of statements that near-identical submissions have in common
MARGIN = 3                         # bits beyond what chance explains in a class of this size
VERBATIM = 0.9                     # share of a student's statements that stand in the reference, names and all
FEWEST = 8                         # statements below which nothing can be told
MAX_SOURCE = 50_000                # characters of a cell that are compared
_BUILTINS = frozenset(dir(builtins))
_MAGIC = re.compile(r"^([ \t]*)(?:[%!?].*|\w+[ \t]*=[ \t]*[%!].*|[\w.]+\?\??[ \t]*)$", re.MULTILINE)


class Statement(NamedTuple):
    """A statement in its own words, in its bare shape, and the lines it stands on."""

    exact: str
    shape: str
    first: int
    last: int


@dataclass(frozen=True)
class Work:
    """One submission as it is compared: statements and source by cell, without what everyone was given."""

    statements: dict[str, list[Statement]]
    sources: dict[str, str]

    @property
    def shapes(self) -> frozenset[tuple[str, str]]:
        """(cell, shape) of every statement."""
        return frozenset((cell, s.shape) for cell, found in self.statements.items() for s in found)

    @property
    def exacts(self) -> frozenset[tuple[str, str]]:
        """(cell, words) of every statement."""
        return frozenset((cell, s.exact) for cell, found in self.statements.items() for s in found)


@dataclass(frozen=True)
class Pair:
    """Two submissions worth a look.

    Attributes
    ----------
    students : tuple of str
        Which.
    alike : float
        Share of statements that are the same, names aside.
    bits : float
        How unlikely that is in this class.
    others : dict of int
        By cell: how many of the class, these two included, wrote what the two share there.
    """

    students: tuple[str, str]
    alike: float
    bits: float
    others: dict[str, int]


@dataclass(frozen=True)
class Group:
    """Submissions that hang together by pairs worth a look; the closest pair is the evidence."""

    students: tuple[str, ...]
    closest: Pair


# -- reading -------------------------------------------------------------------------------------------


def answers(submission: Submission) -> dict[str, str]:
    """What a student wrote where something was to be written, by grade_id."""
    return {cell.released.grade_id: cell.source for cell in submission.cells
            if cell.released and not cell.released.locked}


def work(sources: dict[str, str], release: Release) -> Work:
    """Answers without what the release gives everyone."""
    given = {cell.grade_id: cell.source for cell in release.cells}
    kept = _names_of(release)
    found = {}
    for cell, source in sources.items():
        released = {s.shape for s in statements(given.get(cell, ""), kept)}
        found[cell] = [s for s in statements(source, kept) if s.shape not in released]
    return Work(found, sources)


def _names_of(release: Release) -> frozenset[str]:
    """Names that everyone was given: of the functions asked for and of what is imported."""
    names = {call.function for call in release.tests.values()} | {"np", "plt", "torch", "nn", "math"}
    return _BUILTINS | names


def statements(source: str, kept: frozenset[str] = _BUILTINS) -> list[Statement]:
    """The statements of a piece of code, or the sentences of a text; none of what cannot be read.

    Examples
    --------
    >>> [s.shape for s in statements("total = first + 1  # so far")]
    ['_0 = _1 + 1']
    """
    source = source[:MAX_SOURCE]
    try:
        tree = parsed(source)
        code = [s for node in ast.walk(tree) if isinstance(node, ast.stmt) and (s := _statement(node, kept))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _sentences(source)
    return [*code, *_comments(source)]


def parsed(source: str) -> ast.Module:
    """The tree of a cell, in which a line that only IPython understands is a `pass`: one such line hides nothing.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        If it cannot be read all the same.
    """
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse(_MAGIC.sub(r"\1pass", source))


def _statement(node: ast.stmt, kept: frozenset[str]) -> Statement | None:
    """One statement; of a compound one its head alone, of a docstring and of what does nothing nothing."""
    if isinstance(node, ast.Pass):
        return None
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return None
    body = next((getattr(node, name) for name in ("body", "cases") if getattr(node, name, None)), None)
    last = node.end_lineno if body is None else node.lineno
    head = node if body is None else _headed(node)
    exact = ast.unparse(head)
    return Statement(exact, ast.unparse(_Bare(kept).visit(ast.parse(exact))), node.lineno, last)


def _headed(node: ast.stmt) -> ast.stmt:
    """A compound statement with nothing in it."""
    empty = {name: [] for name in ("orelse", "finalbody", "handlers", "decorator_list") if hasattr(node, name)}
    if isinstance(node, ast.Try | ast.TryStar):
        empty["finalbody"] = [ast.Pass()]
    if isinstance(node, ast.Match):
        return ast.Expr(node.subject)
    fields = {name: getattr(node, name, None) for name in node._fields} | empty | {"body": [ast.Pass()]}
    return ast.fix_missing_locations(ast.copy_location(type(node)(**fields), node))


class _Bare(ast.NodeTransformer):
    """Takes the student's own names and texts out, so that only the shape is left."""

    def __init__(self, kept: frozenset[str]):
        self._kept, self._names = kept, {}

    def _bare(self, name: str) -> str:
        return name if name in self._kept else self._names.setdefault(name, f"_{len(self._names)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._bare(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self._bare(node.arg))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns = self._bare(node.name), None
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            node.value = "s"
        return node


def _comments(source: str) -> Iterator[Statement]:
    """Comments of some length; their shape is their words, since nobody has to write them alike."""
    try:
        for token in tokenize.generate_tokens(StringIO(source).readline):
            if token.type == tokenize.COMMENT and len(words := " ".join(token.string.strip("# ").split())) > 15:
                yield Statement(words, f"# {words}", token.start[0], token.start[0])
    except (tokenize.TokenError, SyntaxError):                     # what ast could read, all the same
        return


def without_comments(source: str) -> str:
    """Code line by line, but without its comments and docstrings, in which people name themselves.

    Of what cannot be read, all that stands behind a # is left out.
    """
    lines = source.split("\n")
    try:
        texts = [node for node in ast.walk(parsed(source)) if isinstance(node, ast.Expr)
                 and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)]
        comments = [token for token in tokenize.generate_tokens(StringIO(source).readline)
                    if token.type == tokenize.COMMENT]
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return "\n".join(line.partition("#")[0].rstrip() for line in lines)
    for token in comments:
        row, column = token.start
        lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in texts:
        lines[node.lineno - 1:node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(lines)


def _sentences(text: str) -> list[Statement]:
    """Sentences of a written answer, of six words or more."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for sentence in re.split(r"(?<=[.!?])\s", line):
            words = re.findall(r"\w+", sentence.lower())
            if len(words) >= 6:
                found.append(Statement(" ".join(words), " ".join(words), number, number))
    return found


# -- comparing -----------------------------------------------------------------------------------------


def groups(class_: dict[str, Work]) -> list[Group]:
    """Submissions of a class that are worth a look together, the most telling first.

    Parameters
    ----------
    class_ : dict of Work
        By student.
    """
    pairs = sorted(_pairs(class_), key=lambda pair: -pair.bits)
    leader: dict[str, str] = {}

    def find(student: str) -> str:
        while leader.setdefault(student, student) != student:
            student = leader[student]
        return student

    for pair in pairs:
        leader[find(pair.students[1])] = find(pair.students[0])
    members, closest = defaultdict(list), {}
    for student in sorted(leader):
        members[find(student)].append(student)
    for pair in pairs:
        closest.setdefault(find(pair.students[0]), pair)
    return [Group(tuple(members[head]), pair) for head, pair in closest.items()]


def _pairs(class_: dict[str, Work]) -> Iterator[Pair]:
    """Pairs worth a look; of those who wrote the same word for word, each with the first of them."""
    number = {student: n for n, student in enumerate(class_)}
    wrote: dict[tuple[str, str], int] = defaultdict(int)          # who wrote it: a bit for each student
    same: dict[frozenset, list[str]] = defaultdict(list)
    for student, of in class_.items():
        for key in of.shapes | of.exacts:
            wrote[key] |= 1 << number[student]
        if len(of.shapes) >= FEWEST:
            same[of.exacts].append(student)
    enough = math.log2(max(1, math.comb(len(class_), 2))) + MARGIN
    firsts = {students[0]: class_[students[0]].shapes for students in same.values()}
    candidates = [*((a, b) for a, *others in same.values() for b in others), *_near(firsts, wrote)]
    for a, b in candidates:
        shared = class_[a].shapes & class_[b].shapes
        others = _others(class_[a], class_[b], wrote, (1 << len(class_)) - 1)
        bits = sum(math.log2((len(class_) - 1) / (count - 1.5)) for count in others.values())
        if bits >= enough:
            yield Pair((a, b), len(shared) / len(class_[a].shapes | class_[b].shapes), bits, others)


def _near(shapes: dict[str, frozenset], wrote: dict) -> Iterator[tuple[str, str]]:
    """Pairs that have at least `ALIKE` in common.

    Such a pair shares one of the few rarest statements of either, so only those need to be looked up.
    """
    by_rarity: dict[tuple[str, str], list[str]] = defaultdict(list)
    for student, mine in shapes.items():
        rarest = sorted(mine, key=lambda key: (wrote[key].bit_count(), key))
        near: set[str] = set()
        for key in rarest[:len(mine) - math.ceil(ALIKE * len(mine)) + 1]:
            near.update(by_rarity[key])
            by_rarity[key].append(student)
        for other in near:
            if len(mine & shapes[other]) >= ALIKE * len(mine | shapes[other]):
                yield other, student


def _others(a: Work, b: Work, wrote: dict, everyone: int) -> dict[str, int]:
    """By cell: how many of the class wrote all that these two share there, in shape or, if fewer, in words."""
    counts = {}
    for cell in a.statements:
        fewest = everyone.bit_count()
        for mine, theirs in ((a.shapes, b.shapes), (a.exacts, b.exacts)):
            who = everyone
            for key in mine & theirs:
                if key[0] == cell:
                    who &= wrote[key]
            fewest = min(fewest, who.bit_count())
        counts[cell] = fewest
    return counts


def from_reference(mine: Work, reference: Work) -> float:
    """Share of a student's statements that stand word for word in the reference; 0 where there are too few to tell."""
    written = mine.exacts
    return len(written & reference.exacts) / len(written) if len(written) >= FEWEST else 0.0


def same_lines(mine: Work, other: Work, cell: str) -> set[int]:
    """Lines of a cell whose statements stand in the other's too, names aside."""
    theirs = {s.shape for s in other.statements.get(cell, ())}
    return set(itertools.chain.from_iterable(range(s.first, s.last + 1) for s in mine.statements.get(cell, ())
                                             if s.shape in theirs))
