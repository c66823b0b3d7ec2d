"""What is judged: one text, and the little that must be known around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

SenderRole = Literal["driver", "customer"]


class Content(msgspec.Struct, frozen=True):
    """One message text. `lang` is a language tag ("en", "ru-KZ") when the caller knows it; None means unknown."""

    text: str
    lang: str | None = None


class Recent(msgspec.Struct, frozen=True):
    """An earlier message of the same sender in the same trip: when (unix seconds) and `fingerprint(text)` (8 bytes)."""

    at: float
    fingerprint: bytes


Mark = Literal["insult", "threat", "stop"]


class Turn(msgspec.Struct, frozen=True, gc=False):
    """An earlier message of either side of a pair: when (unix seconds), who, in this trip or another, its marks."""

    at: float
    role: SenderRole
    same_trip: bool
    marks: tuple[Mark, ...] = ()


class Context(msgspec.Struct, frozen=True):
    """Where the content was written.

    `market` names a `[markets.*]` section of the policy (unknown ones use the defaults); `template` says that the text
    is one of our own quick messages; `now` is unix seconds; `recent` are the sender's last messages in this trip,
    newest last; `conversation` those of both sides, in this trip and others of the pair, newest last; `same_text_at`:
    when the sender said the same text in other trips, once for each; `fingerprint`: the content's own, where the caller
    has it anyway.
    """

    market: str = "default"
    sender_role: SenderRole = "driver"
    template: bool = False
    now: float = 0.0
    recent: Sequence[Recent] = ()
    conversation: Sequence[Turn] = ()
    same_text_at: Sequence[float] = ()
    fingerprint: bytes | None = None
