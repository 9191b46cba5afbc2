"""The report of a gradient check: every array's error, the worst entry by name and index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Worst:
    """The entry of an array in which the two gradients differ most."""

    name: str
    index: tuple[int, ...]
    analytic: float
    numerical: float
    error: float


@dataclass(frozen=True)
class GradientReport:
    """Analytic against numerical gradients, array by array.

    Attributes
    ----------
    analytic, numerical : dict of str to ndarray
        The two gradients by name (``dx``-style names without the d: ``xs``, ``h0``, ``C0``, ``W_f``, ...).
    tolerance : float
        Largest error that counts as agreement.
    errors : dict of str to float
        Per array the largest difference, relative to the array's largest entry.
    worst : Worst
        The entry behind `max_error`.
    ok : bool
        True if no error exceeds the tolerance (nan never agrees).
    """

    analytic: dict[str, np.ndarray]
    numerical: dict[str, np.ndarray]
    tolerance: float

    @property
    def errors(self) -> dict[str, float]:
        return {name: self._worst(name).error for name in self.analytic}

    @property
    def worst(self) -> Worst:
        return max((self._worst(name) for name in self.analytic),
                   key=lambda w: np.inf if np.isnan(w.error) else w.error)

    @property
    def max_error(self) -> float:
        return self.worst.error

    @property
    def ok(self) -> bool:
        return all(error <= self.tolerance for error in self.errors.values())

    def _worst(self, name: str) -> Worst:
        a, n = self.analytic[name], self.numerical[name]
        gap = np.abs(a - n)
        index = tuple(int(k) for k in np.unravel_index(np.nanargmax(np.where(np.isnan(gap), np.inf, gap)), a.shape))
        scale = max(np.abs(a).max(), np.abs(n).max())
        error = gap[index] / scale if scale > 0 else 0.0
        return Worst(name, index, float(a[index]), float(n[index]), float(error))

    def __str__(self) -> str:
        width = max(len(name) for name in self.analytic)
        lines = [f"{name:<{width}}  {self.analytic[name].shape!s:<14} {error:.1e}"
                 for name, error in self.errors.items()]
        w = self.worst
        entry = f"{w.name}[{', '.join(map(str, w.index))}]"
        if self.ok:
            lines.append(f"agree: largest error {w.error:.1e} at {entry}, tolerance {self.tolerance:.0e}")
        else:
            lines.append(f"DISAGREE: {entry} is {w.analytic:.6g} by backward and {w.numerical:.6g} by differences "
                         f"(error {w.error:.1e}, tolerance {self.tolerance:.0e})")
        return "\n".join(lines)
