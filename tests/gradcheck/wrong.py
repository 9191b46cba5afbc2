"""Wrong backward passes: edits of a cell's own `step_backward`, each what somebody has written at some time."""

import copy
import inspect
import sys
import textwrap

from tests.cells.cases import loop_backward, loop_forward

DENSE = [                                   # the end of every step_backward that has one weight a gate on [h, x]
    ("np.concatenate([h_prev, x], axis=1)", "np.concatenate([h_prev, 0 * x], axis=1)"),
    ("np.concatenate([h_prev, x], axis=1)", "np.concatenate([0 * h_prev, x], axis=1)"),
    ("np.concatenate([h_prev, x], axis=1)", "np.concatenate([x, h_prev], axis=1)"),
    ("dhx[:, :self.hidden_size], dhx[:, self.hidden_size:]",
     "dhx[:, -self.hidden_size:], dhx[:, :-self.hidden_size]"),
    ("return dx,", "return 2 * dx,"),
    ("return dx,", "return 0 * dx,"),
    ("State(dh_prev", "State(0 * dh_prev"),
    ("State(dh_prev", "State(dh_prev + dh"),
]
LSTM_END = [
    ("dz.T @ hx", "dz.T @ hx / len(x)"),
    ("dz.T @ hx", "-dz.T @ hx"),
    ("dz.sum(axis=0)", "dz.mean(axis=0)"),
    ("dz.sum(axis=0)", "dz[0]"),
    ("dz_C @ params", "0 * dz_C @ params"),
    ("dh_prev, dC_prev)", "dh_prev, 0 * dC_prev)"),
]
LSTM_POINTWISE = [
    ("do = dh * np.tanh(C)", "do = dh * C"),
    ("(1 - np.tanh(C) ** 2)", "(1 - C ** 2)"),
    ("* (1 - np.tanh(C) ** 2)", ""),
    ("dC = dC + dh * o", "dC = dC + dh"),
    ("dC = dC + dh * o", "dC = dh * o"),
    ("(1 - C_tilde ** 2)", "(1 - np.tanh(C_tilde) ** 2)"),
    ("dz_o = do * o * (1 - o)", "dz_o = do * (1 - o)"),
    ("dz_o = do * o * (1 - o)", "dz_o = do * o"),
]
FORGET = [
    ("df = dC * C_prev", "df = dC * C"),
    ("dC_prev = dC * f", "dC_prev = dC"),
    ("dz_f = df * f * (1 - f)", "dz_f = df * f"),
    ("dz_f @ params", "0 * dz_f @ params"),
]
INPUT = [
    ("di = dC * C_tilde", "di = dC"),
    ("dC_tilde = dC * i", "dC_tilde = dC"),
    ("dz_i = di * i * (1 - i)", "dz_i = di * i"),
]
PEEPHOLES = [
    (" + p_o * dz_o", ""),
    (" + p_f * dz_f", ""),
    (" + p_i * dz_i", ""),
    ('("o", dz_o, C))', '("o", dz_o, C_prev))'),
    ('("f", dz_f, C_prev)', '("f", dz_f, C)'),
    ("(dz * seen).sum(axis=0)", "(dz * seen).mean(axis=0)"),
]
RNN = [
    ("1 - h ** 2", "1 - h"), ("1 - h ** 2", "1 + h ** 2"), ("1 - h ** 2", "1 - np.tanh(h) ** 2"),
    ("dz_h = dh * (1 - h ** 2)", "dz_h = dh"), ("dz_h = dh * (1 - h ** 2)", "dz_h = dh * h * (1 - h)"),
    ("dz_h @ params", "dh @ params"), ("dz_h.T @ hx", "dh.T @ hx"), ("dz_h.T @ hx", "dz_h.T @ hx / len(x)"),
    ("np.concatenate([h_prev, x]", "np.concatenate([h, x]"), ("dz_h.sum(axis=0)", "dz_h.mean(axis=0)"),
    ("dz_h.sum(axis=0)", "dz_h[0]"), ("dz_h.sum(axis=0)", "dh.sum(axis=0)"),
]
CIFG = [
    ("df = dC * C_prev - di", "df = dC * C_prev"), ("df = dC * C_prev - di", "df = dC * C_prev + di"),
    ("dC_tilde = dC * (1 - f)", "dC_tilde = dC * f"), ("dC_tilde = dC * (1 - f)", "dC_tilde = dC"),
]
GRU = [
    ("dkeep = dh * (h_prev - n)", "dkeep = dh * h_prev"), ("dkeep = dh * (h_prev - n)", "dkeep = dh * (n - h_prev)"),
    ("dh_prev = dh * keep", "dh_prev = 0 * dh"), ("dh_prev = dh * keep", "dh_prev = dh * (1 - keep)"),
    ("dn = dh * (1 - keep)", "dn = dh * keep"), ("dn = dh * (1 - keep)", "dn = dh"),
    ("dz_n = dn * (1 - n ** 2)", "dz_n = dn"), ("1 - n ** 2", "1 - n"),
    ("dz_r = dr * r * (1 - r)", "dz_r = dr * (1 - r)"), ("dz_r = dr * r * (1 - r)", "dz_r = dr"),
    ("dz_z = dz * z * (1 - z)", "dz_z = dz * z"), ("dz_z = dz * z * (1 - z)", "dz_z = dz"),
    ('dz_z @ params["W_z"] + dz_r', 'dz_r'), (' + dz_r @ params["W_r"]', ""),
    ("dh_prev = dh_prev + dhx[:, :self.hidden_size]", "dh_prev = dh_prev"),
    ("dz_n @ W_nx + dhx", "dhx"), ("dz_n @ W_nx + dhx[:, self.hidden_size:]", "dz_n @ W_nx"),
    ("dz_n.T @ x", "dz_n.T @ x / len(x)"), ("dz_n.sum(axis=0)", "dz_n.mean(axis=0)"),
    ("return dx,", "return 2 * dx,"), ("State(dh_prev", "State(0 * dh_prev"),
]
GRU_BEFORE = [
    ("drh = dz_n @ W_nh", "drh = dz_n"), ("dr = drh * h_prev", "dr = drh"),
    ("dh_prev = dh_prev + drh * r", "dh_prev = dh_prev + drh"), ("dz_n.T @ (r * h_prev)", "dz_n.T @ h_prev"),
]
GRU_AFTER = [
    ("dm = dz_n * r", "dm = dz_n"), ('h_prev @ W_nh.T + params["b_hn"]', "h_prev @ W_nh.T"),
    ("dh_prev = dh_prev + dm @ W_nh", "dh_prev = dh_prev"), ("dm.T @ h_prev", "dz_n.T @ h_prev"),
    ('dparams["b_hn"] = dm', 'dparams["b_hn"] = dz_n'),
]
ABLATED = [                                 # by what the variant must have for the line to matter
    ("o", "do_later + dh * (np.tanh(C) if self.squash_output else C)", "do_later + dh"),
    ("", "dC = dC + dh * o", "dC = dC + dh * (o + 1)"),
    ("", "dC = dC + dh * o", "dC = dh * o"),
    ("", "dC_tilde = dC * i", "dC_tilde = dC * (i + 1)"),
    ("", "dC_prev = dC * f", "dC_prev = dC * (1 - f)"),
    ("", "State(dh_prev, dC_prev", "State(dh_prev, 0 * dC_prev"),
    ("", "dz[gate].T @ hx", "dz[gate].T @ hx / len(x)"),
    ("", "dz[gate].T @ hx", "-dz[gate].T @ hx"),
    ("", "dz[gate].sum(axis=0)", "dz[gate].mean(axis=0)"),
    ("", "dz[gate].sum(axis=0)", "dz[gate][0]"),
    ("", "for gate in self.gates)", "for gate in self.gates[1:])"),
    ("", "for gate in self.gates)", "for gate in self.gates[:-1])"),
    ("squash_output", "1 - np.tanh(C) ** 2", "1 - C ** 2"),
    ("squash_candidate", "1 - C_tilde ** 2", "1 - C_tilde"),
    ("f", "df_later + dC * C_prev", "df_later + dC * C"),
    ("f", "dz_f = df * f * (1 - f)", "dz_f = df * f"),
    ("i", "dz_i = di * i * (0 if self.coupled else 1 - i)", "dz_i = di * i"),
    ("i", "di = di_later + dC * C_tilde", "di = di_later + dC"),
    ("o", "dz_o = do * o * (1 - o)", "dz_o = do * o"),
    ("p_o", " + p_o * dz_o", ""),
    ("p_f", " + p_f * dz_f", ""),
    ("p_i", " + p_i * dz_i", ""),
    ("p_o", '(C if gate == "o" else C_prev)', "C_prev"),
    ("coupled", "(di if self.coupled else 0)", "0"),
    ("R_fi", "do_later + dh", "dh"),
    ("R_fi", "dz[b].T @ gate_prev", "dz[b].T @ gate_prev.mean(axis=0, keepdims=True).repeat(len(x), axis=0)"),
    ("R_fi", 'dz[b] @ params[f"R_{a}{b}"]', 'dz[b] @ params[f"R_{b}{a}"]'),
]


