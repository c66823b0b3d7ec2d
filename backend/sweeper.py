"""The loops that find what is due. Leaderless: run two or more; each claims its rows or an advisory lock."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
import uvloop

from backend.audit.note import Signer
from backend.audit.sequencing import run_once
from backend.bootstrap import build
from backend.escalation import due as escalation_due
from backend.messages.epoch import note_epoch
from backend.pipeline.services import Services
from backend.records import due as records_due
from backend.settings import Settings

log = structlog.get_logger()

#: A loop that fails waits at least this long, so that a database that is away is not hammered.
AFTER_FAILURE_S = 1.0


class Loop(NamedTuple):
    """One kind of due work, done every `every_s` seconds; `run` returns how much it did."""

    name: str
    every_s: float
    run: Callable[[Services], Awaitable[int]]


def loops(settings: Settings) -> tuple[Loop, ...]:
    """Everything that a sweeper looks after."""
    signer = Signer.load(settings.data.dir, settings.audit.key_file, settings.audit.origin)

    async def sequence(services: Services) -> int:
        return await run_once(services.db, services.clock, signer)

    return (
        Loop("escalation", 0.5, escalation_due.run_due),
        Loop("audit", settings.audit.interval_ms / 1000, sequence),
        Loop("records", 5.0, records_due.run_due),
        Loop("epoch", 5.0, _note_epoch),
    )


async def _note_epoch(services: Services) -> int:
    await note_epoch(services.pool, services.settings.data.dir)
    return 0


async def _supervise(loop: Loop, services: Services, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        pause = loop.every_s
        try:
            await loop.run(services)
        except Exception as error:
            log.error("sweeper.failed", loop=loop.name, error=type(error).__name__, exc_info=error)
            pause = max(pause, AFTER_FAILURE_S)
        # Two sweepers in step would always meet at the same rows.
        pause *= random.uniform(0.8, 1.2)  # noqa: S311
        try:
            await asyncio.wait_for(stopping.wait(), pause)
        except TimeoutError:
            continue


async def sweep(services: Services, stopping: asyncio.Event) -> None:
    """Run every loop until `stopping`."""
    async with asyncio.TaskGroup() as group:
        for loop in loops(services.settings):
            group.create_task(_supervise(loop, services, stopping), name=f"sweep-{loop.name}")


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
