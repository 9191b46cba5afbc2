"""What a typesetter does in running text: set computed numbers, and keep a formula with its punctuation.

A number reaches the text by ``glue``, which formats it as Python does: 6 · 10⁻²⁹ comes as ``6e-29``, and its minus as a
hyphen. And a browser may break a line between a formula and the comma behind it, since a formula is a box to it.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

NUMBER = re.compile(r"(?<![\w.])(?P<minus>-?)(?P<digits>\d[\d,.]*)(?:e(?P<power>[+-]\d+))?(?![\w-])")
OPENING = re.compile(r"[(\[“‘]+$")
CLOSING = re.compile(r"^(?:’s\b|[.,;:!?)\]”’]+)")


def typeset(text: str) -> list[nodes.Node]:
    """The text as nodes, its numbers set: powers of ten with an exponent, minus signs for hyphens."""
    pieces, end = [], 0
    for match in NUMBER.finditer(text):
        number = match["minus"].replace("-", "\N{MINUS SIGN}") + match["digits"]
        before = text[end:match.start()]
        end = match.end()
        if match["power"] is None:
            pieces.append(nodes.Text(before + number))
            continue
        power = str(int(match["power"])).replace("-", "\N{MINUS SIGN}")
        pieces += [nodes.Text(f"{before}{number}\N{NO-BREAK SPACE}·\N{NO-BREAK SPACE}10"),
                   nodes.superscript(power, power)]
    return [*pieces, nodes.Text(text[end:])]


def bind(formula: nodes.math) -> None:
    """Put a formula into one unbreakable piece with the bracket before it and the punctuation behind it."""
    parent, place = formula.parent, formula.parent.index(formula)
    before, after = (parent[k] if 0 <= k < len(parent) and isinstance(parent[k], nodes.Text) else ""
                     for k in (place - 1, place + 1))
    opening, closing = OPENING.search(before), CLOSING.search(after)
    if not opening and not closing:
        return
    piece, new = nodes.inline(classes=["unbroken"]), []
    first, last = place - bool(opening), place + 1 + bool(closing)
    if opening:
        new.append(nodes.Text(before[:opening.start()]))
        piece += nodes.Text(opening[0])
    piece += formula.deepcopy()
    new.append(piece)
    if closing:
        piece += nodes.Text(closing[0])
        new.append(nodes.Text(after[closing.end():]))
    parent[first:last] = new


class Typography(SphinxPostTransform):
    """Set the numbers that ``glue`` has pasted into a line, and bind formulas to their punctuation."""

    default_priority = 900

    def run(self, **kwargs) -> None:
        """Go through a page."""
        for pasted in self.document.findall(nodes.inline):
            if "pasted-text" in pasted["classes"]:
                text = pasted.astext()
                pasted.clear()
                pasted += typeset(text)
        for formula in list(self.document.findall(nodes.math)):
            bind(formula)


def setup(app):
    """Connect to Sphinx."""
    app.add_post_transform(Typography)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
