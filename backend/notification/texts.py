"""What is said and written to a responder, by key and language. Placeholders are filled with `filled`."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from backend.i18n import language_of

#: Languages that somebody who speaks them from childhood has read.
REVIEWED = frozenset({"en"})

TEXTS: dict[str, dict[str, str]] = {
    "sms": {
        "en": "EMERGENCY {code}: {who} ({role}) pressed for help{again}. {vehicle}. {where}. {covert}"
        "Reply {code} to take it.",
        "ru": "ТРЕВОГА {code}: {who} ({role}) просит о помощи{again}. {vehicle}. {where}. {covert}"
        "Ответьте {code}, чтобы взять на себя.",
    },
    "voice": {
        "en": "Trip warden emergency. {who}, the {role}, pressed for help{again}. {vehicle}. {where}. {covert}"
        "Press 1 to take this emergency.",
        "ru": "Тревога. {who}, {role}, просит о помощи{again}. {vehicle}. {where}. {covert}"
        "Нажмите 1, чтобы взять тревогу на себя.",
    },
    "sms_bare": {
        "en": "EMERGENCY {code}: a {role} pressed for help, see the console. Reply {code} to take it.",
        "ru": "ТРЕВОГА {code}: {role} просит о помощи, см. консоль. Ответьте {code}, чтобы взять на себя.",
    },
    "voice_bare": {
        "en": "Trip warden emergency {code}. A {role} pressed for help. Press 1 to take this emergency.",
        "ru": "Тревога {code}. {role} просит о помощи. Нажмите 1, чтобы взять тревогу на себя.",
    },
    "voice_again": {
        "en": "I did not hear you press 1. Press 1 to take this emergency.",
        "ru": "Вы не нажали 1. Нажмите 1, чтобы взять тревогу на себя.",
    },
    "voice_wrong": {
        "en": "That was not 1. Press 1 to take this emergency.",
        "ru": "Это была не единица. Нажмите 1, чтобы взять тревогу на себя.",
    },
    "won": {
        "en": "Thank you. Emergency {code} is yours. Open the console and call the person back.",
        "ru": "Спасибо. Тревога {code} ваша. Откройте консоль и перезвоните человеку.",
    },
    "late": {
        "en": "{holder} already has emergency {code}. Thank you.",
        "ru": "Тревогу {code} уже взял: {holder}. Спасибо.",
    },
    "resolved": {
        "en": "Emergency {code} is already closed. Thank you.",
        "ru": "Тревога {code} уже закрыта. Спасибо.",
    },
    "code_unknown": {
        "en": "There is no open emergency with this code.",
        "ru": "Открытой тревоги с таким кодом нет.",
    },
    "goodbye": {
        "en": "We will try somebody else. Goodbye.",
        "ru": "Мы позвоним другому. До свидания.",
    },
    "driver": {"en": "driver", "ru": "водитель"},
    "customer": {"en": "rider", "ru": "пассажир"},
    "again": {"en": ", {times} times", "ru": ", {times} раза"},
    "covert": {
        "en": "Covert: do not contact the other person in the car. ",
        "ru": "Скрытно: не звоните второму человеку в машине. ",
    },
    "vehicle": {"en": "{car}, plate {plate}", "ru": "{car}, номер {plate}"},
    "vehicle_unknown": {"en": "Vehicle unknown", "ru": "Машина неизвестна"},
    "where": {
        "en": "At {lat}, {lon}, within {accuracy} m, {age} s ago",
        "ru": "Место {lat}, {lon}, точность {accuracy} м, {age} с назад",
    },
    "where_unknown": {"en": "Position unknown", "ru": "Место неизвестно"},
}
#: Voices of Twilio by language: https://www.twilio.com/docs/voice/twiml/say/text-speech
_VOICE = {"en": "en-US", "ru": "ru-RU"}


def filled(key: str, language: str, values: Mapping[str, object] | None = None) -> str:
    """A text in the responder's language, English where there is none. Raises KeyError for an unknown key."""
    texts = TEXTS[key]
    return texts.get(language_of(language), texts["en"]).format(**(values or {}))


def say(text: str, language: str) -> str:
    """A TwiML `Say`; in English when we have no voice for the language, as `filled` then wrote English."""
    voice = _VOICE.get(language_of(language), "en-US")
    return f'<Say language="{voice}">{escape(text)}</Say>'


def gather(action: str, inside: str, timeout_s: int = 8) -> str:
    """A TwiML `Gather` for one digit, posted to `action`."""
    return f'<Gather numDigits="1" timeout="{timeout_s}" action={quoteattr(action)} method="POST">{inside}</Gather>'


def twiml(*verbs: str) -> str:
    """A whole document."""
    return '<?xml version="1.0" encoding="UTF-8"?><Response>' + "".join(verbs) + "</Response>"


def message(text: str) -> str:
    """A TwiML `Message`: the answer to a text."""
    return f"<Message>{escape(text)}</Message>"
