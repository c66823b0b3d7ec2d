"""Two processes of one installation in the tests' own loop, and a Valkey of their own that may be harmed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from subprocess import Popen
from uuid import UUID, uuid4

from backend.pipeline.services import Services
from backend.pipeline.travelling import save_trip
from backend.realtime import Audience
from backend.trips.service import Person, TripFacts


async def until(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Whether it becomes true in time."""
    for _ in range(int(within_s / 0.01)):
        if true():
            return True
        await asyncio.sleep(0.01)
    return False


class Listener:
    """A socket that only remembers, and minds the order."""

    def __init__(self, cursor: int = 0) -> None:
        self.cursor = cursor
        self.heard: list[int] = []
        self.whispers: list[bytes] = []
        self.must_resume = False

    def offer(self, seq: int, frame: bytes) -> None:
        """Take what follows; anything else means that a client has to resume."""
        if seq != self.cursor + 1:
            self.must_resume = True
            return
        self.cursor = seq
        self.heard.append(seq)

    def whisper(self, frame: bytes, mark: object = None) -> None:
        """Take it."""
        self.whispers.append(frame)


async def new_trip(services: Services) -> UUID:
    """A trip that the platform has told of."""
    trip_id = uuid4()
    facts = TripFacts(market="default", status="accepted", driver=Person(id=uuid4()), customer=Person(id=uuid4()))
    await save_trip(services, trip_id, facts)
    return trip_id


async def say(services: Services, trip_id: UUID, *, announced: bool = True) -> None:
    """Commit a line to both audiences and announce it from this process."""
    async with services.db.session() as session:
        event = await services.chat.post_system_line(session, trip_id, "safety_notice")
        await session.commit()
    if announced:
        await services.hub.publish(event)


async def listen(services: Services, trip_id: UUID, audience: Audience = "driver", last: int = 0) -> Listener:
    """A socket of this process that joins a trip."""
    listener = Listener(last)
    await services.hub.attach(trip_id, audience, listener, last)
    return listener


@dataclass
class OwnValkey:
    """A Valkey that belongs to one module."""

    url: str
    start: Callable[[], Popen[bytes]]
    process: Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.process = self.start()

    def freeze(self) -> None:
        """It keeps its connections and says nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, and nothing is left of what it knew."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """A new one at the same address."""
        self.process = self.start()
