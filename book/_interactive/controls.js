/* What the interactive figures are made of: labelled sliders, choices, buttons, symbols, numbers, SVG, and one voice
   that says in words what changed. Native inputs throughout, so that the keyboard and the screen reader work. */
(function (lab) {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  let ids = 0;

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children.flat(Infinity).filter((child) => child != null));
    return node;
  }

  const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const newId = () => "interactive-" + ++ids;

  /** A number as it is read: three decimals, or two digits and a power of ten where these would say nothing. */
  function number(value, decimals = 3) {
    const size = Math.abs(value);
    if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "undefined";
    if (size !== 0 && (size < 0.5 * 10 ** -decimals || size >= 1e4)) {
      const [digits, power] = value.toExponential(1).split("e");
      const raised = [...String(Number(power))].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
      return digits.replace("-", "−") + "\u00a0·\u00a010" + raised;
    }
    const text = value.toFixed(size >= 100 ? 1 : size >= 10 ? Math.min(2, decimals) : decimals);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
  }

  /** A symbol of the notation page: sym("C~_t") is C with a tilde and the index t. Runs of letters stand in italics. */
  function sym(text) {
    const [letter, ...index] = text.split("_");
    const tilde = letter.includes("~");
    return el(
      "span",
      { class: "sym" },
      el("i", tilde ? { class: "tilde" } : {}, letter.replace("~", "")),
      index.length ? el("sub", {}, index.join("_")) : null,
    );
  }

  /** A line of text with symbols in it: rich("{C~_t} rises") makes what stands in braces a symbol. */
  function rich(text) {
    return text.split(/({[^}]+})/).map((piece) => (piece.startsWith("{") ? sym(piece.slice(1, -1)) : piece));
  }

  /** The same line for a voice: "{C~_t} rises" becomes "C tilde t rises". */
  const spoken = (text) => text.replace(/{([^}]+)}/g, (_, name) => name.replace("~", " tilde").replaceAll("_", " "));

  /** A slider with its label before and its value behind it; `words` name it for those who cannot see the label. */
  function slider({ label, words, min, max, step, value, show = number, oninput, vertical = false }) {
    const id = newId(),
      output = el("output", { for: id, "aria-live": "off" });
    const input = el("input", { type: "range", id, min, max, step, "aria-orientation": vertical ? "vertical" : null });
    const set = (to) => {
      if (to < input.min) input.min = Math.floor(to);
      if (to > input.max) input.max = Math.ceil(to);
      input.value = to; // the nearest step; what is said is the number itself
      output.textContent = show(to);
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => {
      set(Number(input.value));
      oninput(Number(input.value));
    });
    set(value);
    const name = el(
      "label",
      { for: id },
      rich(label),
      words ? el("span", { class: "interactive-only-heard" }, " " + words) : null,
    );
    return {
      row: el("div", { class: "interactive-slider" + (vertical ? " is-vertical" : "") }, name, input, output),
      input,
      set,
    };
  }

  /** One of several, as radio buttons in a row; `options` maps a value to its label. */
  function choice({ legend, options, value, onchange, quiet = false }) {
    const name = newId();
    const inputs = Object.entries(options).map(([key, label]) => {
      const id = newId();
      const input = el("input", {
        type: "radio",
        name,
        id,
        value: key,
        checked: key === value,
        onchange: () => onchange(key),
      });
      return [input, el("label", { for: id }, rich(label))];
    });
    const set = (to) =>
      inputs.forEach(([input]) => {
        input.checked = input.value === to;
      });
    return {
      row: el(
        "fieldset",
        { class: "interactive-choice" },
        el("legend", quiet ? { class: "interactive-only-heard" } : {}, legend),
        el("div", {}, inputs),
      ),
      set,
    };
  }

  const button = (label, onclick) =>
    el("button", { type: "button", class: "interactive-button", onclick }, rich(label));

  /** The line that says what changed: seen at once, and heard when the hand has come to rest. */
  function voice() {
    const seen = el("p", { class: "interactive-said", "aria-hidden": "true" });
    const heard = el("p", { class: "interactive-only-heard", role: "status" });
    let timer;
    const hear = (text) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        heard.textContent = spoken(text);
      }, 350);
    };
    const say = (text) => {
      seen.replaceChildren(...rich(text));
      hear(text);
    };
    return { nodes: [seen, heard], say, hear };
  }

  /** A table of numbers with a heading for every row and column; too wide for its place, it scrolls in a box. */
  function table(caption, columns, rows) {
    return boxed(
      el(
        "table",
        { class: "interactive-table" },
        el("caption", {}, rich(caption)),
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            columns.map((name) => el("th", { scope: "col" }, rich(name))),
          ),
        ),
        el(
          "tbody",
          {},
          rows.map(([head, ...cells]) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, rich(head)),
              cells.map((cell) => el("td", {}, cell)),
            ),
          ),
        ),
      ),
    );
  }

  /** A box that scrolls sideways what is too wide for it, and can then be reached by the keyboard. */
  function boxed(content) {
    const box = el("div", { class: "interactive-box-that-scrolls" }, content);
    new ResizeObserver(() => {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }).observe(box);
    return box;
  }

  /** A plot as wide as its place, and as tall as height() says; draw(width, height) is called whenever it changes. */
  function plot(label, height, draw) {
    const root = svg("svg", { class: "interactive-plot", role: "img", "aria-label": label, height: height() });
    const again = () => {
      const width = Math.round(root.parentElement?.clientWidth ?? 0),
        tall = height();
      if (!width) return;
      root.setAttribute("viewBox", `0 0 ${width} ${tall}`);
      root.setAttribute("height", tall);
      root.replaceChildren(...draw(width, tall).flat(Infinity).filter(Boolean));
    };
    new ResizeObserver(again).observe(root);
    return { root, again };
  }

  /** Build the figure `name` wherever the page has a place for it; the static picture stays for print. */
  function mount(name, build) {
    for (const place of document.querySelectorAll(`[data-interactive="${name}"]`)) {
      const data = place.querySelector("script[type='application/json']");
      const live = el("div", { class: "interactive-live" });
      build(live, JSON.parse(data.textContent), place);
      place.querySelector(".interactive-static").after(live);
      place.classList.add("is-live");
    }
  }

  Object.assign(lab, {
    el,
    svg,
    number,
    rich,
    sym,
    spoken,
    slider,
    choice,
    button,
    voice,
    table,
    boxed,
    plot,
    mount,
    newId,
  });
})((window.lstmlab ??= {}));
