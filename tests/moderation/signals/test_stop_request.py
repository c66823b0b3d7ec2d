"""A wish to be left alone is heard, and not taken for a stop of the car."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes

HEARD = [
    "leave me alone",
    "Please leave me alone!",
    "stop writing to me",
    "stop texting me please",
    "don't message me again",
    "I don't want to talk to you",
    "stay away from me",
    "stop it",
    "отстаньте от меня",
    "оставьте меня в покое",
    "хватит мне писать",
    "не пишите мне больше",
    "мені мазаламаңыз",
    "маған жазбаңыз",
    "déjame en paz",
    "deje de escribirme",
    "no me escribas más",
]
EVERYDAY = [
    "stop here please",
    "stop the car at the corner",
    "can you stop at the shop",
    "don't call me, I am driving",
    "please don't call, just text",
    "I will leave my bag alone in the car",
    "остановите здесь пожалуйста",
    "не звоните, я за рулём",
    "остановитесь у магазина",
    "осы жерге тоқтаңыз",
    "pare aquí por favor",
    "no me llame, estoy conduciendo",
]


@pytest.mark.parametrize("text", HEARD)
def test_a_wish_is_heard(codes: Codes, text: str) -> None:
    assert "stop_request" in codes(text)


@pytest.mark.parametrize("text", EVERYDAY)
def test_a_stop_is_no_wish(codes: Codes, text: str) -> None:
    assert "stop_request" not in codes(text)
