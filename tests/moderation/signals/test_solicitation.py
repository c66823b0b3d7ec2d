"""Sexual harassment and offers are heard without a swear word."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes

HEARD = [
    "send me nudes",
    "do you want to have sex",
    "sleep with me tonight",
    "take off your shirt",
    "you are so sexy",
    "come to my place tonight",
    "nice ass",
    "free ride for a kiss",
    "show me your boobs",
    "what are you wearing under that dress",
    "i want to lick you",
    "are you single",
    "хочу секса",
    "пришли голое фото",
    "поехали ко мне домой",
    "переспи со мной",
    "ты такая сексуальная",
    "сними трусы",
    "красивая попка",
    "бесплатно за поцелуй",
    "секс қалаймын",
    "жалаңаш суретіңді жібер",
    "менімен жатасың ба",
    "quiero sexo contigo",
    "mándame fotos desnuda",
    "ven a mi casa esta noche",
    "qué buenas tetas",
    "quítate la ropa",
]
EVERYDAY = [
    "are you single or two people?",
    "single ride please",
    "ride. It is here",
    "I booked your ride, it costs 5",
    "how long until I get home",
    "take off your mask please",
    "same sex couple, is that ok?",
    "turn me on to that radio station",
    "touch the screen",
    "nice car!",
    "you look like the photo, red jacket?",
    "sleep well",
    "сними куртку, жарко",
    "подъезжайте ко мне",
    "у меня стоит детское кресло",
    "машина стоит у входа",
    "поехали домой",
    "одинокая женщина с собакой",
    "үйге барамыз",
    "llego a mi casa en 5",
    "qué rica comida",
    "ven a la puerta",
]


@pytest.mark.parametrize("text", HEARD)
def test_it_is_heard(codes: Codes, text: str) -> None:
    assert "solicitation" in codes(text)


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_talk_passes(codes: Codes, text: str) -> None:
    assert "solicitation" not in codes(text)
