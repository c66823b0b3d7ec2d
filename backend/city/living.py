"""The city lives: so many trips at once, each followed by another, until it is told to stop."""

from __future__ import annotations

import asyncio
import sys
import time

from backend.city.deck import Deck
from backend.city.platform import PlatformRefused
from backend.city.trip import Streets, play

#: The first trips start this far apart, in seconds.
STAGGER_S = 0.4
#: Time that live trips get to end when the city stops, in seconds.
FAREWELL_S = 4.0


async def live(streets: Streets, deck: Deck, trips: int, stop: asyncio.Event) -> None:
    """Keep `trips` going until `stop` is set; then end those that are live."""
    slots = [asyncio.create_task(_slot(streets, deck, place * STAGGER_S)) for place in range(trips)]
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({waiting, *slots}, return_when=asyncio.FIRST_COMPLETED)
    for task in (waiting, *slots):
        task.cancel()
    await asyncio.wait(slots, timeout=FAREWELL_S)
    for task in slots:
        task.cancel()  # a farewell that hangs (no api any more) is cut short
    await asyncio.gather(waiting, *slots, return_exceptions=True)
    for task in done - {waiting}:
        task.result()  # a slot ends by itself only through a fault of ours: it is not swallowed


async def _slot(streets: Streets, deck: Deck, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    while True:
        dialogue = deck.deal(time.monotonic())
        try:
            await play(streets, dialogue)
        except PlatformRefused as refused:
            # The api does not take this trip (a suspended driver, say): the city goes on with the next.
            print(f"city: trip {dialogue.id} was refused: {refused}", file=sys.stderr)
            await streets.pause(2.0)
        await streets.pause(streets.rng.uniform(0.5, 3.0))
