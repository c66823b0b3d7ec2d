"""The bell itself, on a real Valkey: it rings, keeps the order, and comes back when its line is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backend.realtime import Bus
from backend.realtime import bus as buses
from backend.realtime.line import Address
from tests.fakes.silence import silent_server


class Ear:
    """A bus and what it heard."""

    def __init__(self, redis: Redis) -> None:
        self.common, self.own = b"test:" + uuid4().hex.encode(), b"test:" + uuid4().hex.encode()
        self.heard: list[bytes] = []
        self.subscribed: asyncio.Queue[None] = asyncio.Queue()
        self.bus = Bus(redis, (self.common, self.own), self._hear, self._again)

    def _hear(self, _: bytes, payload: bytes) -> None:
        if payload == b"poison":
            raise ValueError("unreadable")
        self.heard.append(payload)

    async def _again(self) -> None:
        self.subscribed.put_nowait(None)

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


async def commands_of(redis_url: str) -> dict[str, int]:
    """How often Valkey was asked for what."""
    client = Redis.from_url(redis_url)
    stats = await client.info("commandstats")
    await client.aclose()
    return {name.removeprefix("cmdstat_"): values["calls"] for name, values in stats.items()}


async def test_a_ring_reaches_who_listens_and_not_the_ringer(redis_url: str) -> None:
    async with ear(redis_url) as one, ear(redis_url) as other:
        one.bus.ring((other.own, other.common), b"\x00ring\r\n")
        assert await other.hears(b"\x00ring\r\n")
        assert one.heard == []


async def test_rings_keep_their_order(redis_url: str) -> None:
    async with ear(redis_url) as one, ear(redis_url) as other:
        rings = [b"%d" % number for number in range(600)]
        for ring in rings:
            one.bus.ring((other.own,), ring)
        assert await other.hears(rings[-1])
        assert other.heard == rings


async def test_what_one_turn_of_the_loop_rings_is_one_write(redis_url: str) -> None:
    async with ear(redis_url) as one, ear(redis_url) as other:
        before = await commands_of(redis_url)
        for number in range(100):
            one.bus.ring((other.own, other.common), b"%d" % number)
        assert await other.hears(b"99")
        assert (one.bus.writes, one.bus.rung) == (1, 200)
        after = await commands_of(redis_url)
        assert after["publish"] - before.get("publish", 0) == 200


async def test_after_its_line_is_cut_it_listens_and_rings_again(redis_url: str) -> None:
    async with ear(redis_url) as one, ear(redis_url) as other:
        for each in (one, other):
            await asyncio.wait_for(each.subscribed.get(), 5)
        killer = Redis.from_url(redis_url)
        await killer.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await killer.aclose()
        for each in (one, other):
            await asyncio.wait_for(each.subscribed.get(), 5)
        one.bus.ring((other.own,), b"once more")
        assert await other.hears(b"once more")


async def test_without_valkey_a_ring_neither_waits_nor_fails() -> None:
    redis = Redis.from_url("redis://127.0.0.1:1/0")
    deaf = Ear(redis)
    await deaf.bus.start()
    deaf.bus.ring((b"nowhere",), b"ring")
    await asyncio.sleep(0)
    assert (deaf.bus.connected, deaf.bus.dropped) == (False, 1)
    await deaf.bus.stop()
    await redis.aclose()


async def test_a_payload_that_nobody_can_read_does_not_end_the_listening(redis_url: str) -> None:
    async with ear(redis_url) as one, ear(redis_url) as other:
        one.bus.ring((other.own,), b"poison")
        one.bus.ring((other.own,), b"bread")
        assert await other.hears(b"bread")
        assert other.heard == [b"bread"]


async def test_the_last_rings_of_a_process_that_stops_are_heard(redis_url: str) -> None:
    async with ear(redis_url) as stays:
        async with ear(redis_url) as leaves:
            for number in range(1000):
                leaves.bus.ring((stays.own,), b"%d" % number)
        assert await stays.hears(b"999")


async def test_a_valkey_that_takes_connections_and_says_nothing_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buses, "CONNECT_WITHIN_S", 0.1)
    async with silent_server() as (url, connections), ear(url) as deaf:
        for _ in range(300):
            if len(connections) > 3:
                break
            await asyncio.sleep(0.01)
        assert not deaf.bus.connected
    assert len(connections) > 3


async def test_a_wrong_password_is_an_error_and_not_a_silence(redis_url: str) -> None:
    async with ear(redis_url.replace("redis://", "redis://nobody:secret@")) as refused:
        assert not refused.bus.connected


@pytest.mark.parametrize(
    ("url", "where", "words"),
    [
        ("redis://cache:7000/3", ("cache", 7000, None, False), b"HELLO$3SETNAMEtripwarden-bell"),
        ("redis://:pass@cache", ("cache", 6379, None, False), b"HELLO$3AUTH$default$pass$SETNAME$tripwarden-bell"),
        ("rediss://me:pass@cache", ("cache", 6379, None, True), b"HELLO$3AUTH$me$pass$SETNAME$tripwarden-bell"),
        ("unix:///run/cache.sock", ("localhost", 6379, "/run/cache.sock", False), b"HELLO$3SETNAMEtripwarden-bell"),
    ],
)
def test_the_address_is_read_from_any_form_of_the_url(url: str, where: tuple[object, ...], words: bytes) -> None:
    address = Address.of(Redis.from_url(url))
    assert (address.host, address.port, address.path, address.tls is not None) == where
    spoken = b"".join(part for part in address.greeting().split(b"\r\n") if part[:1] not in (b"$", b"*"))
    assert spoken == words.replace(b"$", b"")
