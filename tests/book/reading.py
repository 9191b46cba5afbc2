"""How the tests read the book: which pages it has, and a page as a browser opens it."""

import re
from pathlib import Path

BOOK = Path(__file__).parents[2] / "book"
PAGES = re.findall(r"^\s*(?:root:|- file:)\s*(\S+)", (BOOK / "_toc.yml").read_text(), re.MULTILINE)
READY = "window.MathJax?.startup?.promise?.then(() => true) ?? !document.querySelector('.math')"
PATIENCE = 120_000                                      # ms; a busy machine may take long to set a long page


def opened(context, address, name, mathematics=True):
    """A new tab with the page in it; to save time its formulas may be left unset."""
    if not mathematics:
        context.route("**/tex-chtml.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.complaints, page.requests = [], []
    page.on("console", lambda m: page.complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: page.complaints.append(str(e)))
    page.on("request", lambda r: page.requests.append(r.url))
    page.goto(f"{address}/{name}.html", wait_until="load")
    if mathematics:
        page.wait_for_function(READY)
    return page


def colour(page, selector, name="color"):
    """A computed style of the first element that matches."""
    return page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")
