"""Gaps are read a few at a time, each once, until there is none; a database that fails ends nothing."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from backend.realtime import Audience, Lane, Numbered
from backend.realtime.gaps import FILLS_AT_ONCE, Gaps
from tests.backend.realtime.houses import Listener, until


class Rows:
    """Events of many trips in a database that is slow, and that counts who asks at once."""

    def __init__(self, last: int, page: int = 1000) -> None:
        self.last, self.page = last, page
        self.asked = self.at_once = self.most_at_once = 0
        self.broken = False

    async def fill(self, trip_id: UUID, audience: Audience, after: int) -> list[Numbered]:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        last = self.last
        await asyncio.sleep(0.002)
        self.at_once -= 1
        if self.broken:
            raise ConnectionError("away")
        return [Numbered(seq, b"{}") for seq in range(after + 1, min(last, after + self.page) + 1)]


class Street:
    """Lanes with one listener each."""

    def __init__(self, count: int, rows: Rows) -> None:
        self.lanes: dict[UUID, Lane] = {}
        self.listeners: list[Listener] = []
        self.gaps = Gaps(lambda trip_id, _: self.lanes.get(trip_id))
        self.gaps.start(rows.fill)
        for _ in range(count):
            self.open(uuid4())

    def open(self, trip_id: UUID) -> None:
        """A lane of its own with a listener, in place of an earlier one."""
        lane, listener = Lane(0, lambda: self.gaps.ask(trip_id, "driver")), Listener()
        lane.subscribers.add(listener)
        self.lanes[trip_id] = lane
        self.listeners.append(listener)

    def whole(self, last: int) -> bool:
        """Whether every listener has heard everything."""
        return all(listener.heard == list(range(1, last + 1)) for listener in self.listeners)


async def test_hundreds_of_gaps_are_read_a_few_at_a_time() -> None:
    rows = Rows(last=3)
    street = Street(300, rows)
    for trip_id in list(street.lanes) * 2:
        street.gaps.ask(trip_id, "driver", 0.0)
    assert await until(lambda: street.whole(3))
    assert (rows.asked, rows.most_at_once, street.gaps.filled) == (300, FILLS_AT_ONCE, 300)
    await street.gaps.stop()


async def test_what_comes_by_itself_is_not_read() -> None:
    rows = Rows(last=3)
    street = Street(1, rows)
    (lane,) = street.lanes.values()
    for seq in (3, 2, 1):
        lane.take(seq, b"{}")
    await asyncio.sleep(0.1)
    assert street.whole(3)
    assert rows.asked == 0
    await street.gaps.stop()


async def test_a_gap_longer_than_a_page_is_read_to_its_end() -> None:
    rows = Rows(last=95, page=10)
    street = Street(1, rows)
    (lane,) = street.lanes.values()
    lane.expect(95)
    street.gaps.ask(next(iter(street.lanes)), "driver", 0.0)
    assert await until(lambda: street.whole(95))
    await street.gaps.stop()


async def test_a_gap_that_could_not_be_read_is_read_when_it_is_asked_for_again() -> None:
    rows = Rows(last=2)
    rows.broken = True
    street = Street(10, rows)
    for broken in (True, False):
        rows.broken = broken
        for trip_id in street.lanes:
            street.gaps.ask(trip_id, "driver", 0.0)
        await until(lambda: street.whole(2), 0.3)
    assert street.whole(2)
    await street.gaps.stop()


async def test_who_comes_while_the_gap_of_one_who_left_is_read_gets_its_own_read() -> None:
    rows = Rows(last=3)
    street = Street(1, rows)
    (trip_id,) = street.lanes
    street.gaps.ask(trip_id, "driver", 0.0)
    await asyncio.sleep(0)
    # The socket leaves and comes back: another lane, which misses the same and asks while the read is under way.
    street.open(trip_id)
    street.listeners.pop(0)
    street.lanes[trip_id].expect(3)
    street.gaps.ask(trip_id, "driver", 0.0)
    assert await until(lambda: street.whole(3))
    await street.gaps.stop()


async def test_what_is_missed_while_a_read_finds_nothing_is_read_next() -> None:
    rows = Rows(last=0)
    street = Street(1, rows)
    (lane,) = street.lanes.values()
    street.gaps.ask(next(iter(street.lanes)), "driver", 0.0)
    await asyncio.sleep(0.001)
    # Read before either was committed; of the two only the second is rung.
    rows.last = 2
    lane.take(2, b"{}")
    assert await until(lambda: street.whole(2))
    await street.gaps.stop()
