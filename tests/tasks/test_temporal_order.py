"""Temporal order: what its docstring promises."""

import numpy as np
import pytest

from lstmlab.tasks import temporal_order
from lstmlab.tasks.temporal_order import SYMBOLS


@pytest.mark.parametrize(("marks", "places"), [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])])
def test_marks_stand_where_the_paper_puts_them(marks, places):
    """X or Y at every place of the given ranges, and nowhere else; the class reads them as a binary number."""
    task = temporal_order(np.random.default_rng(0), 3000, marks)
    seen = [set() for _ in places]
    for n in range(3000):
        at = np.flatnonzero(task.symbols[:, n] >= SYMBOLS.index("X"))
        assert len(at) == marks
        number = "".join(str(task.symbols[t, n] - 6) for t in at)
        assert task.targets[task.mask[:, n].sum() - 1, n] == int(number, 2)
        for one, t in zip(seen, at, strict=True):
            one.add(int(t))
    assert seen == [set(range(low, high + 1)) for low, high in places]


def test_begin_end_and_lengths():
    """E first, B last, 100 to 110 symbols; only B asks."""
    task = temporal_order(np.random.default_rng(1), 500)
    lengths = task.mask.sum(axis=0)
    assert set(lengths) == set(range(100, 111))
    assert (task.symbols[0] == 0).all()
    assert (task.symbols[lengths - 1, np.arange(500)] == 1).all()
    assert (np.isin(task.symbols[1:], [0, 1]).sum(axis=0) == 1).all()
    assert (task.targets >= 0).sum() == 500


@pytest.mark.parametrize(("marks", "classes"), [(2, 4), (3, 8)])
def test_the_baseline(marks, classes):
    """All classes are equally likely."""
    task = temporal_order(np.random.default_rng(2), 8000, marks)
    shares = np.bincount(task.targets[task.targets >= 0]) / 8000
    assert shares == pytest.approx(np.full(classes, 1 / classes), rel=0.15)


@pytest.mark.parametrize(("batch", "marks"), [(1, 4), (0, 2)])
def test_a_wrong_number_is_refused(batch, marks):
    """Two or three marks."""
    with pytest.raises(ValueError, match="expected 2 or 3 marks"):
        temporal_order(np.random.default_rng(0), batch, marks)
