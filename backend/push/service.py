"""The only writer of devices and pushes, in the caller's transaction; only `dispose` commits by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.clock import Clock
from backend.db import new_id
from backend.errors import ProblemError
from backend.keys import Keyring
from backend.push.parts import token_key

#: Devices of one person: telephones, tablets, browsers.
MAX_DEVICES = 10
#: Firebase calls a token stale that was not seen for 270 days.
STALE_DEVICE = timedelta(days=270)
#: What became of a push is kept so long; one that never got out a little longer, for whoever looks into it.
KEEP, KEEP_DEAD = timedelta(days=2), timedelta(days=7)
BATCH = 5_000


class Device(msgspec.Struct, kw_only=True):
    """A phone or browser as the platform names it: its registration token, what it is, the language on it."""

    token: str
    platform: Literal["android", "ios", "web"]
    locale: str | None = None


_LEFT_OUT = text("DELETE FROM push_device WHERE user_id = :user AND NOT token_mac = ANY(:macs)")
# Somebody else who signs in on the same phone takes its token over: the phone must hear nothing more of the first one.
_NAME = text(
    """
    INSERT INTO push_device AS old (id, user_id, platform, locale, token_sealed, token_mac, confirmed_at)
    VALUES (:id, :user, :platform, :locale, :sealed, :mac, :now)
    ON CONFLICT (token_mac) DO UPDATE SET
        id = CASE WHEN old.user_id = excluded.user_id THEN old.id ELSE excluded.id END,
        user_id = excluded.user_id, platform = excluded.platform, locale = excluded.locale,
        token_sealed = excluded.token_sealed, confirmed_at = excluded.confirmed_at
    """
)


async def save_devices(
    session: AsyncSession, keyring: Keyring, clock: Clock, user_id: UUID, devices: Sequence[Device]
) -> None:
    """These and no others are the devices of a person from now on; none erases them. Raises `invalid_value`."""
    if len(devices) > MAX_DEVICES:
        raise ProblemError("invalid_value", f"A person has at most {MAX_DEVICES} devices.")
    key = token_key(keyring)
    # In the order of their marks: two people who swap telephones must not wait for each other.
    named = sorted({key.mac(one.token.encode()): one for one in devices}.items())
    await session.execute(_LEFT_OUT, {"user": user_id, "macs": [mac for mac, _ in named]})
    for mac, one in named:
        values: dict[str, Any] = {"id": new_id(), "user": user_id, "platform": one.platform, "locale": one.locale}
        sealed = key.seal(one.token.encode(), mac)
        await session.execute(_NAME, {**values, "sealed": sealed, "mac": mac, "now": clock.now()})


_DUE = text(
    """
    WITH newest AS (
        SELECT DISTINCT ON (e.trip_id, a.user_id) e.trip_id, a.user_id, a.seq, m.id AS message_id, e.at
        FROM unnest(CAST(:trips AS uuid[]), CAST(:after AS bigint[]), CAST(:up_to AS bigint[]))
            AS r (trip_id, after, up_to)
        JOIN trip_chat c ON c.trip_id = r.trip_id
        JOIN trip_event e ON e.expire_on = :day AND e.trip_id = r.trip_id
            AND e.seq_staff > r.after AND e.seq_staff <= r.up_to AND e.at > :since AND e.message_id IS NOT NULL
        JOIN trip_message m ON m.expire_on = :day AND m.id = e.message_id
            AND m.status IN ('delivered', 'masked') AND m.sender_type <> 'system'
        CROSS JOIN LATERAL (
            VALUES (c.driver_id, e.seq_driver, m.seq_driver), (c.customer_id, e.seq_customer, m.seq_customer)
        ) AS a (user_id, seq, first_seq)
        WHERE a.user_id <> m.sender_id AND a.seq = a.first_seq
        ORDER BY e.trip_id, a.user_id, a.seq DESC
    )
    INSERT INTO push (message_id, device_id, trip_id, user_id, seq, status, due_at, expires_at, enqueued_at, created_at)
    SELECT n.message_id, d.id, n.trip_id, n.user_id, n.seq, 'due', :now, n.at + CAST(:ttl AS interval), :now, :now
    FROM newest n
    JOIN push_device d ON d.user_id = n.user_id
    JOIN app_user u ON u.id = n.user_id
    JOIN trip_participant p ON p.trip_id = n.trip_id AND p.user_id = n.user_id AND p.from_seq < n.seq
    WHERE NOT EXISTS (
            SELECT FROM trip_receipt t WHERE t.trip_id = n.trip_id AND t.user_id = n.user_id
            AND t.kind IN ('delivered', 'read') AND t.up_to_seq >= n.seq)
      AND (u.suspended_until IS NULL OR u.suspended_until <= :now)
      AND (u.tokens_valid_from IS NULL OR u.tokens_valid_from <= d.confirmed_at)
    ON CONFLICT DO NOTHING
    RETURNING message_id, device_id
    """
)


class Moved(msgspec.Struct, frozen=True):
    """A chat in which something happened: its staff numbers after `after` up to `up_to`."""

    trip_id: UUID
    after: int
    up_to: int


async def make_due(
    session: AsyncSession, moved: Sequence[Moved], day: Any, now: datetime, ttl: timedelta
) -> list[tuple[UUID, UUID]]:
    """Rows for what no device of its reader has reached; (message, device) of those that are new.

    `day`: the expiry of these chats, which names their partition. Of several messages of one chat the newest stands
    for all: the phone shows one line a trip anyway.
    """
    found = await session.execute(
        _DUE,
        {
            "trips": [one.trip_id for one in moved],
            "after": [one.after for one in moved],
            "up_to": [one.up_to for one in moved],
            "day": day,
            "since": now - ttl,
            "now": now,
            "ttl": ttl,
        },
    )
    return [(row.message_id, row.device_id) for row in found]


_SETTLE = text(
    """
    UPDATE push SET status = CAST(:status AS text), detail = CAST(:detail AS text), due_at = :due_at,
        enqueued_at = NULL, claimed_until = NULL,
        sent_at = CASE WHEN CAST(:status AS text) = 'sent' THEN CAST(:now AS timestamptz) ELSE sent_at END
    WHERE message_id = :message AND device_id = :device AND fence = :fence AND status = 'sending'
    RETURNING 1
    """
)


async def settle(session: AsyncSession, key: tuple[UUID, UUID], fence: int, status: str, **facts: Any) -> bool:
    """Write down what came of a try: `detail`, `due_at`, `now`. False when somebody else has claimed it since."""
    values = {"message": key[0], "device": key[1], "fence": fence, "status": status, **facts}
    return (await session.execute(_SETTLE, values)).first() is not None


async def forget_device(session: AsyncSession, device_id: UUID, token_mac: bytes) -> None:
    """The provider does not know this token (any more)."""
    await session.execute(
        text("DELETE FROM push_device WHERE id = :id AND token_mac = :mac"), {"id": device_id, "mac": token_mac}
    )


# The key begins with the message's UUIDv7, so that what is old lies together.
_DISPOSE = text(
    """
    WITH old AS (
        SELECT message_id, device_id FROM push
        WHERE message_id < :before AND created_at < :kept AND (status <> 'dead' OR created_at < :kept_dead) LIMIT :batch
    )
    DELETE FROM push p USING old WHERE p.message_id = old.message_id AND p.device_id = old.device_id RETURNING 1
    """
)
_DISPOSE_DEVICES = text("DELETE FROM push_device WHERE confirmed_at < :stale")


async def dispose(session: AsyncSession, now: datetime) -> int:
    """Remove a batch of old rows and every device that was not named for `STALE_DEVICE`; how many pushes went."""
    await session.execute(_DISPOSE_DEVICES, {"stale": now - STALE_DEVICE})
    values = {"before": first_id_of(now - KEEP), "kept": now - KEEP, "kept_dead": now - KEEP_DEAD, "batch": BATCH}
    gone = (await session.execute(_DISPOSE, values)).all()
    await session.commit()
    return len(gone)


def first_id_of(moment: datetime) -> UUID:
    """The least UUIDv7 of a moment (RFC 9562, 5.7: milliseconds since 1970 in the first 48 bits)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
