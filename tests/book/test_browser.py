"""The book in a real browser: what every page promises, each opened once; what one operates; how fast it is there."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

BOOK = Path(__file__).parents[2] / "book"
PAGES = re.findall(r"^\s*(?:root:|- file:)\s*(\S+)", (BOOK / "_toc.yml").read_text(), re.MULTILINE)
READY = "window.MathJax?.startup?.promise?.then(() => true) ?? !document.querySelector('.math')"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PATIENCE = 120_000                                      # ms; a busy machine may take long to set a long page
WIDTHS = [390, 768, 1280, 1920]
RAW = re.compile(r"\$\$|\\[(\[]|\\(?:odot|mathrm|frac|begin|partial|sigma)\b")
HIDDEN = """() => {                                     // text that is there and that its box cuts off for good
    const cut = [];
    for (const box of document.querySelectorAll(".bd-main *:not(.math, .math *, mjx-container *)")) {
        const style = getComputedStyle(box);
        const over = style.overflowX === "hidden" && box.scrollWidth > box.clientWidth + 2;
        if (over && box.clientWidth > 1 && box.innerText?.trim() && style.visibility === "visible") {
            cut.push(box.outerHTML.slice(0, 120));
        }
    }
    return cut;
}"""


@pytest.fixture
def visit(browser, address):
    """Open a page, wait until its mathematics is set, and note what it complained about and asked for."""
    contexts = []

    def visit(name, width=1280, scheme="light", **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        return opened(context, address, name)

    yield visit
    for context in contexts:
        context.close()


def opened(context, address, name):
    """A new tab with the page in it."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.complaints, page.requests = [], []
    page.on("console", lambda m: page.complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: page.complaints.append(str(e)))
    page.on("request", lambda r: page.requests.append(r.url))
    page.goto(f"{address}/{name}.html", wait_until="load")
    page.wait_for_function(READY)
    return page


@pytest.fixture(scope="module", params=PAGES)
def page(request, browser, address):
    """Each page of the book, opened once: light and dark by turns."""
    scheme = ["light", "dark"][PAGES.index(request.param) % 2]
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    yield opened(context, address, request.param)
    context.close()


def violations(page, **options):
    """What axe-core finds against WCAG 2.2 AA: rule, and the first places."""
    page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")     # colours that fade
    settings = {"runOnly": WCAG, "resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=settings, **options).response["violations"]
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]) for rule in found]


def colour(page, selector, name="color"):
    """A computed style of the first element that matches."""
    return page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")


def focused(page, what="outerHTML"):
    """A property of what has the focus."""
    return page.evaluate(f"document.activeElement.{what}")


