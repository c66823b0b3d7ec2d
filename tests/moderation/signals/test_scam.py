"""Asking for codes, cards and loans is seen."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes

HEARD = [
    "send me the verification code",
    "tell me your card number",
    "give me the sms code you received",
    "you have won a prize, claim your gift",
    "can you lend me some money until tomorrow",
    "скажите код из смс",
    "продиктуйте данные карты",
    "вы выиграли приз",
    "одолжите денег",
    "смс кодын айтыңыз",
    "қарызға ақша беріңізші",
    "dime el código que te llegó",
    "has ganado un premio",
    "préstame dinero",
]
EVERYDAY = [
    "the code for the gate is 45b7",
    "tell me the gate code please",
    "what's the wifi password",
    "give me the trip code please",
    "код от домофона 45",
    "скажите код от подъезда",
    "домофон кодын айтыңызшы",
    "dime el código del portal",
    "I won the match yesterday",
    "do you have change",
]


@pytest.mark.parametrize("text", HEARD)
def test_it_is_heard(codes: Codes, text: str) -> None:
    assert "scam" in codes(text)


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_talk_passes(codes: Codes, text: str) -> None:
    assert "scam" not in codes(text)
