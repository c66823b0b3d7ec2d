"""Tables of emergencies. Timers are rows (`Incident.next_due`, `Attempt.due_at`); what was done is appended.

No foreign key reaches into trips or chat: an incident outlives them. Words of people, positions and telephone
numbers are sealed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, new_id, utc_column

TRIGGERED, ACKNOWLEDGED, RESOLVED = "triggered", "acknowledged", "resolved"
UNRESOLVED = "status <> 'resolved'"


class Incident(Base):
    """An emergency of one person on one trip, and the state of its escalation."""

    __tablename__ = "incident"
    __table_args__ = (
        Index("incident_one_open", "trip_id", "reporter_id", unique=True, postgresql_where=text(UNRESOLVED)),
        Index("incident_code", "short_code", unique=True, postgresql_where=text(UNRESOLVED)),
        Index("incident_due", "next_due", postgresql_where=text(UNRESOLVED)),
        Index("incident_board", "triggered_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    trip_id: Mapped[UUID] = mapped_column(index=True)
    market: Mapped[str] = mapped_column(Text)
    reporter_id: Mapped[UUID]
    reporter_role: Mapped[str] = mapped_column(Text)
    reporter_name: Mapped[str] = mapped_column(Text)
    #: The other side of the trip must not notice.
    covert: Mapped[bool]
    status: Mapped[str] = mapped_column(Text)
    #: How often the person pressed.
    urgency: Mapped[int]
    #: Validation: 0 false, 1 test or mistake, 2 minor, 3 serious, 4 life in danger; null until resolved.
    level: Mapped[int | None]
    #: What a responder texts back; unique among the unresolved.
    short_code: Mapped[str] = mapped_column(Text)
    #: Sealed JSON `{note, location}` of the press.
    details_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    #: The policy as it was at the trigger (`PolicySnapshot`).
    policy: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: The next step to take, counted from 0.
    step: Mapped[int]
    next_due: Mapped[datetime | None] = utc_column()
    lease_by: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = utc_column()
    #: Grows with every claim and every human act: a writer with an older one has lost.
    fence: Mapped[int] = mapped_column(BigInteger)
    triggered_at: Mapped[datetime] = utc_column()
    pressed_at: Mapped[datetime] = utc_column()
    acknowledged_at: Mapped[datetime | None] = utc_column()
    acknowledged_by: Mapped[UUID | None]
    resolved_at: Mapped[datetime | None] = utc_column()
    resolved_by: Mapped[UUID | None]
    reason_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    callback_attempted: Mapped[bool | None]
    #: The other side's incident on the same trip.
    linked_to: Mapped[UUID | None]


class IncidentPress(Base):
    """One press by its client-made id, so that a repeat is recognised for ever."""

    __tablename__ = "incident_press"

    trip_id: Mapped[UUID] = mapped_column(primary_key=True)
    reporter_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_request_id: Mapped[str] = mapped_column(Text, primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    at: Mapped[datetime] = utc_column()


class IncidentEvent(Base):
    """A line of an incident's timeline. `text_code` is a code, `note_sealed` the words of a person."""

    __tablename__ = "incident_event"
    __table_args__ = (Index("incident_event_incident", "incident_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    at: Mapped[datetime] = utc_column()
    kind: Mapped[str] = mapped_column(Text)
    text_code: Mapped[str] = mapped_column(Text)
    who: Mapped[str | None] = mapped_column(Text)
    account_id: Mapped[UUID | None]
    note_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)


class EscalationPolicy(Base):
    """Who is told when, in one market (`default`: wherever no other policy is)."""

    __tablename__ = "escalation_policy"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    market: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    #: After the last step: again every so many seconds, for ever, with a widening roster.
    repeat_s: Mapped[int]
    #: An acknowledgement without any act on the incident lasts so many seconds.
    ack_lease_s: Mapped[int]
    #: Whether the other side of the trip is told of a press that does not say.
    overt: Mapped[bool]
    updated_at: Mapped[datetime] = utc_column()


class EscalationStep(Base):
    """A line of a policy: `delay_s` after the trigger, page `targets` by `channels`."""

    __tablename__ = "escalation_step"
    __table_args__ = (UniqueConstraint("policy_id", "position"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    policy_id: Mapped[UUID] = mapped_column(ForeignKey("escalation_policy.id", ondelete="CASCADE"))
    position: Mapped[int]
    delay_s: Mapped[int]
    targets: Mapped[list[str]] = mapped_column(ARRAY(Text))
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))


class OnCall(Base):
    """Somebody's turn: primary, secondary, shift, duty_manager or reserve of a market."""

    __tablename__ = "on_call"
    __table_args__ = (Index("on_call_now", "market", "starts_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    market: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID]
    role: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime] = utc_column()
    ends_at: Mapped[datetime | None] = utc_column()


class ContactMethod(Base):
    """A telephone of a staff account. Only a verified one is paged, and only its texts count as an answer."""

    __tablename__ = "contact_method"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(Text)
    phone_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    #: HMAC of the number, to find whose a text is without opening every number.
    phone_mac: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    language: Mapped[str] = mapped_column(Text)
    verified_at: Mapped[datetime | None] = utc_column()
    created_at: Mapped[datetime] = utc_column()


class Attempt(Base):
    """One try at one contact method. Statuses: `backend.notification.status`."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("incident_id", "wave", "contact_method_id", "channel"),
        Index("attempt_due", "due_at", postgresql_where=text("status IN ('due', 'sending', 'unknown', 'retry')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"), index=True)
    #: The step that made it, counted over the whole incident.
    wave: Mapped[int]
    account_id: Mapped[UUID | None]
    contact_method_id: Mapped[UUID | None]
    channel: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    #: The provider's error code, or the HTTP status, or what went wrong in one word.
    detail: Mapped[str | None] = mapped_column(Text)
    sid: Mapped[str | None] = mapped_column(Text, index=True)
    tries: Mapped[int]
    due_at: Mapped[datetime] = utc_column()
    #: Handed to the broker; not picked up some seconds later, a sweeper sends it itself.
    enqueued_at: Mapped[datetime | None] = utc_column()
    #: `worker:...` or `sweeper:...`: whose process sent it last.
    claimed_by: Mapped[str | None] = mapped_column(Text)
    claimed_until: Mapped[datetime | None] = utc_column()
    fence: Mapped[int] = mapped_column(BigInteger)
    first_tried_at: Mapped[datetime | None] = utc_column()
    sent_at: Mapped[datetime | None] = utc_column()
    created_at: Mapped[datetime] = utc_column()
    updated_at: Mapped[datetime] = utc_column()


class Acknowledgement(Base):
    """Human evidence that somebody has an incident: by `dtmf`, `sms` or `console`. Only one of an incident won."""

    __tablename__ = "acknowledgement"
    __table_args__ = (Index("acknowledgement_incident", "incident_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    account_id: Mapped[UUID]
    via: Mapped[str] = mapped_column(Text)
    attempt_id: Mapped[UUID | None]
    at: Mapped[datetime] = utc_column()
    won: Mapped[bool]


class ProviderCallback(Base):
    """A webhook call as it came, once per event. Kept sealed: it holds numbers."""

    __tablename__ = "provider_callback"

    event_key: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    attempt_id: Mapped[UUID | None] = mapped_column(index=True)
    sid: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str | None] = mapped_column(Text)
    fields_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = utc_column()
    #: Whether it changed an attempt; false for late, doubled and unknown ones.
    applied: Mapped[bool]
