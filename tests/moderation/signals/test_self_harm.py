"""Talk of ending one's own life alarms at once."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes

HEARD = [
    "I want to die",
    "I'm going to kill myself",
    "i don't want to live anymore",
    "thinking about suicide",
    "no reason to live",
    "wish I was dead",
    "I will jump off the bridge",
    "хочу умереть",
    "не хочу жить",
    "покончу с собой",
    "лучше бы я умерла",
    "өмір сүргім келмейді",
    "өзімді өлтіремін",
    "quiero morir",
    "me voy a suicidar",
    "no quiero vivir más",
    "voy a suicidarme",
]
EVERYDAY = [
    "I'm dying laughing",
    "I could kill for a burger",
    "this heat is killing me",
    "I want to die laughing lol",
    "I don't want to live in this city",
    "suicide squad movie tickets",
    "не хочу жить в центре",
    "хочу спать",
    "умираю с голоду",
    "хочу умереть со смеху",
    "ұйқым келіп тұр",
    "quiero morir de risa",
    "no quiero vivir aquí",
]


@pytest.mark.parametrize("text", HEARD)
def test_it_is_heard(codes: Codes, text: str) -> None:
    assert "self_harm" in codes(text)


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_talk_passes(codes: Codes, text: str) -> None:
    assert "self_harm" not in codes(text)
