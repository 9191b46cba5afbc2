"""Answers to problem set 3 as different people write them, right but for taste: what honest similarity looks like.

Per function the ways of writing it, the plainest first. A class draws one of each, the plain ones more often.
"""

import random

SIGMOID = ["    return 1 / (1 + np.exp(-x))", """\
    x = np.clip(x, -500, 500)
    return 1.0 / (1.0 + np.exp(-x))""", "    return 0.5 * (1 + np.tanh(x / 2))", """\
    out = np.empty_like(x, dtype=float)
    pos = x >= 0
    out[pos] = 1 / (1 + np.exp(-x[pos]))
    e = np.exp(x[~pos])
    out[~pos] = e / (1 + e)
    return out""", "    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))",
           "    return np.exp(-np.logaddexp(0, -x))"]

STEP = ["""\
    hx = np.concatenate([h_prev, x], axis=1)
    f = sigmoid(hx @ params["W_f"].T + params["b_f"])
    i = sigmoid(hx @ params["W_i"].T + params["b_i"])
    C_tilde = np.tanh(hx @ params["W_C"].T + params["b_C"])
    o = sigmoid(hx @ params["W_o"].T + params["b_o"])
    C = f * C_prev + i * C_tilde
    h = o * np.tanh(C)
    return h, C, {"f": f, "i": i, "C_tilde": C_tilde, "o": o}""", """\
    z = np.hstack((h_prev, x))
    gates = {}
    for name in "fio":
        gates[name] = sigmoid(z @ params["W_" + name].T + params["b_" + name])
    gates["C_tilde"] = np.tanh(z @ params["W_C"].T + params["b_C"])
    C = gates["f"] * C_prev + gates["i"] * gates["C_tilde"]
    h = gates["o"] * np.tanh(C)
    return h, C, gates""", """\
    def lin(k):
        return np.dot(np.concatenate((h_prev, x), axis=1), params[f"W_{k}"].T) + params[f"b_{k}"]
    f, i, o = (sigmoid(lin(k)) for k in ("f", "i", "o"))
    C_tilde = np.tanh(lin("C"))
    C = C_prev * f + C_tilde * i
    return np.tanh(C) * o, C, dict(f=f, i=i, C_tilde=C_tilde, o=o)""", """\
    H = h_prev.shape[1]
    inp = np.concatenate([h_prev, x], 1)
    W = np.concatenate([params["W_f"], params["W_i"], params["W_o"], params["W_C"]])
    b = np.concatenate([params["b_f"], params["b_i"], params["b_o"], params["b_C"]])
    a = inp @ W.T + b
    f = sigmoid(a[:, :H])
    i = sigmoid(a[:, H:2 * H])
    o = sigmoid(a[:, 2 * H:3 * H])
    g = np.tanh(a[:, 3 * H:])
    C = f * C_prev + i * g
    h = o * np.tanh(C)
    return h, C, {"f": f, "i": i, "C_tilde": g, "o": o}""", """\
    # the order matters: h first
    concat = np.concatenate((h_prev, x), axis=-1)
    W_f, W_i, W_C, W_o = params["W_f"], params["W_i"], params["W_C"], params["W_o"]
    forget = sigmoid(np.matmul(concat, W_f.T) + params["b_f"])
    inputg = sigmoid(np.matmul(concat, W_i.T) + params["b_i"])
    cand = np.tanh(np.matmul(concat, W_C.T) + params["b_C"])
    outg = sigmoid(np.matmul(concat, W_o.T) + params["b_o"])
    C_new = np.multiply(forget, C_prev) + np.multiply(inputg, cand)
    h_new = np.multiply(outg, np.tanh(C_new))
    gates = {"f": forget, "i": inputg, "C_tilde": cand, "o": outg}
    return h_new, C_new, gates""", """\
    H = h_prev.shape[1]
    pre = {k: h_prev @ params["W_" + k][:, :H].T + x @ params["W_" + k][:, H:].T + params["b_" + k] for k in "fiCo"}
    f = sigmoid(pre["f"])
    i = sigmoid(pre["i"])
    c = np.tanh(pre["C"])
    o = sigmoid(pre["o"])
    C = f * C_prev + i * c
    h = o * np.tanh(C)
    return h, C, {"f": f, "i": i, "C_tilde": c, "o": o}""", """\
    hx = np.c_[h_prev, x]
    act = {"f": sigmoid, "i": sigmoid, "C": np.tanh, "o": sigmoid}
    v = {k: act[k](np.einsum("bj,hj->bh", hx, params[f"W_{k}"]) + params[f"b_{k}"]) for k in act}
    C = v["f"] * C_prev + v["i"] * v["C"]
    h = v["o"] * np.tanh(C)
    v["C_tilde"] = v.pop("C")
    return h, C, v"""]

