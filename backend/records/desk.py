"""The retention desk of a process: its parts taken from the services, its announcements wired to the hub."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

import dramatiq

from backend.realtime import Hub
from backend.records.service import Parts, RetentionDesk, Status


class Services(Parts, Protocol):
    """The services of a process, as far as retention uses them."""

    @property
    def broker(self) -> dramatiq.Broker: ...
    @property
    def hub(self) -> Hub: ...


def desk_of(services: Services) -> RetentionDesk:
    """The desk of these services."""
    return RetentionDesk(services, moved=lambda trips: tell_moved(services, trips))


async def advance(services: Services, run_id: UUID) -> Status:
    """Take a run as far as it goes now, and let every process drop the keys that it has opened: some are gone."""
    try:
        return await desk_of(services).advance(run_id)
    finally:
        services.hub.control("keys_destroyed")


def tell_moved(services: Services, trips: Collection[UUID]) -> None:
    """Records of these trips lie under another day now: every api process looks at the trip again."""
    for trip_id in trips:
        services.hub.control("trip_changed", trip_id=trip_id)
