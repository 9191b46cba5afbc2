"""The report of a gradient check: every array's error, the worst entry by name and index."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Worst:
    """The entry of an array in which the two gradients differ most."""

    name: str
    index: tuple[int, ...]
    analytic: float
    numerical: float
    error: float

    @property
    def entry(self) -> str:
        """The entry as one would write it, ``W_f[2, 0]``."""
        return f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name


@dataclass(frozen=True)
class GradientReport:
    """Analytic against numerical gradients, array by array.

    Attributes
    ----------
    analytic, numerical : dict of str to ndarray
        The two gradients by name (``dx``-style names without the d: ``xs``, ``h0``, ``C0``, ``W_f``, ...).
    tolerance : float
        Largest error that counts as agreement.
    method : str
        How the numerical gradient was taken.
    scales : dict of str to float
        What an array's errors are relative to: its largest entry (for a direction, the gradient's norm), but
        no less than makes rounding alone an error.
    unresolved : dict of str to ndarray of bool
        The entries under the central difference's own noise floor: checked by complex step, or, where
        `forward` carries no complex numbers, taken to agree within that floor.
    errors : dict of str to float
        Per array the largest difference, relative to the array's scale.
    worst : Worst
        The entry behind `max_error`.
    ok : bool
        True if no error exceeds the tolerance (nan never agrees).
    """

    analytic: dict[str, np.ndarray]
    numerical: dict[str, np.ndarray]
    tolerance: float
    method: str = "central difference"
    scales: dict[str, float] = field(default_factory=dict)
    unresolved: dict[str, np.ndarray] = field(default_factory=dict)

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

    def relative_errors(self, name: str) -> np.ndarray:
        """The difference in every entry of an array, relative to the array's scale."""
        a, n = self.analytic[name], self.numerical[name]
        scale = self.scales.get(name, max(np.abs(a).max(), np.abs(n).max()))
        return np.abs(a - n) / (scale if scale != 0 else 1.0)

    def plot(self):
        """Draw every array's errors as a map, on a logarithmic scale from rounding error to 1.

        Returns
        -------
        matplotlib.figure.Figure
        """
        import matplotlib.pyplot as plt  # only here: a check needs no plotting library

        columns = min(4, len(self.analytic))
        lines = -(-len(self.analytic) // columns)
        figure, axes = plt.subplots(lines, columns, figsize=(3 * columns, 2.2 * lines), squeeze=False,
                                    layout="constrained")
        for axis in axes.flat[len(self.analytic):]:
            axis.set_axis_off()
        for axis, name in zip(axes.flat, self.analytic, strict=False):
            errors = self.relative_errors(name)
            flat = errors.reshape(-1, errors.shape[-1]) if errors.ndim else errors.reshape(1, 1)
            image = axis.imshow(np.log10(np.maximum(flat, 1e-17)), vmin=-17, vmax=0, cmap="viridis", aspect="auto")
            axis.set(title=f"{name}  {self.errors[name]:.0e}", xticks=[], yticks=[])
        figure.colorbar(image, ax=axes, label="log10 of the relative error")
        figure.suptitle(f"backward against {self.method}: {'agree' if self.ok else 'DISAGREE at ' + self.worst.entry}")
        return figure

    def _worst(self, name: str) -> Worst:
        errors = self.relative_errors(name)
        index = np.unravel_index(np.argmax(np.where(np.isnan(errors), np.inf, errors)), errors.shape)
        index = tuple(int(k) for k in index)
        return Worst(name, index, float(self.analytic[name][index]), float(self.numerical[name][index]),
                     float(errors[index]))

    def __str__(self) -> str:
        width = max(len(name) for name in self.analytic)
        lines = [f"{name:<{width}}  {self.analytic[name].shape!s:<14} {error:.1e}{self._remark(name)}"
                 for name, error in self.errors.items()]
        w = self.worst
        if self.ok:
            lines.append(f"agree: largest error {w.error:.1e} at {w.entry}, tolerance {self.tolerance:.0e}")
        else:
            lines.append(f"DISAGREE: {w.entry} is {w.analytic:.6g} by backward and {w.numerical:.6g} by {self.method} "
                         f"(error {w.error:.1e}, tolerance {self.tolerance:.0e})")
        return "\n".join(lines)

    def _remark(self, name: str) -> str:
        count = int(self.unresolved.get(name, np.zeros(1, bool)).sum())
        return f"  ({count} unresolved by differences)" if count else ""
