"""The bell: publish and subscribe over Valkey, one supervised reader a process, payloads sealed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

RETRY_S = (0.05, 0.2, 0.5, 1.0)
#: Published payloads that wait while Valkey is away. Only bells: the re-check finds what is dropped.
WAITING = 10_000
SOCKET_TIMEOUT_S = 5.0


class Bus:
    """Publishes without waiting, delivers what arrives to `on_payload(channel, payload)`.

    `on_resubscribed` runs after every (re)connect, because what was published in between is gone.
    """

    def __init__(
        self,
        redis: Redis,
        on_payload: Callable[[bytes, bytes], None],
        on_resubscribed: Callable[[], Awaitable[None]],
    ) -> None:
        self._redis: Any = redis
        self._on_payload, self._on_resubscribed = on_payload, on_resubscribed
        self._channels: dict[bytes, asyncio.Event] = {}
        self._outbox: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue(WAITING)
        self._pubsub: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self.connected = False
        self.dropped = 0

    async def start(self) -> None:
        """Start the reader and the publisher; neither ends before `stop`."""
        self._tasks = [
            asyncio.create_task(self._supervise(self._read), name="bus-read"),
            asyncio.create_task(self._supervise(self._publish_all), name="bus-publish"),
        ]

    async def stop(self) -> None:
        """End both tasks and let the connection go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._drop_connection()

    def publish(self, channel: bytes, payload: bytes) -> None:
        """Ring `channel`. Never waits and never raises: the rows are already committed."""
        try:
            self._outbox.put_nowait((channel, payload))
        except asyncio.QueueFull:
            self.dropped += 1

    async def subscribe(self, channel: bytes, timeout_s: float = 1.0) -> bool:
        """Listen to `channel`; True when Valkey has confirmed it. False is no failure: the re-check covers it."""
        confirmed = self._channels.setdefault(channel, asyncio.Event())
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.subscribe(channel)
        try:
            await asyncio.wait_for(confirmed.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def unsubscribe(self, channel: bytes) -> None:
        """Stop listening to `channel`."""
        self._channels.pop(channel, None)
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(channel)

    async def _supervise(self, body: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await body()
            except (RedisError, OSError, TimeoutError) as error:
                lasted = asyncio.get_running_loop().time() - started
                failures = 0 if lasted > 10 else failures
                log.warning("bus.interrupted", part=getattr(body, "__name__", ""), error=type(error).__name__)
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1

    async def _drop_connection(self) -> None:
        pubsub, self._pubsub, self.connected = self._pubsub, None, False
        for confirmed in self._channels.values():
            confirmed.clear()
        if pubsub is not None:
            with contextlib.suppress(RedisError, OSError):
                await pubsub.aclose()

    async def _read(self) -> None:
        pubsub: Any = self._redis.pubsub()
        try:
            # A channel of its own keeps the connection subscribed even when no trip is local.
            await pubsub.subscribe(b"tw:alive", *self._channels)
            self._pubsub, self.connected = pubsub, True
            again = asyncio.create_task(self._after_subscribe(set(self._channels)))
            try:
                while True:
                    message = await pubsub.get_message(timeout=SOCKET_TIMEOUT_S)
                    if message is None:
                        await pubsub.ping()
                    else:
                        self._take(message)
            finally:
                again.cancel()
        finally:
            await self._drop_connection()

    async def _after_subscribe(self, channels: set[bytes]) -> None:
        for channel in channels:
            confirmed = self._channels.get(channel)
            if confirmed is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(confirmed.wait(), 1.0)
        await self._on_resubscribed()

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "message":
            self._on_payload(message["channel"], message["data"])
        elif kind == "subscribe":
            confirmed = self._channels.get(message["channel"])
            if confirmed is not None:
                confirmed.set()

    async def _publish_all(self) -> None:
        while True:
            first = await self._outbox.get()
            batch = [first]
            while len(batch) < 256 and not self._outbox.empty():
                batch.append(self._outbox.get_nowait())
            pipe = self._redis.pipeline(transaction=False)
            for channel, payload in batch:
                pipe.publish(channel, payload)
            await pipe.execute()
