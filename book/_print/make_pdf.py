"""Print the built book into one PDF: cover, contents with page numbers, every page in reading order, working links.

The pages are those of ``_build/html``, just as they are read in a browser: their articles are joined into one document
whose anchors are made unique by page, Chromium lays it out, and a second pass fills in the numbers of the contents.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bs4 import BeautifulSoup
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TEXT_WIDTH = 642                                        # CSS pixels of A4 less its margins, as in print.css
FIRST = "index"
STICKS_OUT = """() => [...document.querySelectorAll("body *:not(mjx-assistive-mml, mjx-assistive-mml *, svg *)")]
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(e => e.outerHTML.slice(0, 200))"""


def reading_order(html: Path) -> list[tuple[str, BeautifulSoup]]:
    """Every page of the book by name, following each one's link to the next."""
    pages, name = [], FIRST
    while name:
        soup = BeautifulSoup((html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        pages.append((name, soup))
        following = soup.find("link", rel="next")
        name = following["href"].removesuffix(".html") if following else None
    return pages


def article_of(name: str, soup: BeautifulSoup, names: set[str]):
    """The article of a page, its anchors and links made unique by the page's name."""
    article = soup.select_one("article.bd-article")
    article["id"] = name
    # Code that is folded away on the screen only draws a figure; on paper the figure does.
    away = "script, template, .headerlink, noscript, details.above-input, section:has(> .toctree-wrapper)"
    for tag in article.select(away):
        tag.decompose()
    for tag in article.find_all(id=True):
        if not tag.find_parent("svg") and tag.name != "svg":
            tag["id"] = f"{name}--{tag['id']}"
    for tag in article.find_all("a", href=True):
        if link := _within(name, tag["href"], names):
            tag["href"] = link
        else:
            del tag["href"]
    for tag in article.find_all(["img", "object", "source"], src=True):
        tag["src"] = f"../html/{tag['src']}"
    for tag in article.find_all("details"):
        tag["open"] = ""
    return article


def _within(name: str, link: str, names: set[str]) -> str | None:
    """Where a link of page `name` leads: within the one document, out of the book, or, to a file beside it, nowhere."""
    page, hash_, anchor = link.partition("#")
    if re.match(r"[a-z]+:", link):
        return link
    if page and page.removesuffix(".html") not in names:
        return None
    target = page.removesuffix(".html") or name
    return f"#{target}--{anchor}" if hash_ and anchor else f"#{target}"


def contents(front: BeautifulSoup, articles: dict) -> str:
    """The table of contents, in the parts of the sidebar, with a place for each page number."""
    rows = []
    for tag in front.select("nav.bd-links p.caption, nav.bd-links a.reference.internal"):
        if tag.name == "p":
            rows.append(f"</ol><h2>{tag.get_text(strip=True)}</h2><ol>")
            continue
        name = tag["href"].partition("#")[0].removesuffix(".html")
        if name == FIRST or name not in articles or "#" in tag["href"].rstrip("#"):
            continue
        sections = "".join(_row(part.get("id"), part.find("h2").get_text(" ", strip=True))
                           for part in articles[name].select("section:has(> h2)"))
        rows.append(_row(name, tag.get_text(" ", strip=True), f"<ol>{sections}</ol>"))
    return (f'<nav class="book-contents" id="contents"><h1>Contents</h1><ol>{_row(FIRST, "About this book")}'
            f'{"".join(rows)}</ol></nav>')


def _row(anchor: str, title: str, below: str = "") -> str:
    return (f'<li><a href="#{anchor}"><span>{title}</span><span class="number" data-for="{anchor}"></span></a>'
            f"{below}</li>")


def compose(html: Path) -> str:
    """The whole book as one HTML document, to lie in a folder beside `html`."""
    pages = reading_order(html)
    names = {name for name, _ in pages}
    front = pages[0][1]
    mathematics = next(soup for _, soup in pages if soup.select_one(".math"))
    head = "".join(str(tag) for tag in mathematics.head.select("link[rel=stylesheet]"))
    head += "".join(str(tag) for tag in mathematics.select("script")
                    if "mathjax" in tag.get("src", "") or "MathJax" in tag.get_text())
    head = re.sub(r'(href|src)="_static', r'\1="../html/_static', head)
    title, figure = front.select_one("article h1"), front.select_one(".opening .lstmlab-figure")
    title.select_one(".headerlink").decompose()
    description = front.find(attrs={"name": "description"})["content"]
    authors = front.select_one(".component-author").get_text(" ", strip=True)
    cover = (f'<section class="cover"><h1>{title.get_text()}</h1>{figure}<p>{description}</p>'
             f'<p class="small">{authors} · text and figures CC BY 4.0, code MIT</p></section>')
    title.string = "About this book"
    front.select(".opening-words > p")[-1].string = (
        "On paper, code that only draws a figure is left out; it is on the book's pages and in their notebooks.")
    articles = {name: article_of(name, soup, names) for name, soup in pages}
    style = (HERE / "print.css").read_text() + "".join(_running_head(name, of) for name, of in articles.items())
    return (f'<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">'
            f"<title>{front.title.get_text(strip=True)}</title>{head}<style>{style}</style></head>"
            f'<body class="whole-book">'
            f"{cover}{contents(front, articles)}{''.join(map(str, articles.values()))}</body></html>")


def _running_head(name: str, article) -> str:
    heading = article.select_one("h1").get_text(" ", strip=True).replace("\\", "").replace('"', "’")
    return (f'\n#{name} {{ page: of-{name}; }} @page of-{name} {{ @top-center {{ content: "{heading}"; '
            f'font: italic 9pt "STIX Two Text", serif; color: #4b5763; }} }}')


def print_book(browser: Browser, document: Path, pdf: Path) -> list[str]:
    """Lay the document out and print it, twice: the first time tells on which page everything is.

    Returns
    -------
    list of str
        The beginnings of what is wider than the page all the same, and so is cut off.
    """
    page = browser.new_page(viewport={"width": TEXT_WIDTH, "height": 900}, color_scheme="light")
    page.set_default_timeout(300_000)
    page.emulate_media(media="print")
    page.goto(document.as_uri(), wait_until="load")
    page.wait_for_function("document.fonts.ready.then(() => window.MathJax.startup.promise).then(() => true)")
    page.evaluate((HERE / "fit.js").read_text())
    cut_off = page.evaluate(STICKS_OUT)
    settings = {"path": pdf, "prefer_css_page_size": True, "print_background": True, "tagged": True, "outline": True}
    page.pdf(**settings)
    page.evaluate("""numbers => document.querySelectorAll("[data-for]").forEach(
        place => { place.textContent = numbers[place.dataset.for] ?? ""; })""", page_numbers(pdf))
    page.pdf(**settings)
    page.close()
    return cut_off


def page_numbers(pdf: Path) -> dict[str, int]:
    """On which page, counted from 1, each anchor of the document is."""
    reader = PdfReader(pdf)
    return {name.removeprefix("/"): reader.get_destination_page_number(where) + 1
            for name, where in reader.named_destinations.items()}


def main() -> None:
    """Read ``_build/html``, write the PDF."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("html", type=Path, nargs="?", default=ROOT / "_build" / "html")
    parser.add_argument("pdf", type=Path, nargs="?", default=ROOT / "_build" / "lstm-book.pdf")
    options = parser.parse_args()
    document = options.html.parent / "print" / "book.html"
    document.parent.mkdir(exist_ok=True)
    document.write_text(compose(options.html), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for beginning in print_book(browser, document.resolve(), options.pdf):
            print(f"Wider than the page: {beginning}")
        browser.close()
    print(f"\nThe book on paper: {_from_here(options.pdf)}   ({len(PdfReader(options.pdf).pages)} pages)\n")


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    main()