FORWARD = ["""\
    h, C = h0, C0
    hs = []
    for x in xs:
        h, C, _ = lstm_step(params, x, h, C)
        hs.append(h)
    return np.stack(hs), h, C""", """\
    T = xs.shape[0]
    hs = np.zeros((T, h0.shape[0], h0.shape[1]))
    h = h0
    C = C0
    for t in range(T):
        h, C, gates = lstm_step(params, xs[t], h, C)
        hs[t] = h
    return hs, h, C""", """\
    outputs = []
    h_t, C_t = h0.copy(), C0.copy()
    for t in range(len(xs)):
        h_t, C_t, _ = lstm_step(params, xs[t], h_t, C_t)
        outputs.append(h_t)
    return np.array(outputs), h_t, C_t""", """\
    T, B, I = xs.shape
    H = h0.shape[-1]
    hs = np.empty((T, B, H))
    prev_h, prev_C = h0, C0
    for t, x_t in enumerate(xs):
        hs[t], prev_C, _ = lstm_step(params, x_t, prev_h, prev_C)
        prev_h = hs[t]
    return hs, prev_h, prev_C""", """\
    states = [(h0, C0)]
    for x in xs:
        states.append(lstm_step(params, x, *states[-1])[:2])
    hs = np.array([s[0] for s in states[1:]])
    return hs, states[-1][0], states[-1][1]""", """\
    h, C = h0, C0
    hs = [None] * len(xs)
    for t, x in enumerate(xs):
        out = lstm_step(params, x, h, C)
        h = out[0]
        C = out[1]
        hs[t] = h
    hs = np.stack(hs, axis=0)
    return hs, h, C"""]

COUNT = ["    return 4 * (hidden_size * (hidden_size + input_size) + hidden_size)", """\
    I, H = input_size, hidden_size
    return 4 * (H * (H + I) + H)""", "    return 4 * hidden_size * (hidden_size + input_size + 1)", """\
    weights = hidden_size * (hidden_size + input_size)
    biases = hidden_size
    return 4 * (weights + biases)"""]

HALF = ["    return -np.log(np.expm1(np.log(2) / n))", """\
    a = np.log(2) / np.asarray(n, dtype=float)
    return -np.log(np.expm1(a))""", "    return np.log(1 / np.expm1(np.log(2.0) / n))", """\
    x = np.exp2(-1 / n)
    return np.log(x) - np.log(-np.expm1(-np.log(2) / n))"""]

BIAS = ["""\
    new = dict(params)
    new["b_f"] = np.full_like(params["b_f"], value)
    return new""", """\
    new_params = {k: v.copy() for k, v in params.items()}
    new_params["b_f"][:] = value
    return new_params""", '    return {**params, "b_f": np.full(params["b_f"].shape, value)}', """\
    import copy
    out = copy.deepcopy(params)
    out["b_f"] = np.ones_like(out["b_f"]) * value
    return out""", """\
    p = params.copy()
    p["b_f"] = np.zeros_like(p["b_f"]) + value
    return p"""]

WAYS = {"sigmoid": SIGMOID, "lstm_step": STEP, "lstm_forward": FORWARD, "parameter_count": COUNT,
        "half_life_bias": HALF, "with_forget_bias": BIAS}


def independent_class(size: int, seed: int) -> list[dict[str, str]]:
    """Bodies by function for a class of that size: each student draws on their own, the n-th way with weight 1/n."""
    draw = random.Random(seed)
    return [{name: draw.choices(ways, [1 / n for n in range(1, len(ways) + 1)])[0] for name, ways in WAYS.items()}
            for _ in range(size)]
