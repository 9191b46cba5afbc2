"""What a cell does with its pre-activations, element by element, and what the gradient does on its way back.

Every function sees blocks of rows of the batch by units of the layer, in float32. Forward: `x0 ... x3` are the inputs'
shares of up to four pre-activations, `m0 ... m3` the products with the recurrent weights, `c` what the unit itself
remembers (C for an LSTM, h for the others), `v0 v1 v2` vectors of parameters; it returns four values to keep for the
way back, h and the new c. Backward: `z0 ... z3` are what was kept, `c` and `before` what the unit remembers after and
before the step, `dh` and `dc` the gradients that arrive; it returns the gradients of the four, what of dh goes to the
step before without passing through weights, dc of the step before, and the gradients of the vectors.
"""

import triton
import triton.language as tl


@triton.jit
def sigmoid(x):
    """Logistic function, of exp(-|x|) alone: nothing overflows."""
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, e) / (1.0 + e)


@triton.jit
def tanh(x):
    """Hyperbolic tangent; near 0, where 1 - exp(-2|x|) would cancel, the series to x^9 (next term < 2^-26 |x|)."""
    e = tl.exp(-2.0 * tl.abs(x))
    far = (1.0 - e) / (1.0 + e)
    s = tl.minimum(x * x, 1.0)
    near = x * (1.0 + s * (-0.3333333333 + s * (0.1333333333 + s * (-0.05396825397 + s * 0.02186948854))))
    return tl.where(s < 0.0625, near, tl.where(x < 0, -far, far))


@triton.jit
def sigmoid_slope(x):
    """The slope of `sigmoid` at x, with all its digits: in y (1 - y) few are left where y is next to 1."""
    e = tl.exp(-tl.abs(x))
    return e / ((1.0 + e) * (1.0 + e))


