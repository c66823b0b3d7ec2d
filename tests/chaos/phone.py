"""A phone on the trip's socket. It follows the public contract, writes down everything, and mends nothing.

`auth` first, `since` and `epoch` after a drop, application pings to notice a line that is dead. A gap in the numbers is
not looked at here: that is the checker's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.chaos.hearing import NUMBERED
from tests.chaos.histories import Connection, Device, Frame
from tests.chaos.proxy import Proxy

#: Nothing heard for so long: ask. Still nothing: the line is dead.
QUIET_S, DEAD_S = 3.0, 5.5
OPEN_WITHIN_S = 4.0
PUT_WITHIN_S = 3.0
#: Shares of connections on which a phone knows nothing any more, or comes with the epoch of another database: both
#: start from a snapshot.
FORGETS_ALL, FORGETS_EPOCH = 0.06, 0.12
#: Before the next connection, at random up to this.
BACK_WITHIN_S = 0.6

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
Listener = Callable[["Phone", str, Any], None]


class Phone:
    """One device of one person. `heard` is called with every frame."""

    def __init__(
        self, log: Device, token: str, proxy: Proxy, began: float, rng: random.Random, heard: Listener
    ) -> None:
        self.log, self._token, self._proxy, self._began, self._rng = log, token, proxy, began, rng
        self._heard = heard
        self._socket: ClientConnection | None = None
        self._heard_at = 0.0
        self._deaf_until = 0.0
        self._away_until = 0.0
        self.joined = False
        self.closed = False
        self.epoch: str | None = None
        self.cursor = 0

    # -- what may happen to a phone --------------------------------------------------------------------------------

    def turn_deaf(self, for_s: float) -> None:
        """Read nothing for a while."""
        if self._socket is not None:
            self._deaf_until = time.monotonic() + for_s
            self._socket.transport.pause_reading()

    def go_away(self, for_s: float) -> None:
        """Lose the line, and do not come back for a while."""
        self._away_until = time.monotonic() + for_s
        if self._socket is not None:
            self._socket.transport.abort()

    # -- living ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, listen, connect again, until `closed`."""
        while not self.closed:
            if self._away_until > time.monotonic():
                await asyncio.sleep(0.05)
                continue
            with contextlib.suppress(OSError, TimeoutError, WebSocketException):
                await self._talk()
            self._socket, self.joined = None, False
            await asyncio.sleep(self._rng.uniform(0.05, BACK_WITHIN_S))

    async def close(self) -> None:
        """Hang up for good."""
        self.closed = True
        if self._socket is not None:
            await self._socket.close()

    async def put(self, event: str, data: dict[str, Any]) -> bool:
        """Send a frame; False where that did not go out."""
        socket = self._socket
        if socket is None:
            return False
        try:
            async with asyncio.timeout(PUT_WITHIN_S):
                await socket.send(_encode({"event": event, "data": data}).decode())
        except (OSError, TimeoutError, WebSocketException):
            return False
        return True

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    async def _talk(self) -> None:
        url = f"ws://127.0.0.1:{self._proxy.port}/ws/trips/{self.log.trip}/chat"
        opening = connect(
            url,
            compression=None,
            open_timeout=OPEN_WITHIN_S,
            close_timeout=1,
            ping_interval=None,
            max_size=2**23,
            proxy=None,
        )
        async with opening as socket:
            self._proxy.name(socket.local_address[1], self.log.name)
            line = Connection(self.now())
            auth: dict[str, Any] = {"token": self._token}
            dice = self._rng.random()
            if self.epoch is not None and dice > FORGETS_ALL:
                line.since, line.epoch = self.cursor, self.epoch if dice > FORGETS_EPOCH else "another"
                auth |= {"since": line.since, "epoch": line.epoch}
            self.log.connections.append(line)
            self._socket, self._heard_at, self._deaf_until = socket, time.monotonic(), 0.0
            watch = asyncio.create_task(self._watch(socket))
            try:
                await self.put("auth", auth)
                async for raw in socket:
                    self._take(line, raw if isinstance(raw, str) else raw.decode())
            except ConnectionClosed:
                pass
            finally:
                watch.cancel()
                line.ended_at, line.code = self.now(), socket.close_code

    def _take(self, line: Connection, raw: str) -> None:
        self._heard_at = time.monotonic()
        line.frames.append(Frame(round(self.now(), 4), raw))
        frame = _decode(raw)
        event, data = frame["event"], frame.get("data")
        if event == "joined":
            self.joined = True
            if line.since is None:
                self.epoch, self.cursor = data["epoch"], data["lastSeq"]
        elif event == "reset":
            self.epoch, self.cursor = data["epoch"], data["lastSeq"]
        elif event in NUMBERED:
            self.cursor = max(self.cursor, data["seq"])
        self._heard(self, event, data)

    async def _watch(self, socket: ClientConnection) -> None:
        """Notice a dead line; come back from deafness."""
        while True:
            await asyncio.sleep(0.5)
            now = time.monotonic()
            if self._deaf_until:
                if now < self._deaf_until:
                    continue
                self._deaf_until, self._heard_at = 0.0, now
                with contextlib.suppress(RuntimeError):
                    socket.transport.resume_reading()
            quiet_s = now - self._heard_at
            if quiet_s > DEAD_S:
                socket.transport.abort()
            elif quiet_s > QUIET_S:
                await self.put("ping", {})
