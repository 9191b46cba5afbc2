"""Hostile notebooks in the instructor's browser: nothing they hold acts, loads, or changes a mark."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from lstmlab.grading.classrun import grade_class
from lstmlab.grading.course import open_course
from lstmlab.grading.sandbox import Limits

from . import pages
from .harness import SET, encoded

TOKEN = {"Authorization": "token of-the-attacks"}


def serve(root, home, port):
    """Start a Jupyter server with the Formgrader over a course."""
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", f"--ServerApp.port={port}",
               "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN['Authorization'].split()[1]}"]
    bin_directory = os.path.dirname(sys.executable)
    own = {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "PATH": f"{bin_directory}:{os.environ['PATH']}"}
    return subprocess.Popen(command, cwd=root, env=os.environ | own, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def course(released, tmp_path_factory, tool):
    """A course with one student per group of payloads, graded, with feedback."""
    root = tmp_path_factory.mktemp("hostile") / "course"
    shutil.copytree(released, root)
    (root / "class").chmod(0o700)
    found = open_course(root)
    for student, make in pages.STUDENTS.items():
        place = found.submitted / student / SET
        place.mkdir(parents=True)
        (place / f"{SET}.ipynb").write_bytes(encoded(make()))
    for outcome in grade_class(found, SET, limits=Limits(seconds=4)):
        assert (outcome.status, outcome.record.earned) == ("graded", 2)
    tool(root, "nbgrader", "generate_feedback", SET)
    return found


@pytest.fixture(scope="module")
def address(course, tmp_path_factory):
    """Where the Formgrader answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = serve(course.root, tmp_path_factory.mktemp("home"), port)
    deadline = time.monotonic() + 90
    ready = urllib.request.Request(f"http://127.0.0.1:{port}/formgrader/api/status", headers=TOKEN)
    try:
        while server.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(ready)
                break
            except urllib.error.URLError:
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def visit(browser):
    """Open a page; note every request, dialog and new window, and press what can be pressed."""
    contexts = []

    def visit(url):
        context = browser.new_context(extra_http_headers=TOKEN)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.dialogs, page.opened = [], [], []
        context.on("request", lambda request: page.asked.append(request.url))
        page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
        context.on("page", lambda other: page.opened.append(other.url))
        page.goto(url, wait_until="load")
        page.wait_for_load_state("networkidle")
        page.evaluate(pages.TOUCH)
        page.wait_for_timeout(300)
        return page

    yield visit
    for context in contexts:
        context.close()


def scores(course):
    """All that nbgrader's gradebook has of the marks."""
    with course.gradebook() as gradebook:
        return {student: {grade.name: (grade.auto_score, grade.manual_score, grade.extra_credit) for grade in
                          gradebook.find_submission(SET, student).notebooks[0].grades} for student in pages.STUDENTS}


def submissions(course):
    """The address of each student's notebook in the Formgrader."""
    with course.gradebook() as gradebook:
        return {student: f"/formgrader/submissions/{gradebook.find_submission(SET, student).notebooks[0].id}/"
                for student in pages.STUDENTS}


def inert(page, origin):
    """Assert that nothing of the student's acted."""
    outside = [url for url in page.asked if not url.startswith((f"{origin}/", "data:image/", "file://"))]
    assert page.evaluate("window.mine") is None
    assert "mine" not in page.title()
    assert (outside, page.dialogs, page.opened) == ([], [], [])
    assert page.evaluate(pages.ACTIVE) == []


@pytest.mark.parametrize("student", pages.STUDENTS)
def test_nothing_acts_in_the_formgrader(course, address, visit, student):
    """The notebook is shown, nothing in it runs, loads or changes a mark, and the payload is really on the page."""
    before = scores(course)
    page = visit(address + submissions(course)[student])
    inert(page, address)
    assert pages.SHOWN[student] in page.content()
    assert scores(course) == before


@pytest.mark.parametrize("student", pages.STUDENTS)
def test_nothing_acts_in_the_feedback(course, visit, student):
    """The page that the student gets is as inert as the instructor's, and has nothing of the Formgrader's to load."""
    path = course.root / "class" / "feedback" / student / SET / f"{SET}.html"
    page = visit(path.as_uri())
    inert(page, "file:/")
    assert pages.SHOWN[student] in page.content()


def test_the_executed_notebooks_hold_no_active_output(course):
    """What is stored is text, errors and raster pictures, and no attachment."""
    for student in pages.STUDENTS:
        made = json.loads((course.autograded / student / SET / f"{SET}.ipynb").read_text())
        kinds = {mime for cell in made["cells"] for output in cell.get("outputs", ()) for mime in output.get("data",
            {})}
        assert kinds <= {"text/plain", "image/png", "image/jpeg"}
        assert not any("attachments" in cell for cell in made["cells"])


def test_the_payloads_act_where_nothing_stops_them(visit, tmp_path):
    """The same markup in a page that is not sanitised does act, and this file's eyes see it."""
    (tmp_path / "open.html").write_text(f"<main>{pages.MARKUP[0]}{''.join(pages.MARKUP[2:6])}</main>")
    page = visit((tmp_path / "open.html").as_uri())
    assert page.evaluate("window.mine") == 1
    assert page.evaluate(pages.ACTIVE) != []
    assert [url for url in page.asked if url.startswith(pages.OUTSIDE)]
