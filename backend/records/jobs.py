"""The actors of retention on this process's broker."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import dramatiq

from backend.records.desk import Services
from backend.records.desk import advance as advance_run
from retention import jobs


def declare_actors(broker: dramatiq.Broker, services_getter: Callable[[], Services]) -> None:
    """Declare them; `services_getter` gives the running services of the worker."""

    async def advance(run_id: UUID) -> None:
        await advance_run(services_getter(), run_id)

    jobs.declare_actors(broker, advance)
