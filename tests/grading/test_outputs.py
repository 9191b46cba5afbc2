"""Only text, errors and raster pictures leave the sandbox."""

import base64
import struct

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstmlab.grading.outputs import MAX_TEXT, clean_outputs


def png(width, height):
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)).decode()


def jpeg(width, height):
    tables = b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + bytes(14)
    return base64.b64encode(tables + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + bytes(12)).decode()


PNG = png(600, 300)
anything = st.recursive(st.none() | st.booleans() | st.floats() | st.text(),
                        lambda inner: st.lists(inner) | st.dictionaries(
                            st.sampled_from(["output_type", "data", "text", "name", "text/plain", "traceback"]), inner))


def rich(**data):
    return [{"output_type": "display_data", "data": data}]


@pytest.mark.parametrize("mime", ["text/html", "image/svg+xml", "application/javascript", "text/latex",
                                  "text/markdown", "application/vnd.jupyter.widget-view+json"])
def test_active_content_is_dropped(mime):
    """What could act in the instructor's browser is not taken; the plain text is."""
    output, = clean_outputs(rich(**{mime: "<script>alert(1)</script>", "text/plain": "plain"}))
    assert output.data == {"text/plain": "plain"}


def test_a_picture_is_kept():
    """A PNG stays as it is."""
    output, = clean_outputs(rich(**{"image/png": PNG}))
    assert output.data["image/png"] == PNG


@pytest.mark.parametrize(("mime", "make"), [("image/png", png), ("image/jpeg", jpeg)])
def test_a_picture_that_unpacks_to_gigabytes_is_dropped(mime, make):
    """A few bytes may claim any number of pixels, and the instructor's browser would make room for them."""
    pictures = [clean_outputs(rich(**{mime: make(*size)}))[0].data for size in ((4096, 4096), (60_000, 60_000), (0, 9))]
    assert [mime in data for data in pictures] == [True, False, False]


@pytest.mark.parametrize("image", ["not base64!", base64.b64encode(b"<svg onload=alert(1)>").decode(), 7, None])
def test_a_false_picture_is_dropped(image):
    """A picture must be base64 of what it claims to be."""
    output, = clean_outputs(rich(**{"image/png": image}))
    assert "image/png" not in output.data


def test_text_is_capped():
    """A flood of text is cut."""
    output, = clean_outputs([{"output_type": "stream", "name": "stdout", "text": "x" * 10**6}])
    assert len(output.text) == MAX_TEXT


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])        # however busy the machine is
@given(anything)
def test_untrusted_outputs_never_raise_and_are_valid(raw):
    """Whatever comes, the result is a list of valid notebook outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=clean_outputs([raw]))])
    nbformat.validate(notebook)
    assert clean_outputs(raw) == [] or isinstance(raw, list)
