"""E-mail addresses are starred out, written or spoken."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes, Judge


@pytest.mark.parametrize(
    "text",
    [
        "write to john.doe@gmail.com",
        "JOHN@MAIL.RU",
        "john at gmail dot com",
        "john dot doe at yahoo dot com",
        "пишите ivan собака mail точка ru",
        "juan arroba hotmail punto com",
        "john [at] outlook.com",
        "jоhn@gmаil.com",
    ],
)
def test_an_address_is_masked(judge: Judge, text: str) -> None:
    verdict = judge(text)

    assert "email" in {hit.code for hit in verdict.signals}
    assert verdict.outcome == "mask"


@pytest.mark.parametrize(
    "text",
    [
        "meet me @ the gate",
        "I am at the main entrance dot",
        "у меня собака, маленькая",
        "3 @ 500",
        "the mail building",
        "mail box",
    ],
)
def test_other_talk_passes(codes: Codes, text: str) -> None:
    assert "email" not in codes(text)
