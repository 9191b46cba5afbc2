"""The book builds without a warning, computes without an error, and needs nothing but itself."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src",
         "embed": "src", "object": "data", "use": "href", "image": "href"}
EQUATION = re.compile(r'id="equation-(eq-[\w-]+)">\s*<span class="eqno">\(([\d.]+)')
ELSEWHERE = re.compile(r"^(?:[a-z]+:)?//", re.IGNORECASE)
LABELS = {
    "backpropagation-through-time": ["gradient", "one-rule", "bptt-double-sum", "bptt-kept",
                                     *(f"rnn-{v}" for v in ("tanh-slope", "dz", "dW", "dhx", "dh-prev", "dh",
                                                            "dW-sum"))],
    "constant-error-carousel": [f"cec-{v}" for v in ("factor", "condition", "sum", "boxes", "cell-state",
                                                     "hidden-state", "parameter-count", "paper-count", "dC",
                                                     "products", "dz", "dhx", "truncated")],
    "lstm-cell": ["lstm-forget-gate", "lstm-input-gate", "lstm-candidate", "lstm-cell-state", "lstm-output-gate",
                  "lstm-hidden-state", "lstm-parameter-count", "lstm-unrolled", "lstm-half-life"],
    "lstm-backward": [f"lstm-{v}" for v in ("dh", "do", "dC", "df", "di", "dC-tilde", "dC-prev", "dz", "dW", "db",
                                            "dhx", "dh-prev", "dx", "dW-sum", "road")],
    "peephole": [f"peephole-{v}" for v in ("forget-gate", "input-gate", "output-gate", "parameter-count", "dz-o", "dC",
                                           "dC-prev", "dp", "road")],
    "coupled-gates": [f"cifg-{v}" for v in ("input-gate", "cell-state", "parameter-count", "bound", "products", "df",
                                            "dz", "dhx")],
    "gru": [f"gru-{v}" for v in ("update-gate", "reset-gate", "candidate-before", "candidate-after", "state-z",
                                 "state-1-z", "parameter-count", "dh", "dz-n", "before-dr", "after-dr", "after-dm",
                                 "gates", "dh-prev", "dx")],
}
CHECKED = ["lstm-backward", "peephole", "coupled-gates", "gru"]     # pages that end in a gradient check


class Page(HTMLParser):
    """What a page loads, links to, offers as an anchor, and runs or styles inline."""

    def __init__(self, path):
        super().__init__()
        self.path, self.loads, self.links, self.anchors, self.inline = path, [], [], set(), ""
        self.classes, self._inside = set(), ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.add(attrs.get("id"))
        self.classes.update((attrs.get("class") or "").split())
        if tag == "link" and attrs.get("rel") not in ("next", "prev", "search", "index", "canonical"):
            self.loads.append(attrs["href"])
        if attrs.get(LOADS.get(tag)):
            self.loads.append(attrs[LOADS[tag]])
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag in ("script", "style"):
            self._inside = tag

    def handle_endtag(self, tag):
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data):
        if self._inside:
            self.inline += data


@pytest.fixture(scope="module")
def pages(book):
    """Every page of the built book, by path."""
    return {path: Page(path) for path in sorted(book.html.glob("*.html"))}


def test_build_succeeds(book):
    """The build command succeeds; it makes every warning an error."""
    assert book.status == 0, book.said[-4000:]


def test_build_holds_every_page(book, pages):
    """Every page of the table of contents is there."""
    assert {"index", "lstm-cell", "notation", "bibliography"} <= {path.stem for path in pages}


def test_no_cell_failed(book, pages):
    """No page shows a traceback, and the build wrote no execution report."""
    assert not any({"traceback", "stderr"} & page.classes for page in pages.values())
    assert not list((book.html / "reports").glob("*.log"))


def test_nothing_is_loaded_from_elsewhere(pages):
    """No script, style sheet, image or frame of any page has an address off the machine."""
    assert [(page.path.name, load) for page in pages.values() for load in page.loads if ELSEWHERE.match(load)] == []


def test_no_inline_code_names_an_address(pages):
    """No inline script or style of any page names an address off the machine."""
    assert [(page.path.name, found) for page in pages.values()
            for found in re.findall(r"https?://[^\s\"'`)]+", page.inline)] == []


def test_no_style_sheet_loads_from_elsewhere(book):
    """No style sheet that is served fetches a font, an image or another sheet off the machine."""
    urls = re.compile(r"(?:@import\s+|url\()\s*['\"]?([^'\")\s;]+)")
    assert [(css.name, url) for css in book.html.rglob("*.css")
            for url in urls.findall(css.read_text(encoding="utf-8")) if ELSEWHERE.match(url)] == []


def test_what_a_page_loads_is_there(pages):
    """Every local file that a page loads exists."""
    missing = [(page.path.name, load) for page in pages.values() for load in page.loads
               if not urlsplit(load).scheme and urlsplit(load).path
               and not (page.path.parent / unquote(urlsplit(load).path)).is_file()]
    assert missing == []


def test_internal_links_resolve(pages):
    """Every link within the book leads to a file, and its fragment to an anchor on that page."""
    broken = []
    for page in pages.values():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            reached = target.is_file() and (not parts.fragment or target not in pages
                                            or unquote(parts.fragment) in pages[target].anchors)
            if not reached:
                broken.append((page.path.name, link))
    assert broken == []


@pytest.mark.parametrize(("chapter", "label"), [(chapter, label) for chapter in LABELS for label in LABELS[chapter]])
def test_equation_label_is_an_anchor(book, pages, chapter, label):
    """The equations that code, tests and problem sets cite have their anchors in the chapter."""
    assert f"equation-eq-{label.lower()}" in pages[book.html / f"{chapter}.html"].anchors


@pytest.mark.parametrize("chapter", CHECKED)
def test_gradient_check_of_the_page_agrees(book, chapter):
    """The report printed in the chapter says that derivation and complex steps agree; only lost terms disagree."""
    text = (book.html / f"{chapter}.html").read_text(encoding="utf-8")
    before, after = re.split(r'</span>Which path died\?<a class="headerlink"', text, maxsplit=1)
    assert re.search(r"agree: largest error \d\.\de-1[3-9] at", before)
    assert "DISAGREE" not in before
    assert "DISAGREE" in after


def test_the_package_knows_the_numbers_of_the_equations(book):
    """What messages and problem sets cite is what is printed beside the equation."""
    printed = {}
    for path in book.html.glob("*.html"):
        printed |= {label.lower(): number for label, number in EQUATION.findall(path.read_text())}
    assert len(printed) > 100
    assert {label.lower(): number for label, number in json.loads(book.numbers_were).items()} == printed
