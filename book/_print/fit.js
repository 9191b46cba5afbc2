/* Make what is wider than the page as small as it has to be. */
() => {
  for (const formula of document.querySelectorAll("mjx-container")) {
    const box = formula.parentElement.matches("div.math") ? formula : formula.parentElement.closest("p, li, dd, td, div");
    const room = box.clientWidth;
    const ink = formula.querySelector("mjx-math").getBoundingClientRect().width;
    if (room && ink > room) {
      formula.style.fontSize = `${Math.floor(parseFloat(formula.style.fontSize || "100") * (room - 2) / ink * 10) / 10}%`;
    }
  }
  for (const wide of document.querySelectorAll(".bd-article table, .bd-article .lstmlab-figure > *, .bd-article img")) {
    const room = wide.parentElement.clientWidth;
    if (room && wide.scrollWidth > room + 1) {
      wide.style.zoom = room / wide.scrollWidth;
    }
  }
}
