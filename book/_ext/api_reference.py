"""What the API reference shows: docstrings as they are written, without what a NamedTuple says about its fields.

Types in docstrings are words for a reader ("ndarray (B, I)"), not names to be linked, so Napoleon is told to set them
as text. The fields of a NamedTuple are described in its docstring; "Alias for field number 0" would add nothing.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

_FIELD = type(namedtuple("Any", "field").field)                     # what every such field is


def is_field_alias(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Skip the fields of a NamedTuple; leave everything else to Sphinx (None)."""
    return True if isinstance(obj, _FIELD) else None


def setup(app):
    """Connect to Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.autosummary")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-skip-member", is_field_alias)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
