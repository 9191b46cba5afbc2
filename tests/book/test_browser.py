"""The book in a real browser: what one sees, what one operates, and how fast it is there."""

import json

import nbformat
import pytest

from tests.book.reading import BOOK, READY, colour


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


# -- what one sees ----------------------------------------------------------------------------------------------------


def test_wide_equation_scrolls_in_its_own_box(visit):
    """At 280 pixels an equation that is too wide scrolls by itself, by keyboard too, and its number stays in sight."""
    page = visit("lstm-backward", width=280)
    page.wait_for_function("document.querySelector('div.math > mjx-container[tabindex]')")
    boxes = page.eval_on_selector_all("div.math > mjx-container",
                                      "es => es.map(e => [e.scrollWidth > e.clientWidth + 1, e.tabIndex === 0])")
    assert any(scrolls for scrolls, _ in boxes)
    assert all(scrolls == reached for scrolls, reached in boxes)
    ends = page.eval_on_selector_all("div.math > .eqno", "es => es.map(e => e.getBoundingClientRect().right)")
    assert max(ends) <= 280


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_diagram_is_visible(visit, scheme):
    """The cell's diagram is on the page, of a readable size, on the page's own ground in both themes."""
    page = visit("lstm-cell", scheme=scheme, mathematics=False)
    diagram = page.locator("svg.lstmlab-svg").first
    assert diagram.is_visible()
    assert diagram.bounding_box()["width"] > 500
    assert colour(page, ".text_html:has(svg.lstmlab-svg)", "backgroundColor") == "rgba(0, 0, 0, 0)"


# -- what one operates ------------------------------------------------------------------------------------------------


def test_theme_switch_changes_the_theme(visit):
    """A press on the switch turns a light page dark: ground, text, and the ink and text of the diagram."""
    page = visit("lstm-cell", mathematics=False)
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
    page = visit("lstm-cell", mathematics=False)
    solution = page.locator("div.solution").first
    inside = solution.locator("p:not(.admonition-title)").first
    folded = inside.bounding_box()
    solution.locator("button, summary, .toggle-button").first.click()
    page.wait_for_timeout(400)
    assert inside.is_visible()
    assert inside.bounding_box() != folded


def test_code_has_copy_buttons(visit):
    """Every code cell that is shown offers to be copied, and a press copies all of it and nothing else."""
    page = visit("lstm-cell", permissions=["clipboard-read", "clipboard-write"], mathematics=False)
    cells = page.locator("div.cell_input pre")
    assert page.locator("div.cell_input button.copybtn").count() == cells.count() > 5
    page.locator("div.cell_input").first.hover()
    page.locator("div.cell_input button.copybtn").first.click()
    assert page.evaluate("navigator.clipboard.readText()").strip() == cells.first.inner_text().strip()


def test_page_is_saved_as_a_notebook(visit):
    """The menu at the top saves the page as a notebook with all its cells."""
    page = visit("lstm-cell", mathematics=False)
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
