"""Diverting the fare is seen; paying a cash ride in cash is fine."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes

HEARD = [
    "cancel the trip and pay me directly",
    "cancel the order and give me cash",
    "let's do it without the app, cheaper",
    "cheaper if you pay me directly",
    "send the money to my revolut",
    "pay outside the app",
    "I can take you off the app",
    "end the trip and then pay me cash",
    "pay me extra cash or I cancel",
    "отмените заказ и заплатите наличными",
    "давайте без приложения, дешевле выйдет",
    "поехали мимо приложения",
    "переведите мне на каспи",
    "отмените поездку, довезу за наличные",
    "доплатите 500 иначе отменю",
    "тапсырысты тоқтатыңыз да ақшаны маған беріңіз",
    "қосымшасыз барайық, арзан болады",
    "каспиге аударыңыз",
    "cancela el viaje y me pagas en efectivo",
    "págame por bizum",
    "te llevo sin la app",
    "fuera de la aplicación te sale más barato, pagas directo",
    "c a n c e l  t h e  t r i p  a n d  p a y  m e  d i r e c t l y",
]
EVERYDAY = [
    "can I pay cash?",
    "can I pay in cash",
    "I will pay by card",
    "do you have change for 5000?",
    "pay with apple pay",
    "I paid directly in the app",
    "please cancel, I found another ride",
    "the app says 1200",
    "why is it so expensive",
    "you can cancel the trip",
    "tip in cash ok?",
    "I'll cancel if you are late",
    "the app is slow",
    "можно наличными?",
    "оплата наличными",
    "отмените пожалуйста, планы изменились",
    "сдача с 5000 будет?",
    "оплачу картой",
    "приложение зависло",
    "қолма қол төлеуге бола ма",
    "puedo pagar en efectivo?",
    "pago con tarjeta",
    "cancelo, perdón",
    "¿tiene cambio?",
]


@pytest.mark.parametrize("text", HEARD)
def test_it_is_heard(codes: Codes, text: str) -> None:
    assert "off_platform_payment" in codes(text)


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_talk_passes(codes: Codes, text: str) -> None:
    assert "off_platform_payment" not in codes(text)
