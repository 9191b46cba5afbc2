"""What all pages for people share: one self-contained HTML file that runs nothing, loads nothing and prints well."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import os
import re
from pathlib import Path

import jinja2
from markupsafe import Markup
from nbconvert.filters.ansi import strip_ansi
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TEMPLATES = Path(__file__).with_name("templates")
MAX_SHOWN = 50_000                 # characters of one cell's source that a page shows
_FORMAT = {theme: HtmlFormatter(style=f"a11y-high-contrast-{theme}", nowrap=True, nobackground=True)
           for theme in ("light", "dark")}
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
                     "\ufff9-\ufffb]")
_OSC = re.compile(r"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?")


def render(template: str, **values) -> str:
    """A page from one of our templates; whatever is no `Markup` is escaped, and made `visible`.

    The style sheet stands in the page, and the Content-Security-Policy names it by its hash: no other style, no
    script, no request of any kind is allowed, whatever may have slipped into the text.
    """
    style = stylesheet()
    known = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{known}'; base-uri 'none'; form-action 'none'"
    return _templates().get_template(template).render(style=Markup(style), policy=Markup(policy), **values)


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_shown)


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def stylesheet() -> str:
    """The style of every page, with the colours of code for both themes."""
    light, dark = (_FORMAT[theme].get_style_defs(".code") for theme in ("light", "dark"))
    return (f"{(TEMPLATES / 'page.css').read_text()}\n{light}\n"
            f"@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n")


@functools.lru_cache(256)                                          # most cells are the release's, for everyone
def code(source: str) -> Markup:
    """Python source with its syntax marked by classes; too long a source is cut, and says so.

    Spaces at the ends of lines are left out: many such lines take Pygments time that grows with their square.
    """
    shown = visible("\n".join(line.rstrip() for line in source[:MAX_SHOWN].split("\n")))
    lines = highlight(shown, PythonLexer(stripnl=False), _FORMAT["light"]) if shown.strip() else html.escape(shown)
    return Markup(lines + (_cut(len(source)) if len(source) > MAX_SHOWN else ""))


def highlighted(source: str, language: str | None = None, metadata: dict | None = None) -> Markup:
    """Takes the place of nbconvert's ``highlight_code`` filter in the Formgrader, which would mark up any length."""
    return Markup('<div class="highlight"><pre>%s\n</pre></div>') % code(source)


def _cut(length: int) -> str:
    return f"\n[{length - MAX_SHOWN:,} more characters are not shown here]"


def plain(text: str) -> str:
    """Text of a terminal as it would stand there: without colours, and without what a carriage return wrote over.

    Examples
    --------
    >>> plain("10 %\\r\\x1b[32m100 %\\x1b[0m\\x1b]0;title\\x07")
    '100 %'
    """
    lines = strip_ansi(_OSC.sub("", text)).replace("\r\n", "\n").split("\n")
    return visible("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))


def visible(text: str) -> str:
    """Text in which nothing is invisible or turns the reading direction: such characters become �."""
    return _HIDDEN.sub("\ufffd", text)


def write_private(path: Path, data: str | bytes, force: bool = False) -> bool:
    """Write a file that its owner alone reads, whole or not at all; False where it said just that and stays."""
    data = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if not force and path.is_file() and not path.is_symlink() and path.read_bytes() == data:
        path.chmod(0o600)
        return False
    make_private(path.parent)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    os.replace(part, path)
    return True


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone."""
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
