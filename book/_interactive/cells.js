/* The cells of lstmlab, one step each, in the book's notation: the arithmetic of every interactive figure.
   States and inputs are arrays of numbers, W_f is an array of H rows of H + I numbers on [h, x], b_f one of H.
   A step returns the new state and everything on the way to it; z_f is what the gate f squashes. */
(function (lab) {
  "use strict";

  const sigmoid = (z) => 0.5 * (1 + Math.tanh(0.5 * z));
  const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
  const affine = (W, v, b) => W.map((row, k) => dot(row, v) + b[k]);
  const product = (a, b) => a.map((value, k) => value * b[k]);
  const sum = (a, b) => a.map((value, k) => value + b[k]);
  const complement = (a) => a.map((value) => 1 - value);

  /** Pre-activation of a gate; a peephole p adds its share of the cell state, where there is one. */
  function gate(params, name, hx, C) {
    const z = affine(params["W_" + name], hx, params["b_" + name]);
    const p = params["p_" + name];
    return p ? sum(z, product(p, C)) : z;
  }

  function RNN(params, x, state) {
    const z_h = affine(params.W_h, [...state.h, ...x], params.b_h);
    return { z_h, h: z_h.map(Math.tanh) };
  }

  /** LSTM, and PeepholeLSTM where `params` has p_f, p_i or p_o, and CIFGLSTM where it has no W_i: then i = 1 − f. */
  function LSTM(params, x, state) {
    const hx = [...state.h, ...x];
    const z_f = gate(params, "f", hx, state.C);
    const f = z_f.map(sigmoid);
    const z_i = params.W_i && gate(params, "i", hx, state.C);
    const i = params.W_i ? z_i.map(sigmoid) : complement(f);
    const z_C = affine(params.W_C, hx, params.b_C);
    const C_tilde = z_C.map(Math.tanh);
    const C = sum(product(f, state.C), product(i, C_tilde));
    const z_o = gate(params, "o", hx, C);
    const o = z_o.map(sigmoid);
    const h = product(o, C.map(Math.tanh));
    return { z_f, f, z_i, i, z_C, C_tilde, C, z_o, o, h };
  }

  /** GRU with reset "after" or "before" the matrix product, which carries on z ("z") or 1 − z ("1-z") of its state. */
  function GRU(reset, carry) {
    return function (params, x, state) {
      const H = state.h.length,
        hx = [...state.h, ...x];
      const W_nh = params.W_n.map((row) => row.slice(0, H)),
        W_nx = params.W_n.map((row) => row.slice(H));
      const z_z = affine(params.W_z, hx, params.b_z),
        z_r = affine(params.W_r, hx, params.b_r);
      const z = z_z.map(sigmoid),
        r = z_r.map(sigmoid);
      const m =
        reset === "after" ? affine(W_nh, state.h, params.b_hn) : W_nh.map((row) => dot(row, product(r, state.h)));
      const z_n = sum(affine(W_nx, x, params.b_n), reset === "after" ? product(r, m) : m);
      const n = z_n.map(Math.tanh);
      const keep = carry === "z" ? z : complement(z);
      const h = sum(product(keep, state.h), product(complement(keep), n));
      return { z_z, z, z_r, r, m, z_n, n, keep, h };
    };
  }

  /** Run a step over a sequence of inputs; returns what each step returned. */
  function forward(step, params, xs, state) {
    const tape = [];
    for (const x of xs) {
      state = step(params, x, state);
      tape.push(state);
    }
    return tape;
  }

  lab.cells = { RNN, LSTM, GRU, forward, affine, sigmoid };
})((window.lstmlab ??= {}));
