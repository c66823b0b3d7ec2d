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


class Context(msgspec.Struct, frozen=True):
    """Where the content was written.

    `market` names a `[markets.*]` section of the policy (unknown ones use the defaults); `template` says that the text
    is one of our own quick messages; `now` is unix seconds; `recent` are the sender's last messages in this trip,
    newest last.
    """

    market: str = "default"
    sender_role: SenderRole = "driver"
    template: bool = False
    now: float = 0.0
    recent: Sequence[Recent] = ()
