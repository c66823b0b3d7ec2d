"""Thin Dramatiq actors: an id in, one function called; safe twice. Rows hold the truth, so nothing retries here."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

import dramatiq
from dramatiq import Broker

from backend.escalation.hanging_up import hang_up_attempt
from backend.escalation.parts import Parts
from backend.escalation.queueing import HANG_UP, QUEUE, SEND
from backend.escalation.sending import send_attempt

#: A message older than this has been overtaken by a sweeper long ago.
TIME_LIMIT_MS = 60_000


def worker_name() -> str:
    """What a worker signs its claims with."""
    return f"worker:{os.getpid()}"


def declare_actors(broker: Broker, services_getter: Callable[[], Parts]) -> None:
    """Declare the actors on `broker`; `services_getter` gives the running services of the worker."""

    async def send(attempt_id: str) -> None:
        await send_attempt(services_getter(), UUID(attempt_id), worker_name())

    async def hang_up(attempt_id: str) -> None:
        await hang_up_attempt(services_getter(), UUID(attempt_id))

    options: dict[str, Any] = {"broker": broker, "queue_name": QUEUE, "max_retries": 0, "time_limit": TIME_LIMIT_MS}
    actor: Any = dramatiq.actor
    actor(send, actor_name=SEND, **options)
    actor(hang_up, actor_name=HANG_UP, **options)
