/* Inside a trained network: an LSTM that adds two marked numbers, or predicts embedded Reber strings, step by step.
   The weights come with the page; everything that is shown is computed here from them. */
(function (lab) {
  "use strict";

  const { el, svg, number, rich, slider, choice, button, voice, table, boxed, plot } = lab;
  const GUTTER = 44,
    ROW = 22;
  const NAMES = { C: "cell state", h: "hidden state", f: "forget gate", i: "input gate", o: "output gate" };

  const chance = (seed) => () => {
    // mulberry32: the same sequences after a reset
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  // -- the two tasks: each draws a sequence, gives the inputs, and says what is right -----------------------------

  function addingTask(data) {
    return {
      draw: (random, turn) =>
        data.examples[turn] ??
        data.examples[0].map((_, t, all) => {
          if (t === 0) random.marks = [0, 1].map((half) => Math.floor(((half + random()) * all.length) / 2));
          return [Math.round(1000 * random()) / 1000, random.marks.includes(t) ? 1 : 0];
        }),
      inputs: (sequence) => sequence,
      answer: (logits) => logits[0],
      truth(sequence) {
        let sum = 0;
        return sequence.map(([value, marker]) => (sum += value * marker));
      },
    };
  }

  function reberTask(data, symbols, grammar) {
    const may = (state) => grammar[state].map(([symbol]) => symbol).join("");
    const inner = (random) => {
      let text = "";
      for (let state = 0; state < grammar.length;) {
        const ways = grammar[state],
          [symbol, next] = ways[Math.floor(random() * ways.length)];
        text += symbol;
        state = next;
      }
      return text;
    };
    return {
      draw(random, turn) {
        if (turn < data.examples.length) return data.examples[turn];
        for (;;) {
          const outer = random() < 0.5 ? "T" : "P",
            text = "B" + outer + inner(random) + outer + "E";
          if (text.length <= 18) return text;
        }
      },
      inputs: (string) => [...string].map((symbol) => [...symbols].map((one) => Number(one === symbol))),
      answer(logits) {
        const top = Math.max(...logits),
          parts = logits.map((z) => Math.exp(z - top)),
          sum = parts.reduce((a, b) => a + b);
        return parts.map((part) => part / sum);
      },
      /** Which symbols may come after each: the second comes back last but one, the rest is the grammar's way. */
      truth(string) {
        const legal = ["TP", "B"];
        let state = 0;
        for (const symbol of string.slice(2, -2)) {
          state = grammar[state].find(([one]) => one === symbol)[1];
          legal.push(state < grammar.length ? may(state) : string[1]);
        }
        return [...legal, "E", ""];
      },
    };
  }

  // -- the figure ----------------------------------------------------------------------------------------------------

  function build(live, data) {
    const tasks = { adding: addingTask(data.adding), reber: reberTask(data.reber, data.symbols, data.grammar) };
    const say = voice();
    let name = data.task,
      quantity = "C",
      at = 0,
      turn = 0,
      random = chance(1),
      sequence,
      tape,
      answers,
      truth;

    function run() {
      const { params, hidden_size: H } = data[name],
        zeros = () => Array(H).fill(0);
      tape = lab.cells.forward(lab.cells.LSTM, params, tasks[name].inputs(sequence), { h: zeros(), C: zeros() });
      answers = tape.map(({ h }) => tasks[name].answer(lab.cells.affine(params.W_y, h, params.b_y)));
      truth = tasks[name].truth(sequence);
    }

    /** At every symbol of a string: are those that may come next more probable than all others? Null where none may. */
    const right = () =>
      answers.map((probabilities, t) => {
        if (!truth[t]) return null;
        const split = [[], []];
        probabilities.forEach((p, k) => split[Number(truth[t].includes(data.symbols[k]))].push(p));
        return Math.min(...split[1]) > Math.max(...split[0]);
      });

    const TOP = 46,
      BOTTOM = { adding: 92, reber: 30 };
    const height = () => TOP + ROW * data[name].hidden_size + BOTTOM[name] + 22;
    const grid = plot("", height, (width, tall) => {
      const T = sequence.length,
        H = data[name].hidden_size,
        column = (width - GUTTER - 4) / T,
        x = (t) => GUTTER + (t + 0.5) * column;
      const below = TOP + ROW * H + 8;
      const most = Math.max(1, ...tape.flatMap((step) => step[quantity].map(Math.abs)));
      const side = (value) => Math.min(column - 2, ROW - 3) * Math.sqrt(Math.abs(value) / most);
      const ink = quantity === "C" || quantity === "h" ? "var(--lstmlab-memory)" : "var(--lstmlab-gate)";
      return [
        svg("rect", {
          x: x(at) - column / 2,
          y: 1,
          width: column,
          height: tall - 2,
          rx: 4,
          style: "fill:var(--lstmlab-mark);fill-opacity:0.1;stroke:var(--lstmlab-mark)",
          "stroke-width": 1.6,
        }),
        inputRow(x, column),
        Array.from({ length: H }, (_, k) => {
          const y = TOP + ROW * (k + 0.5);
          return [
            svg("line", { x1: GUTTER, x2: width - 4, y1: y, y2: y, stroke: "currentColor", "stroke-opacity": 0.14 }),
            svg("text", { x: GUTTER - 10, y: y + 4, "text-anchor": "end" }, k === 0 ? "unit 1" : String(k + 1)),
            tape.map((step, t) => {
              const value = step[quantity][k],
                size = side(value);
              return svg("rect", {
                x: x(t) - size / 2,
                y: y - size / 2,
                width: size,
                height: size,
                style: `stroke:${ink};fill:${value >= 0 ? ink : "var(--pst-color-surface)"}`,
                "stroke-width": 1.3,
              });
            }),
          ];
        }),
        name === "adding" ? answerChart(x, width, below) : answerRow(x, below),
        tape.map((_, t) =>
          t === at || (T <= 18 && width > 500) || ((t + 1) % 4 === 0 && Math.abs(t - at) > 1)
            ? svg(
                "text",
                { x: x(t), y: tall - 5, "text-anchor": "middle", "font-weight": t === at ? 700 : 400, "font-size": 12 },
                String(t + 1),
              )
            : null,
        ),
      ];
    });

    function inputRow(x, column) {
      if (name === "reber") {
        return [
          svg("text", { x: 0, y: 28 }, "reads"),
          [...sequence].map((symbol, t) =>
            svg(
              "text",
              {
                x: x(t),
                y: 29,
                "text-anchor": "middle",
                "font-size": 16,
                "font-weight": t === 1 || t === sequence.length - 2 ? 700 : 400,
              },
              symbol,
            ),
          ),
        ];
      }
      const top = 8,
        tall = 30;
      return [
        svg("text", { x: 0, y: 28 }, "reads"),
        sequence.map(([value, marker], t) => {
          const wide = Math.min(12, column - 3),
            size = tall * value;
          return [
            svg("rect", {
              x: x(t) - wide / 2,
              y: top + tall - size,
              width: wide,
              height: Math.max(size, 0.5),
              fill: marker ? "currentColor" : "none",
              stroke: "currentColor",
              "stroke-opacity": marker ? 1 : 0.55,
            }),
            marker ? svg("path", { d: `M${x(t) - 4} ${top - 7}h8l-4 6z`, style: "fill:var(--lstmlab-mark)" }) : null,
          ];
        }),
      ];
    }

    function answerChart(x, width, top) {
      const tall = BOTTOM.adding - 10,
        y = (v) => top + tall - (tall * Math.min(2.1, Math.max(-0.1, v))) / 2.1;
      let stairs = `M${x(0)} ${y(truth[0])}`;
      truth.forEach((sum, t) => {
        if (t) stairs += `H${x(t)}V${y(sum)}`;
      });
      return [
        [0, 1, 2].map((v) => [
          svg("line", { x1: GUTTER, x2: width - 4, y1: y(v), y2: y(v), stroke: "currentColor", "stroke-opacity": 0.2 }),
          svg("text", { x: GUTTER - 10, y: y(v) + 4, "text-anchor": "end" }, String(v)),
        ]),
        svg("path", {
          d: stairs,
          fill: "none",
          stroke: "currentColor",
          "stroke-width": 1.6,
          "stroke-dasharray": "5 4",
        }),
        svg(
          "g",
          { style: "color:var(--lstmlab-memory);fill:currentColor" },
          svg("polyline", {
            points: answers.map((v, t) => `${x(t)},${y(v)}`).join(" "),
            fill: "none",
            stroke: "currentColor",
            "stroke-width": 2.2,
          }),
          answers.map((v, t) => svg("circle", { cx: x(t), cy: y(v), r: t === answers.length - 1 ? 5 : 3 })),
        ),
      ];
    }

    function answerRow(x, top) {
      return [
        svg("text", { x: 0, y: top + 18 }, "right?"),
        right().map((yes, t) =>
          yes === null
            ? null
            : svg(
                "text",
                {
                  x: x(t),
                  y: top + 18,
                  "text-anchor": "middle",
                  "font-weight": 700,
                  "font-size": 15,
                  style: `fill:var(${yes ? "--lstmlab-leaf" : "--lstmlab-mark"})`,
                },
                yes ? "✓" : "✗",
              ),
        ),
      ];
    }

    // -- controls ---------------------------------------------------------------------------------------------------

    const task = choice({
      legend: "Task",
      value: name,
      options: { adding: "adding", reber: "embedded Reber" },
      onchange(to) {
        name = to;
        restart();
        show(`The network that ${to === "adding" ? "adds" : "predicts Reber strings"}.`);
      },
    });
    const shown = choice({
      legend: "Shown for every unit",
      value: quantity,
      options: { C: "{C_t}", h: "{h_t}", f: "{f_t}", i: "{i_t}", o: "{o_t}" },
      onchange(to) {
        quantity = to;
        show(`Shown is the ${NAMES[to]}.`);
      },
    });
    const step = slider({
      label: "step {t}",
      min: 1,
      max: 24,
      step: 1,
      value: 1,
      show: String,
      oninput(value) {
        at = value - 1;
        show("");
      },
    });
    const go = (by) => {
      at = Math.min(sequence.length - 1, Math.max(0, at + by));
      step.set(at + 1);
      show("");
    };
    const stepping = el(
      "div",
      { class: "interactive-stepping" },
      button("‹ back", () => go(-1)),
      step.row,
      button("next ›", () => go(1)),
    );
    const another = button("Another sequence", () => {
      turn += 1;
      restart(false);
      show("Another sequence.");
    });
    const reset = button("Reset", () => {
      [name, quantity, turn, random] = [data.task, "C", 0, chance(1)];
      task.set(name);
      shown.set(quantity);
      restart();
      show("All is as at the beginning.");
    });

    const marked = () => sequence.flatMap(([, marker], t) => (marker ? [t] : []));
    const values = [0, 1].map((which) =>
      slider({
        label: `${["first", "second"][which]} marked value`,
        min: 0,
        max: 1,
        step: 0.01,
        value: 0,
        show: (value) => number(value, 2),
        oninput(value) {
          sequence[marked()[which]][0] = value;
          run();
          show(`The ${["first", "second"][which]} marked value is ${number(value, 2)}.`);
        },
      }),
    );
    const outer = choice({
      legend: "Second symbol, and last but one",
      value: "T",
      options: { T: "T", P: "P" },
      onchange(to) {
        sequence = sequence[0] + to + sequence.slice(2, -2) + to + sequence.at(-1);
        run();
        show(`The second symbol is now ${to}, and so is the last but one.`);
      },
    });
    const change = el(
      "div",
      {},
      el(
        "div",
        { class: "interactive-columns" },
        values.map(({ row }) => row),
      ),
      outer.row,
    );

    const verdict = el("div", { class: "interactive-verdict" }),
      numbers = el("div", {}),
      quality = el("p", { class: "interactive-note" }),
      legend = el("p", { class: "interactive-note" });

    function restart(afresh = true) {
      if (afresh) [turn, random] = [0, chance(1)];
      sequence = structuredClone(tasks[name].draw(random, turn));
      at = sequence.length - (name === "adding" ? 1 : 3);
      run();
      step.input.max = sequence.length;
      step.set(at + 1);
      if (name === "adding") marked().forEach((t, which) => values[which].set(sequence[t][0]));
      else outer.set(sequence[1]);
      change.firstChild.hidden = name !== "adding";
      outer.row.hidden = name !== "reber";
    }

    function show(what) {
      grid.root.setAttribute(
        "aria-label",
        `${NAMES[quantity]} of every unit at every step; the numbers of step ${at + 1} stand in the table below`,
      );
      grid.again();
      const { test } = data[name],
        H = data[name].hidden_size;
      legend.textContent =
        `A square is as large as the number; full is positive, hollow negative. ` +
        (name === "adding"
          ? "Below: the answer, if the network were asked now (line), and the sum of what was marked so far (dashed)."
          : "Below: whether the symbols that may come next are the most probable ones.");
      quality.textContent =
        name === "adding"
          ? `${H} units. On ${test.sequences} sequences that it has not learnt from, its mean squared error is ` +
            `${number(test.mean_squared_error, 5)}; always answering 1 has ${number(test.answering_1)}.`
          : `${H} units. Of ${test.strings} strings drawn anew, ` +
            `it is right at every symbol in ${test.right_throughout}.`;
      verdict.replaceChildren(...(name === "adding" ? [] : [prediction()]));
      const now = tape[at],
        columns = ["f", "i", "C_tilde", "o", "C", "h"];
      numbers.replaceChildren(
        table(
          `All units at step ${at + 1}`,
          ["unit", "{f_t}", "{i_t}", "{C~_t}", "{o_t}", "{C_t}", "{h_t}"],
          Array.from({ length: H }, (_, k) => [String(k + 1), ...columns.map((column) => number(now[column][k]))]),
        ),
      );
      say.say(`${what} ${said()}`.trim());
    }

    /** Every symbol's probability, whether the grammar allows it, and which one came. */
    function prediction() {
      const rows = [...data.symbols].map((symbol, k) => {
        const p = answers[at][k],
          may = truth[at].includes(symbol);
        return el(
          "tr",
          {},
          el("th", { scope: "row" }, symbol),
          el("td", { class: "interactive-bar" }, el("span", { style: `width:${(100 * p).toFixed(1)}%` })),
          el("td", {}, number(p)),
          el("td", {}, may ? "may come" : ""),
          el("td", {}, sequence[at + 1] === symbol ? "came" : ""),
        );
      });
      return boxed(
        el(
          "table",
          { class: "interactive-table is-bars" },
          el(
            "caption",
            {},
            truth[at] ? `Prediction after ${sequence.slice(0, at + 1)}` : "After the end nothing is asked",
          ),
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ["symbol", "", "probability", "grammar", "string"].map((head) => el("th", { scope: "col" }, head)),
            ),
          ),
          el("tbody", {}, rows),
        ),
      );
    }

    function said() {
      if (name === "adding") {
        const [value, marker] = sequence[at];
        const asked = at === sequence.length - 1 ? "asked now, it answers" : "if it were asked now, it would answer";
        return (
          `Step ${at + 1}: it reads ${number(value, 2)}${marker ? ", marked" : ""}; ${asked} ${number(answers[at])}. ` +
          `The sum so far is ${number(truth[at])}, the difference ${number(answers[at] - truth[at])}.`
        );
      }
      if (!truth[at]) return `Step ${at + 1}: the string has ended.`;
      const likely = [...data.symbols]
        .map((symbol, k) => [symbol, answers[at][k]])
        .sort((a, b) => b[1] - a[1])
        .slice(0, truth[at].length);
      return (
        `Step ${at + 1}: after ${sequence.slice(0, at + 1)} it expects ` +
        `${likely.map(([symbol, p]) => `${symbol} (${number(p)})`).join(" or ")}; ` +
        `what may come: ${[...truth[at]].join(" or ")}.`
      );
    }

    restart();
    live.append(
      el("div", { class: "interactive-row" }, task.row, el("div", { class: "interactive-buttons" }, another, reset)),
      change,
      shown.row,
      grid.root,
      legend,
      stepping,
      ...say.nodes,
      verdict,
      el("details", { open: true }, el("summary", {}, "Gates and states in numbers"), numbers),
      quality,
    );
    show("");
  }

  lab.mount("trained-network", build);
})(window.lstmlab);
