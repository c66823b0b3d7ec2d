"""The bell: one supervised line to Valkey; what one turn of the loop rings goes out in one write."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog
from redis.asyncio import Redis

from backend.realtime.line import Address, Line, command, connect

log = structlog.get_logger()

RETRY_S = (0.05, 0.2, 0.5, 1.0)
#: After this much silence we ring ourselves; a Valkey that does not bring that back in as much again is given up.
SILENCE_S = 2.5
CONNECT_WITHIN_S = 5.0
#: A line that lived this long was a good one: the next try comes at once.
GOOD_S = 10.0
#: A process that stops lets its last bells go first, so that nobody has to find their messages by the re-check.
FLUSH_S = 0.5
#: A process that starts waits this long for its bell.
START_S = 0.5


class Bus:
    """Rings without waiting and without replies, and hands what arrives to `on_payload(channel, payload)`.

    Hears the `channels` it was made with, the last of which is nobody else's: it rings itself there to learn whether
    Valkey is alive in both directions. `on_subscribed` runs after every (re)connect: what was rung in between is gone.
    Bells that cannot go out are dropped and counted, never kept: rows are the truth, and the re-check finds them.
    """

    def __init__(
        self,
        redis: Redis,
        channels: Sequence[bytes],
        on_payload: Callable[[bytes, bytes], None],
        on_subscribed: Callable[[], Awaitable[None]],
    ) -> None:
        self._redis, self._channels = redis, tuple(channels)
        self._on_payload, self._on_subscribed = on_payload, on_subscribed
        self._waiting: list[bytes] = []
        self._line: Line | None = None
        self._task: asyncio.Task[None] | None = None
        self._after: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = asyncio.Event()
        self.dropped = 0
        #: How long the line was away before it came back the last time, in seconds.
        self.away_s = 0.0
        self._lost_at: float | None = None
        #: Writes to Valkey and bells in them; their ratio says how much one turn of the loop saves.
        self.writes = self.rung = 0

    @property
    def connected(self) -> bool:
        """Whether Valkey has confirmed that it rings here."""
        return self._line is not None

    async def start(self) -> None:
        """Start listening; it does not end before `stop`. Waits a moment for Valkey, no longer if it is away."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._supervise(), name="bus")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._begun.wait(), START_S)

    async def stop(self) -> None:
        """Let the last bells go, then the connection."""
        self._flush()
        line, self._line = self._line, None
        tasks = [task for task in (self._task, self._after) if task is not None]
        for task in tasks:
            task.cancel()
        if line is not None:
            await line.finish(FLUSH_S)
        await asyncio.gather(*tasks, return_exceptions=True)

    def ring(self, channels: Iterable[bytes], payload: bytes) -> None:
        """Ring each of `channels`. Never waits and never raises: the rows are already committed."""
        waiting = self._waiting
        if not waiting and self._loop is not None:
            self._loop.call_soon(self._flush)
        for channel in channels:
            waiting.append(command(b"PUBLISH", channel, payload))

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if self._line is not None and self._line.write(b"".join(waiting)):
            self.writes += 1
            self.rung += len(waiting)
        else:
            self.dropped += len(waiting)

    async def _supervise(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await self._live()
            except Exception as error:  # noqa: BLE001  (whatever ends it, a process without its bell would be deaf)
                failures = 0 if loop.time() - started > GOOD_S else failures
                log.warning("bus.interrupted", error=type(error).__name__)
            # Not all processes at the same moment: each asks PostgreSQL for what it missed.
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)] * random.uniform(0.7, 1.3))  # noqa: S311
            failures += 1

    async def _live(self) -> None:
        """One line from its first word to its end. Raises what ended it."""
        address = Address.of(self._redis)
        line = await connect(address, lambda: Line(address.greeting(), self._channels, self._hear), CONNECT_WITHIN_S)
        try:
            self._line = line
            now = asyncio.get_running_loop().time()
            # It may have been silent for a while before we noticed.
            self.away_s = 0.0 if self._lost_at is None else now - self._lost_at + 3 * SILENCE_S
            self._begun.set()
            self._after = asyncio.create_task(self._tell_subscribed(), name="bus-subscribed")
            await self._watch(line)
        finally:
            self._line, self._lost_at = None, asyncio.get_running_loop().time()
            line.abort()

    async def _watch(self, line: Line) -> None:
        """Until the line is lost, or silent although it was rung. Raises ConnectionResetError, TimeoutError."""
        asked, heard = False, -1
        while True:
            await asyncio.wait([line.lost], timeout=SILENCE_S)
            if line.lost.done():
                raise ConnectionResetError("the line to Valkey is gone")
            if line.heard != heard:
                asked, heard = False, line.heard
            elif asked:
                raise TimeoutError("Valkey is silent")
            else:
                asked = True
                line.write(command(b"PUBLISH", self._channels[-1], b""))

    async def _tell_subscribed(self) -> None:
        try:
            await self._on_subscribed()
        except Exception as error:  # noqa: BLE001  (PostgreSQL may be away as well; the re-check comes again)
            log.warning("bus.recheck_failed", error=type(error).__name__)

    def _hear(self, channel: bytes, payload: bytes) -> None:
        if not payload:
            return
        try:
            self._on_payload(channel, payload)
        except Exception as error:  # noqa: BLE001  (one payload that nobody can read must not end the listening)
            log.warning("bus.payload_refused", error=type(error).__name__)
