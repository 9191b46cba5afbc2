"""The fast half of every cell with a memory C: the LSTM and its relatives, given which parts are there.

Each relative writes its own ``step`` and ``step_backward``. In the drive they differ only in which gates,
peepholes and activations they have, so they share one `_advance` and one `_retreat`.
"""

from __future__ import annotations

import numpy as np

from ._cell import Cell, finish_sigmoid, through_sigmoid, through_tanh


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
        self._slots = (*("C_tilde" if g == "C" else g for g in self.gates), "tanh_C")
        late = {"o"} if "o" in self.peepholes else set()         # o sees C_t, so it waits for it
        early = set(self.gates) - late - (set() if self.squash_candidate else {"C"})
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

    def _retreat(self, params, dz, slots, prev, now, dstate):
        y, dz = dict(zip(self._slots, slots, strict=True)), dict(zip(self._slots, dz, strict=False))
        f, i = self._keep_and_write(y)
        dh, dC, *dgates = dstate
        dgates = dict(zip(dstate._fields[2:], dgates, strict=True))
        squashed = y["tanh_C"] if self.squash_output else now.C
        if "o" in dz:
            through_sigmoid(dh * squashed + dgates.get("o", 0), y["o"], out=dz["o"])
            dh *= y["o"]
        if self.squash_output:
            through_tanh(dh, squashed, out=dh)
        dC += dh
        if "o" in self.peepholes:
            dC += params["p_o"][:, None] * dz["o"]
        di = dC * y["C_tilde"]
        if "f" in dz:
            df = dC * prev.C
            if self.coupled:
                df -= di
            through_sigmoid(df + dgates.get("f", 0), f, out=dz["f"])
        if "i" in dz:
            through_sigmoid(di + dgates.get("i", 0), i, out=dz["i"])
        if self.squash_candidate:
            through_tanh(dC * i, y["C_tilde"], out=dz["C_tilde"])
        else:
            np.multiply(dC, i, out=dz["C_tilde"])
        dC *= f
        for g in self.peepholes:
            if g != "o":
                dC += params[f"p_{g}"][:, None] * dz[g]
        for d in (dh, *dgates.values()):
            d[:] = 0

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
        for k, g in enumerate(self.gates):
            if g in gates and runs and runs[-1].stop == k:
                runs[-1] = slice(runs[-1].start, k + 1)
            elif g in gates:
                runs.append(slice(k, k + 1))
        return runs
