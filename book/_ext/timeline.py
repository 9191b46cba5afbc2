"""The directive ``timeline``: a list of events, drawn to scale along a line by the style sheet.

Each item begins with ``[1997]{.cell}``: the year, and of which kind the event is. What is drawn is the list itself: a
screen reader reads an ordered list of years and sentences, and nothing is said by position or colour alone.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

KINDS = {"problem": "Problem", "cell": "Cell", "training": "Training", "study": "Study", "use": "Use"}
FARTHEST = 8                                            # years; the style sheet has a distance for each


class Timeline(SphinxDirective):
    """A list of events in order; the distance from one to the next is the number of years between them."""

    has_content = True

    def run(self):
        """Parse the list and give every item its kind, the kind's name in words, and its distance to the one before."""
        holder = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, holder)
        listed = next(holder.findall(nodes.bullet_list))
        ordered = nodes.enumerated_list("", *(item.deepcopy() for item in listed), classes=["timeline"],
                                        enumtype="arabic", prefix="", suffix="")
        before = None
        for item in ordered:
            mark = next(item.findall(nodes.inline))
            kind = next(kind for kind in mark["classes"] if kind in KINDS)
            year = int(mark.astext())
            if before is not None and year < before:
                raise self.error(f"{year} comes after {before}")
            item["classes"] += [kind, f"years-{min(year - (before or year), FARTHEST)}"]
            mark["classes"] = ["year"]
            mark.parent.insert(mark.parent.index(mark) + 1, nodes.inline("", KINDS[kind], classes=["kind"]))
            before = year
        return [ordered]


def setup(app):
    """Register the directive."""
    app.add_directive("timeline", Timeline)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
