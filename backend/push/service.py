"""The only writer of devices and pushes, in the caller's transaction; `make_due` and `dispose` commit by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
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


# Asked once a second about every chat that moved, nearly always for nothing. So the order is written out (a LIMIT keeps
# the planner from reading a day's events whole, whatever its statistics say): the events, their messages, the mark that
# covers most of them; the rest only for what is left.
_DUE = """
WITH unheard AS MATERIALIZED (
    SELECT r.trip_id, n.message_id, n.at, n.seq,
           CASE n.sender_type WHEN 'driver' THEN c.customer_id ELSE c.driver_id END AS reader
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS r (trip_id, after, up_to)
    JOIN LATERAL (SELECT c.driver_id, c.customer_id FROM trip_chat c WHERE c.trip_id = r.trip_id LIMIT 1) AS c ON true
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (m.sender_type) m.sender_type, m.id AS message_id, e.at,
               CASE m.sender_type WHEN 'driver' THEN e.seq_customer ELSE e.seq_driver END AS seq
        FROM (SELECT * FROM trip_event e
              WHERE e.expire_on = $4 AND e.trip_id = r.trip_id AND e.seq_staff > r.after AND e.seq_staff <= r.up_to
                AND e.message_id IS NOT NULL AND e.at > $5
              ORDER BY e.seq_staff DESC LIMIT 100) AS e
        CROSS JOIN LATERAL (
            SELECT m.id, m.sender_type, m.seq_driver, m.seq_customer FROM trip_message m
            WHERE m.expire_on = $4 AND m.id = e.message_id
              AND m.status IN ('delivered', 'masked') AND m.sender_type IN ('driver', 'customer') LIMIT 1) AS m
        WHERE CASE m.sender_type WHEN 'driver' THEN m.seq_customer = e.seq_customer ELSE m.seq_driver = e.seq_driver END
        ORDER BY m.sender_type, e.seq_staff DESC
        LIMIT 2) AS n
    WHERE coalesce((SELECT t.up_to_seq FROM trip_receipt t WHERE t.trip_id = r.trip_id
                    AND t.user_id = CASE n.sender_type WHEN 'driver' THEN c.customer_id ELSE c.driver_id END
                    AND t.kind = 'delivered' ORDER BY t.up_to_seq DESC LIMIT 1), 0) < n.seq
      AND coalesce((SELECT t.up_to_seq FROM trip_receipt t WHERE t.trip_id = r.trip_id
                    AND t.user_id = CASE n.sender_type WHEN 'driver' THEN c.customer_id ELSE c.driver_id END
                    AND t.kind = 'read' ORDER BY t.up_to_seq DESC LIMIT 1), 0) < n.seq
)
INSERT INTO push (message_id, device_id, trip_id, user_id, seq, status, due_at, expires_at, enqueued_at, created_at)
SELECT n.message_id, d.id, n.trip_id, n.reader, n.seq, 'due', $6, n.at + $7::interval, $6, $6
FROM unheard n
JOIN push_device d ON d.user_id = n.reader
JOIN app_user u ON u.id = n.reader
JOIN trip_participant p ON p.trip_id = n.trip_id AND p.user_id = n.reader AND p.from_seq < n.seq
WHERE (u.suspended_until IS NULL OR u.suspended_until <= $6)
  AND (u.tokens_valid_from IS NULL OR u.tokens_valid_from <= d.confirmed_at)
ON CONFLICT DO NOTHING
RETURNING message_id, device_id
"""


class Moved(msgspec.Struct, frozen=True):
    """A chat in which something happened: its staff numbers after `after` up to `up_to`."""

    trip_id: UUID
    after: int
    up_to: int


async def make_due(
    pool: Any, moved: Sequence[Moved], day: date, now: datetime, ttl: timedelta
) -> list[tuple[UUID, UUID]]:
    """Rows for what no device of its reader has reached; (message, device) of those that are new. One commit.

    `day`: the expiry of these chats, which names their partition. Of several messages of one chat the newest stands
    for all: the phone shows one line a trip anyway.
    """
    asked = ([one.trip_id for one in moved], [one.after for one in moved], [one.up_to for one in moved])
    return [tuple(row) for row in await pool.fetch(_DUE, *asked, day, now - ttl, now, ttl)]


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
