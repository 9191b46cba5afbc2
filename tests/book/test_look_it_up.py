"""The pages at the front and the back keep what they promise: nothing on them is typed that can be read or run."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from pypdf import PdfReader

from lstmlab.checks import get, problem_sets

ROOT = Path(__file__).parents[2]
CHAPTERS = re.findall(r"- file: (\S+)", "".join(re.findall(
    r"numbered: 2\n(.*?)(?=  - caption|\Z)", (ROOT / "book" / "_toc.yml").read_text(), re.DOTALL)))
ROOMS = ["cells", "torch", "gradcheck", "convert", "tasks", "experiments", "checks", "figures"]
CELL = re.compile(r"^```\{code-cell\} ipython3\n:tags: \[remove-cell\]\n(.*?)^```", re.DOTALL | re.MULTILINE)
SIGN = re.compile(r"(?:\\mathrm\{d\})?(?:\\tilde\{C\}|[A-Za-z])(?:[\^_](?:\{[\w+,-]*\}|\w))+")


def source(name):
    """The Markdown of a page."""
    return (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8")


def anchors(book, name):
    """The ids on a built page."""
    return set(re.findall(r'\bid="([^"]+)"', (book.html / f"{name}.html").read_text(encoding="utf-8")))


def public(room):
    """Names that a room offers."""
    module = import_module(f"lstmlab.{room}")
    own = (name for name, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__)
    return [name for name in getattr(module, "__all__", own) if callable(getattr(module, name)) and name[0] != "_"]


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_its_entry(book, room):
    """Every class and function that a room of the package offers stands in the API reference."""
    home = "lstmlab" if room == "cells" else f"lstmlab.{room}"
    names = public(room)
    assert names
    assert {f"{home}.{name}" for name in names} <= anchors(book, "api")


def test_the_cheat_sheet_uses_the_signs_of_the_chapters():
    """Every symbol of the sheet stands in a chapter, letter by letter; there the example's index may be left out."""
    data = {}
    exec(CELL.search(source("cheat-sheet"))[1], data)
    lines = [line for forward, backward in data["SHEET"].values() for line in (*forward, *backward)]
    signs = {sign.replace("_{t,n}", "_t").replace(",n}", "}") for line in lines for sign in SIGN.findall(line)}
    known = {sign for name in CHAPTERS for sign in SIGN.findall(source(name))}
    assert len(signs) > 60
    assert signs - known == set()


def test_the_cheat_sheet_was_run(book):
    """The page says for nine cells that formulas and complex steps agree, and finds the wrong sign in the tenth."""
    text = re.sub(r"<[^>]+>", "", (book.html / "cheat-sheet.html").read_text(encoding="utf-8"))
    rows = re.findall(r"^.{30} +\d+  (\S+)    (\S+)  \(\d+ arrays\)", text, re.MULTILINE)
    assert len(rows) == 9
    assert max(float(number) for row in rows for number in row) < 1e-12
    assert "DISAGREE: W_f" in text


def test_the_cheat_sheet_is_one_side_of_paper(browser, address, tmp_path):
    """Printed, the cheat sheet is one page of A4, and no formula is wider than its card."""
    page = browser.new_page()
    page.goto(f"{address}/cheat-sheet.html", wait_until="load")
    page.wait_for_function("window.MathJax.startup.promise.then(() => true)")
    page.pdf(path=tmp_path / "sheet.pdf", prefer_css_page_size=True)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1069, "height": 741})
    wide = page.eval_on_selector_all(".sheet-card mjx-container", """es => es.filter(e =>
        e.getBoundingClientRect().right > e.closest(".sheet-card").getBoundingClientRect().right).length""")
    page.close()
    sheets = PdfReader(tmp_path / "sheet.pdf").pages
    assert [sorted(round(float(side) / 72 * 25.4) for side in sheet.mediabox[2:]) for sheet in sheets] == [[210, 297]]
    assert wide == 0
    assert all(name in sheets[0].extract_text() for name in ("Peephole LSTM", "GRU, reset after"))


@pytest.mark.parametrize("name", problem_sets())
def test_every_problem_set_is_listed_and_can_be_taken_along(book, name):
    """The page of problem sets has each set with its checks and points, and hands out the released notebook."""
    html = (book.html / "problem-sets.html").read_text(encoding="utf-8")
    card = html.split(f'id="{name}"', 1)[1].split("<hr", 1)[0]
    link = re.search(rf'href="(_downloads/[^"]+/{name}\.ipynb)"', card)[1]
    released = ROOT / "exercises" / name / f"{name}.ipynb"
    assert (book.html / link).read_bytes() == released.read_bytes()
    for cell in nbformat.read(released, as_version=4).cells:
        marked = cell.metadata.get("nbgrader", {})
        if marked.get("grade") and cell.cell_type == "code":
            check = get(marked["grade_id"].removeprefix("test_"))
            assert re.search(rf">{check.name}</span>.*?<p>{check.points:g}</p>", card, re.DOTALL)


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_has_all_its_parts(name):
    """A chapter has exercises with folded solutions, a summary, further reading, citations, and terms in the index."""
    text = source(name)
    exercises = re.findall(r"\{exercise\}.*\n:label: (\S+)", text)
    assert exercises
    assert re.findall(r"\{solution\} (\S+)\n:class: dropdown", text) == exercises
    assert "\n## Summary\n" in text
    assert "\n## Further reading\n" in text
    assert "{cite" in text
    assert "```{index}" in text


def test_glossary_is_reached_from_the_chapters(book):
    """The chapters link the main terms to the glossary, and the index of terms lists them."""
    linked = {term for name in CHAPTERS for term in re.findall(
        r'href="glossary\.html#(term-[^"]+)"', (book.html / f"{name}.html").read_text(encoding="utf-8"))}
    index = (book.html / "genindex.html").read_text(encoding="utf-8")
    assert {"term-cell-state", "term-forget-gate", "term-gate", "term-peephole", "term-update-gate"} <= linked
    assert all(f"glossary.html#{term}" in index for term in linked)
