/* Keyboard: whoever tabs through a page should not have to pass every symbol. MathJax is told (in _config.yml) to take
   no stop; a formula, table or listing that is wider than its box gets one, so that the arrow keys can scroll it. */
(() => {
  "use strict";
  const BOXES = "mjx-container, .sheet-math, .bd-article pre, .bd-article .pst-scrollable-table-container, .bd-article .output";

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
    reachWhatScrolls();
    let waiting = 0;
    window.addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(reachWhatScrolls, 200);
    });
  });
})();
