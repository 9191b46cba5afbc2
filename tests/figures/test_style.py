"""The inks: readable on a light page, on a dark page, and where the theme is unknown."""

import pytest

from lstmlab.figures._style import INKS, STYLESHEET

WHITE, NIGHT = "#ffffff", "#121212"


def luminance(colour):
    """Relative luminance of an sRGB colour, by the definition of WCAG 2."""
    channels = [int(colour[k:k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Contrast ratio of two colours, by the definition of WCAG 2."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("name", INKS)
def test_ink_reads_on_its_ground(name):
    """Each ink has the contrast that WCAG asks of text, on the ground of its theme."""
    assert contrast(INKS[name].light, WHITE) >= 4.5
    assert contrast(INKS[name].dark, NIGHT) >= 4.5


@pytest.mark.parametrize("name", INKS)
def test_fallback_reads_on_both_grounds(name):
    """Where no theme is known, each ink still has the contrast that WCAG asks of graphics, on both."""
    assert contrast(INKS[name].both, WHITE) >= 3
    assert contrast(INKS[name].both, NIGHT) >= 3


def test_style_sheet_reaches_only_our_figures():
    """Every rule of the style sheet is about our own SVG and sets custom properties only."""
    for rule in STYLESHEET.rstrip("}").split("}"):
        selectors, declarations = rule.split("{")
        assert all(".lstmlab-svg" in selector for selector in selectors.split(","))
        assert all(d.startswith("--lstmlab-") for d in declarations.rstrip(";").split(";"))
