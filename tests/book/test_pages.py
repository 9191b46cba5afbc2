"""Every page of the book in a real browser, each opened once: what all of them promise."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.book.reading import BOOK, PAGES, colour, opened

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
KINDS = ["index", "notation", "lstm-cell", "cheat-sheet", "problem-sets", "api"]      # pages that differ most
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

TOO_WIDE = """() => [...document.querySelectorAll("article mjx-container:not(table *)")].filter(e =>
    e.hasAttribute("display") ? e.scrollWidth > e.clientWidth + 1
        : e.getBoundingClientRect().right > e.closest("p, li, dt, dd, div").getBoundingClientRect().right + 2)
    .map(e => e.textContent.slice(0, 80))"""


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


def test_nothing_is_left_as_source(page):
    """No table, role or directive stands in the text as it was written, and no number as Python prints it."""
    prose = page.eval_on_selector_all("article :is(p, li, td)", "es => es.map(e => e.textContent)")
    assert [text for text in prose if re.search(r"\|\s*:?-{3}|\{(doc|eq|ref|cite|glue)[:}]|:::", text)] == []
    pasted = page.eval_on_selector_all(".pasted-text", "es => es.map(e => e.textContent)")
    assert [text for text in pasted if re.search(r"\de[+-]\d|^-\d", text)] == []


def test_mathematics_can_be_heard(page):
    """Behind every formula stands its MathML for a screen reader, and what is drawn is not read out twice."""
    silent = page.eval_on_selector_all("mjx-container", """es => es.filter(e =>
        !e.querySelector("mjx-assistive-mml > math") || e.querySelector("mjx-math").ariaHidden !== "true").length""")
    assert silent == 0


def test_page_fits_a_phone(page):
    """At 390 pixels no page scrolls sideways, no equation sticks out of its box, and none has to be scrolled."""
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(400)                                      # until the equations have been fitted
    width = page.evaluate("document.documentElement.scrollWidth")
    page.evaluate("window.scrollTo(100, 0)")
    moved, cut = page.evaluate("window.scrollX"), page.evaluate(TOO_WIDE)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert (width, moved) == (390, 0)
    assert cut == []


def test_text_may_be_twice_as_large(page):
    """With letters twice as large nothing scrolls sideways and no text is cut off."""
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    width, cut = page.evaluate("document.documentElement.scrollWidth"), page.evaluate(HIDDEN)
    page.evaluate("document.documentElement.style.fontSize = ''")
    assert (width, cut) == (1280, [])


@pytest.mark.parametrize("page", [p if p in KINDS else pytest.param(p, marks=pytest.mark.full) for p in PAGES],
                         indirect=True)
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


def test_shown_code_fits_its_column(page):
    """At 1280 pixels no code of a chapter that is open to be read is cut off at the right: nobody has to scroll it."""
    cut = page.eval_on_selector_all(".cell:not(.tag_hide-input) > .cell_input pre, .cell_output pre", """es => es
        .filter(e => e.clientWidth > 10 && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 80))""")
    assert cut == []


def test_figures_stand_on_the_page_itself(page):
    """No figure stands on a plate of its own, which would not follow the theme."""
    grounds = page.eval_on_selector_all(".cell_output .text_html:has(.lstmlab-svg)",
                                        "es => es.map(e => getComputedStyle(e).backgroundColor)")
    assert set(grounds) <= {"rgba(0, 0, 0, 0)"}


def test_no_image_is_larger_than_shown(page):
    """Figures are SVG; where a page holds an image of dots, it has at most twice the dots it is shown with."""
    images = page.eval_on_selector_all("article img", "es => es.map(e => [e.currentSrc, e.naturalWidth, e.width])")
    assert [image for image in images if not image[0].endswith(".svg") and image[1] > 2 * image[2]] == []


def test_text_is_set_in_the_shipped_font(page):
    """The text's font comes with the book: it is loaded, and its licence lies beside it."""
    assert page.evaluate("document.fonts.check('16px \"STIX Two Text\"')")
    assert colour(page, "article :is(p, li)", "fontFamily").startswith('"STIX Two Text"')
    assert "SIL OPEN FONT LICENSE" in (BOOK / "_static" / "fonts" / "OFL.txt").read_text()
