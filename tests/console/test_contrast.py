"""Every text colour of both themes can be read on both of its grounds (WCAG AA, 4.5:1)."""

from __future__ import annotations

import pytest

from console.streamlit_settings import DARK, LIGHT

AA = 4.5
TEXTS = ("textColor", "linkColor", "redTextColor", "orangeTextColor", "greenTextColor", "grayTextColor")
GROUNDS = ("backgroundColor", "secondaryBackgroundColor")


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_readable_on_every_ground(theme: dict[str, str]) -> None:
    poor = [(text, ground) for text in TEXTS for ground in GROUNDS if contrast(theme[text], theme[ground]) < AA]
    assert poor == []
    assert contrast("#ffffff", theme["primaryColor"]) >= AA


def test_the_alarm_bar_is_readable_in_each_of_its_reds() -> None:
    assert min(contrast("#ffffff", ground) for ground in ("#a31515", "#7f0f0f", "#6d4300")) >= AA


def test_the_measure_knows_a_poor_pair() -> None:
    assert contrast("#999999", "#ffffff") < AA < contrast("#000000", "#ffffff")
