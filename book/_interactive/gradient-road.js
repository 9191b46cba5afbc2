/* The gradient's road: twelve forget gates in a row, what is left of a gradient on its way back through them, and what
   a simple recurrent unit leaves of it over the same steps. */
(function (lab) {
  "use strict";

  const { el, svg, number, rich, slider, button, voice, table, plot } = lab;
  const GUTTER = 46,
    EDGE = 8,
    ROAD = 108,
    CHART = 216,
    FLOOR = -12;

  /** What is left at every state of a gradient of 1 at the last: products of the factors behind it. */
  function left(factors) {
    const found = [1];
    for (let t = factors.length - 1; t >= 0; t--) found.unshift(found[0] * factors[t]);
    return found;
  }

  /** dh_t / dh_{t−1} of one unit, h_t = tanh(w h_{t−1} + s x_t), along its own run. */
  function rnnFactors({ w, s }, xs) {
    const params = { W_h: [[w, s]], b_h: [0] };
    return lab.cells
      .forward(
        lab.cells.RNN,
        params,
        xs.map((x) => [x]),
        { h: [0] },
      )
      .map(({ h }) => w * (1 - h[0] ** 2));
  }

  const MARKS = {
    lstm: { ink: "var(--lstmlab-memory)", dash: null, mark: (x, y) => svg("circle", { cx: x, cy: y, r: 4 }) },
    rnn: {
      ink: "var(--lstmlab-squash)",
      dash: "6 4",
      mark: (x, y) => svg("rect", { x: x - 3.5, y: y - 3.5, width: 7, height: 7 }),
    },
  };

  /** The key of a curve: its line and its mark, as they are in the chart. */
  function key(kind) {
    const { ink, dash, mark } = MARKS[kind];
    return svg(
      "svg",
      { width: 40, height: 14, "aria-hidden": "true", style: `color:${ink};fill:currentColor` },
      svg("line", {
        x1: 1,
        x2: 39,
        y1: 7,
        y2: 7,
        stroke: "currentColor",
        "stroke-width": 2.4,
        "stroke-dasharray": dash,
      }),
      mark(20, 7),
    );
  }

  function build(live, start) {
    const T = start.f.length;
    const settings = structuredClone(start);
    const say = voice();
    const now = () => ({
      lstm: left(settings.f),
      factors: rnnFactors(settings, start.xs),
      rnn: left(rnnFactors(settings, start.xs)),
    });
    let values = now();

    /** The road itself: a band as thick as what is left, with the gates on it, and the simple network's below. */
    const road = plot(
      "Two bands, as thick as what is left of the gradient on its way from right to left: above along the " +
        "cell state, through the gates; below through the simple network",
      () => ROAD,
      (width) => {
        const cell = (width - GUTTER - EDGE) / T,
          at = (t) => GUTTER + t * cell;
        const half = (share) => 15 * Math.min(1.3, Math.abs(share));
        const rows = [
          ["lstm", 30, "LSTM"],
          ["rnn", 82, "RNN"],
        ];
        return rows.map(([kind, y, name]) => {
          const shares = values[kind],
            { ink } = MARKS[kind];
          const upper = shares.map((share, t) => `${at(t)},${y - half(share)}`),
            lower = shares.map((share, t) => `${at(t)},${y + half(share)}`);
          return [
            svg("polygon", { points: [...upper, ...lower.reverse()].join(" "), style: `fill:${ink};opacity:0.3` }),
            svg("line", {
              x1: at(0),
              x2: at(T),
              y1: y,
              y2: y,
              style: `stroke:${ink}`,
              "stroke-width": 1.8,
              "stroke-dasharray": MARKS[kind].dash,
            }),
            settings.f.map((f, k) => {
              const x = at(k + 0.5),
                r = Math.min(9, cell / 2 - 2);
              return kind === "lstm"
                ? [
                    svg("circle", {
                      cx: x,
                      cy: y,
                      r,
                      style: `fill:var(--pst-color-surface);stroke:${ink}`,
                      "stroke-width": 1.8,
                    }),
                    svg("circle", { cx: x, cy: y, r: 2.4, style: `fill:${ink}` }),
                    f < 0.005
                      ? svg("line", {
                          x1: x,
                          x2: x,
                          y1: y - 17,
                          y2: y + 17,
                          style: "stroke:var(--lstmlab-mark)",
                          "stroke-width": 3,
                        })
                      : null,
                  ]
                : svg("rect", {
                    x: x - r,
                    y: y - r,
                    width: 2 * r,
                    height: 2 * r,
                    rx: 3,
                    style: `fill:var(--pst-color-surface);stroke:${ink}`,
                    "stroke-width": 1.8,
                  });
            }),
            svg("path", { d: `M${at(0) - 3} ${y}l9 -5v10z`, style: `fill:${ink}` }),
            svg("text", { x: 0, y: y + 5, "font-weight": 600 }, name),
          ];
        });
      },
    );

    const chart = plot(
      "Size of the gradient at every step, on a logarithmic scale; the numbers stand in the table below",
      () => CHART,
      (width) => {
        const cell = (width - GUTTER - EDGE) / T,
          at = (t) => GUTTER + t * cell;
        const logs = [...values.lstm, ...values.rnn].map((v) => Math.max(FLOOR, Math.log10(Math.abs(v))));
        const top = Math.max(0, Math.ceil(Math.max(...logs))),
          bottom = Math.min(-3, Math.floor(Math.min(...logs)));
        const y = (v) => 12 + ((CHART - 36) * (top - Math.max(bottom, Math.log10(Math.abs(v))))) / (top - bottom);
        const every = top - bottom > 8 ? 3 : top - bottom > 4 ? 2 : 1;
        const ticks = [];
        for (let power = top; power >= bottom; power -= every) {
          const height = y(10 ** power);
          ticks.push(
            svg("line", {
              x1: at(0),
              x2: at(T),
              y1: height,
              y2: height,
              stroke: "currentColor",
              "stroke-opacity": power ? 0.16 : 0.45,
            }),
            svg(
              "text",
              { x: GUTTER - 9, y: height + 4, "text-anchor": "end" },
              power === 0 ? "1" : ["10", svg("tspan", { dy: -5, "font-size": 10 }, String(power).replace("-", "−"))],
            ),
          );
        }
        const curve = (kind) => {
          const { ink, dash, mark } = MARKS[kind],
            shares = values[kind];
          return svg(
            "g",
            { style: `color:${ink};fill:currentColor` },
            svg("polyline", {
              points: shares.map((v, t) => `${at(t)},${y(v)}`).join(" "),
              fill: "none",
              stroke: "currentColor",
              "stroke-width": 2.4,
              "stroke-dasharray": dash,
            }),
            shares.map((v, t) => mark(at(t), y(v))),
          );
        };
        return [
          ticks,
          values.lstm.map((_, t) =>
            svg(
              "text",
              { x: at(t), y: CHART - 2, "text-anchor": "middle", "font-weight": t === settings.t ? 700 : 400 },
              String(t),
            ),
          ),
          svg("line", {
            x1: at(settings.t),
            x2: at(settings.t),
            y1: 4,
            y2: CHART - 18,
            style: "stroke:var(--lstmlab-mark)",
            "stroke-width": 2,
            "stroke-dasharray": "2 3",
          }),
          curve("rnn"),
          curve("lstm"),
        ];
      },
    );

    const gates = settings.f.map((_, k) =>
      slider({
        label: `{f_${k + 1}}`,
        words: `forget gate of step ${k + 1}`,
        min: 0,
        max: 1,
        step: 0.01,
        value: settings.f[k],
        vertical: true,
        show: (value) => value.toFixed(2),
        oninput(value) {
          settings.f[k] = value;
          show(`{f_${k + 1}} is ${value.toFixed(2)}.`);
        },
      }),
    );
    const setGates = (f) => {
      settings.f = f;
      gates.forEach(({ set }, k) => set(f[k]));
    };
    const one = (spec, key, text) =>
      slider({
        ...spec,
        value: settings[key],
        oninput(value) {
          settings[key] = value;
          show(text(value));
        },
      });
    const all = slider({
      label: "all gates {f_t}",
      min: 0,
      max: 1,
      step: 0.01,
      value: settings.f[0],
      show: (v) => v.toFixed(2),
      oninput(value) {
        setGates(Array(T).fill(value));
        show(`All gates are ${value.toFixed(2)}.`);
      },
    });
    const look = one(
      { label: "back to step {t}", min: 0, max: T - 1, step: 1, show: String },
      "t",
      (t) => `Step ${t}.`,
    );
    const w = one(
      { label: "RNN weight {w}", min: 0, max: 4, step: 0.05, show: (v) => number(v, 2) },
      "w",
      (v) => `The weight of the RNN is ${number(v, 2)}.`,
    );
    const s = one(
      { label: "RNN scale {s}", min: 0, max: 3, step: 0.05, show: (v) => number(v, 2) },
      "s",
      (v) => `The inputs of the RNN are scaled by ${number(v, 2)}.`,
    );

    const presets = el(
      "div",
      { class: "interactive-buttons", role: "group", "aria-label": "Gates to begin with" },
      start.presets.map(([label, f]) =>
        button(label, () => {
          setGates(typeof f === "number" ? Array(T).fill(f) : [...f]);
          if (typeof f === "number") all.set(f);
          show(`Gates: ${label}.`);
        }),
      ),
      button("Reset", () => {
        Object.assign(settings, structuredClone(start));
        setGates(settings.f);
        [
          [all, settings.f[0]],
          [look, settings.t],
          [w, settings.w],
          [s, settings.s],
        ].forEach(([made, value]) => made.set(value));
        show("All is as at the beginning.");
      }),
    );

    const lstmRead = el("span", {}),
      rnnRead = el("span", {}),
      longRead = el("p", { class: "interactive-note" });
    const numbers = el("div", {});

    function show(what) {
      values = now();
      const t = settings.t,
        lstm = number(values.lstm[t]),
        rnn = number(Math.abs(values.rnn[t]));
      lstmRead.replaceChildren(...rich(`LSTM, ∂{C_${T}} / ∂{C_${t}} = `), el("b", {}, lstm));
      rnnRead.replaceChildren(...rich(`RNN, |∂{h_${T}} / ∂{h_${t}}| = `), el("b", {}, rnn));
      const ten = left(rnnFactors(settings, Array(10).fill(start.xs).flat()))[0];
      longRead.replaceChildren(
        ...rich(
          `Ten times these ${T} steps, one after the other, leave ${number(values.lstm[0] ** 10)} in the LSTM ` +
            `and ${number(Math.abs(ten))} in the RNN.`,
        ),
      );
      numbers.replaceChildren(
        table(
          `Back from step ${T}`,
          ["{t}", "{f_t}", `∂{C_${T}} / ∂{C_t}`, "factor of the RNN", `∂{h_${T}} / ∂{h_t}`],
          values.lstm.map((share, k) => [
            String(k),
            k ? number(settings.f[k - 1], 2) : "–",
            number(share),
            k ? number(values.factors[k - 1]) : "–",
            number(values.rnn[k]),
          ]),
        ),
      );
      road.again();
      chart.again();
      if (what)
        say.say(
          `${what} From step ${T} back to step ${t} the cell state leaves ${lstm} of the gradient, the RNN ${rnn}.`,
        );
    }

    live.append(
      presets,
      road.root,
      chart.root,
      el(
        "div",
        { class: "interactive-key" },
        el("span", {}, key("lstm"), lstmRead),
        el("span", {}, key("rnn"), rnnRead),
      ),
      el(
        "fieldset",
        { class: "interactive-gates", style: `--gutter:${GUTTER}px;--edge:${EDGE}px;--columns:${T}` },
        el("legend", {}, "Forget gates, one for each step"),
        el(
          "div",
          {},
          gates.map(({ row }) => row),
        ),
      ),
      ...say.nodes,
      el("div", { class: "interactive-columns" }, all.row, look.row, w.row, s.row),
      longRead,
      el("details", {}, el("summary", {}, "All numbers"), numbers),
    );
    show("");
    say.say("Move a gate, and what it does to the gradient is said here.");
  }

  lab.mount("gradient-road", build);
})(window.lstmlab);
