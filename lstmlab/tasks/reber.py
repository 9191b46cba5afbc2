"""Strings of the embedded Reber grammar: what must be remembered from the second symbol to the last but one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SYMBOLS = "BTPSXVE"
# the Reber grammar: from each state, the symbol written on the way and the state it leads to
GRAMMAR = ((("B", 1),), (("T", 2), ("P", 3)), (("S", 2), ("X", 4)), (("T", 3), ("V", 5)), (("X", 3), ("S", 6)),
           (("P", 4), ("V", 6)), (("E", 7),))
_END = 7


class Reber(NamedTuple):
    """Strings, side by side.

    Attributes
    ----------
    symbols : ndarray of int (T, B)
        Places in `SYMBOLS`; −1 after a string's end.
    legal : ndarray of bool (T, B, 7)
        Which symbols may come next; none at a string's last symbol and after it.
    mask : ndarray of bool (T, B)
        Where a string still runs.
    """

    symbols: np.ndarray
    legal: np.ndarray
    mask: np.ndarray


def embedded_reber(rng: np.random.Generator, batch: int) -> Reber:
    """Draw strings of the embedded Reber grammar.

    A string is B, then T or P, then a string of the Reber grammar, then the *same* T or P again, then E. Where the
    grammar branches, both ways are equally likely. The task is to say after each symbol which may come next; all but
    the last but one can be told from the last few symbols.

    Parameters
    ----------
    rng : numpy.random.Generator
    batch : int
        B, the number of strings, 1 or more.

    Returns
    -------
    Reber
        T is the length of the longest string; the shortest possible has 9 symbols.

    Raises
    ------
    ValueError
        If `batch` is below 1.

    Notes
    -----
    **Baseline.** Who forgets the second symbol can be right everywhere but at the last but one, and there, always
    naming the same of T and P, in half of the strings: half of the strings are right throughout.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, experiment 1.
    A. Cleeremans, D. Servan-Schreiber and J. McClelland, "Finite state automata and simple recurrent networks",
    Neural Computation 1(3), 1989.

    Examples
    --------
    >>> strings = embedded_reber(np.random.default_rng(3), 1)
    >>> "".join(SYMBOLS[s] for s in strings.symbols[:, 0])
    'BPBTSSSXSEPE'
    >>> ["".join(np.array(list(SYMBOLS))[may]) for may in strings.legal[:4, 0]]
    ['TP', 'B', 'TP', 'SX']
    """
    if batch < 1:
        raise ValueError(f"batch is {batch}; expected at least 1 string")
    return _side_by_side([_string(rng) for _ in range(batch)])


def continual_reber(rng: np.random.Generator, length: int, batch: int) -> Reber:
    """Draw streams of embedded Reber strings, one after the other with nothing between them.

    Nobody says where a string ends: a memory that is never emptied fills up.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
        T, the symbols of a stream, 1 or more; the last string may be cut off.
    batch : int
        B, the number of streams, 1 or more.

    Returns
    -------
    Reber
        All of one length; after the E of a string its successor's B is legal, and after the last symbol nothing.

    Raises
    ------
    ValueError
        If a number is below 1.

    Notes
    -----
    **Baseline.** As in `embedded_reber`: who forgets the second symbol of a string has one string in two right. Of
    streams with n whole strings, one in :math:`2^n` is right throughout.

    References
    ----------
    F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual prediction with LSTM", Neural Computation
    12(10), 2000.

    Examples
    --------
    >>> stream = continual_reber(np.random.default_rng(0), 30, 1)
    >>> "".join(SYMBOLS[s] for s in stream.symbols[:, 0])
    'BPBPVPXTTTTVVEPEBPBPVVEPEBPBPV'
    """
    if length < 1 or batch < 1:
        raise ValueError(f"length is {length} and batch is {batch}; expected at least 1 of each")
    streams = []
    for _ in range(batch):
        steps: list[tuple[str, str]] = []
        while len(steps) <= length:
            string = _string(rng)
            steps += [*string[:-1], (string[-1][0], "B")]
        streams.append([*steps[:length - 1], (steps[length - 1][0], "")])
    return _side_by_side(streams)


def _string(rng: np.random.Generator) -> list[tuple[str, str]]:
    """One string: each symbol, and those that may come after it."""
    outer = "TP"[rng.integers(2)]
    inner, state = [], 0
    while state != _END:
        ways = GRAMMAR[state]
        symbol, state = ways[rng.integers(len(ways))] if len(ways) > 1 else ways[0]
        inner.append((symbol, outer if state == _END else "".join(s for s, _ in GRAMMAR[state])))
    return [("B", "TP"), (outer, "B"), *inner, (outer, "E"), ("E", "")]


def _side_by_side(strings: list[list[tuple[str, str]]]) -> Reber:
    steps = max(map(len, strings))
    symbols = np.full((steps, len(strings)), -1)
    legal = np.zeros((steps, len(strings), len(SYMBOLS)), bool)
    for n, string in enumerate(strings):
        for t, (symbol, may) in enumerate(string):
            symbols[t, n] = SYMBOLS.index(symbol)
            legal[t, n, [SYMBOLS.index(s) for s in may]] = True
    return Reber(symbols, legal, symbols >= 0)
