/* What is wider than the screen. A displayed equation is made to fit where it stays readable: a little smaller, or with
   its number below it, or both. What is still too wide scrolls in its own box.

   Keyboard: whoever tabs through a page should not have to pass every symbol. MathJax is told (in _config.yml) to take
   no stop; a formula, table or listing that is wider than its box gets one, so that the arrow keys can scroll it. */
(() => {
  "use strict";
  const BESIDE = 0.86, SMALLEST = 0.72;         // of an equation's size: with its number beside it, and at all
  const BOXES = "mjx-container, .sheet-math, .bd-article pre, .bd-article .pst-scrollable-table-container, .bd-article .output";

  function resize(formula, share) {
    formula.dataset.size ??= parseFloat(formula.style.fontSize) || 100;         // MathJax fits it to the text around it
    formula.style.fontSize = `${Math.floor(formula.dataset.size * share * 10) / 10}%`;
  }

  function fitEquations() {
    for (const formula of document.querySelectorAll(":is(div.math, .sheet-math) > mjx-container")) {
      const place = formula.parentElement, box = place.matches(".sheet-math") ? place : formula;      // what scrolls
      resize(formula, 1);
      place.classList.remove("number-below");
      if (!box.clientWidth || box.scrollWidth <= box.clientWidth) {
        continue;
      }
      if (box.clientWidth < BESIDE * box.scrollWidth) {
        place.classList.toggle("number-below", Boolean(place.querySelector(".eqno")));
      }
      if (box.scrollWidth > box.clientWidth) {
        resize(formula, Math.max(SMALLEST, (box.clientWidth - 1) / box.scrollWidth));
      }
    }
  }

  function reachWhatScrolls() {
    for (const box of document.querySelectorAll(BOXES)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      if (scrolls && !box.querySelector("a, button, input")) {
        box.tabIndex = 0;
      } else {
        box.removeAttribute("tabindex");
      }
    }
  }

  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    const fit = () => {
      fitEquations();
      reachWhatScrolls();
    };
    fit();
    let waiting = 0;
    window.addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(fit, 200);
    });
  });
})();
