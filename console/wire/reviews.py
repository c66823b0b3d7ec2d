"""Cases and decisions."""

from __future__ import annotations

from datetime import datetime

import msgspec

from console.wire.trips import Message, Trip


class Case(msgspec.Struct, frozen=True):
    """A unit of review; `state` is open, assigned, referred or closed."""

    id: str
    trip_id: str = ""
    kind: str = ""
    state: str = ""
    severity: str = "low"
    reasons: list[str] = []
    message_ids: list[str] = []
    opened_at: datetime | None = None
    due_at: datetime | None = None
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    about_user_id: str | None = None


class ClaimedCase(msgspec.Struct, frozen=True):
    """A case with what the reviewer needs to see; `lease_until` ends the claim."""

    case: Case
    conversation: list[Message] = []
    trip: Trip | None = None
    lease_until: datetime | None = None


class MessageOutcome(msgspec.Struct, frozen=True):
    """What a decision does to one message: release, mask or remove."""

    message_id: str
    outcome: str


class DecisionMade(msgspec.Struct, frozen=True):
    """The answer to a decision."""

    decision_id: str
    case: Case | None = None
