"""Trips with a driver and a customer each, made by the platform's own calls, and the tokens of both."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from backend.accounts.tokens import TokenService
from backend.settings import Settings
from tests.benchmarks.stacks import Stack

AT_ONCE = 8
VALID_FOR_S = 4 * 3600.0

Entry = dict[str, object]
#: A trip, and the token of one who takes part.
Seat = tuple[str, str]
#: Other trips, made of a real one: the rows that a process reads when it is asked for them. Nobody ever writes there.
_MORE = """
WITH made AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS made(trip, driver, customer)),
users AS (INSERT INTO app_user (id, name, locale)
          SELECT driver, 'Aset', 'en' FROM made UNION ALL SELECT customer, 'Rita', 'en' FROM made),
chats AS (INSERT INTO trip_chat (trip_id, driver_id, customer_id, expire_on, verdict_expire_on)
          SELECT made.trip, made.driver, made.customer, c.expire_on, c.verdict_expire_on
          FROM made, trip_chat c WHERE c.trip_id = $4),
people AS (INSERT INTO trip_participant (trip_id, user_id, role, joined_at)
           SELECT trip, driver, 'driver', now() FROM made UNION ALL SELECT trip, customer, 'customer', now() FROM made)
INSERT INTO trip (id, market, status, driver_id, customer_id, driver_name, customer_name, created_at, started_at,
                  text_expire_on, media_expire_on, verdict_expire_on, updated_at)
SELECT made.trip, t.market, t.status, made.driver, made.customer, t.driver_name, t.customer_name, t.created_at,
       t.started_at, t.text_expire_on, t.media_expire_on, t.verdict_expire_on, t.updated_at
FROM made, trip t WHERE t.id = $4
"""


def make_roster(stack: Stack, trips: int, path: Path) -> Path:
    """Write `trips` new trips in the form that the load generator reads."""
    path.write_text(json.dumps(asyncio.run(_make(stack, trips))))
    return path


async def _make(stack: Stack, trips: int) -> list[Entry]:
    tokens = TokenService.from_settings(stack.settings)
    headers = {"authorization": "Bearer " + tokens.mint("service", "platform", ttl_s=VALID_FOR_S)}
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=stack.base, headers=headers, timeout=30) as client:

        async def one() -> Entry:
            async with gate:
                return await _trip(client, tokens)

        return list(await asyncio.gather(*(one() for _ in range(trips))))


async def _trip(client: httpx.AsyncClient, tokens: TokenService) -> Entry:
    trip, driver, customer = str(uuid4()), str(uuid4()), str(uuid4())
    body = {
        "market": "default",
        "status": "in_transit",
        "driver": {"id": driver, "name": "Aset", "locale": "en"},
        "customer": {"id": customer, "name": "Rita", "locale": "en"},
    }
    answer = await client.put(f"/api/platform/trips/{trip}", json=body)
    answer.raise_for_status()
    return {
        "tripId": trip,
        "driver": {"id": driver, "token": tokens.mint("driver", driver, ttl_s=VALID_FOR_S)},
        "customer": {"id": customer, "token": tokens.mint("customer", customer, ttl_s=VALID_FOR_S)},
    }


async def more_trips(database: Any, settings: Settings, count: int, like: UUID) -> list[Seat]:
    """Rows of other trips, made of the trip `like`, and their drivers' seats; `database`: an asyncpg pool."""
    trips, drivers, customers = ([uuid4() for _ in range(count)] for _ in range(3))
    await database.execute(_MORE, trips, drivers, customers, like)
    await database.execute("ANALYZE")
    tokens = TokenService.from_settings(settings)
    return [
        (str(trip), tokens.mint("driver", str(driver), ttl_s=VALID_FOR_S))
        for trip, driver in zip(trips, drivers, strict=True)
    ]
