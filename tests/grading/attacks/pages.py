"""Hostile pages: notebooks that act in the browser of whoever opens them."""

from .harness import code, notebook

MINE = "window.mine=1;document.title='mine'"
# nobody listens there; the request itself is the fault
OUTSIDE = "http://127.0.0.1:9"
MARK = (f"fetch('/formgrader/api/grades').then(r=>r.json()).then(g=>g.forEach(x=>fetch('/formgrader/api/grade/'+x.id,"
        f"{{method:'PUT',body:JSON.stringify({{manual_score:9}})}})));{MINE}")

MARKUP = (
    f"<script>{MARK}</script>", f"<scr<script>ipt>{MINE}</scr</script>ipt>", f"<img src=x onerror=\"{MINE}\">",
    f"<img src='{OUTSIDE}/seen.png'>", f"<svg onload=\"{MINE}\"><script>{MINE}</script></svg>",
    f"<svg><animate onbegin=\"{MINE}\" attributeName=x dur=1s></svg>",
    f"<svg><a xlink:href=\"javascript:{MINE}\"><text x=20 y=20>press</text></a></svg>",
    f"<math><mtext><table><mglyph><style><img src=x onerror=\"{MINE}\"></style></mglyph></table></mtext></math>",
    f"<math href=\"javascript:{MINE}\">press</math>",
    f"<math><annotation-xml encoding='text/html'><img src=x onerror=\"{MINE}\"></annotation-xml></math>",
    f"<iframe src=\"javascript:parent.{MINE}\"></iframe>",
    f"<iframe srcdoc=\"<script>parent.{MINE}</script>\"></iframe>",
    f"<object data=\"data:text/html,<script>{MINE}</script>\"></object>", f"<embed src='{OUTSIDE}/x.svg'>",
    f"<meta http-equiv=refresh content=\"0;url={OUTSIDE}/\">", f"<base href='{OUTSIDE}/'>",
    f"<link rel=stylesheet href='{OUTSIDE}/x.css'>",
    f"<style>@import '{OUTSIDE}/x.css'; body{{background:url({OUTSIDE}/b)}}</style>",
    f"<div style=\"background:url('{OUTSIDE}/css.png')\">styled</div>", f"<a href=\"javascript:{MINE}\">press</a>",
    f"<a href=\"java&#10;script:{MINE}\">press</a>", f"<a href=\"data:text/html,<script>{MINE}</script>\">press</a>",
    f"<a href=\"vbscript:{MINE}\">press</a>",
    f"<form action='{OUTSIDE}/' ><input autofocus onfocus=\"{MINE}\">"
    f"<button formaction=\"javascript:{MINE}\">press</button></form>",
    f"<details open ontoggle=\"{MINE}\"><summary>open</summary></details>",
    f"<video src='{OUTSIDE}/v' onerror=\"{MINE}\"></video>",
    f"<audio src='{OUTSIDE}/a' autoplay></audio>", f"<input type=image src='{OUTSIDE}/i' onerror=\"{MINE}\">",
    f"<body onload=\"{MINE}\" background='{OUTSIDE}/b'>", f"<marquee onstart=\"{MINE}\">runs</marquee>",
    f"<noscript><p title=\"</noscript><img src=x onerror='{MINE}'>\"></noscript>",
    f"<!--><img src=x onerror=\"{MINE}\">-->",
    f"<template><script>{MINE}</script></template>", f"<portal src='{OUTSIDE}'></portal>",
    f"<textarea></textarea><img src=x onerror=\"{MINE}\">", f"<title></title><script>{MINE}</script>",
    f"</pre></div></div><script>{MINE}</script>", f"<input id=score value=9 onfocus=\"{MINE}\" autofocus tabindex=1>",
)
MARKDOWN = (
    f"[press](javascript:{MINE})", f"[press](JaVaScRiPt&colon;{MINE})", f"![seen]({OUTSIDE}/md.png)",
    f"![seen](attachment:a.svg \"x\\\" onerror=\\\"{MINE}\")", f"<javascript:{MINE}>",
    f"[press][r]\n\n[r]: javascript:{MINE}",
    f"$\\href{{javascript:{MINE}}}{{press}}$", f"$$\\text{{<img src=x onerror={MINE}>}}$$",
    f"$\\class{{x}}{{a}}\\style{{background:url({OUTSIDE}/m)}}{{b}}$", f"`<script>{MINE}</script>`",
    f"```html\n</code></pre><script>{MINE}</script>\n```", f"| a |\n|---|\n| <img src=x onerror=\"{MINE}\"> |",
    "{{ [].__class__.__mro__ }} {% raw %} <%= 7 * 7 %> ${alert(1)}", "\uf8ff0\uf8ff $a$ \uf8ff1\uf8ff",
    "&#xf8ff;0&#xf8ff; $a$ &#xf8ff;7&#xf8ff;",
)
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{MINE}\"><script>{MINE}</script></svg>"
DISPLAYS = f"""\
from IPython.display import HTML, SVG, IFrame, Image, Javascript, Latex, Markdown, display
for markup in {MARKUP!r}:
    display(HTML(markup))
    print(markup)
"""
OTHERS = f"""\
from IPython.display import HTML, SVG, IFrame, Image, Javascript, Latex, Markdown, display
display(SVG({SVG!r}), Javascript({MINE!r}), Markdown({MARKUP[0]!r}), Latex("$\\\\href{{javascript:{MINE}}}{{press}}$"))
display(IFrame("javascript:{MINE}", 100, 100), Image(url="{OUTSIDE}/image.png"))
for mime in ("text/html", "image/svg+xml", "application/javascript", "application/pdf", "text/latex", "text/markdown",
             "application/vnd.jupyter.widget-view+json", "application/vnd.plotly.v1+json", "text/vnd.mermaid",
             "application/json", "image/gif", "video/mp4", "image/png\\" onerror=\\"{MINE}"):
    display({{mime: {SVG!r}, "text/plain": "plain beside " + mime}}, raw=True)
display({{"image/png": "iVBORw0KGgo=\\" onerror=\\"{MINE}", "text/plain": "a false picture"}}, raw=True,
        metadata={{"image/png": {{"width": "1\\" onerror=\\"{MINE}", "alt": "<script>{MINE}</script>"}}}})
class Shown:
    _repr_html_ = _repr_svg_ = _repr_markdown_ = _repr_javascript_ = lambda self: {SVG!r}
    _repr_mimebundle_ = lambda self, **kwargs: {{"text/html": {SVG!r}, "text/plain": "a bundle"}}
    __repr__ = lambda self: {MARKUP[2]!r}
Shown()
"""
TEXTS = f"""\
import sys
print("plain words of the third",
    "\\x1b[31m</span><script>{MINE}</script>\\x1b]8;;javascript:{MINE}\\x07press\\x1b]8;;\\x07")
print("\\x1b[38;5;1\\"onmouseover=\\"{MINE}\\"m painted", file=sys.stderr)
print("\\u202e\\x08\\x00 </pre><img src=x onerror='{MINE}'>")
raise type("<img src=x onerror='{MINE}'>", (Exception,), {{}})({MARKUP[0]!r})
"""


