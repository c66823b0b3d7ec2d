"""The Dramatiq actor of retention: an id in, one function called. Safe twice: a run knows where it stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import dramatiq

QUEUE = "retention"
NAME = "retention_advance_run"
#: A batch of destroying may take its time; then the sweep asks again, in milliseconds.
TIME_LIMIT_MS = 20 * 60 * 1000


def declare_actors(broker: dramatiq.Broker, advance: Callable[[UUID], Awaitable[object]]) -> None:
    """Declare the actor on `broker`; `advance` does what of a run can be done now."""

    async def advance_run(run_id: str) -> None:
        await advance(UUID(run_id))

    options: dict[str, Any] = {"broker": broker, "queue_name": QUEUE, "max_retries": 0, "time_limit": TIME_LIMIT_MS}
    declare: Any = dramatiq.actor
    declare(advance_run, actor_name=NAME, **options)
