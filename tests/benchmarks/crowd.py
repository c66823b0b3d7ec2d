"""The drivers and riders of many trips, each with a socket, in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
import psutil

from tests.benchmarks.wire import Heard, Phone

TEXTS = (
    "At the north gate now", "Running 5 min late, sorry", "Black Toyota by the corner", "Be there soon",
    "Please wait by the pharmacy", "There is some traffic on the way", "I am wearing a blue jacket",
)  # fmt: skip
TAIL_S = 2.0


class Latency(msgspec.Struct, kw_only=True):
    """ms from the send to the peer's socket; `per_s`: what arrived, by the time it took to send."""

    sent: int
    delivered: int
    errors: int
    per_s: float
    p50: float
    p99: float
    max: float


class _New(msgspec.Struct):
    client_message_id: str | None = None


_new = msgspec.json.Decoder(_New).decode


class Crowd:
    """`roster`: as `make_roster` writes it. Drivers send; when it reaches the rider is measured."""

    def __init__(self, host: str, port: int, roster: Sequence[Mapping[str, Any]]) -> None:
        self._host, self._port, self._roster = host, port, roster
        self._drivers: list[Phone] = []
        self._phones: list[Phone] = []
        self._sent: dict[str, float] = {}
        self._waited: list[float] = []
        self._errors = 0
        self._left: dict[Phone, int] = {}
        self._number = 0

    async def join(self, at_once: int) -> None:
        """Open every socket. Raises RuntimeError when one is refused."""
        gate = asyncio.Semaphore(at_once)
        loop = asyncio.get_running_loop()
        hear = {"customer": self._hear_rider, "driver": self._hear_driver}

        async def one(trip: Mapping[str, Any], role: str) -> Phone:
            async with gate:
                phone = Phone(self._host, trip["tripId"], trip[role]["token"], hear[role])
                await loop.create_connection(lambda: phone, self._host, self._port)
                async with asyncio.timeout(30):
                    await phone.joined
                return phone

        riders = await asyncio.gather(*(one(trip, "customer") for trip in self._roster))
        self._drivers = list(await asyncio.gather(*(one(trip, "driver") for trip in self._roster)))
        self._phones = [*riders, *self._drivers]

    def leave(self) -> None:
        """Close every socket."""
        for phone in self._phones:
            phone.close()

    def sockets_of(self, pid: int) -> int:
        """Connections that a server process has from the port that the crowd calls."""
        return sum(
            link.status == "ESTABLISHED" and bool(link.laddr) and link.laddr.port == self._port
            for link in psutil.Process(pid).net_connections("tcp")
        )

    async def talk(self, rate: float, seconds: float) -> Latency:
        """One driver after the other, at a rate, whatever comes back."""
        self._begin()
        begun, count = time.monotonic(), int(rate * seconds)
        for number in range(count):
            ahead = begun + number / rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._say(self._drivers[self._number % len(self._drivers)])
        lasted = time.monotonic() - begun
        await asyncio.sleep(TAIL_S)
        return self._told(count, lasted)

    async def talk_on(self, each: int) -> Latency:
        """Every driver says `each` messages, the next one when the one before is acknowledged."""
        self._begin()
        self._left = dict.fromkeys(self._drivers, each - 1)
        begun, count = time.monotonic(), each * len(self._drivers)
        for driver in self._drivers:
            self._say(driver)
        # An event would have to be thought of in each of thousands of frames.
        while len(self._waited) + self._errors < count and time.monotonic() - begun < 120:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self._left = {}
        return self._told(count, time.monotonic() - begun)

    def _begin(self) -> None:
        self._sent.clear()
        self._waited, self._errors = [], 0

    def _say(self, driver: Phone) -> None:
        client_id = str(uuid4())
        self._number += 1
        text = TEXTS[(self._number + self._number // len(self._drivers)) % len(TEXTS)]
        self._sent[client_id] = time.monotonic()
        driver.say("message", {"clientMessageId": client_id, "content": text, "messageType": "text"})

    def _hear_rider(self, phone: Phone, heard: Heard) -> None:
        if heard.event == "new-message":
            at = self._sent.pop(_new(heard.data).client_message_id or "", None)
            if at is not None:
                self._waited.append((time.monotonic() - at) * 1000)

    def _hear_driver(self, phone: Phone, heard: Heard) -> None:
        if heard.event == "ack" and self._left.get(phone):
            self._left[phone] -= 1
            self._say(phone)
        elif heard.event == "error":
            self._errors += 1

    def _told(self, sent: int, lasted: float) -> Latency:
        ordered = sorted(self._waited) or [0.0]

        def at(share: float) -> float:
            return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

        return Latency(
            sent=sent, delivered=len(self._waited), errors=self._errors,
            per_s=round(len(self._waited) / lasted, 1), p50=at(0.5), p99=at(0.99), max=at(1.0),
        )  # fmt: skip
