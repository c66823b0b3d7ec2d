"""Handing pushes to the workers: messages that hold ids only. The rows say what is to be done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from dramatiq import Message

log = structlog.get_logger("push")
#: A queue of its own: a push never waits behind an export, and never keeps a page waiting.
QUEUE, SEND = "push", "send_pushes"
#: Pushes of one job: they are sent side by side.
CHUNK = 20
BROKER_PATIENCE_S = 1.0

#: (message, device)
Key = tuple[UUID, UUID]


async def hand_over(broker: Any, keys: Sequence[Key]) -> bool:
    """Put jobs into the queue; False when the broker is away or slow. Never raises for that."""

    def put() -> None:
        for start in range(0, len(keys), CHUNK):
            names = [[str(message), str(device)] for message, device in keys[start : start + CHUNK]]
            job: Message[Any] = Message(queue_name=QUEUE, actor_name=SEND, args=(names,), kwargs={}, options={})
            broker.enqueue(job)

    try:
        await asyncio.wait_for(asyncio.to_thread(put), BROKER_PATIENCE_S)
    except Exception as error:  # noqa: BLE001 - whatever a broker raises: the rows are there, and a sweeper sends
        log.warning("push.broker_away", count=len(keys), error=type(error).__name__)
        return False
    return True
