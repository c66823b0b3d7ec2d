"""Account names elsewhere are starred out."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes, Judge


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("find me @john_doe", "find me *********"),
        ("my telegram is john_doe", "my telegram is ********"),
        ("insta: anna.k99", "insta: ********"),
        ("телеграм ivan_777", "телеграм ********"),
        ("snapchat john99", "snapchat ******"),
        ("mi instagram es maria_lopez", "mi instagram es ***********"),
    ],
)
def test_a_name_is_masked(judge: Judge, text: str, masked: str) -> None:
    assert judge(text).masked(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "I'm @ the gate",
        "whatsapp is down",
        "telegram is not working",
        "see you @ 5",
        "I saw it on instagram yesterday",
        "вк не работает",
    ],
)
def test_other_talk_passes(codes: Codes, text: str) -> None:
    assert "handle" not in codes(text)
