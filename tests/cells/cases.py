"""The one table of cells that the tests run over, and the plain loop over steps that the drive must equal."""

import numpy as np

from lstmlab import CIFGLSTM, GRU, LSTM, LSTM1997, RNN, AblatedLSTM, PeepholeLSTM

VARIANTS = ("NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR")
SUBSETS = ("", "f", "i", "o", "fi", "fo", "io", "fio")

CELLS = {
    "RNN": lambda I, H: RNN(I, H),
    "LSTM": lambda I, H: LSTM(I, H),
    "LSTM1997": lambda I, H: LSTM1997(I, H),
    **{f"Peephole-{p or 'none'}": lambda I, H, p=p: PeepholeLSTM(I, H, peepholes=p) for p in SUBSETS},
    "CIFG": lambda I, H: CIFGLSTM(I, H),
    **{f"GRU-{r}-{c}": lambda I, H, r=r, c=c: GRU(I, H, reset=r, carry=c)
       for r in ("before", "after") for c in ("z", "1-z")},
    **{f"Ablated-{v}": lambda I, H, v=v: AblatedLSTM(I, H, v) for v in VARIANTS},
}


def draw(cell, rng, T=4, B=2, scale=0.5, dtype=np.float64):
    """Random parameters (peepholes too), inputs and initial state of a cell."""
    params = {name: (scale * rng.normal(size=shape)).astype(dtype) for name, shape in cell.parameter_shapes().items()}
    xs = rng.normal(size=(T, B, cell.input_size)).astype(dtype)
    return params, xs, draw_state(cell, rng, B, dtype)


def draw_state(cell, rng, B, dtype=np.float64):
    """A random state; also a random gradient of one."""
    return cell.State(*(rng.normal(size=(B, cell.hidden_size)).astype(dtype) for _ in cell.State._fields))


def loop_forward(cell, params, xs, state):
    """`forward` as a plain loop over `step`."""
    hs, tapes = [], []
    for x in xs:
        state, tape = cell.step(params, x, state)
        hs.append(state.h)
        tapes.append(tape)
    return np.stack(hs), state, tapes


def loop_backward(cell, params, tapes, dhs, dstate):
    """`backward` as a plain loop over `step_backward`."""
    dxs, dparams = [], {name: np.zeros_like(value) for name, value in params.items()}
    for tape, dh in zip(reversed(tapes), reversed(dhs), strict=True):
        dx, dstate, step = cell.step_backward(params, tape, dstate._replace(h=dstate.h + dh))
        dxs.append(dx)
        dparams = {name: dparams[name] + step[name] for name in params}
    return np.stack(dxs[::-1]), dstate, dparams


def by_name(cell, dxs, dstate, dparams):
    """The three things that `backward` returns as one dictionary."""
    return {"xs": dxs, **dict(zip((f"{k}0" for k in cell.State._fields), dstate, strict=True)), **dparams}


def relative_gap(a, b):
    """Largest difference relative to the largest entry."""
    return np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(float).tiny)
