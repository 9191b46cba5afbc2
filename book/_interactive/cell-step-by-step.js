/* The cell, step by step: one unit of an LSTM, with peepholes, with coupled gates, or a GRU, every number in sight. */
(function (lab) {
  "use strict";

  const { el, number, rich, slider, choice, button, voice, table } = lab;
  const MEMORY = ["f", "i", "C", "o"],
    GATED = { f: "z", i: "r", C: "n" }; // whose sliders the GRU's boxes take over
  const NAMES = {
    f: "forget gate",
    i: "input gate",
    C: "candidate",
    o: "output gate",
    z: "update gate",
    r: "reset gate",
    n: "candidate",
  };
  const VALUE = { C: "C~_t" };
  const CHANGES = {
    lstm: "",
    peephole:
      "Three new wires: {f_t} and {i_t} also see {C_t−1}, and {o_t} sees the new {C_t}; " +
      "each has a weight of its own.",
    cifg:
      "One box less: {i_t} = 1 − {f_t}, so what is forgotten makes room for what is new. " +
      "The sliders of {i_t} are out of use.",
    gru:
      "No {C_t}, and no output gate: {h_t} is the memory. {z_t} takes the sliders of {f_t}, {r_t} those of {i_t}, " +
      "{n_t} those of {C~_t}.",
  };

  const symbol = (box) => VALUE[box] ?? box + "_t";
  const bracket = (value) => (value < 0 ? `(${number(value, 2)})` : number(value, 2));
  const terms = (pairs) => pairs.map(([weight, value]) => `${bracket(weight)} · ${bracket(value)}`).join(" + ");

  /** What the cell computes, line by line: which part of the diagram, the equation, the numbers in it, the value. */
  function lines(cell, settings, params, step) {
    const { h, C, x } = settings.state;
    const box = (gate, squash, seen) => {
      const own = [
        [params["W_" + gate][0][0], h],
        [params["W_" + gate][0][1], x],
      ];
      const peep = params["p_" + gate];
      if (peep) own.push([peep[0], seen]);
      const value = gate === "C" ? step.C_tilde : step[gate];
      return {
        part: gate === "C" ? "C_tilde" : gate,
        lit: ["hx", "p_" + gate],
        name: NAMES[gate],
        symbol: symbol(gate),
        value: value[0],
        equation:
          `${squash}({W_${gate}} · [{h_t−1}, {x_t}] + {b_${gate}}` +
          (peep ? ` + {p_${gate}} {${gate === "o" ? "C_t" : "C_t−1"}})` : ")"),
        numbers:
          `${squash}(${terms(own)} + ${bracket(params["b_" + gate][0])})` +
          ` = ${squash}(${number(step["z_" + gate][0])})`,
      };
    };
    if (cell === "gru") return gruLines(settings, params, step, box);
    const input =
      cell === "cifg"
        ? {
            part: "i",
            lit: ["f"],
            name: "coupled input gate",
            symbol: "i_t",
            value: step.i[0],
            equation: "1 − {f_t}",
            numbers: `1 − ${number(step.f[0])}`,
          }
        : box("i", "σ", C);
    return [
      box("f", "σ", C),
      input,
      box("C", "tanh"),
      {
        part: "C",
        lit: ["f", "i", "C_tilde"],
        name: "cell state",
        symbol: "C_t",
        value: step.C[0],
        equation: "{f_t} {C_t−1} + {i_t} {C~_t}",
        numbers: terms([
          [step.f[0], C],
          [step.i[0], step.C_tilde[0]],
        ]),
      },
      box("o", "σ", step.C[0]),
      {
        part: "h",
        lit: ["o"],
        name: "hidden state",
        symbol: "h_t",
        value: step.h[0],
        equation: "{o_t} tanh({C_t})",
        numbers: `${number(step.o[0], 2)} · tanh(${number(step.C[0], 2)})`,
      },
    ];
  }

  function gruLines({ state: { h, x }, reset, carry }, params, step, box) {
    const [W_h, W_x] = params.W_n[0],
      b = bracket(params.b_n[0]),
      r = number(step.r[0], 2);
    const candidate = {
      part: "n",
      lit: ["r", "hx"],
      name: "candidate",
      symbol: "n_t",
      value: step.n[0],
      ...(reset === "after"
        ? {
            equation: "tanh({w_x} {x_t} + {b_n} + {r_t} ({w_h} {h_t−1} + {b_hn}))",
            numbers: `tanh(${terms([[W_x, x]])} + ${b} + ${r} · ${bracket(step.m[0])}) = tanh(${number(step.z_n[0])})`,
          }
        : {
            equation: "tanh({w_h} ({r_t} {h_t−1}) + {w_x} {x_t} + {b_n})",
            numbers:
              `tanh(${bracket(W_h)} · ${r} · ${bracket(h)} + ${terms([[W_x, x]])} + ${b})` +
              ` = tanh(${number(step.z_n[0])})`,
          }),
    };
    const [kept, taken] = carry === "z" ? ["{z_t}", "(1 − {z_t})"] : ["(1 − {z_t})", "{z_t}"];
    return [
      box("z", "σ"),
      box("r", "σ"),
      candidate,
      {
        part: "h",
        lit: ["z", "n"],
        name: "hidden state",
        symbol: "h_t",
        value: step.h[0],
        equation: `${kept} {h_t−1} + ${taken} {n_t}`,
        numbers: terms([
          [step.keep[0], h],
          [1 - step.keep[0], step.n[0]],
        ]),
      },
    ];
  }

  /** The parameters of one unit of `cell` with one input, from the sliders of the four boxes. */
  function parameters(cell, settings) {
    const params = {};
    for (const box of MEMORY) {
      const name = cell === "gru" ? GATED[box] : box;
      if (!name || (cell === "cifg" && box === "i")) continue;
      params["W_" + name] = [settings.weights[box].slice(0, 2)];
      params["b_" + name] = [settings.weights[box][2]];
      if (cell === "peephole" && box !== "C") params["p_" + name] = [settings.peepholes[box]];
    }
    if (cell === "gru") params.b_hn = [settings.b_hn];
    return params;
  }

  function run(cell, settings) {
    const params = parameters(cell, settings),
      { h, C, x } = settings.state;
    const step = cell === "gru" ? lab.cells.GRU(settings.reset, settings.carry) : lab.cells.LSTM;
    return [params, step(params, [x], { h: [h], C: [C] })];
  }

  /** What stands beside the symbols of the diagram. */
  function readings(cell, { state: { h, C, x } }, step) {
    if (cell === "gru")
      return {
        x,
        h_prev: h,
        z: step.z[0],
        r: step.r[0],
        m: step.m[0],
        n: step.n[0],
        h: step.h[0],
        kept: step.keep[0] * h,
        taken: (1 - step.keep[0]) * step.n[0],
      };
    return {
      x,
      h_prev: h,
      C_prev: C,
      f: step.f[0],
      i: step.i[0],
      C_tilde: step.C_tilde[0],
      C: step.C[0],
      o: step.o[0],
      h: step.h[0],
      "f*C_prev": step.f[0] * C,
      "i*C_tilde": step.i[0] * step.C_tilde[0],
      "tanh(C)": Math.tanh(step.C[0]),
    };
  }

  function build(live, start, place) {
    const settings = structuredClone(start);
    let cell = "lstm",
      shown = "all",
      steps = 0,
      before = null;
    const say = voice();
    const diagram = el("div", { class: "interactive-diagram" });
    const walk = el("div"),
      equation = el("div", { class: "interactive-equation" });
    const compared = el("div", { class: "interactive-compared" });
    const changes = el("p", { class: "interactive-note" });

    const cells = choice({
      legend: "Cell",
      value: cell,
      options: { lstm: "LSTM", peephole: "peephole", cifg: "coupled", gru: "GRU" },
      onchange(to) {
        cell = to;
        shown = "all";
        show(
          `The cell is now ${
            {
              lstm: "the LSTM",
              peephole: "the LSTM with peepholes",
              cifg: "the LSTM with coupled gates",
              gru: "the GRU",
            }[to]
          }.`,
        );
      },
    });
    const resets = choice({
      legend: "Reset gate acts",
      value: settings.reset,
      options: { after: "after the product", before: "before it" },
      onchange(to) {
        settings.reset = to;
        show(`The reset gate now acts ${to} the matrix product.`);
      },
    });
    const carries = choice({
      legend: "Carries on",
      value: settings.carry,
      options: { z: "{z_t}", "1-z": "1 − {z_t}" },
      onchange(to) {
        settings.carry = to;
        show(`Of the old state ${to === "z" ? "{z_t}" : "1 − {z_t}"} is carried on.`);
      },
    });
    const conventions = el("div", { class: "interactive-row", hidden: true }, carries.row, resets.row);

    const sliders = [];
    const add = (target, key, spec) => {
      const made = slider({
        ...spec,
        value: target()[key],
        oninput(value) {
          target()[key] = value;
          show(`${spec.label} is ${number(value, 2)}.`);
        },
        show: (value) => number(value, 2),
      });
      sliders.push(() => made.set(target()[key]));
      return made.row;
    };
    const state = () => settings.state;
    const inputs = el(
      "fieldset",
      { class: "interactive-columns" },
      el("legend", {}, "What comes in"),
      add(state, "h", { label: "{h_t−1}", words: "hidden state before", min: -1, max: 1, step: 0.05 }),
      add(state, "C", { label: "{C_t−1}", words: "cell state before", min: -3, max: 3, step: 0.1 }),
      add(state, "x", { label: "{x_t}", words: "input", min: -3, max: 3, step: 0.1 }),
    );
    const heads = {},
      peeps = {};
    const weights = el(
      "div",
      { class: "interactive-weights" },
      MEMORY.map((box) => {
        heads[box] = el("legend", {});
        const own = () => settings.weights[box];
        const range = { min: -6, max: 6, step: 0.1 };
        peeps[box] =
          box === "C" ? null : add(() => settings.peepholes, box, { label: `{p_${box}}`, words: "peephole", ...range });
        return el(
          "fieldset",
          { "data-box": box },
          heads[box],
          add(own, 0, { label: "{w_h}", words: `weight of h, ${NAMES[box]}`, ...range }),
          add(own, 1, { label: "{w_x}", words: `weight of x, ${NAMES[box]}`, ...range }),
          add(own, 2, { label: "{b}", words: `bias, ${NAMES[box]}`, ...range }),
          peeps[box],
        );
      }),
    );
    const b_hn = add(() => settings, "b_hn", {
      label: "{b_hn}",
      words: "bias of the candidate's recurrent half",
      min: -6,
      max: 6,
      step: 0.1,
    });
    weights.querySelector("[data-box=C]").append(b_hn);

    const carryOn = button("Next time step", () => {
      const [, step] = run(cell, settings);
      settings.state.h = step.h[0];
      if (step.C) settings.state.C = step.C[0];
      steps += 1;
      refresh();
      show(`${steps} ${steps === 1 ? "step" : "steps"} on: what came out comes in again.`);
    });
    const again = button("Reset", () => {
      Object.assign(settings, structuredClone(start));
      [cell, shown, steps, before] = ["lstm", "all", 0, null];
      cells.set(cell);
      resets.set(settings.reset);
      carries.set(settings.carry);
      refresh();
      show("All is as at the beginning.");
    });
    const refresh = () => sliders.forEach((set) => set());

    /** A radio button for every line, with its value; the arrow keys go through them. */
    function drawWalk(all) {
      const name = lab.newId();
      walk.replaceChildren(
        ...[{ part: "all", name: "the whole cell" }, ...all].flatMap((line) => {
          const id = lab.newId();
          return [
            el("input", {
              type: "radio",
              name,
              id,
              value: line.part,
              checked: line.part === shown,
              onchange() {
                shown = line.part;
                show("");
                say.hear(line.symbol ? `${line.name}: {${line.symbol}} = ${line.equation}` : line.name);
              },
            }),
            el(
              "label",
              { for: id, "data-part": line.part },
              line.symbol ? rich(`{${line.symbol}}`) : "all",
              el("span", { class: "interactive-value" }),
            ),
          ];
        }),
      );
    }

    /** The values of all lines, and the line that is looked at with its numbers. */
    function updateWalk(all) {
      for (const line of all)
        walk.querySelector(`[data-part="${line.part}"] > .interactive-value`).textContent = number(line.value);
      const line = all.find(({ part }) => part === shown);
      equation.replaceChildren(
        ...(line
          ? [
              el(
                "p",
                {},
                el("b", {}, line.name + ": "),
                el("span", { class: "interactive-formula" }, rich(`{${line.symbol}} = ${line.equation}`)),
              ),
              el("p", { class: "interactive-numbers" }, `= ${line.numbers} = `, el("b", {}, number(line.value))),
            ]
          : [
              el(
                "p",
                {},
                `${all.length === 6 ? "Six" : "Four"} equations, one after the other. ` +
                  "Choose a symbol to see its equation with the numbers in it.",
              ),
            ]),
      );
      for (const group of diagram.querySelectorAll("[data-part]")) {
        group.setAttribute("opacity", !line || [shown, ...line.lit].includes(group.dataset.part) ? 1 : 0.25);
      }
    }

    let drawn = "";
    function show(what) {
      const [params, step] = run(cell, settings),
        all = lines(cell, settings, params, step);
      const variant = cell === "gru" ? `gru-${settings.reset}-${settings.carry}` : cell;
      if (variant !== drawn) {
        drawn = variant;
        const picture = place.querySelector(`template[data-name="${variant}"]`).content.cloneNode(true);
        picture.querySelectorAll("[id]").forEach((node) => node.removeAttribute("id"));
        const root = picture.querySelector("svg"),
          title = root.querySelector("title").textContent;
        root.removeAttribute("aria-labelledby");
        root.setAttribute("aria-label", `${title}, with the numbers of the table`);
        root.querySelectorAll("title, desc").forEach((node) => node.remove());
        diagram.replaceChildren(picture);
        drawWalk(all);
        layOut();
      }
      for (const [name, value] of Object.entries(readings(cell, settings, step))) {
        const text = diagram.querySelector(`[data-value="${name}"]`);
        if (text) text.textContent = number(value);
      }
      updateWalk(all);
      compare(step);
      const now = Object.fromEntries(all.map((line) => [line.symbol, line.value]));
      if (what) say.say(`${what} ${moved(before, now)}`);
      before = now;
    }

    /** Which values moved, and where to. */
    function moved(from, to) {
      if (!from) return "";
      const changed = Object.keys(to).filter((name) => name in from && Math.abs(to[name] - from[name]) >= 5e-4);
      const said = changed.map(
        (name) => `{${name}} ${to[name] > from[name] ? "rises" : "falls"} to ${number(to[name])}`,
      );
      return said.length ? said.join(", ") + "." : "No value moves.";
    }

    function layOut() {
      const gru = cell === "gru";
      conventions.hidden = !gru;
      changes.replaceChildren(...rich(CHANGES[cell]));
      for (const box of MEMORY) {
        const name = gru ? GATED[box] : box;
        const unused = !name || (cell === "cifg" && box === "i");
        const group = weights.querySelector(`[data-box="${box}"]`);
        group.disabled = unused;
        heads[box].replaceChildren(
          ...rich(unused ? `{${symbol(box)}} is not used` : `{${symbol(name)}} ${NAMES[name]}`),
        );
        if (peeps[box]) peeps[box].hidden = cell !== "peephole";
      }
      b_hn.hidden = !(gru && settings.reset === "after");
      inputs.querySelectorAll("input")[1].disabled = gru;
    }

    /** The LSTM beside the chosen cell, on the same numbers. */
    function compare(step) {
      if (cell === "lstm") return compared.replaceChildren();
      const [, plain] = run("lstm", settings);
      const names =
        cell === "gru"
          ? { z: "{z_t}", r: "{r_t}", n: "{n_t}", h: "{h_t}" }
          : { f: "{f_t}", i: "{i_t}", C_tilde: "{C~_t}", C: "{C_t}", o: "{o_t}", h: "{h_t}" };
      const of = cell === "gru" ? { z: "f", r: "i", n: "C_tilde", h: "h" } : null;
      compared.replaceChildren(
        table(
          "On the same numbers",
          ["", ...Object.values(names)],
          [
            [
              of ? "LSTM’s {f_t}, {i_t}, {C~_t}, {h_t}" : "LSTM",
              ...Object.keys(names).map((name) => number(plain[of ? of[name] : name][0])),
            ],
            ["this cell", ...Object.keys(names).map((name) => number(step[name][0]))],
          ],
        ),
      );
    }

    live.append(
      el("div", { class: "interactive-row" }, cells.row, el("div", { class: "interactive-buttons" }, carryOn, again)),
      conventions,
      changes,
      diagram,
      el(
        "fieldset",
        { class: "interactive-choice is-values" },
        el("legend", { class: "interactive-only-heard" }, "Step to look at"),
        walk,
      ),
      equation,
      ...say.nodes,
      inputs,
      weights,
      compared,
    );
    show("");
    say.say("Move a slider, and what moves with it is said here.");
  }

  lab.mount("cell-step-by-step", build);
})(window.lstmlab);
