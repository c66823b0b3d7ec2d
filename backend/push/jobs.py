"""A thin Dramatiq actor: keys of pushes in, one function called; safe twice. The rows hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import dramatiq
from dramatiq import Broker

from backend.push.parts import Parts
from backend.push.queueing import QUEUE, SEND
from backend.push.sending import send_pushes

#: A message older than this has been overtaken by a sweeper long ago.
TIME_LIMIT_MS = 60_000


def declare_actors(broker: Broker, services_getter: Callable[[], Parts]) -> None:
    """Declare the actor on `broker`; `services_getter` gives the running services of the worker."""

    async def send(keys: list[list[str]]) -> None:
        await send_pushes(services_getter(), [(UUID(message), UUID(device)) for message, device in keys])

    actor: Any = dramatiq.actor
    actor(send, actor_name=SEND, broker=broker, queue_name=QUEUE, max_retries=0, time_limit=TIME_LIMIT_MS)
