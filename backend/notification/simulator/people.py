"""The scripted people behind the simulated phones."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

#: A reply code in a text: the number after the word that asks for a reply, else the first lone number of its size.
_ASKED = re.compile(r"(?:reply|ответьте|жауап)\D{0,20}(\d{4,6})\b", re.IGNORECASE)
_LONE = re.compile(r"(?<![\d.,:+])(\d{5})(?![\d.,:])")


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the owner of a phone does. Seconds are simulated seconds; the speed factor divides them.

    `digits` are pressed in order, one at each question (`Gather`); `reply` is what the person texts back to a page:
    nothing, the word `code` (the code in the text), or those very words.
    """

    phone: str
    name: str = ""
    call: Literal["answers", "no_answer", "voicemail", "busy", "fails"] = "answers"
    answer_after_s: float = 3.0
    digits: tuple[str, ...] = ()
    press_after_s: float = 2.0
    hangs_up_after_s: float | None = None
    sms: Literal["delivered", "undelivered", "silent"] = "delivered"
    sms_error_code: int = 30003
    reply: str = ""
    reply_after_s: float = 5.0


#: Our own number and the phones that `seed_roster` writes into the on-call list.
COMPANY_NUMBER = "+15005550006"
PRIMARY, SECONDARY, DUTY_MANAGER, SHIFT = "+15005550101", "+15005550102", "+15005550103", "+15005550104"

DEFAULT_PEOPLE: tuple[Person, ...] = (
    Person(phone=PRIMARY, name="Dana Primary", digits=("1",), answer_after_s=3, press_after_s=4),
    Person(phone=SECONDARY, name="Sergei Secondary", call="no_answer"),
    Person(phone=DUTY_MANAGER, name="Madina Duty", call="voicemail", reply="code", reply_after_s=6),
    Person(phone=SHIFT, name="Tom Shift", digits=("5", "1"), answer_after_s=8),
)


def stranger(phone: str) -> Person:
    """Who answers a phone that nobody scripted: the text arrives, the call rings out."""
    return Person(phone=phone, name="nobody known", call="no_answer")


def reply_to(person: Person, text: str) -> str | None:
    """What the person texts back to `text`; None when they stay silent."""
    if not person.reply:
        return None
    if person.reply != "code":
        return person.reply
    found = _ASKED.search(text) or _LONE.search(text)
    return found.group(1) if found else None