def tab_to(page, selector, most=150):
    """Press Tab until the focus is on what matches."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"{selector} is not reached by {most} presses of Tab")


# -- every page -------------------------------------------------------------------------------------------------------


def test_page_loads_without_complaint(page):
    """No page logs an error or a warning to the console."""
    assert page.complaints == []


def test_page_stays_on_the_machine(page, address):
    """No page sends a request to anything but the server it came from."""
    assert [url for url in page.requests if not url.startswith((address, "data:", "blob:"))] == []


def test_mathematics_is_set(page):
    """MathJax has set every formula of the page and found no error in one; no TeX is left in the text."""
    assert page.locator("mjx-container").count() >= page.locator("article .math").count()
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    prose = page.evaluate("""() => { const copy = document.querySelector("article").cloneNode(true);
        copy.querySelectorAll("pre, code, svg, script, style, mjx-container").forEach(e => e.remove());
        return copy.textContent; }""")
    assert RAW.findall(prose) == []


def test_mathematics_can_be_heard(page):
    """Behind every formula stands its MathML for a screen reader, and what is drawn is not read out twice."""
    silent = page.eval_on_selector_all("mjx-container", """es => es.filter(e =>
        !e.querySelector("mjx-assistive-mml > math") || e.querySelector("mjx-math").ariaHidden !== "true").length""")
    assert silent == 0


def test_page_fits_a_phone(page):
    """At 390 pixels no page scrolls sideways."""
    page.set_viewport_size({"width": 390, "height": 900})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.evaluate("window.scrollTo(100, 0)")
    moved = page.evaluate("window.scrollX")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert (width, moved) == (390, 0)


def test_text_may_be_twice_as_large(page):
    """With letters twice as large nothing scrolls sideways and no text is cut off."""
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    width, cut = page.evaluate("document.documentElement.scrollWidth"), page.evaluate(HIDDEN)
    page.evaluate("document.documentElement.style.fontSize = ''")
    assert (width, cut) == (1280, [])


def test_page_is_accessible(page):
    """axe-core finds no violation of WCAG 2.2 AA (within formulas: in the full run)."""
    assert violations(page, context={"exclude": [["mjx-container"]]}) == []


@pytest.mark.full
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_page_in_every_size_and_theme(visit, record_property, name, scheme):
    """In four widths and both themes: no complaint, no sideways scroll, no cut text, no violation of WCAG 2.2 AA."""
    page = visit(name, scheme=scheme)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(400)                                  # until what scrolls has been made reachable
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(HIDDEN) == []
        assert violations(page) == [], width
    assert page.complaints == []
    record_property("views", len(WIDTHS))


# -- what one sees ----------------------------------------------------------------------------------------------------


def test_wide_equation_scrolls_in_its_own_box(visit):
    """At 390 pixels an equation that is too wide scrolls by itself, by keyboard too, and its number stays in sight."""
    page = visit("lstm-backward", width=390)
    page.wait_for_function("document.querySelector('div.math > mjx-container[tabindex]')")
    boxes = page.eval_on_selector_all("div.math > mjx-container",
                                      "es => es.map(e => [e.scrollWidth > e.clientWidth + 1, e.tabIndex === 0])")
    assert any(scrolls for scrolls, _ in boxes)
    assert all(scrolls == reached for scrolls, reached in boxes)
    ends = page.eval_on_selector_all("div.math > .eqno", "es => es.map(e => e.getBoundingClientRect().right)")
    assert max(ends) <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_diagram_is_visible(visit, scheme):
    """The cell's diagram is on the page, of a readable size, on the page's own ground in both themes."""
    page = visit("lstm-cell", scheme=scheme)
    diagram = page.locator("svg.lstmlab-svg").first
    assert diagram.is_visible()
    assert diagram.bounding_box()["width"] > 500
    assert colour(page, ".text_html:has(svg.lstmlab-svg)", "backgroundColor") == "rgba(0, 0, 0, 0)"


def test_no_image_is_larger_than_shown(page):
    """Figures are SVG; where a page holds an image of dots, it has at most twice the dots it is shown with."""
    images = page.eval_on_selector_all("article img", "es => es.map(e => [e.currentSrc, e.naturalWidth, e.width])")
    assert [image for image in images if not image[0].endswith(".svg") and image[1] > 2 * image[2]] == []


def test_text_is_set_in_the_shipped_font(page):
    """The text's font comes with the book: it is loaded, and its licence lies beside it."""
    assert page.evaluate("document.fonts.check('16px \"STIX Two Text\"')")
    assert colour(page, "article :is(p, li)", "fontFamily").startswith('"STIX Two Text"')
    assert "SIL OPEN FONT LICENSE" in (BOOK / "_static" / "fonts" / "OFL.txt").read_text()


# -- what one operates ------------------------------------------------------------------------------------------------


