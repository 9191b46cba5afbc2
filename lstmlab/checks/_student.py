"""The student's one line: ``check("lstm_step", lstm_step)``."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace

from . import probe
from ._borrowed import borrowed
from ._registry import get
from ._verdict import Verdict


class CheckFailed(AssertionError):
    """A function is not right yet; the text says why.

    Attributes
    ----------
    verdict : Verdict
    """

    def __init__(self, verdict: Verdict):
        super().__init__(verdict.text())
        self.verdict = verdict

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback, whose frames would all be ours."""
        return self.verdict.text(_colour()).splitlines()


def check(name: str, fn: Callable) -> None:
    """Check a function on freshly drawn inputs.

    Parameters
    ----------
    name : str
        What the exercise calls the function.
    fn : callable
        Your function.

    Raises
    ------
    CheckFailed
        If it is not right; the message says what is wrong and why, and what is right already.

    Examples
    --------
    >>> import numpy as np
    >>> def sigmoid(x):
    ...     return 0.5 * (1 + np.tanh(x / 2))
    >>> check("sigmoid", sigmoid)
    ✓ sigmoid: right (2 of 2 points)
    """
    # the grading tools of a notebook take anything on stderr for a failure
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        verdict = _verdict(name, fn)
    if not verdict.right:
        raise CheckFailed(verdict)
    print(verdict.text(_colour()))


def _verdict(name: str, fn: Callable) -> Verdict:
    found = get(name)
    seed = secrets.randbits(256)
    answers = probe.KINDS[found.kind](fn, found.requests(seed))
    if answers[-1].get("error", {}).get("type") == "KeyboardInterrupt":
        raise KeyboardInterrupt
    verdict = found.judge(seed, answers)
    return replace(verdict, remarks=(*_not_own(fn), *verdict.remarks))


def _not_own(fn: Callable) -> list[str]:
    """What to say if the function leaves its work to a reference: here that is only a remark."""
    return [f"It uses {name}. That is fine for comparing, but while marks are formed such a call does not work and "
            "earns nothing: what is judged has to be your own code. It costs nothing here."
            for name in sorted(borrowed(fn))[:3]]


def _colour() -> bool:
    """Whether what is printed goes where colours show: a notebook or a terminal."""
    if "NO_COLOR" in os.environ:
        return False
    ipython = sys.modules.get("IPython")
    return sys.stdout.isatty() or (ipython is not None and ipython.get_ipython() is not None)
