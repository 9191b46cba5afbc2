"""One build of the book for every test, into the usual place and with the usual cache."""

import fcntl
import functools
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
NUMBERS = ROOT / "lstmlab" / "checks" / "equations.json"
BUILD = ["build", "book", "--config", "_config.yml", "--path-output", ".", "--all", "-n", "-W", "--keep-going"]


@pytest.fixture(scope="session")
def book():
    """The result of the build command: exit status, what it said, the folder of the pages, the numbers known before."""
    (ROOT / "_build").mkdir(exist_ok=True)
    known = NUMBERS.read_text()
    with (ROOT / "_build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)                            # parallel test workers share the folder
        command = [str(Path(sys.executable).with_name("jupyter-book")), *BUILD]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    return SimpleNamespace(status=run.returncode, said=run.stdout + run.stderr, html=ROOT / "_build" / "html",
                           numbers_were=known)


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
