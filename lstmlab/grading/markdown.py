"""Markdown as nbgrader shows it to instructors and students: sanitised, with equations as MathML, loading nothing."""

from __future__ import annotations

import html
import re
import secrets

import bleach
from bleach.sanitizer import ALLOWED_TAGS
from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

TAGS = ALLOWED_TAGS | {"br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "pre", "span", "sub", "sup", "del",
                       "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
# characters of a cell: some markup takes the renderer time that grows with their square
MAX_MARKDOWN = 30_000
PROTOCOLS = {"http", "https", "mailto"}
# A relative link would open, in the Formgrader, a page that lies beside the notebook, with the instructor's rights.
ELSEWHERE = ("#", "http://", "https://", "mailto:")
ATTRIBUTES = {"a": lambda tag, name, value: name == "title" or (name == "href" and value.startswith(ELSEWHERE)),
              "th": ["align"], "td": ["align"], "abbr": ["title"]}
_MATH = re.compile(r"\$\$(?P<display>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^$\n]+?)\$(?!\w)", re.DOTALL)
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)


def safe_markdown(source: str) -> str:
    """HTML of a Markdown cell that cannot act in the browser that shows it.

    Takes the place of nbconvert's ``markdown2html`` filter, so that the Formgrader's and the feedback's own
    templates use it. No script, handler, style, picture or frame gets through, from whomever it comes; TeX
    between dollar signs becomes MathML, which browsers show without MathJax. More than `MAX_MARKDOWN`
    characters are shown as they stand.

    Examples
    --------
    >>> safe_markdown("<img src=x onerror=alert(1)> a $x_t$").count("<math"), "onerror" in safe_markdown("<b onerror>")
    (1, False)
    """
    if len(source) > MAX_MARKDOWN:
        return f"<pre>{html.escape(source)}</pre>"
    equations: list[str] = []
    own = secrets.token_hex(8)                                     # or a cell could write such a mark of its own

    def keep(match: re.Match) -> str:
        equations.append(mathml(match["display"] or match["inline"], "block" if match["display"] else "inline"))
        return f"\uf8ff{own}.{len(equations) - 1}\uf8ff"           # a private-use mark that Markdown leaves alone

    pieces = _CODE.split(source.replace("\uf8ff", ""))
    pieces[::2] = [_MATH.sub(keep, piece) for piece in pieces[::2]]
    clean = bleach.clean(rendered("".join(pieces)), TAGS, ATTRIBUTES, PROTOCOLS, strip=True)
    return re.sub(f"\uf8ff{own}.([0-9]+)\uf8ff", lambda match: equations[int(match[1])], clean)


class WithoutPictures(IPythonRenderer):
    """Shows what a picture is called in its place: nbconvert's renderer raises where an attachment is missing."""

    def image(self, text, url, title=None):
        return text


def rendered(source: str) -> str:
    """HTML of Markdown; the source itself where it is too deep for the renderer."""
    try:
        return MarkdownWithMath(WithoutPictures(escape=False, exclude_anchor_links=True)).render(source)
    except RecursionError:
        return f"<pre>{html.escape(source)}</pre>"


def mathml(tex: str, display: str) -> str:
    """MathML of a TeX formula; the formula itself where it cannot be read."""
    tex = re.sub(r"(begin|end){aligned}", r"\1{align*}", tex.strip())
    tex = re.sub(r"\\[!,;]", " ", tex)
    try:
        made = convert(html.unescape(tex), display=display)
    except Exception:                                              # the converter has no exception of its own
        return f"<code>{html.escape(tex)}</code>"
    return bleach.clean(made, MATHML, {"*": ["display", "xmlns", "stretchy", "columnalign", "mathvariant", "width"]})


MATHML = {"math", "mrow", "mi", "mo", "mn", "mtext", "msub", "msup", "msubsup", "mover", "munder", "munderover",
          "mfrac", "msqrt", "mroot", "mspace", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose"}
