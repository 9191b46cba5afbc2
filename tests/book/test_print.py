"""The book on paper: one document whose links lead somewhere, and one PDF in which nothing is cut off."""

import importlib.util
import re

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from tests.book.reading import BOOK, PAGES


@pytest.fixture(scope="module")
def printing():
    """The program that prints the book, loaded as a module."""
    spec = importlib.util.spec_from_file_location("make_pdf", BOOK / "_print" / "make_pdf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text(printing, book):
    """The whole book as one HTML document."""
    return printing.compose(book.html)


@pytest.fixture(scope="module")
def soup(text):
    """The same, parsed."""
    return BeautifulSoup(text, "html.parser")


def test_every_page_is_printed_in_its_order(soup):
    """The document holds every page of the table of contents, in its order."""
    assert [article["id"] for article in soup.select("article")] == PAGES


def test_links_within_the_book_stay_within_the_document(soup):
    """No link leads to a page that is a file beside, and every link within the document has its anchor."""
    links = [tag["href"] for tag in soup.select("body a[href]")]
    anchors = {tag["id"] for tag in soup.find_all(id=True)}
    assert [link for link in links if not re.match(r"#|[a-z]+:", link)] == []
    assert len(links) > 500
    assert {link for link in links if link.startswith("#") and link[1:] not in anchors} == set()


def test_anchors_of_pages_are_kept_apart(soup):
    """Two pages that both end in a summary have two anchors in the document."""
    summaries = [tag["id"] for tag in soup.select("section[id$='--summary']")]
    assert len(summaries) == len(set(summaries)) > 10


def test_contents_name_every_chapter_and_section(soup):
    """The contents list every page and every section with a place for its number."""
    places = {tag["data-for"] for tag in soup.select(".book-contents [data-for]")}
    sections = {tag["id"] for tag in soup.select("article section:has(> h2)") if not tag["id"].startswith("index--")}
    assert places == set(PAGES) | sections


@pytest.mark.full
def test_pdf_is_whole(browser, printing, text, book, tmp_path, record_property):
    """Printed, nothing is wider than the page, every equation has its number, every link its destination."""
    document, pdf = book.html.parent / "print" / "test.html", tmp_path / "book.pdf"
    document.parent.mkdir(exist_ok=True)
    document.write_text(text, encoding="utf-8")
    assert printing.print_book(browser, document, pdf) == []
    reader = PdfReader(pdf)
    links = [link.get_object() for page in reader.pages for link in page.get("/Annots", ())]
    wanted = {str(link["/Dest"]).removeprefix("/") for link in links if "/Dest" in link}
    assert len(wanted) > 300
    assert wanted <= set(printing.page_numbers(pdf))
    words = " ".join(page.extract_text() for page in reader.pages)
    printed = set(re.findall(r"\((\d+\.\d+)\)", words))
    assert printed >= set(re.findall(r'class="eqno">\s*\(([\d.]+)\)', text)) != set()
    assert "$$" not in words
    assert len(reader.outline) > 0
    record_property("pages", len(reader.pages))
