/* Gap length: how long a gap each cell learnt to bridge, as measured; choose cells, a lag and what to look at. */
(function (lab) {
  "use strict";

  const { el, svg, number, slider, choice, button, voice, table, plot } = lab;
  const LEFT = 52,
    RIGHT = 14,
    TOP = 12,
    HEIGHT = 290,
    BOTTOM = 40;
  const percent = (share) => `${Math.round(100 * share)} %`;
  const norm = (when) => (row) => row.gradient_norm?.[when] ?? {};

  /** What can be looked at: its value and interval in a row, how it is shown, and whether its axis is logarithmic. */
  const QUANTITIES = {
    success: {
      label: "success rate",
      title: "share of the seeds that learnt it",
      log: false,
      show: percent,
      of: (row) => ({ median: row.success_rate, interval: row.interval }),
    },
    updates: {
      label: "updates",
      title: "median updates of the seeds that learnt it",
      log: true,
      show: (v) => String(Math.round(v)),
      of: (row) => ({ median: row.median_updates }),
    },
    initial: {
      label: "gradient before",
      title: "what arrives of the gradient at the first step, before training",
      log: true,
      show: number,
      of: norm("initial"),
    },
    trained: {
      label: "gradient after",
      title: "what arrives of the gradient at the first step, after training",
      log: true,
      show: number,
      of: norm("trained"),
    },
  };

  const INKS = ["memory", "gate", "squash", "mark", "leaf"].map((name) => `var(--lstmlab-${name})`);
  const DASHES = [null, "7 4", "2 3", "9 3 2 3"];
  const polygon =
    (...points) =>
    (x, y) =>
      svg("polygon", { points: points.map(([dx, dy]) => `${x + dx},${y + dy}`).join(" ") });
  const SHAPES = [
    (x, y) => svg("circle", { cx: x, cy: y, r: 4.5 }),
    polygon([-4, -4], [4, -4], [4, 4], [-4, 4]),
    polygon([0, -5.5], [5, 4], [-5, 4]),
    polygon([0, -6], [5, 0], [0, 6], [-5, 0]),
    polygon([0, 5.5], [5, -4], [-5, -4]),
    (x, y) => svg("path", { d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`, stroke: "currentColor", "stroke-width": 2.4 }),
    (x, y) => svg("path", { d: `M${x - 5} ${y}h10m-5 -5v10`, stroke: "currentColor", "stroke-width": 2.4 }),
    (x, y) =>
      svg("circle", {
        cx: x,
        cy: y,
        r: 4,
        "stroke-width": 2,
        stroke: "currentColor",
        style: "fill:var(--pst-color-surface)",
      }),
  ];
  const look = (k) => ({
    ink: INKS[k % INKS.length],
    dash: DASHES[k % DASHES.length],
    shape: SHAPES[k % SHAPES.length],
  });

  function build(live, data) {
    const labels = data.cells,
      lags = data.lags,
      say = voice();
    const rows = new Map(data.rows.map((row) => [`${row.label}|${row.lag}`, row]));
    const row = (label, lag) => rows.get(`${label}|${lag}`);
    let quantity = "success",
      place = lags.indexOf(data.lag),
      chosen = new Set(data.shown);

    /** Value and interval of a cell at a lag; null where it did not run or has none. */
    function read(label, lag) {
      const found = row(label, lag);
      if (!found?.ran) return null;
      const { median, interval } = QUANTITIES[quantity].of(found);
      return median == null ? null : { median, interval };
    }

    const chart = plot(
      "",
      () => HEIGHT,
      (width) => {
        const { log } = QUANTITIES[quantity],
          span = width - LEFT - RIGHT,
          x = (k) => LEFT + (span * (k + 0.5)) / lags.length;
        const shown = labels.filter((label) => chosen.has(label));
        const values = shown.flatMap((label) => lags.map((lag) => read(label, lag)?.median)).filter((v) => v > 0);
        const top = log ? Math.ceil(Math.log10(Math.max(1, ...values))) : 1;
        const bottom = log ? Math.max(top - 60, Math.floor(Math.log10(Math.min(...values, 10 ** (top - 1))))) : 0;
        const place_ = (v) => (log ? Math.max(bottom, Math.log10(Math.max(v, 1e-300))) : v);
        const y = (v) => TOP + ((HEIGHT - TOP - BOTTOM) * (top - place_(v))) / (top - bottom);
        const every = Math.ceil((top - bottom) / 6);
        const ticks = log
          ? Array.from({ length: Math.floor((top - bottom) / every) + 1 }, (_, k) => top - k * every)
          : [1, 0.75, 0.5, 0.25, 0];
        return [
          svg("rect", {
            x: x(place) - 19,
            y: 2,
            width: 38,
            height: HEIGHT - 20,
            rx: 5,
            style: "fill:var(--lstmlab-mark);fill-opacity:0.1;stroke:var(--lstmlab-mark)",
            "stroke-width": 1.6,
          }),
          ticks.map((tick) => {
            const height = y(log ? 10 ** tick : tick);
            return [
              svg("line", {
                x1: LEFT,
                x2: width - RIGHT,
                y1: height,
                y2: height,
                stroke: "currentColor",
                "stroke-opacity": 0.16,
              }),
              svg(
                "text",
                { x: LEFT - 8, y: height + 4, "text-anchor": "end" },
                log
                  ? tick === 0
                    ? "1"
                    : ["10", svg("tspan", { dy: -5, "font-size": 10 }, String(tick).replace("-", "−"))]
                  : percent(tick),
              ),
            ];
          }),
          lags.map((lag, k) =>
            svg(
              "text",
              { x: x(k), y: HEIGHT - 24, "text-anchor": "middle", "font-weight": k === place ? 700 : 400 },
              String(lag),
            ),
          ),
          svg("text", { x: LEFT + span / 2, y: HEIGHT - 3, "text-anchor": "middle" }, "lag, in steps"),
          labels.map((label, k) => {
            if (!chosen.has(label)) return null;
            const { ink, dash, shape } = look(k),
              shift = (k - (labels.length - 1) / 2) * Math.min(3.4, span / lags.length / 12);
            const points = lags
              .map((lag, n) => [read(label, lag), x(n) + shift])
              .map(([value, at]) => [value && (!log || value.median > 0) ? value : null, at]);
            let path = "",
              pen = "M";
            for (const [value, at] of points) {
              path += value ? `${pen}${at} ${y(value.median)}` : "";
              pen = value ? "L" : "M";
            }
            return svg(
              "g",
              { style: `color:${ink};fill:currentColor` },
              svg("path", {
                d: path,
                fill: "none",
                stroke: "currentColor",
                "stroke-width": 2,
                "stroke-dasharray": dash,
              }),
              points.map(
                ([value, at]) =>
                  value && [
                    value.interval
                      ? svg("line", {
                          x1: at,
                          x2: at,
                          y1: y(value.interval[0]),
                          y2: y(value.interval[1]),
                          stroke: "currentColor",
                          "stroke-opacity": 0.55,
                          "stroke-width": 1.4,
                        })
                      : null,
                    shape(at, y(value.median)),
                  ],
              ),
            );
          }),
        ];
      },
    );

    const what = choice({
      legend: "What is shown",
      value: quantity,
      options: Object.fromEntries(Object.entries(QUANTITIES).map(([key, { label }]) => [key, label])),
      onchange(to) {
        quantity = to;
        show(`Shown: ${QUANTITIES[to].title}.`);
      },
    });
    const lag = slider({
      label: "lag",
      min: 0,
      max: lags.length - 1,
      step: 1,
      value: place,
      show: (k) => `${lags[k]} steps`,
      oninput(k) {
        place = k;
        show(`Lag ${lags[k]}.`);
      },
    });
    const boxes = labels.map((label, k) => {
      const id = lab.newId(),
        { ink, dash, shape } = look(k);
      const input = el("input", {
        type: "checkbox",
        id,
        checked: chosen.has(label),
        onchange() {
          input.checked ? chosen.add(label) : chosen.delete(label);
          show(`${label} is ${input.checked ? "shown" : "hidden"}.`);
        },
      });
      const key = svg(
        "svg",
        { width: 34, height: 14, "aria-hidden": "true", style: `color:${ink};fill:currentColor` },
        svg("line", {
          x1: 0,
          x2: 34,
          y1: 7,
          y2: 7,
          stroke: "currentColor",
          "stroke-width": 2,
          "stroke-dasharray": dash,
        }),
        shape(17, 7),
      );
      return {
        label,
        input,
        row: el("div", { class: "interactive-box" }, input, el("label", { for: id }, key, label)),
      };
    });
    const reset = button("Reset", () => {
      [quantity, place, chosen] = ["success", lags.indexOf(data.lag), new Set(data.shown)];
      what.set(quantity);
      lag.set(place);
      boxes.forEach(({ label, input }) => {
        input.checked = chosen.has(label);
      });
      show("All is as at the beginning.");
    });
    const numbers = el("div", {});

    function show(said) {
      const { title, show: format } = QUANTITIES[quantity],
        at = lags[place];
      const said_ = (label) => {
        const found = row(label, at),
          value = read(label, at);
        if (!found?.ran) return ["not run", ""];
        return value
          ? [format(value.median), value.interval ? `${format(value.interval[0])} to ${format(value.interval[1])}` : ""]
          : ["none learnt it", ""];
      };
      const shown = labels.filter((label) => chosen.has(label));
      chart.root.setAttribute(
        "aria-label",
        `For the chosen cells and every lag: ${title}; the numbers of a lag stand in the table below`,
      );
      chart.again();
      numbers.replaceChildren(
        table(
          `Lag ${at}: ${title}`,
          ["cell", "value", "95 % interval", "seeds"],
          shown.map((label) => [label, ...said_(label), row(label, at)?.ran ? String(row(label, at).seeds) : "–"]),
        ),
      );
      if (said) say.say(`${said} ${shown.map((label) => `${label}: ${said_(label)[0]}`).join("; ")}.`);
    }

    live.append(
      el("div", { class: "interactive-row" }, what.row, reset),
      chart.root,
      lag.row,
      el(
        "fieldset",
        { class: "interactive-boxes" },
        el("legend", {}, "Cells"),
        el(
          "div",
          {},
          boxes.map((box) => box.row),
        ),
      ),
      ...say.nodes,
      numbers,
    );
    show("");
    say.say("Choose what to look at; the numbers of the chosen lag are said here.");
  }

  lab.mount("gap-length", build);
})(window.lstmlab);