def edits(name, cell):
    """The wrong lines of a cell, as (right, wrong) pairs; those that change nothing for this cell are left out."""
    if name == "RNN":
        return DENSE + RNN
    if name.startswith("GRU"):
        return GRU + (GRU_BEFORE if cell.reset == "before" else GRU_AFTER)
    if name.startswith("Ablated"):
        has = {"", *cell.parameter_shapes(), *(g for g in cell.gates if g != "C"),
               *(part for part in ("squash_output", "squash_candidate", "coupled") if getattr(cell, part))}
        return DENSE + [(right, wrong) for needs, right, wrong in ABLATED if needs in has]
    own = {"LSTM": FORGET + INPUT, "LSTM1997": INPUT, "CIFG": CIFG + FORGET[1:]}.get(name, FORGET + INPUT + PEEPHOLES)
    return DENSE + LSTM_END + LSTM_POINTWISE + own


def wrong_cell(cell, right, wrong):
    """The cell with one line of `step_backward` edited, and `backward` as the loop over it."""
    source = textwrap.dedent(inspect.getsource(type(cell).step_backward))
    assert right in source, right
    names = dict(vars(sys.modules[type(cell).__module__]))
    exec(source.replace(right, wrong), names)

    class Wrong(type(cell)):
        step_backward = names["step_backward"]

        def forward(self, params, xs, state=None, mask=None):
            hs, last, _ = super().forward(params, xs, state)
            return hs, last, loop_forward(self, params, xs, state)[2]

        def backward(self, params, tape, dhs, dstate=None):
            return loop_backward(self, params, tape, dhs, dstate)

    edited = copy.copy(cell)
    edited.__class__ = Wrong
    return edited
