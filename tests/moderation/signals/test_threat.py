"""Threats are heard without a single swear word."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes

HEARD = [
    "I will kill you",
    "I'm gonna beat you up",
    "i know where you live",
    "you won't leave this car alive",
    "you're dead",
    "watch your back",
    "I'll find you and break your legs",
    "wait till I find you",
    "you will regret this",
    "my brothers will find you",
    "get out of the car or else",
    "i have a gun in the car",
    "we will teach you a lesson",
    "nobody will ever find you",
    "I hope you die",
    "I will burn your car",
    "kill yourself",
    "я тебя убью",
    "убью тебя",
    "я знаю где ты живешь",
    "ты об этом пожалеешь",
    "живым не уйдешь",
    "сломаю тебе ноги",
    "мои пацаны тебя найдут",
    "у меня в бардачке нож",
    "выходи из машины или хуже будет",
    "ты труп",
    "найду тебя и зарежу",
    "оглядывайся, ходи и бойся",
    "чтоб ты сдох",
    "сені өлтіремін",
    "қайда тұратыныңды білемін",
    "өкінесің",
    "тірі кетпейсің",
    "басыңды жарамын",
    "менде пышақ бар",
    "достарым келеді де сені ұрады",
    "te voy a matar",
    "sé dónde vives",
    "te vas a arrepentir",
    "no vas a salir vivo",
    "te rompo la cara",
    "tengo una pistola",
    "cuida tu espalda",
    "voy a matarte",
    "I w1ll k1ll you",
    "i w i l l k i l l y o u",
    "я т е б я у б ь ю",
    "I wіll kіll уоu",
]
EVERYDAY = [
    "I'm dying laughing",
    "kill the engine please",
    "I'll find you at the gate",
    "I'll find you in a minute",
    "this traffic is killing me",
    "I'd kill for a coffee",
    "you are dead right",
    "I have your address from the app",
    "pay for it in cash",
    "I'll get you there in 5 minutes",
    "we are coming for you, 5 min",
    "you killed it at the concert",
    "dead battery",
    "my phone is dead",
    "shoot me a message",
    "hit the road",
    "the driver's back is hurting, slow down",
    "you will be there in 5 min",
    "nobody will find you if you wait behind the building, come out",
    "take care",
    "I'll follow you with my car to the garage",
    "заглушите двигатель, не убивайте аккумулятор",
    "умираю со смеху",
    "сейчас найду вас",
    "как я вас найду",
    "не пожалеете",
    "убил время",
    "эта пробка меня убивает",
    "знаю где вы стоите",
    "найду вас у входа",
    "күлкіден өлдім",
    "сізді қазір табамын",
    "уақыт өлтіріп отырмын",
    "me muero de risa",
    "estoy muerta de cansancio",
    "voy a buscarte en la puerta",
    "te encuentro en la entrada",
    "vas a pagar con tarjeta?",
]


@pytest.mark.parametrize("text", HEARD)
def test_it_is_heard(codes: Codes, text: str) -> None:
    assert "threat" in codes(text)


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_talk_passes(codes: Codes, text: str) -> None:
    assert "threat" not in codes(text)
