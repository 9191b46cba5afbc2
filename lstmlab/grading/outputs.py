"""What a student's cells showed, rebuilt from untrusted data: text, errors and raster pictures, nothing that runs."""

from __future__ import annotations

import base64
import binascii
import re

from nbformat import NotebookNode
from nbformat.v4 import new_output

MAX_TEXT = 20_000                  # characters of one output
MAX_IMAGE = 2 * 2**20              # bytes of one picture, encoded
MAX_CELL = 4 * 2**20               # bytes of all outputs of a cell
MAX_OUTPUTS = 50                   # outputs of a cell
_SIGNATURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\ud800-\udfff]")      # keeps \t \n \r and ESC


def clean_outputs(raw: object) -> list[NotebookNode]:
    """Valid nbformat outputs made from what the sandbox sent; whatever does not fit is dropped.

    HTML, SVG, JavaScript and LaTeX are never taken: they would act in the instructor's browser. Every rich
    output has a plain text form, and that is kept.
    """
    kept, size = [], 0
    for item in raw[:MAX_OUTPUTS] if isinstance(raw, list) else []:
        output = clean_output(item) if isinstance(item, dict) else None
        if output is None:
            continue
        size += len(str(output))
        if size > MAX_CELL:
            kept.append(message("[more output was cut off]"))
            break
        kept.append(output)
    return kept


def clean_output(item: dict) -> NotebookNode | None:
    """One output, or None."""
    kind = item.get("output_type")
    if kind == "stream":
        name = "stderr" if item.get("name") == "stderr" else "stdout"
        return new_output("stream", name=name, text=text(item.get("text")))
    if kind == "error":
        traceback = item.get("traceback")
        lines = [text(line) for line in traceback[:50]] if isinstance(traceback, list) else []
        ename, evalue = text(item.get("ename")), text(item.get("evalue"))
        return new_output("error", ename=ename, evalue=evalue, traceback=lines or [f"{ename}: {evalue}"])
    if kind in ("execute_result", "display_data") and isinstance(item.get("data"), dict):
        data = {"text/plain": text(item["data"].get("text/plain"))}
        data |= {mime: item["data"][mime] for mime in _SIGNATURES if is_image(mime, item["data"].get(mime))}
        extra = {"execution_count": None} if kind == "execute_result" else {}
        return new_output(kind, data=data, **extra)
    return None


def message(words: str) -> NotebookNode:
    """Text of the grader's own, as a cell's standard output."""
    return new_output("stream", name="stdout", text=words + "\n")


def text(value: object) -> str:
    """A printable string of limited length."""
    return _UNPRINTABLE.sub("�", value[:MAX_TEXT]) if isinstance(value, str) else ""


def is_image(mime: str, value: object) -> bool:
    """Whether `value` is base64 of a picture of that kind."""
    if not isinstance(value, str) or len(value) > MAX_IMAGE:
        return False
    try:
        return base64.b64decode(value, validate=True).startswith(_SIGNATURES[mime])
    except (binascii.Error, ValueError):
        return False
