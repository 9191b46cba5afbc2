"""The book in a real browser: it renders, it follows the theme, it fits a phone, and it stays on the machine."""

from pathlib import Path

import pytest

PAGES = sorted(path.stem for path in (Path(__file__).parents[2] / "book").glob("*.md"))
READY = "window.MathJax?.startup?.promise?.then(() => true) ?? !document.querySelector('.math')"


@pytest.fixture
def visit(browser, address):
    """Open a page, wait until its mathematics is set, and note what it complained about and asked for."""
    contexts = []

    def visit(name, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.complaints, page.requests = [], []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: page.complaints.append(str(e)))
        page.on("request", lambda r: page.requests.append(r.url))
        page.goto(f"{address}/{name}.html", wait_until="load")
        page.wait_for_function(READY)
        return page

    yield visit
    for context in contexts:
        context.close()


def colour(page, selector, name="color"):
    """A computed style of the first element that matches."""
    return page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_without_complaint(visit, name):
    """No page logs an error or a warning to the console."""
    assert visit(name).complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_page_stays_on_the_machine(visit, address, name):
    """No page sends a request to anything but the server it came from."""
    outside = [url for url in visit(name).requests if not url.startswith((address, "data:", "blob:"))]
    assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone(visit, name, scheme):
    """At 390 pixels no page scrolls sideways."""
    page = visit(name, width=390, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate("window.scrollTo(100, 0)")
    assert page.evaluate("window.scrollX") == 0


@pytest.mark.parametrize("name", ["lstm-cell", "lstm-backward", "notation"])
def test_equations_are_set(visit, name):
    """MathJax has set every formula and found no error in one; no TeX is left in the text."""
    page = visit(name)
    assert page.locator("mjx-container").count() >= page.locator(".math").count() > 20
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    text = page.inner_text("article")
    assert not any(raw in text for raw in ("$$", "\\(", "\\[", "\\odot", "\\mathrm"))


def test_wide_equation_scrolls_in_its_own_box(visit):
    """At 390 pixels an equation that is too wide scrolls by itself, and its number stays in sight."""
    page = visit("lstm-backward", width=390)
    boxes = page.eval_on_selector_all("div.math > mjx-container", "es => es.map(e => [e.scrollWidth, e.clientWidth])")
    assert any(inside > outside for inside, outside in boxes)
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
    """Every code cell that is shown offers to be copied."""
    page = visit("lstm-cell")
    assert page.locator("div.cell_input button.copybtn").count() == page.locator("div.cell_input pre").count() > 5
