"""The bell itself, on a real Valkey: it rings, keeps the order, and comes back when its lines are cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backend.realtime import Bus
from backend.realtime import bus as buses
from tests.fakes.silence import silent_server


class Ear:
    """A bus and what it heard."""

    def __init__(self, redis: Redis) -> None:
        self.heard: list[bytes] = []
        self.connected: asyncio.Queue[None] = asyncio.Queue()
        self.bus = Bus(redis, lambda _, payload: self.heard.append(payload), self._again)

    async def _again(self) -> None:
        self.connected.put_nowait(None)

    async def hears(self, payload: bytes, within_s: float = 5.0) -> bool:
        """Whether `payload` arrives in time."""
        for _ in range(int(within_s / 0.01)):
            if payload in self.heard:
                return True
            await asyncio.sleep(0.01)
        return False


@asynccontextmanager
async def ear(redis_url: str) -> AsyncGenerator[Ear]:
    redis = Redis.from_url(redis_url)
    made = Ear(redis)
    await made.bus.start()
    try:
        yield made
    finally:
        await made.bus.stop()
        await redis.aclose()


def channel() -> bytes:
    return b"test:" + uuid4().hex.encode()


async def test_a_ring_reaches_another_process_that_listens(redis_url: str) -> None:
    async with ear(redis_url) as one, ear(redis_url) as other:
        where = channel()
        assert await other.bus.subscribe(where, timeout_s=3)
        one.bus.publish(where, b"\x00ring\r\n")
        assert await other.hears(b"\x00ring\r\n")
        assert one.heard == []


async def test_rings_keep_their_order(redis_url: str) -> None:
    async with ear(redis_url) as one, ear(redis_url) as other:
        where = channel()
        assert await other.bus.subscribe(where, timeout_s=3)
        rings = [b"%d" % number for number in range(600)]
        for ring in rings:
            one.bus.publish(where, ring)
        assert await other.hears(rings[-1])
        assert other.heard == rings


async def test_a_channel_left_is_not_heard_any_more(redis_url: str) -> None:
    async with ear(redis_url) as one:
        left, kept = channel(), channel()
        assert await one.bus.subscribe(left, timeout_s=3)
        assert await one.bus.subscribe(kept, timeout_s=3)
        await one.bus.unsubscribe(left)
        one.bus.publish(left, b"late")
        one.bus.publish(kept, b"after it")
        assert await one.hears(b"after it")
        assert b"late" not in one.heard


async def test_after_every_connection_is_cut_it_listens_and_rings_again(redis_url: str) -> None:
    async with ear(redis_url) as one, ear(redis_url) as other:
        where = channel()
        assert await other.bus.subscribe(where, timeout_s=3)
        await asyncio.wait_for(other.connected.get(), 5)
        killer = Redis.from_url(redis_url)
        for kind in ("normal", "pubsub"):
            await killer.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        await killer.aclose()
        await asyncio.wait_for(other.connected.get(), 5)
        one.bus.publish(where, b"once more")
        assert await other.hears(b"once more")


async def test_without_valkey_a_ring_neither_waits_nor_fails() -> None:
    redis = Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.1)
    deaf = Ear(redis)
    await deaf.bus.start()
    deaf.bus.publish(b"nowhere", b"ring")
    assert not await deaf.bus.subscribe(b"nowhere", timeout_s=0.1)
    assert not deaf.bus.connected
    await deaf.bus.stop()
    await redis.aclose()


async def test_a_payload_that_nobody_can_read_does_not_end_the_listening(redis_url: str) -> None:
    def choke(_: bytes, payload: bytes) -> None:
        if payload == b"poison":
            raise ValueError("unreadable")
        heard.append(payload)

    heard: list[bytes] = []
    async with ear(redis_url) as one:
        redis, where = Redis.from_url(redis_url), channel()
        bus = Bus(redis, choke, one._again)
        await bus.start()
        assert await bus.subscribe(where, timeout_s=3)
        one.bus.publish(where, b"poison")
        one.bus.publish(where, b"bread")
        for _ in range(200):
            if heard:
                break
            await asyncio.sleep(0.01)
        assert heard == [b"bread"]
        await bus.stop()
        await redis.aclose()


async def test_the_last_rings_of_a_process_that_stops_are_heard(redis_url: str) -> None:
    async with ear(redis_url) as stays:
        where = channel()
        assert await stays.bus.subscribe(where, timeout_s=3)
        async with ear(redis_url) as leaves:
            await asyncio.wait_for(leaves.connected.get(), 5)
            for number in range(1000):
                leaves.bus.publish(where, b"%d" % number)
        assert await stays.hears(b"999")


async def test_the_second_who_subscribes_waits_for_the_same_confirmation(redis_url: str) -> None:
    async with ear(redis_url) as one:
        where = channel()
        assert await asyncio.gather(one.bus.subscribe(where, 3), one.bus.subscribe(where, 3)) == [True, True]


async def test_a_valkey_that_takes_connections_and_says_nothing_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buses, "SILENCE_S", 0.1)
    async with silent_server() as (url, connections):
        redis = Redis.from_url(url)
        deaf = Ear(redis)
        await deaf.bus.start()
        for _ in range(300):
            if len(connections) > 4:
                break
            await asyncio.sleep(0.01)
        await deaf.bus.stop()
        await redis.aclose()
    assert len(connections) > 4
