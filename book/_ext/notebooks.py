"""Offer each page that computes something as a notebook, in the menu at the top of the page.

The notebook is to be read and run wherever `lstmlab` is installed, by a Jupyter that knows nothing of this book:
numbers and references stand in it as text, and nothing in it needs the tools that the book is built with.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat

from lstmlab.checks import numbers

BEFORE_THE_MENU = 400                                   # the theme makes the menu at 501
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
TITLED = re.compile(r"(.*?)\s*<([^<>]+)>$", re.DOTALL)
FENCE = r"^(MARK{3,})\{([\w:-]+)\}[ \t]*(.*)\n((?::[\w-]+:.*\n)*)((?:.*\n)*?)\1[ \t]*$"
FENCES = [re.compile(FENCE.replace("MARK", mark), re.MULTILINE) for mark in "`:"]    # backticks stand within colons
NAMES = {"exercise": "Exercise", "solution": "Solution", "note": "Note", "prf:proposition": "Proposition",
         "prf:theorem": "Theorem", "prf:proof": "Proof", "admonition": ""}
WITHOUT_WORDS = ("index", "glue", "tableofcontents", "timeline")
NO_GLUE = "def glue(name, value, display=False):  # in the book, it puts the number into the text\n    pass\n"


def plain_role(role: str, text: str, glued: dict[str, object]) -> str:
    """What a role says, without the book around it."""
    title, target = match.groups() if (match := TITLED.match(text)) else ("", text)
    if role == "glue:text":
        name, _, form = text.partition(":")
        return format(glued[name], form) if name in glued else text
    if role == "eq":
        return f"({numbers().get(target, target)})"
    if role.startswith("cite"):
        return f"[{', '.join(target.split(','))}]"
    return title or f"*{target}*"


def plain_fence(match: re.Match) -> str:
    """A directive as words: the index is left out, a box becomes a title in bold and its text."""
    _, kind, argument, options, body = match.groups()
    if kind in WITHOUT_WORDS:
        return ""
    if kind == "literalinclude":
        name = re.search(r":pyobject: (\S+)", options)[1]
        return f"*The code: `{name}` in `{argument.removeprefix('../')}`.*\n"
    if kind in NAMES:
        title = ": ".join(filter(None, [NAMES[kind], argument if kind != "solution" else ""]))
        return f"**{title}**\n\n{body}"
    return match[0]


def plain_markdown(text: str, glued: dict[str, object]) -> str:
    """A page's Markdown as any notebook shows it."""
    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\$\$ \((eq-[\w-]+)\)$", lambda m: f"$$ ({numbers().get(m[1], '')})", text, flags=re.MULTILINE)
    for fence in FENCES:
        text = fence.sub(plain_fence, text)
    text = re.sub(r"^:{3,}.*\n(?::[\w-]+:.*\n)*", "", text + "\n", flags=re.MULTILINE)
    return ROLE.sub(lambda m: plain_role(m[1], m[2], glued), text).strip("\n")


def plain_notebook(notebook: nbformat.NotebookNode, glued: dict[str, object]) -> nbformat.NotebookNode:
    """The notebook, without what only the book can read or run."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = plain_markdown(cell.source, glued)
        else:
            cell.source = cell.source.replace("from myst_nb import glue", NO_GLUE)
    notebook.cells = [cell for cell in notebook.cells if cell.source]
    return notebook


def numbers_of(page: Path) -> dict[str, object]:
    """What the page has computed for its text, by name."""
    file = page.with_suffix(".glue.json")
    found = {}
    for name, output in (json.loads(file.read_text()) if file.is_file() else {}).items():
        try:
            found[name] = ast.literal_eval(output["data"]["text/plain"])
        except (KeyError, SyntaxError, ValueError):     # a picture, or a word without quotes: its name stays
            continue
    return found


def offer_notebook(app, pagename, templatename, context, doctree) -> None:
    """Put the notebook beside the page's source and tell the theme its name."""
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.ipynb"
    if app.builder.name != "html" or doctree is None or not executed.is_file():
        return
    beside = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
    beside.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(plain_notebook(nbformat.read(executed, as_version=4), numbers_of(executed)), beside)
    context["ipynb_source"] = f"{pagename}.ipynb"


def setup(app):
    """Connect to Sphinx."""
    app.connect("html-page-context", offer_notebook, priority=BEFORE_THE_MENU)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
