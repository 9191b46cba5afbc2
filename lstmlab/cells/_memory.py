"""The fast half of every cell with a memory C: the LSTM and its relatives, given which parts are there.

Each relative writes its own ``step`` and ``step_backward``. In the drive they differ only in which gates,
peepholes and activations they have, so they share one `_advance`, one `_slopes` and one `_retreat`.
"""

from __future__ import annotations

import numpy as np

from ._cell import Cell, finish_sigmoid, sigmoid_slope, tanh_slope
from ._tape import Read


class MemoryCell(Cell):
    """Base of the cells with a memory C. A gate that is not in ``gates`` is 1, or 1 − f if it is i and `coupled`.

    A subclass that lacks a part says so in these attributes.
    """

    peepholes: str = ""                     # the gates that see C
    coupled: bool = False                   # i = 1 − f
    squash_candidate: bool = True           # C̃ = tanh(...); else C̃ is its pre-activation
    squash_output: bool = True              # h = o⊙tanh(C); else h = o⊙C
    _sigmoids = ("f", "i", "o")

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size)
        order = tuple(g for g in "Cfio" if g in self.gates)      # the sigmoids side by side; o, which sees C_t, last
        self._reads = {"x": Read(0, order), "h": Read(0, order)}
        self._slots = (*("C_tilde" if g == "C" else g for g in order), "tanh_C")
        late = {"o"} if "o" in self.peepholes else set()
        early = set(order) - late - (set() if self.squash_candidate else {"C"})
        self._early_tanh = self._runs(early)
        self._early_sigmoid = self._runs(early - {"C"})
        self._late = self._runs(late)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter: per gate ``W (H, H+I)`` and ``b (H,)``, per peephole ``p (H,)``."""
        return {**super().parameter_shapes(), **{f"p_{g}": (self.hidden_size,) for g in self.peepholes}}

    def _advance(self, params, slots, prev, now):
        z = dict(zip(self._slots, slots, strict=True))
        for g in self.peepholes:
            if g != "o":
                z[g] += params[f"p_{g}"][:, None] * prev.C
        self._activate(slots, self._early_tanh, self._early_sigmoid)
        f, i = self._keep_and_write(z)
        np.multiply(f, prev.C, out=now.C)
        np.add(now.C, i * z["C_tilde"], out=now.C)
        if "o" in self.peepholes:
            z["o"] += params["p_o"][:, None] * now.C
            self._activate(slots, self._late, self._late)
        squashed = np.tanh(now.C, out=z["tanh_C"]) if self.squash_output else now.C
        np.multiply(z.get("o", 1), squashed, out=now.h)
        for g in now._fields[2:]:                                # gates that are part of the state
            getattr(now, g)[:] = z[g]

    def _slopes(self, params, slots, prev, now):
        y = dict(zip(self._slots, slots.swapaxes(0, 1), strict=True))
        G = len(self.gates)
        slopes = np.empty((len(slots), G + 2, *slots.shape[2:]), slots.dtype)
        of = dict(zip(self._slots[:G], slopes.swapaxes(0, 1), strict=False))     # of f, i, C̃ per dC, of o per dh
        dC_per_dh, dC_prev_per_dC = slopes[:, G], slopes[:, G + 1]
        f, i = self._keep_and_write(y)
        squashed = y["tanh_C"] if self.squash_output else now.C
        np.multiply(tanh_slope(squashed) if self.squash_output else 1, y.get("o", 1), out=dC_per_dh)
        if "o" in of:
            np.multiply(squashed, sigmoid_slope(y["o"]), out=of["o"])
        np.multiply(i, tanh_slope(y["C_tilde"]) if self.squash_candidate else 1, out=of["C_tilde"])
        if "f" in of:
            np.multiply(prev.C - y["C_tilde"] if self.coupled else prev.C, sigmoid_slope(f), out=of["f"])
        if "i" in of:
            np.multiply(y["C_tilde"], sigmoid_slope(i), out=of["i"])
        dC_prev_per_dC[:] = f
        for g in self.peepholes:
            through = dC_per_dh if g == "o" else dC_prev_per_dC
            through += params[f"p_{g}"][:, None] * of[g]
        return slopes

    def _retreat(self, params, dz, slopes, dstate):
        G, before_o = len(self.gates), len(self.gates) - ("o" in self.gates)
        dh, dC = dstate[:2]
        np.multiply(dh, slopes[before_o:G], out=dz[before_o:G])
        dC += dh * slopes[G]
        np.multiply(dC, slopes[:before_o], out=dz[:before_o])
        dC *= slopes[G + 1]
        dh[:] = 0

    def _sum_other_gradients(self, dparams, dz, tape, chunk):
        for g in self.peepholes:
            seen = slice(chunk.start + 1, chunk.stop + 1) if g == "o" else chunk
            dparams[f"p_{g}"] += np.einsum("hnb,nhb->h", dz[self._slots.index(g)], tape.columns.C[seen])

    def _keep_and_write(self, y):
        """The factors f of the old memory and i of the candidate; a gate that is not there is 1."""
        f = y.get("f", 1)
        return f, 1 - f if self.coupled else y.get("i", 1)

    @staticmethod
    def _activate(slots, tanhs, sigmoids):
        for run in tanhs:
            np.tanh(slots[run], out=slots[run])
        for run in sigmoids:
            finish_sigmoid(slots[run])

    def _runs(self, gates: set[str]) -> list[slice]:
        """The slots of those gates, as few slices as can be: neighbours are handled in one call."""
        runs: list[slice] = []
        for k, g in enumerate(self._reads["x"].gates):
            if g in gates and runs and runs[-1].stop == k:
                runs[-1] = slice(runs[-1].start, k + 1)
            elif g in gates:
                runs.append(slice(k, k + 1))
        return runs
