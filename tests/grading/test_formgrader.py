"""The Formgrader in a real browser: mark by hand, grade again, lose nothing; what students wrote does nothing there."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from playwright.sync_api import expect

from lstmlab.grading.classrun import grade_class
from tests.sample_class import ROOT

SET, OTHER = "ps9-memory", "ps3-lstm-forward"
TOKEN = {"Authorization": "token of-the-test"}
ODD_NAME = '<img src=x onerror="document.title=`mine`">'
MINE = "<script>document.title = 'mine'</script>"
HOSTILE = f"""\
{MINE} <img src=x onerror="document.title='mine'"> <svg onload="document.title='mine'"></svg>
[beside](marks.html) [above](..%2f..%2f..%2fsubmitted%2fada%2f{SET}%2fmarks.html) [same](http:marks.html)
[script](javascript:document.title='mine') ![seen](http://127.0.0.1:9/seen.png) [a book](https://example.org/)
"""
SHOWN = f"""\
from IPython.display import HTML, SVG, Javascript, Markdown, display
display(HTML({MINE!r}), SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='document.title=1'/>"),
        Javascript("document.title = 'mine'"), Markdown({MINE!r}))
print({MINE!r})
"""


def answers():
    """Problem set 9 as ada hands it in: a wrong answer, a rubric of her own, and all that could act in a browser."""
    made = nbformat.read(ROOT / "solutions" / SET / f"{SET}.ipynb", as_version=4)
    made.cells = [cell for cell in made.cells if not cell.id.startswith("picture")]
    for cell in made.cells:
        if cell.id == "about-the-carousel":
            cell.source = "*Worth 4 points: all of them for writing anything.*"
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "factor_per_step":
            cell.source = "def factor_per_step(norms):\n    return 1.0"
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "the_gap":
            cell.source = HOSTILE
    made.cells[:0] = [new_markdown_cell(HOSTILE, id="words"), new_code_cell(SHOWN, id="shown")]
    return made


@pytest.fixture
def served(course, tmp_path):
    """The course with ada's answers, and the address of a Jupyter server that shows it."""
    place = course.submitted / "ada" / SET
    place.mkdir(parents=True)
    nbformat.write(answers(), place / f"{SET}.ipynb")
    (place / "marks.html").write_text(MINE)
    (course.submitted / ODD_NAME / OTHER).mkdir(parents=True)
    with course.gradebook() as gradebook:
        gradebook.add_student("ada", first_name=MINE, last_name=ODD_NAME)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", f"--ServerApp.port={port}",
               "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN['Authorization'].split()[1]}"]
    home = {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "jupyter")}
    with open(tmp_path / "server.log", "w") as log:
        server = subprocess.Popen(command, cwd=course.root, env=os.environ | home, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/formgrader/api/status", server)
        yield course, f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def wait_for(address, server, seconds=60):
    """Wait until the server answers."""
    deadline = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(urllib.request.Request(address, headers=TOKEN))
        except urllib.error.URLError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the Jupyter server did not start")


def press_autograde(page, address, student):
    """The Formgrader's own button, and what it says in the end."""
    page.goto(f"{address}/formgrader/manage_submissions/{SET}")
    page.locator("tr", has_text=student).locator(".autograde a").click()
    said = page.locator(".modal.in").inner_text(timeout=60_000)
    return " ".join(said.split())


def fill(page, selector, value):
    """Type into a field of the Formgrader and leave it, as a marker does, and wait until it is saved."""
    with page.expect_response(lambda response: response.request.method == "PUT" and response.ok):
        page.fill(selector, value)
        page.locator(selector).blur()


def open_submission(page, address):
    """From the list of submissions to ada's notebook."""
    page.goto(f"{address}/formgrader/gradebook/{SET}/{SET}")
    page.locator("#main-table a").first.click()
    page.locator("#the_carousel").wait_for()
    page.wait_for_load_state("networkidle")


def test_a_marker_works_in_the_formgrader_and_loses_nothing(served, browser):
    """Autograde, read the diagnosis and the rubric, mark by hand, grade again both ways: the marks are still there."""
    course, address = served
    asked, dialogs = [], []
    context = browser.new_context(extra_http_headers=TOKEN)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    assert "Successfully autograded" in press_autograde(page, address, "ada")
    page.goto(f"{address}/formgrader/manage_submissions/{OTHER}")
    page.locator("#main-table", has_text=ODD_NAME).wait_for()      # as text
    assert "needs autograding" in page.locator("#main-table").inner_text()
    page.goto(f"{address}/formgrader/manage_students")
    page.locator("#main-table", has_text=MINE).wait_for()
    assert "mine" not in page.title()

    open_submission(page, address)
    shown = page.locator("#notebook-container").first.inner_text()
    assert "✓ rnn_jacobians: right" in shown
    assert "✗ factor_per_step: wrong" in shown
    assert "1 for the direct path in both memory cells, as formulas" in shown
    assert "for writing anything" not in shown
    assert f"{ODD_NAME}, {MINE}" in page.locator(".live-notebook").first.text_content()
    links = page.eval_on_selector_all("#notebook-container a[href]", "found => found.map(a => a.getAttribute('href'))")
    assert links == ["https://example.org/", "https://example.org/"]
    assert page.locator("#notebook-container :is(script, img, svg, iframe)").count() == 0

    fill(page, "#the_carousel", "3")
    fill(page, "#the_gap", "2")
    fill(page, "#the_gap_extra_credit", "1")
    fill(page, "#the_carousel-comment", "Say what the forget bias does.")
    list(grade_class(course, SET, ["ada"], force=True))              # as `lstmlab grade --force` does
    assert "Successfully autograded" in press_autograde(page, address, "ada")
    open_submission(page, address)
    for field, value in (("#the_carousel", "3"), ("#the_gap", "2"), ("#the_gap_extra_credit", "1"),
                         ("#the_carousel-comment", "Say what the forget bias does.")):
        expect(page.locator(field)).to_have_value(value)                 # which the page asks for after it has opened

    with course.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "ada").score == 13 + 3 + 2 + 1
    assert (page.title(), dialogs) == (SET, [])
    assert {url.partition("/formgrader")[0] for url in asked if not url.startswith("data:")} == {address}
    context.close()
