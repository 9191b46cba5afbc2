"""One build of the book for every test of a run, into the usual place and with the usual cache."""

import fcntl
import functools
import json
import os
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.book.reading import opened

ROOT = Path(__file__).parents[2]
NUMBERS = ROOT / "lstmlab" / "checks" / "equations.json"
BUILD = ["build", "book", "--config", "_config.yml", "--path-output", ".", "--all", "-n", "-W", "--keep-going"]


@pytest.fixture(scope="session")
def book():
    """The result of the build command: exit status, what it said, the folder of the pages, the numbers known before."""
    (ROOT / "_build").mkdir(exist_ok=True)
    run, report = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid())), ROOT / "_build" / ".built.json"
    with (ROOT / "_build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)                            # parallel test workers share the build
        if not report.exists() or json.loads(report.read_text())["run"] != run:
            report.write_text(json.dumps({"run": run, **build()}))
    found = json.loads(report.read_text())
    return SimpleNamespace(status=found["status"], said=found["said"], html=ROOT / "_build" / "html",
                           numbers_were=found["numbers_were"])


def build():
    """Run the build command; what it said, and the equations' numbers before it."""
    known = NUMBERS.read_text()
    command = [str(Path(sys.executable).with_name("jupyter-book")), *BUILD]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)
    return {"status": done.returncode, "said": done.stdout + done.stderr, "numbers_were": known}


@pytest.fixture(scope="session")
def address(book):
    """Address under which a local server serves the built book."""
    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=book.html))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, address):
    """Open a page, wait until its mathematics (if any) is set, and note what it complained about and asked for."""
    contexts = []

    def visit(name, width=1280, scheme="light", mathematics=True, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        return opened(context, address, name, mathematics)

    yield visit
    for context in contexts:
        context.close()
