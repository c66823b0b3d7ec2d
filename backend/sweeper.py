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
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

import asyncpg
import structlog
import uvloop

from backend.audit import sequencing
from backend.audit.note import Signer
from backend.audit.producers import close_lost
from backend.audit.store import LogBroken
from backend.bootstrap import build
from backend.escalation import due as escalation_due
from backend.messages.epoch import note_epoch
from backend.pipeline.services import Services
from backend.push import due as push_due
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
#: Whoever locks a table keeps no look waiting for longer; the loops are asked one by one then.
LOCK_WITHIN_MS = 200
#: The session that holds it is the active one. Arbitrary but fixed for ever.
ACTIVE_LOCK = 7_714_003
#: Batches of entries between two looks: a backlog of the log must not keep an emergency waiting.
BATCHES = 2


class Loop(NamedTuple):
    """One kind of due work.

    `due`: SQL that is true when there is some, with `$1` the time and `$2` whether what came after it counts, too; None
    for what is done by time alone. `run` does it, at most every `every_s` seconds, and returns how much it did.
    """

    name: str
    due: str | None
    every_s: float
    run: Callable[[Services], Awaitable[int]]


def loops(origin: str) -> tuple[Loop, ...]:
    """Everything that a sweeper looks for, but for the entries of the log: those come with the look. `origin`: its."""

    async def close_dead(services: Services) -> int:
        return await close_lost(services.db, services.clock, origin)

    return (
        Loop("escalation", escalation_due.DUE, LOOK_EVERY_S, escalation_due.run_due),
        Loop("producers", sequencing.DEAD, 1.0, close_dead),
        Loop("records", records_due.DUE, 5.0, records_due.run_due),
        Loop("epoch", None, 5.0, _note_epoch),
    )


def push_loops(settings: Settings) -> tuple[Loop, ...]:
    """None where nothing is pushed. Which sweeper looks for messages that nobody has reached is agreed in Valkey."""
    if not settings.push.credentials_file:
        return ()
    return (
        Loop("push_look", None, 1.0, push_due.Lookout().run_due),
        Loop("push", push_due.DUE, 0.5, push_due.pick_up),
    )


async def _note_epoch(services: Services) -> int:
    """Active or not: each machine keeps its own marker."""
    await note_epoch(services.pool, services.settings.data.dir)
    return 0


class Turn:
    """One loop at work: runs when it is told that something is due, and again as long as it gets something done."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.due = asyncio.Event()
        self.busy = False

    async def keep(self, services: Services, stopping: asyncio.Event) -> None:
        """Work until `stopping`."""
        while not stopping.is_set():
            if self.loop.due is not None:
                await self.due.wait()
            self.due.clear()
            pause = self.loop.every_s
            self.busy = True
            try:
                if await self.loop.run(services):
                    self.due.set()
            except Exception as error:
                log.error("sweeper.failed", loop=self.loop.name, error=type(error).__name__, exc_info=error)
                pause = max(pause, AFTER_FAILURE_S)
            self.busy = False
            await asyncio.sleep(pause)


class Watch:
    """The one look for all loops, on a connection of its own. What waits for the log comes with it and is placed."""

    def __init__(self, services: Services, turns: Sequence[Turn], sequencer: sequencing.Sequencer) -> None:
        self._services, self._sequencer = services, sequencer
        self._asked = {turn.loop.name: turn for turn in turns if turn.loop.due is not None}
        asked = "".join(f", ({turn.loop.due}) AS {name}" for name, turn in self._asked.items())
        read = sequencing.READ.format(limit=f"CASE WHEN $2 THEN {sequencing.BATCH} ELSE 0 END")
        # Whoever has the lock would take it once more. What only stands by reads no entries.
        active = f"$2::boolean OR pg_try_advisory_lock({ACTIVE_LOCK})"
        self._sql = f"SELECT {active} AS active, ({sequencing.DUE}) AS audit, r.*{asked} FROM ({read}) AS r"  # noqa: S608
        self._connection: Any = None
        self._sequence_after = 0.0
        self.active = False

    async def keep(self) -> None:
        """Look for ever."""
        while True:
            try:
                pause = await self.look()
            except Exception as error:
                log.error("sweeper.failed", loop="watch", error=type(error).__name__, exc_info=error)
                pause = AFTER_FAILURE_S
            # Sweepers in step would always ask for the lock at the same moment.
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311

    async def look(self) -> float:
        """Tell the loops that have work; after how many seconds to look again.

        Raises what asyncpg raises; this one is not active any more then.
        """
        try:
            if self._connection is None:
                self._connection = await self._connect()
            return await self._look(self._connection)
        except BaseException:
            await self.close()
            raise

    async def _look(self, connection: Any) -> float:
        now, was_active = self._services.clock.now(), self.active
        try:
            row = await connection.fetchrow(self._sql, now if was_active else now - LATE, was_active)
        except asyncpg.LockNotAvailableError:
            return await self._ask_each(connection, now)
        if row["active"] and not was_active:
            log.info("sweeper.active")
            self.active = True
            return 0.0
        found = [turn for name, turn in self._asked.items() if row[name]]
        for turn in found:
            turn.due.set()
        placed = 0
        if was_active or row["audit"]:
            placed = await self._sequence(connection, row if was_active else None)
        if not was_active:
            return STAND_IN_S if found or placed else STAND_BY_S
        return self._services.settings.audit.interval_ms / 1000 if placed else LOOK_EVERY_S

    async def _ask_each(self, connection: Any, now: datetime) -> float:
        """Somebody has locked a table: ask for each loop on its own, so that only that table's waits."""
        for name, turn in self._asked.items():
            try:
                if await connection.fetchval(f"SELECT {turn.loop.due}", now if self.active else now - LATE):
                    turn.due.set()
            except asyncpg.LockNotAvailableError:
                log.warning("sweeper.locked_out", loop=name)
        await self._sequence(connection, None)
        return LOOK_EVERY_S

    async def _sequence(self, connection: Any, read: Any) -> int:
        """Place what waits for the log. One that is broken is not extended, and keeps nobody from being found."""
        now = asyncio.get_running_loop().time()
        if now < self._sequence_after:
            return 0
        try:
            return await self._sequencer.go_on(connection, read, BATCHES)
        except (LogBroken, asyncpg.PostgresError) as error:
            log.error("sweeper.failed", loop="audit", error=type(error).__name__, exc_info=error)
            self._sequence_after = now + AFTER_FAILURE_S
            return 0

    async def _connect(self) -> Any:
        return await cast("Any", asyncpg).connect(
            self._services.settings.database.url,
            timeout=LOOK_WITHIN_S,
            command_timeout=LOOK_WITHIN_S,
            server_settings={"application_name": "tripwarden-sweep", "lock_timeout": str(LOCK_WITHIN_MS)},
        )

    async def close(self) -> None:
        """Let the connection go, and with it the lock."""
        connection, self._connection, self.active = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=1.0)


async def sweep(services: Services, stopping: asyncio.Event) -> None:
    """Run every loop until `stopping`; what is under way then is finished."""
    audit = services.settings.audit
    signer = Signer.load(services.settings.data.dir, audit.key_file, audit.origin)
    turns = [Turn(loop) for loop in (*loops(signer.verifier.name), *push_loops(services.settings))]
    watch = Watch(services, turns, sequencing.Sequencer(services.clock, signer))
    watching = asyncio.create_task(watch.keep(), name="sweep-watch")
    working = [asyncio.create_task(turn.keep(services, stopping), name=f"sweep-{turn.loop.name}") for turn in turns]
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
