"""What all sockets of a process share goes on for everybody, whatever one of them does."""

from __future__ import annotations

import asyncio

from backend.api.sockets.exchange import Exchange
from backend.api.sockets.wheel import TICK_S, Wheel


class Watched:
    """Counts its looks; a broken one fails at each."""

    def __init__(self, broken: bool = False) -> None:
        self.broken, self.looks, self.sent, self.ended = broken, 0, 0, 0

    def look(self, now: float) -> float | None:
        self.looks += 1
        if self.broken:
            raise LookupError("a fault of ours")
        return TICK_S

    def send(self) -> None:
        self.sent += 1
        if self.broken:
            raise LookupError("a fault of ours")

    def give_up(self) -> None:
        self.ended += 1


async def test_a_look_that_fails_ends_one_and_no_other() -> None:
    wheel, fine, broken = Wheel(), [Watched(), Watched()], Watched(broken=True)
    for watched in (fine[0], broken, fine[1]):
        wheel.add(watched, TICK_S)
    for _ in range(4):
        wheel.turn()
    assert [watched.looks for watched in fine] == [4, 4]
    assert (broken.looks, broken.ended) == (1, 1)


async def test_a_write_that_fails_ends_one_and_no_other() -> None:
    exchange, fine, broken = Exchange(65_536), Watched(), Watched(broken=True)
    for watched in (broken, fine):
        exchange.send_soon(watched)
    await asyncio.sleep(0.01)
    assert (fine.sent, fine.ended) == (1, 0)
    assert broken.ended == 1
