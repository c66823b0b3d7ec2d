"""Links that open a chat elsewhere are starred out."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes, Judge


@pytest.mark.parametrize(
    "text",
    [
        "wa.me/77011234567",
        "https://t.me/john",
        "t . me / john",
        "t dot me/john",
        "пиши t.me/ivan",
        "https://chat.whatsapp.com/AbCdEf",
        "tg://resolve?domain=john",
        "vk.com/id123",
        "instagram.com/anna",
        "t.mе/john",
    ],
)
def test_a_link_is_masked(judge: Judge, text: str) -> None:
    verdict = judge(text)

    assert "messenger_link" in {hit.code for hit in verdict.signals}
    assert verdict.outcome == "mask"


@pytest.mark.parametrize(
    "text", ["wait for me. John is here", "it's me", "what me? no", "ok.", "жду. меня видно", "the ok guy"]
)
def test_other_talk_passes(codes: Codes, text: str) -> None:
    assert "messenger_link" not in codes(text)
