"""Embedded Reber strings: legal by the grammar, and true to their docstrings."""

import re

import numpy as np
import pytest

from lstmlab.tasks import continual_reber, embedded_reber
from lstmlab.tasks.reber import SYMBOLS

# the Reber grammar, written down apart from the table that the generator walks through
REBER = re.compile(r"B(?:T[BTPSXVE]+TE|P[BTPSXVE]+PE)")
STATES = {0: {"B": 1}, 1: {"T": 2, "P": 3}, 2: {"S": 2, "X": 4}, 3: {"T": 3, "V": 5}, 4: {"X": 3, "S": 6},
          5: {"P": 4, "V": 6}, 6: {"E": 7}}


def spell(symbols):
    """A string in letters."""
    return "".join(SYMBOLS[s] for s in symbols if s >= 0)


def inner_states(string):
    """The states that the inner string of an embedded one goes through; an illegal letter is a KeyError."""
    states = [0]
    for letter in string[2:-2]:
        states.append(STATES[states[-1]][letter])
    return states


def test_strings_are_legal():
    """B, T or P, a string of the Reber grammar from its first state to its last, the same T or P, E."""
    strings = embedded_reber(np.random.default_rng(0), 500)
    for symbols in strings.symbols.T:
        string = spell(symbols)
        assert REBER.fullmatch(string)
        assert inner_states(string)[-1] == 7


def test_legal_symbols_are_those_of_the_grammar():
    """What may come next is what the grammar allows at that place, nothing more and nothing less."""
    strings = embedded_reber(np.random.default_rng(1), 100)
    for n, symbols in enumerate(strings.symbols.T):
        string = spell(symbols)
        states = inner_states(string)
        expected = ["TP", "B", *("".join(STATES[state]) for state in states[1:-1]), string[1], "E", ""]
        came = ["".join(np.array(list(SYMBOLS))[may]) for may in strings.legal[:len(string), n]]
        assert [set(may) for may in came] == [set(may) for may in expected]
        assert not strings.legal[len(string):, n].any()


def test_what_must_be_remembered_is_told_once():
    """At the last symbol but one exactly one symbol is legal: the second."""
    strings = embedded_reber(np.random.default_rng(2), 200)
    lengths, each = strings.mask.sum(axis=0), np.arange(200)
    may = strings.legal[lengths - 3, each]
    assert (may.sum(axis=1) == 1).all()
    assert np.array_equal(may.argmax(axis=1), strings.symbols[1])


def test_lengths():
    """The shortest strings have 9 symbols, and the longest fills the array."""
    lengths = embedded_reber(np.random.default_rng(3), 2000).mask.sum(axis=0)
    assert lengths.min() == 9
    assert lengths.max() == len(embedded_reber(np.random.default_rng(3), 2000).mask)


def test_the_branches_are_equally_likely():
    """Half of the strings begin with BT, so that who guesses the last symbol but one is right half of the time."""
    second = embedded_reber(np.random.default_rng(4), 4000).symbols[1]
    assert np.mean(second == SYMBOLS.index("T")) == pytest.approx(0.5, abs=0.03)


def test_a_stream_is_strings_one_after_the_other():
    """Cut at every E that a B may follow, a stream falls into legal strings; only the last may be cut off."""
    stream = continual_reber(np.random.default_rng(5), 400, 3)
    assert stream.mask.all()
    for n in range(3):
        letters, ends = spell(stream.symbols[:, n]), []
        for t in range(399):
            if letters[t] == "E" and stream.legal[t, n, SYMBOLS.index("B")]:
                ends.append(t + 1)
        for begin, end in zip([0, *ends], ends, strict=False):
            assert inner_states(letters[begin:end])[-1] == 7
        assert not stream.legal[-1, n].any()


@pytest.mark.parametrize("call", [lambda rng: embedded_reber(rng, 0), lambda rng: continual_reber(rng, 0, 1),
                                  lambda rng: continual_reber(rng, 5, 0)])
def test_nothing_to_draw_is_refused(call):
    """There has to be a string."""
    with pytest.raises(ValueError, match="expected at least 1"):
        call(np.random.default_rng(0))
