"""Handing work to the workers: messages that hold ids only. The rows say what is to be done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import structlog
from dramatiq import Message

log = structlog.get_logger("escalation")
#: Telling a broker must not hold up an emergency.
BROKER_PATIENCE_S = 1.0
#: A queue of its own: a page never waits behind an export.
QUEUE = "escalation"
SEND, HANG_UP = "send_attempt", "hang_up_attempt"


def messages(job: str, ids: list[str]) -> list[Message[Any]]:
    """One message per id, for an actor that another process declares."""
    return [Message(queue_name=QUEUE, actor_name=job, args=(one,), kwargs={}, options={}) for one in ids]


async def hand_over(broker: Any, job: str, ids: list[str]) -> bool:
    """Put one message per id into the queue; False when the broker is away or slow. Never raises for that."""

    def put() -> None:
        for message in messages(job, ids):
            broker.enqueue(message)

    try:
        await asyncio.wait_for(_aside(put), BROKER_PATIENCE_S)
    except Exception as error:  # noqa: BLE001 - see below
        # Whatever a broker raises: the rows are there, and a sweeper sends.
        log.warning("broker_away", job=job, count=len(ids), error=type(error).__name__)
        return False
    return True


def _aside(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run `work` in a thread of its own: one that hangs must not use up a pool that others need, nor the exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        failed: Exception | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            failed = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, failed)

    threading.Thread(target=run, name="hand-over", daemon=True).start()
    return done
