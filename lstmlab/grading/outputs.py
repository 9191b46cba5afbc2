"""What a student's cells showed, rebuilt from untrusted data: text, errors and raster pictures, nothing that runs."""

from __future__ import annotations

import base64
import binascii
import os
import re
import struct
import sys

from nbformat import NotebookNode
from nbformat.v4 import new_output

MAX_TEXT = 20_000                  # characters of one output
MAX_IMAGE = 2 * 2**20              # bytes of one picture, encoded
MAX_PIXELS = 2**24                 # of one picture, which a few bytes can claim to have: a browser takes four for each
MAX_CELL = 4 * 2**20               # characters of all outputs of a cell
MAX_NOTEBOOK = 12 * 2**20          # characters of all outputs of a notebook
MAX_OUTPUTS = 50                   # outputs of a cell
_SIGNATURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_PYTHON = os.path.realpath(sys.base_prefix)                        # often below somebody's home; tracebacks name it
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\ud800-\udfff]")      # keeps \t \n \r and ESC


def clean_outputs(raw: object, room: int = MAX_CELL) -> list[NotebookNode]:
    """Valid nbformat outputs made from what the sandbox sent; whatever does not fit is dropped, and beyond `room` all.

    HTML, SVG, JavaScript and LaTeX are never taken: they would act in the instructor's browser. Every rich
    output has a plain text form, and that is kept.
    """
    kept, size = [], 0
    for item in raw[:MAX_OUTPUTS] if isinstance(raw, list) else []:
        output = clean_output(item) if isinstance(item, dict) else None
        if output is None:
            continue
        size += length([output])
        if size > min(room, MAX_CELL):
            kept.append(message("[more output was cut off]"))
            break
        kept.append(output)
    return kept


def length(outputs: list[NotebookNode]) -> int:
    """How many characters outputs take."""
    return sum(len(str(output)) for output in outputs)


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
    """A printable string of limited length, in which the interpreter lies where it does on most machines."""
    return _UNPRINTABLE.sub("�", value[:MAX_TEXT]).replace(_PYTHON, "/usr") if isinstance(value, str) else ""


def is_image(mime: str, value: object) -> bool:
    """Whether `value` is base64 of a picture of that kind, of a size that a browser can show."""
    if not isinstance(value, str) or len(value) > MAX_IMAGE:
        return False
    try:
        data = base64.b64decode(value, validate=True)
        return data.startswith(_SIGNATURES[mime]) and 0 < _PIXELS[mime](data) <= MAX_PIXELS
    except (binascii.Error, ValueError, struct.error):
        return False


def png_pixels(data: bytes) -> int:
    """Width times height, as the first chunk of a PNG has them."""
    width, height = struct.unpack_from(">II", data, 16)
    return width * height


def jpeg_pixels(data: bytes) -> int:
    """Width times height, as the frame header of a JPEG has them; 0 where there is none."""
    place = 2
    while data[place:place + 1] == b"\xff":
        marker, size, _, height, width = struct.unpack_from(">xBHBHH", data, place)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return width * height
        place += 2 + size
    return 0


_PIXELS = {"image/png": png_pixels, "image/jpeg": jpeg_pixels}
