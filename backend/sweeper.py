"""The loops that find what is due. Run two or more: one is active, the others stand by.

One statement asks for everything at once, so that a look for nothing costs one round trip. Which sweeper is active is
said by a lock of its session, which PostgreSQL gives on the moment that session ends; one that stands by looks seldom,
and only for what is late already, which it does itself: the active one may have a session and yet be stuck. The lock
saves work and guards nothing: whatever a loop does, it claims by rows, leases and fencing tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, cast

import asyncpg
import structlog
import uvloop

from backend.audit import sequencing
from backend.audit.note import Signer
from backend.audit.producers import close_lost
from backend.bootstrap import build
from backend.escalation import due as escalation_due
from backend.messages.epoch import note_epoch
from backend.pipeline.services import Services
from backend.records import due as records_due
from backend.settings import Settings

log = structlog.get_logger()

#: How often the active sweeper looks; no loop finds its work later than this.
LOOK_EVERY_S = 0.4
#: How often one that stands by looks, and again when it found something; what is late for it.
STAND_BY_S, STAND_IN_S = 2.0, 0.5
LATE = timedelta(seconds=1)
#: A loop that fails waits at least this long, so that a database that is away is not hammered.
AFTER_FAILURE_S = 1.0
#: A look that takes longer hangs: its connection is given up, and its lock with it.
LOOK_WITHIN_S = 5.0
#: The session that holds it is the active one. Arbitrary but fixed for ever.
ACTIVE_LOCK = 7_714_003


class Loop(NamedTuple):
    """One kind of due work.

    `due`: SQL that is true when there is some, with `$1` the time and `$2` whether what came after it counts, too; None
    for what is done by time alone. `run` does it, at most every `every_s` seconds, and returns how much it did.
    """

    name: str
    due: str | None
    every_s: float
    run: Callable[[Services], Awaitable[int]]


def loops(settings: Settings) -> tuple[Loop, ...]:
    """Everything that a sweeper looks for."""
    signer = Signer.load(settings.data.dir, settings.audit.key_file, settings.audit.origin)

    async def sequence(services: Services) -> int:
        return await sequencing.place_and_sign(services.pool, services.clock, signer)

    async def close_dead(services: Services) -> int:
        return await close_lost(services.db, services.clock, signer.verifier.name)

    return (
        Loop("escalation", escalation_due.DUE, LOOK_EVERY_S, escalation_due.run_due),
        Loop("audit", sequencing.DUE, settings.audit.interval_ms / 1000, sequence),
        Loop("producers", sequencing.DEAD, 1.0, close_dead),
        Loop("records", records_due.DUE, 5.0, records_due.run_due),
        Loop("epoch", None, 5.0, _note_epoch),
    )


async def _note_epoch(services: Services) -> int:
    """By time alone, active or not: each machine keeps its own marker."""
    await note_epoch(services.pool, services.settings.data.dir)
    return 0


class Watch:
    """The one look for all loops, on a connection of its own."""

    def __init__(self, services: Services, watched: Sequence[Loop]) -> None:
        self._services = services
        asked = ", ".join(f"({loop.due}) AS {loop.name}" for loop in watched if loop.due is not None)
        self._names = [loop.name for loop in watched if loop.due is not None]
        # What only stands by asks for the lock in passing; whoever has it would take it once more.
        self._sql = f"SELECT $2::boolean OR pg_try_advisory_lock({ACTIVE_LOCK}) AS active, {asked}, $1::timestamptz"
        self._connection: Any = None
        self.active = False

    async def look(self) -> list[str]:
        """The names of the loops that have work. Raises what asyncpg raises; then this one is not active any more."""
        try:
            if self._connection is None:
                self._connection = await self._connect()
            now = self._services.clock.now()
            row = await self._connection.fetchrow(self._sql, now if self.active else now - LATE, self.active)
        except BaseException:
            await self.close()
            raise
        if row["active"] and not self.active:
            log.info("sweeper.active")
        self.active = row["active"]
        return [name for name in self._names if row[name]]

    async def _connect(self) -> Any:
        return await cast("Any", asyncpg).connect(
            self._services.settings.database.url,
            timeout=LOOK_WITHIN_S,
            command_timeout=LOOK_WITHIN_S,
            server_settings={"application_name": "tripwarden-sweep"},
        )

    async def close(self) -> None:
        """Let the connection go, and with it the lock."""
        connection, self._connection, self.active = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=1.0)


class _Turn:
    """One loop at work: runs when it is told that something is due, and again as long as it gets something done."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.due = asyncio.Event()
        self.busy = False

    async def keep(self, services: Services, watch: Watch, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            if self.loop.due is not None:
                await self.due.wait()
            self.due.clear()
            pause = self.loop.every_s
            self.busy = True
            try:
                if await self.loop.run(services) and watch.active:
                    self.due.set()
            except Exception as error:
                log.error("sweeper.failed", loop=self.loop.name, error=type(error).__name__, exc_info=error)
                pause = max(pause, AFTER_FAILURE_S)
            self.busy = False
            await asyncio.sleep(pause)


async def _watch(watch: Watch, turns: Sequence[_Turn]) -> None:
    while True:
        try:
            due = await watch.look()
            for turn in turns:
                if turn.loop.name in due:
                    turn.due.set()
            pause = LOOK_EVERY_S if watch.active else STAND_IN_S if due else STAND_BY_S
        except Exception as error:
            log.error("sweeper.failed", loop="watch", error=type(error).__name__, exc_info=error)
            pause = AFTER_FAILURE_S
        # Sweepers in step would always ask for the lock at the same moment.
        await asyncio.sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311


async def sweep(services: Services, stopping: asyncio.Event) -> None:
    """Run every loop until `stopping`; what is under way then is finished."""
    turns = [_Turn(loop) for loop in loops(services.settings)]
    watch = Watch(services, [turn.loop for turn in turns])
    watching = asyncio.create_task(_watch(watch, turns), name="sweep-watch")
    working = [
        asyncio.create_task(turn.keep(services, watch, stopping), name=f"sweep-{turn.loop.name}") for turn in turns
    ]
    try:
        await stopping.wait()
    finally:
        watching.cancel()
        for turn, task in zip(turns, working, strict=True):
            if not (turn.busy and stopping.is_set()):
                task.cancel()
        await asyncio.gather(watching, *working, return_exceptions=True)
        await watch.close()


async def _main(settings: Settings, name: str, ready: Callable[[], None]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with build(settings, producer=name) as services:
        log.info("sweeper.ready", name=name)
        ready()
        await sweep(services, stopping)


def run(settings: Settings, name: str = "sweeper", ready: Callable[[], None] = lambda: None) -> int:
    """The process `tripwarden sweeper`. `ready` is called once it sweeps."""
    # Many looks a second, nearly all for nothing: the loop itself should be cheap.
    uvloop.run(_main(settings, name, ready))
    return 0
