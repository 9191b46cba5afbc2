"""What each exercise demands: inputs, reference, tolerance, and the catalogue of mistakes.

`probe` and `wire` run where the student's function is; everything else forms the verdict.

A problem set is one module here, ``ps<number>_<topic>.py``, with a tuple `CHECKS`, and one notebook of the same name
in ``solutions``; nothing else has to know of it. A `Check` holds inputs drawn from a seed, a reference made of
functions of lstmlab, the points by part, and its mistakes, each a `Mistake`: an edit of the reference's own source.
"""

from ._answers import Output
from ._book import labels, numbers
from ._check import Case, Check
from ._edits import Mistake, Source
from ._registry import get, problem_set, problem_sets
from ._student import CheckFailed, check
from ._verdict import Part, Verdict

__all__ = ["Case", "Check", "CheckFailed", "Mistake", "Output", "Part", "Source", "Verdict",
           "check", "get", "labels", "numbers", "problem_set", "problem_sets"]
