"""One trip of the city: made on the platform, driven along a route, talked through by two people."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from backend.city.dialogue import Dialogue, Role, Status, Turn, first_status, whole_way
from backend.city.figures import Figures
from backend.city.geography import Place, Route, anywhere, route, town_of
from backend.city.ledger import Ledger
from backend.city.people import People, Person, vehicle
from backend.city.platform import Platform
from backend.city.speaker import Answer, Seat, Speaker

#: Seconds between two positions of a car.
MOVE_EVERY_S = 4.0
#: Longest wait for the answer to one message before the talk goes on, in seconds.
ANSWER_WAIT_S = 20.0
ROLES: tuple[Role, Role] = ("driver", "customer")


class Tokens(Protocol):
    """Makes tokens for participants and for the platform."""

    def participant(self, role: Role, user_id: str, trip_id: str) -> str: ...

    def service(self) -> str: ...


@dataclass(frozen=True)
class Streets:
    """What all trips share."""

    socket_base: str
    platform: Platform
    tokens: Tokens
    people: People
    figures: Figures
    rng: random.Random
    speed: float = 1.0
    proxy: bool = False

    async def pause(self, seconds: float) -> None:
        """Wait `seconds` of the city's own time."""
        await asyncio.sleep(seconds / self.speed)


@dataclass
class Trip:
    """A live trip. `open_trip` makes one."""

    streets: Streets
    id: str
    market: str
    lang: str
    people: dict[Role, Person]
    speakers: dict[Role, Speaker]
    ledger: Ledger
    status: Status
    approach: Route
    way: Route
    leg_started: float = field(default_factory=time.monotonic)
    leg_s: float = 30.0

    @property
    def over(self) -> bool:
        """Whether the trip has ended."""
        return self.status in ("completed", "cancelled")

    async def move_to(self, status: Status, ride_s: float = 30.0) -> None:
        """Tell the platform of a new status; a ride that begins with it takes `ride_s`."""
        await self.streets.platform.set_status(self.id, status)
        self.status = status
        if status == "in_transit":
            self.leg_started, self.leg_s = time.monotonic(), max(ride_s, 5.0)

    async def press(self, who: Role) -> None:
        """Somebody presses the emergency button."""
        token = self.streets.tokens.participant(who, self.people[who].id, self.id)
        place = self.place()
        body: dict[str, object] = {
            "clientRequestId": str(uuid.uuid4()),
            "location": {"lat": place.lat, "lon": place.lon, "accuracyM": 12.0, "at": _now()},
        }
        await self.streets.platform.press(self.id, token, body)

    def place(self) -> Place:
        """Where the car is now."""
        share = (time.monotonic() - self.leg_started) * self.streets.speed / self.leg_s
        if self.status == "in_transit":
            return self.way.at(share)
        return self.way.at(1.0) if self.status == "completed" else self.approach.at(share)

    async def drive(self) -> None:
        """Report positions until the trip is over."""
        while not self.over:
            place = self.place()
            await self.streets.platform.set_location(
                self.id, {"lat": round(place.lat, 6), "lon": round(place.lon, 6), "accuracyM": 8.0, "at": _now()}
            )
            await asyncio.sleep(MOVE_EVERY_S)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@asynccontextmanager
async def open_trip(streets: Streets, market: str, lang: str, status: Status) -> AsyncGenerator[Trip]:
    """Make a trip with two connected people; hang up and give them back at the end."""
    rng, town = streets.rng, town_of(market)
    trip_id = str(uuid.uuid4())
    people: dict[Role, Person] = {role: streets.people.take(market, role, lang) for role in ROLES}
    pickup, goal = anywhere(town, rng), anywhere(town, rng)
    body: dict[str, object] = {
        "market": market,
        "status": status,
        **{role: person.wire() for role, person in people.items()},
        "vehicle": vehicle(market, rng),
        "pickup": _address(pickup, town.streets, rng),
        "destination": _address(goal, town.streets, rng),
    }
    await streets.platform.make_trip(trip_id, body)
    for person in people.values():
        await streets.platform.name_device(person.id, person.locale)
    streets.figures.trips_started += 1
    ledger = Ledger(streets.figures)
    async with AsyncExitStack() as stack:
        speakers: dict[Role, Speaker] = {}
        for role in ROLES:
            stack.callback(streets.people.give_back, market, role, people[role])
            speakers[role] = await stack.enter_async_context(_seated(streets, trip_id, role, people[role], ledger))
        stack.callback(_count_end, streets.figures)
        approach = route(anywhere(town, rng), pickup, rng)
        yield Trip(streets, trip_id, market, lang, people, speakers, ledger, status, approach, route(pickup, goal, rng))


def _count_end(figures: Figures) -> None:
    figures.trips_ended += 1


def _address(place: Place, streets: tuple[str, ...], rng: random.Random) -> dict[str, object]:
    return {
        "lat": round(place.lat, 6),
        "lon": round(place.lon, 6),
        "address": f"{rng.choice(streets)}, {rng.randint(1, 180)}",
    }


@asynccontextmanager
async def _seated(
    streets: Streets, trip_id: str, role: Role, person: Person, ledger: Ledger
) -> AsyncGenerator[Speaker]:
    seat = Seat(
        url=f"{streets.socket_base}/ws/trips/{trip_id}/chat",
        token=lambda: streets.tokens.participant(role, person.id, trip_id),
        user_id=person.id,
        proxy=True if streets.proxy else None,
    )
    speaker = Speaker(seat, ledger, streets.figures, random.Random(streets.rng.getrandbits(64)))  # noqa: S311
    running = asyncio.create_task(speaker.run())
    try:
        yield speaker
    finally:
        await speaker.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def play(streets: Streets, dialogue: Dialogue) -> None:
    """A whole trip with its dialogue."""
    async with open_trip(streets, dialogue.market, dialogue.lang, first_status(dialogue)) as trip:
        driving = asyncio.create_task(trip.drive())
        try:
            turns = list(whole_way(dialogue))
            trip.leg_s = _leg_s(turns)
            for place, turn in enumerate(turns):
                await _take_turn(trip, turn, _leg_s(turns[place + 1 :]))
            await streets.pause(2.0)
        finally:
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)
            if not trip.over:
                # Stopped in the middle: a trip that nobody ends would stand in the console for ever.
                await trip.move_to("completed")


def _leg_s(turns: list[Turn]) -> float:
    """How long a leg takes, in seconds: the pauses up to the next status that starts or ends a ride."""
    total = 0.0
    for turn in turns:
        total += turn.pause_s
        if turn.status in ("in_transit", "completed", "cancelled"):
            break
    return max(total, 5.0)


async def _take_turn(trip: Trip, turn: Turn, leg_s: float) -> None:
    streets = trip.streets
    if turn.status is not None or turn.who is None:
        await streets.pause(turn.pause_s)
        if turn.status is not None:
            await trip.move_to(turn.status, leg_s)
        return
    speaker = trip.speakers[turn.who]
    writing = min(turn.pause_s, 0.06 * len(turn.text or ""))
    await streets.pause(turn.pause_s - writing)
    if turn.press:
        await trip.press(turn.who)
    elif turn.template is not None:
        await _answered(speaker.use(turn.template, trip.lang))
    elif turn.text is not None:
        await speaker.type(True)
        await streets.pause(writing)
        await _answered(speaker.say(turn.text, trip.lang))


async def _answered(sending: Coroutine[None, None, Answer]) -> None:
    """Wait for an answer, but not for ever: people go on talking while the app goes on trying."""
    await asyncio.wait({asyncio.create_task(sending)}, timeout=ANSWER_WAIT_S)