@triton.jit
def tanh_slope(x):
    """The slope of `tanh` at x, with all its digits (eq-gpu-slope)."""
    e = tl.exp(-2.0 * tl.abs(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


@triton.jit
def rnn_forward(x0, x1, x2, x3, m0, m1, m2, m3, c, v0, v1, v2, OPTIONS: tl.constexpr):
    z = x0 + m0
    h = tanh(z)
    return z, x1, x2, x3, h, h


@triton.jit
def rnn_backward(z0, z1, z2, z3, c, before, dh, dc, v0, v1, v2, OPTIONS: tl.constexpr):
    return dh * tanh_slope(z0), z1, z2, z3, 0 * dh, dc, v0, v1, v2


@triton.jit
def lstm_forward(x0, x1, x2, x3, m0, m1, m2, m3, c, v0, v1, v2, OPTIONS: tl.constexpr):
    """Slots f, i, C, o; the options say which gates and peepholes there are, and what tanh stands where."""
    z0 = x0 + m0 + v0 * c
    z1 = x1 + m1 + v1 * c
    z2 = x2 + m2
    f = 0 * c + 1
    if OPTIONS[0]:                                                  # a forget gate
        f = sigmoid(z0)
    i = 0 * c + 1
    if OPTIONS[1]:                                                  # an input gate
        i = sigmoid(z1)
    if OPTIONS[3]:                                                  # coupled: 1 - f
        i = sigmoid(-z0)
    g = z2
    if OPTIONS[4]:                                                  # tanh of the candidate
        g = tanh(z2)
    c = f * c + i * g
    z3 = x3 + m3 + v2 * c
    h = c
    if OPTIONS[5]:                                                  # tanh of the cell state
        h = tanh(c)
    if OPTIONS[2]:                                                  # an output gate
        h = sigmoid(z3) * h
    return z0, z1, z2, z3, h, c


@triton.jit
def lstm_backward(z0, z1, z2, z3, c, before, dh, dc, v0, v1, v2, OPTIONS: tl.constexpr):
    seen, slope = c, 0 * c + 1                                      # what the output gate sees, and its slope
    if OPTIONS[5]:
        seen = tanh(c)
        slope = tanh_slope(c)
    d3 = 0 * dh
    if OPTIONS[2]:
        d3 = dh * seen * sigmoid_slope(z3)
        dh = dh * sigmoid(z3)
    dc = dc + dh * slope + d3 * v2
    g, slope = z2, 0 * c + 1
    if OPTIONS[4]:
        g = tanh(z2)
        slope = tanh_slope(z2)
    f = 0 * c + 1
    d0 = 0 * dh
    if OPTIONS[0]:
        f = sigmoid(z0)
        d0 = dc * before
        if OPTIONS[3]:
            d0 = dc * (before - g)
        d0 = d0 * sigmoid_slope(z0)
    i = 0 * c + 1
    d1 = 0 * dh
    if OPTIONS[1]:
        i = sigmoid(z1)
        d1 = dc * g * sigmoid_slope(z1)
    if OPTIONS[3]:
        i = sigmoid(-z0)
    d2 = dc * i * slope
    return d0, d1, d2, d3, 0 * dh, dc * f + d0 * v0 + d1 * v1, d0 * before, d1 * before, d3 * c


@triton.jit
def _carried(z0, c, n, OPTIONS: tl.constexpr):
    """A GRU's new state: it keeps z of the old one or, with carry 1-z, 1 - z."""
    if OPTIONS[0]:
        z0 = -z0
    return sigmoid(z0) * c + sigmoid(-z0) * n


@triton.jit
def _carried_backward(z0, z2, before, dh, OPTIONS: tl.constexpr):
    """Gradients of the pre-activations of z and of the candidate, and what passes by to the old state."""
    d0 = dh * (before - tanh(z2)) * sigmoid_slope(z0)
    if OPTIONS[0]:
        d0 = -d0
        z0 = -z0
    return d0, dh * sigmoid(-z0) * tanh_slope(z2), dh * sigmoid(z0)


@triton.jit
def gru_after_forward(x0, x1, x2, x3, m0, m1, m2, m3, c, v0, v1, v2, OPTIONS: tl.constexpr):
    """Slots z, r, n and the recurrent half of the candidate, q = W_n^h h + b_hn."""
    z0 = x0 + m0
    z1 = x1 + m1
    q = m2 + v0
    z2 = x2 + sigmoid(z1) * q
    h = _carried(z0, c, tanh(z2), OPTIONS)
    return z0, z1, z2, q, h, h


@triton.jit
def gru_after_backward(z0, z1, z2, z3, c, before, dh, dc, v0, v1, v2, OPTIONS: tl.constexpr):
    d0, d2, past = _carried_backward(z0, z2, before, dh, OPTIONS)
    dq = d2 * sigmoid(z1)
    return d0, d2 * z3 * sigmoid_slope(z1), d2, dq, past, dc, dq, v1, v2


@triton.jit
def gru_before_gates(x0, x1, x2, x3, m0, m1, m2, m3, c, v0, v1, v2, OPTIONS: tl.constexpr):
    """Slots z and r; gives r⊙h for the second product."""
    z1 = x1 + m1
    return x0 + m0, z1, x2, x3, sigmoid(z1) * c, c


@triton.jit
def gru_before_state(x0, x1, x2, x3, m0, m1, m2, m3, c, v0, v1, v2, OPTIONS: tl.constexpr):
    """Slot n, whose product was with r⊙h; x0 is by now the whole pre-activation of z."""
    z2 = x2 + m2
    h = _carried(x0, c, tanh(z2), OPTIONS)
    return x0, x1, z2, x3, h, h


@triton.jit
def gru_before_state_backward(z0, z1, z2, z3, c, before, dh, dc, v0, v1, v2, OPTIONS: tl.constexpr):
    d0, d2, past = _carried_backward(z0, z2, before, dh, OPTIONS)
    return d0, z1, d2, z3, past, dc, v0, v1, v2


@triton.jit
def gru_before_gates_backward(z0, z1, z2, z3, c, before, dh, dc, v0, v1, v2, OPTIONS: tl.constexpr):
    """Here dh is the gradient of r⊙h."""
    return z0, dh * before * sigmoid_slope(z1), z2, z3, dh * sigmoid(z1), dc, v0, v1, v2
