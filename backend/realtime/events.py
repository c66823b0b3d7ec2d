"""What is delivered: numbers, and for each audience the frame that its clients get."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

Audience = Literal["driver", "customer"]
AUDIENCES: tuple[Audience, ...] = ("driver", "customer")


class Numbered(msgspec.Struct, frozen=True, array_like=True):
    """For one audience: its number of the event, and the frame to put on the wire (UTF-8 JSON)."""

    seq: int
    frame: bytes


class ChatEvent(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """A committed, numbered event of one trip, ready for both audiences; None where it is not theirs to see."""

    trip_id: UUID
    driver: Numbered | None
    customer: Numbered | None

    def part_for(self, audience: Audience) -> Numbered | None:
        """What this audience gets of the event."""
        return self.driver if audience == "driver" else self.customer


class Whisper(msgspec.Struct, frozen=True, array_like=True, tag="w"):
    """Something that may be lost: typing, presence, receipts. Never numbered.

    `mark`, of a receipt: (of which kind and whose, the number that its reader has reached). It never goes back.
    """

    trip_id: UUID
    audience: Audience
    frame: bytes
    mark: tuple[str, int] | None = None


class Control(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """A hint to every process to look again at access, or to forget what it remembers."""

    kind: str
    trip_id: UUID | None = None
    user_id: UUID | None = None
    token_id: str | None = None
