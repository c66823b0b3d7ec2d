"""Trips with a driver and a customer each, made by the platform's own calls, and the tokens of both."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import httpx

from backend.accounts.tokens import TokenService
from tests.benchmarks.stacks import Stack

AT_ONCE = 8
VALID_FOR_S = 4 * 3600.0

Entry = dict[str, object]


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
