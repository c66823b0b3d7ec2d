"""What a phone shows. Never a word of the message: a locked screen is read by whoever holds the phone."""

from __future__ import annotations

from backend.i18n import language_of

#: By who reads it. `backend.i18n.REVIEWED` names the languages that somebody who speaks them has read.
TITLES: dict[str, dict[str, str]] = {
    "customer": {
        "en": "New message from your driver",
        "ru": "Новое сообщение от водителя",
        "kk": "Жүргізушіден жаңа хабарлама",
        "es": "Nuevo mensaje de su conductor",
    },
    "driver": {
        "en": "New message from your rider",
        "ru": "Новое сообщение от пассажира",
        "kk": "Жолаушыдан жаңа хабарлама",
        "es": "Nuevo mensaje de su pasajero",
    },
}


def title(reader: str, locale: str | None) -> str:
    """The line for a `driver` or `customer` in the language of a locale such as `ru-KZ`."""
    return TITLES[reader][language_of(locale)]
