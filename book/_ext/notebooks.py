"""Offer each page that computes something as a notebook, in the menu at the top of the page."""

from __future__ import annotations

import shutil
from pathlib import Path

BEFORE_THE_MENU = 400                                   # the theme makes the menu at 501


def offer_notebook(app, pagename, templatename, context, doctree) -> None:
    """Put the notebook beside the page's source and tell the theme its name."""
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.ipynb"
    if app.builder.name != "html" or doctree is None or not executed.is_file():
        return
    beside = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
    beside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(executed, beside)
    context["ipynb_source"] = f"{pagename}.ipynb"


def setup(app):
    """Connect to Sphinx."""
    app.connect("html-page-context", offer_notebook, priority=BEFORE_THE_MENU)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
