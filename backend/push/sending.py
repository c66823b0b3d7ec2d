"""Sending pushes: claim them, look whether anybody still wants them, tell the provider, write down what came of it.

The claim is a compare-and-set on the row, so in the ordinary case nobody sends twice, whoever asked: the job, a second
job, a sweeper. A process that dies between telling and writing leaves `sending` behind; when its claim has run out the
push goes out once more under the same key. FCM knows no idempotency key: it would take both, and the phone shows the
second in the place of the first, because both carry the trip as collapse key; the app sees `key` twice.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import text

from backend.keys import SealBroken
from backend.push.interface import Failure, Order, PushError
from backend.push.models import DEAD, DROPPED, RETRY, SENT
from backend.push.parts import Parts, token_key
from backend.push.queueing import CHUNK, Key
from backend.push.service import forget_device, settle
from backend.push.wording import title

log = structlog.get_logger("push")

#: Longer than one exchange with the provider, its access token included, may take.
CLAIM_S = 30
#: Waits between tries double from the first to the last of these, a little at random.
RETRY_FIRST_S, RETRY_LAST_S = 1.0, 60.0
MAX_TRIES = 8

_CLAIM = text(
    """
    UPDATE push p SET status = 'sending', claimed_until = :until, fence = p.fence + 1, tries = p.tries + 1
    FROM unnest(CAST(:messages AS uuid[]), CAST(:devices AS uuid[])) k (message_id, device_id)
    WHERE p.message_id = k.message_id AND p.device_id = k.device_id
      AND ((p.status IN ('due', 'retry') AND p.due_at <= :now) OR (p.status = 'sending' AND p.claimed_until <= :now))
    RETURNING p.message_id, p.device_id, p.fence, p.tries
    """
)
# All that a push depends on, as it is now: two seconds, or a night of the provider's, have gone since the row was made.
_FACTS = text(
    """
    SELECT p.message_id, p.device_id, p.trip_id, p.seq, p.expires_at, p.tries, p.fence,
           d.token_sealed, d.token_mac, coalesce(d.locale, u.locale) AS locale,
           CASE p.user_id WHEN c.driver_id THEN 'driver' WHEN c.customer_id THEN 'customer' END AS reader,
           m.status IN ('delivered', 'masked') AS shown,
           d.user_id = p.user_id AND (u.tokens_valid_from IS NULL OR u.tokens_valid_from <= d.confirmed_at) AS trusted,
           coalesce(u.suspended_until > :now, false) AS suspended,
           EXISTS (SELECT FROM trip_receipt t WHERE t.trip_id = p.trip_id AND t.user_id = p.user_id
                   AND t.kind IN ('delivered', 'read') AND t.up_to_seq >= p.seq) AS reached
    FROM unnest(CAST(:messages AS uuid[]), CAST(:devices AS uuid[])) k (message_id, device_id)
    JOIN push p ON p.message_id = k.message_id AND p.device_id = k.device_id
    LEFT JOIN push_device d ON d.id = p.device_id
    LEFT JOIN app_user u ON u.id = p.user_id
    LEFT JOIN trip_chat c ON c.trip_id = p.trip_id
    LEFT JOIN trip_message m ON m.id = p.message_id AND m.expire_on = c.expire_on
    """
)


async def send_pushes(parts: Parts, keys: Sequence[Key]) -> int:
    """Send those of `keys` that are still to be sent; how many of them were ours to settle."""
    done = 0
    for start in range(0, len(keys), CHUNK):
        claimed = await _claim(parts, keys[start : start + CHUNK])
        outcomes = await asyncio.gather(*(_send(parts, one) for one in claimed), return_exceptions=True)
        for one, outcome in zip(claimed, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                # Its claim runs out, and it comes again.
                log.error("push.broken", message_id=str(one.message_id), error=type(outcome).__name__)
        done += len(claimed)
    return done


async def _claim(parts: Parts, keys: Sequence[Key]) -> list[Any]:
    """Claim what is due and read what it says and to whom."""
    now = parts.clock.now()
    names: dict[str, Any] = {"messages": [key[0] for key in keys], "devices": [key[1] for key in keys]}
    async with parts.db.session() as session:
        values = {**names, "now": now, "until": now + timedelta(seconds=CLAIM_S)}
        claimed = (await session.execute(_CLAIM, values)).all()
        await session.commit()
        if not claimed:
            return []
        names = {"messages": [row.message_id for row in claimed], "devices": [row.device_id for row in claimed]}
        return list((await session.execute(_FACTS, {**names, "now": now})).all())


async def _send(parts: Parts, facts: Any) -> None:
    now = parts.clock.now()
    unwanted = why_not(facts)
    if unwanted is not None:
        return await _write(parts, facts, DROPPED, unwanted)
    if facts.expires_at <= now:
        return await _write(parts, facts, DEAD, "expired")
    try:
        order = order_of(parts, facts, now)
        await _pusher(parts).send(order)
    except SealBroken:
        return await _write(parts, facts, DEAD, "token_unreadable")
    except PushError as error:
        return await _failed(parts, facts, error)
    return await _write(parts, facts, SENT, None)


def why_not(facts: Any) -> str | None:
    """Why nobody wants this push any more, in one word; None when somebody does."""
    for unwanted, word in (
        (facts.token_sealed is None, "device_removed"),
        (not facts.trusted, "revoked"),
        (facts.reader is None, "left"),
        (not facts.shown, "withdrawn"),
        (facts.suspended, "suspended"),
        (facts.reached, "reached"),
    ):
        if unwanted:
            return word
    return None


def order_of(parts: Parts, facts: Any, now: datetime) -> Order:
    """What the provider is told. Raises `SealBroken`."""
    return Order(
        token=token_key(parts.keyring).open(bytes(facts.token_sealed), bytes(facts.token_mac)).decode(),
        key=f"{facts.message_id}.{facts.device_id}",
        title=title(facts.reader, facts.locale),
        trip_id=facts.trip_id,
        message_id=facts.message_id,
        seq=facts.seq,
        ttl_s=max(1, int((facts.expires_at - now).total_seconds())),
    )


async def _failed(parts: Parts, facts: Any, error: PushError) -> None:
    if error.failure is Failure.GONE:
        return await _write(parts, facts, DROPPED, error.code, forget=True)
    if error.failure is Failure.REFUSED:
        return await _write(parts, facts, DEAD, error.code)
    wait = wait_s(facts.tries, error.retry_after_s)
    due_at = parts.clock.now() + timedelta(seconds=wait)
    if facts.tries >= MAX_TRIES or due_at >= facts.expires_at:
        return await _write(parts, facts, DEAD, error.code)
    return await _write(parts, facts, RETRY, error.code, due_at=due_at)


def wait_s(tries: int, asked_s: float | None) -> float:
    """Seconds until the next try after `tries`; never less than the provider asked for."""
    backoff = min(RETRY_FIRST_S * 2 ** (tries - 1), RETRY_LAST_S) * random.uniform(0.8, 1.2)  # noqa: S311
    return max(backoff, asked_s or 0.0)


async def _write(
    parts: Parts, facts: Any, status: str, detail: str | None, *, due_at: datetime | None = None, forget: bool = False
) -> None:
    now, key = parts.clock.now(), (facts.message_id, facts.device_id)
    async with parts.db.session() as session:
        settled = await settle(session, key, facts.fence, status, detail=detail, due_at=due_at or now, now=now)
        if settled and forget:
            await forget_device(session, facts.device_id, bytes(facts.token_mac))
        await session.commit()
    if status == DEAD:
        log.warning("push.dead", message_id=str(facts.message_id), device_id=str(facts.device_id), detail=detail)


def _pusher(parts: Parts) -> Any:
    if parts.pusher is None:
        raise PushError(Failure.RETRY, "not_configured")
    return parts.pusher
