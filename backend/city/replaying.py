"""A file of dialogues, replayed at a rate: one trip a conversation, two speakers in turn."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable

from backend.city.living import FAREWELL_S
from backend.city.reading import Row
from backend.city.trip import ROLES, Streets, open_trip

#: After the last word of a trip, so long for what is on its way to the peer, in seconds.
ARRIVAL_WAIT_S = 5.0
#: Conversations shorter than this share a trip: a trip for each single line would measure trips, not messages.
SHARED_TRIP_ROWS = 8
#: An answer to one message is waited for this long, in seconds; an api that restarts may take its time.
ANSWER_WAIT_S = 120.0


class Pacer:
    """Lets through one message every 1/rate seconds, however many ask."""

    def __init__(self, rate: float) -> None:
        self._step = 1.0 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next free moment. Time lost to an outage is not made up for in a burst."""
        now = time.monotonic()
        self._next = max(self._next + self._step, now)
        if self._next > now:
            await asyncio.sleep(self._next - now)


def conversations(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows by group, in the order of their first rows; short groups are put together."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    whole: list[list[Row]] = []
    short: list[Row] = []
    for group in groups.values():
        if len(group) >= SHARED_TRIP_ROWS // 2:
            whole.append(group)
            continue
        short += group
        if len(short) >= SHARED_TRIP_ROWS:
            whole.append(short)
            short = []
    return [*whole, short] if short else whole


async def replay(streets: Streets, rows: Iterable[Row], *, trips: int, rate: float, stop: asyncio.Event) -> None:
    """Send every row once, over at most `trips` trips at a time; returns when all are done or `stop` is set."""
    waiting = iter(conversations(rows))
    pacer = Pacer(rate)

    async def work() -> None:
        for rows_of_trip in waiting:
            if stop.is_set():
                return
            await _replay_trip(streets, rows_of_trip, pacer, stop)

    workers = [asyncio.create_task(work()) for _ in range(trips)]
    stopped = asyncio.create_task(stop.wait())
    try:
        working = asyncio.gather(*workers)
        await asyncio.wait({stopped, working}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({working}, timeout=FAREWELL_S)  # after a stop: what is under way may end
        if working.done():
            working.result()
    finally:
        for task in (stopped, *workers):
            task.cancel()
        await asyncio.gather(stopped, *workers, return_exceptions=True)


async def _replay_trip(streets: Streets, rows: list[Row], pacer: Pacer, stop: asyncio.Event) -> None:
    async with open_trip(streets, "default", rows[0].lang, "in_transit") as trip:
        for speaker in trip.speakers.values():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(speaker.joined.wait(), ANSWER_WAIT_S)
        for place, row in enumerate(rows):
            if stop.is_set():
                break
            await pacer.turn()
            say = trip.speakers[ROLES[(place + 1) % 2]].say(row.text, row.lang)
            await asyncio.wait({asyncio.create_task(say)}, timeout=ANSWER_WAIT_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(trip.ledger.all_arrived(), ARRIVAL_WAIT_S)
        await trip.move_to("completed")
