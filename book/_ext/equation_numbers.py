"""Tell the package the numbers of the book's equations, so that checks and problem sets can cite them.

A label such as ``eq-lstm-cell-state`` is for authors; a student who reads a message looks for a number. The numbers
change when a chapter is moved, so they are written by the build that gives them, and a test holds the two in step.
"""

from __future__ import annotations

import json
from pathlib import Path

from docutils.nodes import make_id

import lstmlab

NUMBERS = Path(lstmlab.__file__).parent / "checks" / "equations.json"


def write_numbers(app, exception) -> None:
    """Write each label with its number, if the whole book was built and a number has changed."""
    if exception or app.builder.name != "html":
        return
    found = {}
    for label, (page, _) in app.env.get_domain("math").equations.items():
        number = app.env.toc_fignumbers.get(page, {}).get("displaymath", {}).get(make_id(f"equation-{label}"))
        if number:
            found[label] = ".".join(map(str, number))
    text = json.dumps(found, indent=0, sort_keys=True) + "\n"
    if not NUMBERS.exists() or NUMBERS.read_text() != text:
        NUMBERS.write_text(text)


def setup(app):
    """Connect to Sphinx."""
    app.connect("build-finished", write_numbers)
    return {"version": lstmlab.__version__, "parallel_read_safe": True, "parallel_write_safe": True}