def words(kind: str, source: str) -> dict:
    """A cell that is not code, with attachments."""
    return {"cell_type": kind, "source": source, "attachments": {"a.svg": {"image/svg+xml": SVG},
            "b.html": {"text/html": MARKUP[0]}}, "metadata": {"raw_mimetype": "text/html", "format": "text/html"}}


def written(*cells: dict):
    """A notebook with these cells first; its wrong answers carry markup in names and messages too."""
    def make() -> dict:
        made = notebook({
            "lstm_step": f"def lstm_step(*args):\n    raise ValueError({MARKUP[2]!r})",
            "half_life_bias": f"def half_life_bias(n):\n    return type({MARKUP[2]!r}, (), {{}})()",
            "with_forget_bias": f"def with_forget_bias(params, value):\n"
                                f"    return {{{MARKUP[0]!r}: 1, 'b_f': {MARKUP[2]!r}}}",
            "parameter_count": f"# {MARKUP[0]}\ndef parameter_count(I, H):\n    return {MARKUP[2]!r}"})
        made["cells"][:0] = cells
        made["metadata"]["title"] = f"</title><script>{MINE}</script>"
        made["metadata"]["language_info"] = {"name": f"x\"><script>{MINE}</script>", "mimetype": MARKUP[2],
                                             "pygments_lexer": MARKUP[2]}
        return made

    return make


STUDENTS = {
    "shows-markup": written(code(DISPLAYS)),
    "shows-other-kinds": written(code(OTHERS)),
    "prints-and-raises": written(code(TEXTS)),
    "writes-markdown": written(*[words("markdown", source) for source in (*MARKUP, *MARKDOWN)]),
    "writes-raw-cells": written(*[words("raw", source) for source in MARKUP], words("raw", "words of a raw cell")),
    "names-with-markup": written(code(f"class Odd(str):\n    __name__ = {MARKUP[2]!r}\nprint('an odd name')")),
}
SHOWN = {"shows-markup": "HTML object", "shows-other-kinds": "plain beside",
    "prints-and-raises": "plain words of the third",
         "writes-markdown": "press", "writes-raw-cells": "words of a raw cell", "names-with-markup": "an odd name"}

# Presses, focuses and hovers whatever is in the student's cells.
TOUCH = """() => {
  for (const element of document.querySelectorAll("#notebook-container *, #notebook *, main *")) {
    if (element.closest("input, textarea, .score, .comment, nav, .nbgrader_cell .panel-heading")) continue;
    for (const kind of ["mouseover", "focus", "toggle", "begin"]) element.dispatchEvent(new Event(kind));
    if (element.tagName !== "A" || /^\\s*(javascript|data|vbscript)/i.test(element.getAttribute("href") || "")) {
      if (element.closest("a, math, svg")) element.dispatchEvent(new MouseEvent("click", {bubbles: false}));
    }
  }
}"""

# What could act, wherever a student's words are shown.
ACTIVE = """() => {
  const found = [];
  for (const element of document.querySelectorAll("#notebook-container *, #notebook *, main *")) {
    if (/^(script|iframe|object|embed|link|meta|base|form|svg|style|video|audio|portal|template)$/i
          .test(element.tagName)
        && !element.closest(".jp-icon, button")) found.push(element.outerHTML.slice(0, 200));
    for (const attribute of element.attributes || [])
      if (/^on/i.test(attribute.name) || /^\\s*(javascript|vbscript|data:text)/i.test(attribute.value))
        found.push(attribute.name + "=" + attribute.value.slice(0, 100));
  }
  return found;
}"""
