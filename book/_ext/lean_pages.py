"""Load MathJax only where there is an equation to set.

Sphinx gives it to a page as soon as any page *below* it has one: so the home page, which has none, would carry it.
"""

from __future__ import annotations


def leave_mathjax_out(app, pagename, templatename, context, doctree) -> None:
    """Take MathJax's script from a page whose own source holds no equation; the one-page build needs it always."""
    own = app.env.get_domain("math").data["has_equations"].get(pagename, False)
    if not own and app.builder.name == "html":
        context["script_files"] = [script for script in context["script_files"]
                                   if getattr(script, "filename", script) != app.config.mathjax_path
                                   and not str(getattr(script, "filename", script)).endswith(app.config.mathjax_path)]


def setup(app):
    """Connect to Sphinx, after its own handler has added the script."""
    app.connect("html-page-context", leave_mathjax_out, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
