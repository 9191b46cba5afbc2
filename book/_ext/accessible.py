"""What a page has to say to those who do not see it.

Docutils gives a bibliography the roles ``list`` and ``doc-biblioentry``. The second is deprecated, and other elements
stand between the entries, which a list may not hold; plain paragraphs with their anchors say all there is to say.
"""

from __future__ import annotations

from docutils import nodes


def visit_citation(self, node) -> None:
    """Open an entry of the bibliography, without a role."""
    self.body.append(self.starttag(node, "div", classes=["citation"]))


def depart_citation(self, node) -> None:
    """Close the entry."""
    self.body.append("</div>\n")


def setup(app):
    """Connect to Sphinx."""
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
