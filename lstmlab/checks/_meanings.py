"""What Python's and NumPy's commonest complaints mean, in words for somebody who is learning both."""

from __future__ import annotations

from collections.abc import Mapping

_PRODUCT = ("This is a matrix product whose inner lengths differ. Write the shape under each factor, (n, k) times "
            "(k, m): is one of them to be transposed, or does it belong on the other side?")
_COUNT = "The call returns another number of values than there are names on the left of the equals sign."
_CALL = ("A function is called with another number of arguments than it takes. The check calls yours as its first line "
         "was given: leave that line as it is.")
_ONE_NUMBER = ("A function for a single number, such as those of the module math, was given an array. NumPy has most "
               "of them under the same name, for whole arrays.")

MEANINGS = {
    "mismatch in its core dimension": _PRODUCT,
    "shapes cannot be multiplied": _PRODUCT,
    "except for the concatenation axis": "Arrays are joined along axis 0 unless you name another axis, and all their "
                                         "other lengths have to agree. (B, H) and (B, I) agree in B, which is axis 0: "
                                         "they can be joined along axis 1.",
    "could not be broadcast": "Two shapes do not go together entry by entry. Lengths are compared from the last axis "
                              "on; each pair has to be equal, unless one of the two is 1.",
    "truth value of an array": "An if asks one question, and here an array has many answers. np.where chooses entry by "
                               "entry.",
    "only 0-dimensional arrays can be converted": _ONE_NUMBER,
    "only length-1 arrays can be converted": _ONE_NUMBER,
    "list indices must be integers": "This is a list: its items have numbers, and no names. Take the item first.",
    "values to unpack": _COUNT,
    "positional argument": _CALL,
    "out of bounds for axis": "The axis has no such entry. Python counts from 0, so the last index is the length minus "
                              "one.",
    "cannot access local variable": "The name is read before it has a value in this function. Is it assigned only "
                                    "further down, or only in some cases?",
    "is not defined": "No cell that has run defines or imports this name. Is it spelled as it is where it is made, "
                      "and has that cell been run?",
}


def meaning(message: str, own: Mapping[str, str]) -> str:
    """What an exception's message means, by a part of it that is known; empty if none is.

    Parameters
    ----------
    message : str
    own : dict of str to str
        Known parts and their meanings that come before the common ones: those of one check.
    """
    return next((words for part, words in (own | MEANINGS).items() if part in message), "")
