"""Tables of push: the devices of a person, and one row for every message that a device has to be told of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, new_id, utc_column

#: Still to be sent: `sending` is claimed by a process, `retry` waits for its next try.
DUE, SENDING, RETRY = "due", "sending", "retry"
#: Over: the provider has it, nobody wants it any more, or it never got out and somebody should know.
SENT, DROPPED, DEAD = "sent", "dropped", "dead"


class PushDevice(Base):
    """A phone or browser of a person. A registration token has one row: whoever signs in there next takes it over."""

    __tablename__ = "push_device"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(index=True)
    platform: Mapped[str] = mapped_column(Text)
    locale: Mapped[str | None] = mapped_column(Text)
    token_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    #: HMAC of the token, to find it without opening every one.
    token_mac: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    #: When the platform last named it. One that is older than a revocation of its person is not told anything.
    confirmed_at: Mapped[datetime] = utc_column()


class Push(Base):
    """One message for one device: the pair is the key, so that nothing makes a second one."""

    __tablename__ = "push"
    __table_args__ = (
        Index("push_due", "due_at", postgresql_where=text("status IN ('due', 'sending', 'retry')")),
        Index("push_dead", "created_at", postgresql_where=text("status = 'dead'")),
    )

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    trip_id: Mapped[UUID]
    user_id: Mapped[UUID]
    #: The reader's own number under which they first see the message.
    seq: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    #: Why it was dropped or died, or what the last try said: a code, never text.
    detail: Mapped[str | None] = mapped_column(Text)
    tries: Mapped[int]
    fence: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime] = utc_column()
    #: Nobody wants to hear of it later than this.
    expires_at: Mapped[datetime] = utc_column()
    #: Handed to the broker; not picked up some seconds later, a sweeper sends it itself.
    enqueued_at: Mapped[datetime | None] = utc_column()
    claimed_until: Mapped[datetime | None] = utc_column()
    sent_at: Mapped[datetime | None] = utc_column()
    created_at: Mapped[datetime] = utc_column()
