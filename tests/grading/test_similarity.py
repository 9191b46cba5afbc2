"""What is worth a look for being alike: copies are, people who think alike are not."""

import ast
import random
import re

import nbformat
import pytest

from lstmlab.grading import similarity
from lstmlab.grading.course import open_course
from lstmlab.grading.release import read_release
from lstmlab.grading.report import reference_answers
from lstmlab.grading.submission import read_submission
from tests.conftest import ROOT
from tests.grading.independent_answers import FORWARD, STEP, WAYS, independent_class
from tests.grading.made_class import BLANK, SET

OWN = {"lstm_step": STEP[-1], "lstm_forward": FORWARD[-1]}         # ways that nobody else in the class has


@pytest.fixture(scope="module")
def release():
    """What was released."""
    return read_release(ROOT / "exercises" / SET / f"{SET}.ipynb")


def work(release, bodies, change=lambda source: source):
    """A submission with these bodies in the released functions."""
    given = {cell.grade_id: cell.source for cell in release.cells}
    return similarity.work({name: change(given[name].replace(BLANK, body)) for name, body in bodies.items()}, release)


def plain_class(release, size, seed):
    """A class in which nobody writes as `OWN` does."""
    draw = random.Random(seed)
    drawn = independent_class(size, seed)
    for bodies in drawn:
        for name, own in OWN.items():
            while bodies[name] == own:
                bodies[name] = draw.choice(WAYS[name])
    return drawn, {f"s{n}": work(release, bodies) for n, bodies in enumerate(drawn)}


class Renamed(ast.NodeTransformer):
    """Gives every variable another name."""

    def visit_Name(self, node):
        if node.id not in {"np", "sigmoid", "lstm_step", *similarity._BUILTINS}:
            node.id = f"{node.id}_of_mine"
        return node

    def visit_arg(self, node):
        return ast.arg(f"{node.arg}_of_mine")


def disguised(source):
    """Renamed, without comments and docstring, with two statements exchanged."""
    tree = Renamed().visit(ast.parse(source))
    body = [node for node in tree.body[0].body if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call)]
    if len(body) > 4:
        body[1], body[2] = body[2], body[1]
    tree.body[0].body = body
    return ast.unparse(tree)


def unreadable(source):
    """Disguised, and with what Python alone cannot read around it."""
    return f"%matplotlib inline\n!true\nfiles = !ls\n{disguised(source)}\nlstm_step?"


@pytest.mark.parametrize("change", [str, disguised, unreadable],
                         ids=["word for word", "renamed and reordered", "behind a magic"])
@pytest.mark.parametrize("size", [60, 240])
def test_a_copy_is_found(release, size, change):
    """Whoever hands in another's own way of writing it is shown with them, and nobody else is."""
    drawn, class_ = plain_class(release, size, 1)
    victim = drawn[0] | OWN
    class_ |= {"s0": work(release, victim), "copy": work(release, victim, change)}
    assert [group.students for group in similarity.groups(class_)] == [("copy", "s0")]


def test_who_thinks_alike_is_not_flagged(release):
    """In five classes of independent students nobody is shown, though many functions are equal to the letter."""
    for seed in range(5):
        _, class_ = plain_class(release, 120, seed)
        assert similarity.groups(class_) == []
    pairs = [(a, b) for a in class_.values() for b in class_.values() if a is not b]
    assert any(len(a.shapes & b.shapes) >= similarity.ALIKE * len(a.shapes | b.shapes) for a, b in pairs)


@pytest.mark.full
def test_independent_classes_of_all_sizes(release, record_property):
    """No more classes show a pair by chance than the page says: one in eight."""
    for size, count in ((12, 100), (60, 100), (240, 50), (1000, 5)):
        flagged = sum(bool(similarity.groups({f"s{n}": work(release, bodies) for n, bodies
                                              in enumerate(independent_class(size, seed))})) for seed in range(count))
        record_property(f"independent classes of {size} with a pair, of {count}", flagged)
        assert flagged <= count / 8 + 3


@pytest.mark.full
def test_copies_in_many_classes(release, record_property):
    """Of copies of somebody's own way, nearly all are found."""
    found, count = 0, 0
    for size in (30, 60, 240):
        for seed in range(30):
            drawn, class_ = plain_class(release, size, seed)
            class_ |= {"s0": work(release, drawn[0] | OWN), "copy": work(release, drawn[0] | OWN, disguised)}
            found += any({"s0", "copy"} <= set(group.students) for group in similarity.groups(class_))
            count += 1
    record_property(f"renamed and reordered copies found, of {count}", found)
    assert found >= 0.8 * count


def test_what_everyone_was_given_counts_for_nothing(release):
    """An untouched notebook has no statement of its own."""
    given = {cell.grade_id: cell.source for cell in release.cells if not cell.locked}
    assert similarity.work(given, release).shapes == frozenset()


def test_the_reference_is_recognised(sample, release):
    """The sample class is made from the solution: who left it as it is has all of it; independent students do not."""
    reference = similarity.work(reference_answers(open_course(ROOT), release), release)
    raw = nbformat.writes(sample.notebook(next(s for s in sample.CLASS if s.name == "perfect"))).encode()
    copied = similarity.work(similarity.answers(read_submission(raw, release)), release)
    assert similarity.from_reference(copied, reference) == 1.0
    _, class_ = plain_class(release, 200, 3)
    assert max(similarity.from_reference(own, reference) for own in class_.values()) < similarity.VERBATIM


def test_handlers_of_groups_of_exceptions_are_read():
    """Their statement without a handler is no Python, so that the whole cell could not be compared."""
    shapes = [s.shape for s in similarity.statements("try:\n    pass\nexcept* ValueError:\n    x = 1")]
    assert "_0 = 1" in shapes


@pytest.mark.parametrize("source", ["-" * 10**5 + "1", "(" * 10**5, "[" * 90 + "]" * 90, "a." * 20_000 + "b", "\0",
                                    "def f(:\n  x", "if 1:\n" * 90, "match x:\n  case 1: pass", "\ud800"])
def test_odd_sources_are_read_or_left_out(source):
    """Nothing that can be written into a cell stops the comparison."""
    assert isinstance(similarity.statements(source), list)
    assert isinstance(similarity.without_comments(source), str)


def test_comments_and_docstrings_are_left_out_line_by_line():
    """Who is not to be named is not named by their own words, and the line numbers stay."""
    source = 'def f(x):\n    """By\n    Ada."""\n    return x  # Ada\n'
    shown = similarity.without_comments(source)
    assert "Ada" not in shown
    assert re.findall("^", shown, re.MULTILINE) == re.findall("^", source, re.MULTILINE)
    for odd in ("%matplotlib inline\n", "if (:\n"):
        assert "Ada" not in similarity.without_comments(f"{odd}x = 1  # Ada")
