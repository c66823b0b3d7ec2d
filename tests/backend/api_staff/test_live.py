"""The state that every console page follows."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from backend.api.staff.live import POLL_S
from tests.backend.api_staff.ride import WITHHELD, Reviewer, Ride
from tests.factories.tokens import Tokens, bearer


@pytest.fixture
def viewer(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    return Reviewer(client, tokens.staff("viewer", "vera"))


async def test_the_first_answer_comes_at_once_and_the_same_cursor_waits(viewer: Reviewer) -> None:
    began = time.monotonic()
    first = (await viewer.get("/live")).json()
    assert time.monotonic() - began < POLL_S / 2
    assert set(first) == {"cursor", "incidents", "review", "trips", "at"}
    again = (await viewer.get("/live", cursor=first["cursor"])).json()
    assert POLL_S * 0.9 < time.monotonic() - began < POLL_S + 1.5
    assert again["cursor"] == first["cursor"]


async def test_a_new_case_ends_the_wait_early(client: httpx.AsyncClient, tokens: Tokens, viewer: Reviewer) -> None:
    ride = await Ride(client, tokens).begin()
    first = (await viewer.get("/live")).json()
    waiting = asyncio.create_task(viewer.get("/live", cursor=first["cursor"]))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await ride.say("driver", WITHHELD)
    changed = (await waiting).json()
    assert time.monotonic() - began < POLL_S * 0.7
    assert changed["review"]["open"] == first["review"]["open"] + 1


async def test_the_stream_says_each_change(client: httpx.AsyncClient, tokens: Tokens, viewer: Reviewer) -> None:
    ride = await Ride(client, tokens).begin()
    headers = {**viewer.headers, "Accept": "text/event-stream"}
    async with client.stream("GET", "/api/staff/live", headers=headers) as stream, asyncio.timeout(8):
        assert stream.headers["content-type"].startswith("text/event-stream")
        said = (json.loads(line[5:]) async for line in stream.aiter_lines() if line.startswith("data:"))
        first = await anext(said)
        await ride.say("driver", WITHHELD)
        second = await anext(said)
    assert second["cursor"] != first["cursor"]
    assert second["review"]["open"] == first["review"]["open"] + 1


async def test_the_stream_ends_when_its_token_is_revoked(client: httpx.AsyncClient, tokens: Tokens) -> None:
    token = tokens.staff("viewer", "leaver")
    headers = {**bearer(token), "Accept": "text/event-stream"}
    async with client.stream("GET", "/api/staff/live", headers=headers) as stream, asyncio.timeout(8):
        lines = stream.aiter_lines()
        await anext(lines)
        await client.delete("/api/staff/session", headers=bearer(token))
        async for _ in lines:
            pass
