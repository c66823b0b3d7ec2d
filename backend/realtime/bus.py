"""The bell: publish and subscribe over Valkey, one supervised reader a process, payloads sealed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

RETRY_S = (0.05, 0.2, 0.5, 1.0)
#: Published payloads that wait while Valkey is away. Only bells: the re-check finds what is dropped.
WAITING = 10_000
BATCH = 256
#: Valkey is asked whether it is there after this much silence, and given up after as much again.
SILENCE_S = 5.0
#: A process that stops lets its last bells go first, so that nobody has to find their messages by the re-check.
FLUSH_S = 0.5


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
        self._unsent: list[tuple[bytes, bytes]] = []
        self._line: Any = None
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
        """Let the last bells go, end both tasks, and let the connection go."""
        for _ in range(int(FLUSH_S / 0.01)):
            if not self.connected or (not self._unsent and self._outbox.empty()):
                break
            await asyncio.sleep(0.01)
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
        confirmed = self._channels.get(channel)
        if confirmed is None:
            confirmed = self._channels[channel] = asyncio.Event()
            await self._tell(b"SUBSCRIBE", channel)
        try:
            await asyncio.wait_for(confirmed.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def unsubscribe(self, channel: bytes) -> None:
        """Stop listening to `channel`."""
        self._channels.pop(channel, None)
        await self._tell(b"UNSUBSCRIBE", channel)

    async def _supervise(self, body: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await body()
            except Exception as error:  # noqa: BLE001  (whatever ends it, a process without its bell would be deaf)
                lasted = asyncio.get_running_loop().time() - started
                failures = 0 if lasted > 10 else failures
                log.warning("bus.interrupted", part=getattr(body, "__name__", ""), error=type(error).__name__)
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1

    async def _tell(self, verb: bytes, channel: bytes) -> None:
        if self._line is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._line.send_packed_command(_command(verb, channel), check_health=False)

    def _new_line(self) -> Any:
        """A connection of our own. The client's layers above it cost more than all the rest of a bell.

        Protocol 2: with 3 the client prints every payload into a debug line, whether anybody reads it or not.
        """
        pool = self._redis.connection_pool
        own = {"protocol": 2, "socket_timeout": None, "health_check_interval": 0}
        return pool.connection_class(**{**pool.connection_kwargs, **own})

    async def _drop_connection(self) -> None:
        line, self._line, self.connected = self._line, None, False
        for confirmed in self._channels.values():
            confirmed.clear()
        if line is not None:
            await _close(line)

    async def _read(self) -> None:
        line = self._new_line()
        try:
            await _connect(line)
            # From here on `subscribe` tells the line itself; what it was given before is told in the next line.
            self._line, self.connected = line, True
            # A channel of its own keeps the connection subscribed even when no trip is local.
            await line.send_packed_command(_command(b"SUBSCRIBE", b"tw:alive", *self._channels), check_health=False)
            again = asyncio.create_task(self._after_subscribe(set(self._channels)))
            try:
                await self._listen(line)
            finally:
                again.cancel()
        finally:
            await _close(line)
            await self._drop_connection()

    async def _listen(self, line: Any) -> None:
        asked = False
        while True:
            message = await line.read_response(disable_decoding=True, timeout=SILENCE_S)
            if message is not None:
                asked = False
                self._take(message)
            elif asked:
                raise TimeoutError("Valkey is silent")
            else:
                asked = True
                await line.send_packed_command(_command(b"PING"), check_health=False)

    async def _after_subscribe(self, channels: set[bytes]) -> None:
        for channel in channels:
            confirmed = self._channels.get(channel)
            if confirmed is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(confirmed.wait(), 1.0)
        try:
            await self._on_resubscribed()
        except Exception as error:  # noqa: BLE001  (PostgreSQL may be away as well; the re-check comes again)
            log.warning("bus.recheck_failed", error=type(error).__name__)

    def _take(self, message: Sequence[Any]) -> None:
        kind = message[0]
        if kind == b"message":
            try:
                self._on_payload(message[1], message[2])
            except Exception as error:  # noqa: BLE001  (one payload that nobody can read must not end the listening)
                log.warning("bus.payload_refused", error=type(error).__name__)
        elif kind == b"subscribe":
            confirmed = self._channels.get(message[1])
            if confirmed is not None:
                confirmed.set()

    async def _publish_all(self) -> None:
        line = self._new_line()
        try:
            await _connect(line)
            while True:
                # What was under way when the connection broke goes out again: a bell may ring twice.
                self._unsent = self._unsent or await self._next_batch()
                commands = b"".join([_command(b"PUBLISH", channel, payload) for channel, payload in self._unsent])
                async with asyncio.timeout(SILENCE_S):
                    await line.send_packed_command(commands, check_health=False)
                    for _ in self._unsent:
                        await line.read_response(disable_decoding=True)
                self._unsent = []
        finally:
            await _close(line)

    async def _next_batch(self) -> list[tuple[bytes, bytes]]:
        batch = [await self._outbox.get()]
        while len(batch) < BATCH and not self._outbox.empty():
            batch.append(self._outbox.get_nowait())
        return batch


def _command(*parts: bytes) -> bytes:
    """A command in the protocol's own form (RESP: array of bulk strings)."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


async def _connect(line: Any) -> None:
    """Connect, or raise TimeoutError: a Valkey that takes connections and says nothing is as good as gone."""
    async with asyncio.timeout(SILENCE_S):
        await line.connect()


async def _close(line: Any) -> None:
    with contextlib.suppress(RedisError, OSError):
        await line.disconnect(nowait=True)