def test_theme_switch_changes_the_theme(visit):
    """A press on the switch turns a light page dark: ground, text, and the ink and text of the diagram."""
    page = visit("lstm-cell")
    parts = [("body", "backgroundColor"), ("article p", "color"), ("svg.lstmlab-svg text", "fill"),
             ("svg.lstmlab-svg [data-part=C] path", "stroke")]
    before = [colour(page, *part) for part in parts]
    for _ in range(3):                                              # the switch goes round: auto, light, dark
        page.locator(".theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    page.wait_for_timeout(400)                                      # the theme fades its colours over
    after = [colour(page, *part) for part in parts]
    assert all(a != b for a, b in zip(before, after, strict=True)), list(zip(parts, before, after, strict=True))


def test_solutions_open_with_a_click(visit):
    """A solution is folded away until its button is pressed."""
    page = visit("lstm-cell")
    solution = page.locator("div.solution").first
    inside = solution.locator("p:not(.admonition-title)").first
    folded = inside.bounding_box()
    solution.locator("button, summary, .toggle-button").first.click()
    page.wait_for_timeout(400)
    assert inside.is_visible()
    assert inside.bounding_box() != folded


def test_code_has_copy_buttons(visit):
    """Every code cell that is shown offers to be copied, and a press copies all of it and nothing else."""
    page = visit("lstm-cell", permissions=["clipboard-read", "clipboard-write"])
    cells = page.locator("div.cell_input pre")
    assert page.locator("div.cell_input button.copybtn").count() == cells.count() > 5
    page.locator("div.cell_input").first.hover()
    page.locator("div.cell_input button.copybtn").first.click()
    assert page.evaluate("navigator.clipboard.readText()").strip() == cells.first.inner_text().strip()


def test_page_is_saved_as_a_notebook(visit):
    """The menu at the top saves the page as a notebook with all its cells."""
    page = visit("lstm-cell")
    page.locator(".dropdown-download-buttons button").first.click()
    link = page.locator(".btn-download-notebook-button").evaluate("e => e.href")
    notebook = json.loads(page.request.get(link).text())
    nbformat.validate(notebook)
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= (BOOK / "lstm-cell.md").read_text().count("```{code-cell}") > 5


def test_search_finds_the_peephole(visit):
    """By keyboard alone: Ctrl-K, a word, Enter; the chapter of that name is among the first results."""
    page = visit("index")
    page.keyboard.press("Control+k")
    page.keyboard.type("peephole")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=peephole**")
    page.wait_for_selector("#search-results .search li a")
    page.locator("#search-results .search li > a[href^='peephole.html']").first.wait_for()
    first = page.eval_on_selector_all("#search-results .search li > a", "links => links.slice(0, 10).map(a => a.href)")
    assert any("/peephole.html" in link for link in first)
    assert page.complaints == []


def test_book_is_read_by_keyboard_alone(visit):
    """Tab first offers to skip to the text; a chapter is chosen, the theme changed and a cell copied with keys."""
    page = visit("index")
    page.keyboard.press("Tab")
    assert focused(page, "textContent") == "Skip to main content"
    tab_to(page, "nav.bd-links a[href='lstm-cell.html']")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.wait_for_url("**/lstm-cell.html")
    page.wait_for_function(READY)
    before = page.evaluate("document.documentElement.dataset.mode")
    tab_to(page, "button.theme-switch-button")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.mode") != before
    tab_to(page, "button.copybtn")
    page.wait_for_function("getComputedStyle(document.activeElement).opacity > 0.9")


def test_focus_is_seen_and_never_caught(visit):
    """Tab goes through the whole page, shows a ring on every stop, and comes out at its end."""
    page = visit("lstm-cell")
    stops = []
    while len(stops) < 400 and (not stops or stops[-1][0] != "BODY"):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("""(e => [e.tagName, getComputedStyle(e).outlineStyle, e.outerHTML.slice(0, 120)])
            (document.activeElement)"""))
    assert [html for _, ring, html in stops[:-1] if ring == "none"] == []
    assert 20 < len(stops) < 400


# -- how fast it is there ---------------------------------------------------------------------------------------------


def test_home_page_is_light(visit, record_property):
    """The home page needs less than 1.5 MB from the server, scripts and fonts and all, nothing compressed."""
    page = visit("index")
    size = page.evaluate("""performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
        .reduce((sum, entry) => sum + entry.transferSize, 0)""")
    record_property("bytes", size)
    assert 100_000 < size < 1_500_000


def test_only_pages_with_mathematics_load_mathjax(visit):
    """The home page does without MathJax's megabyte."""
    assert not any("mathjax" in url for url in visit("index").requests)
