"""What waits for one client: bounded in bytes and frames, in order, with a lane that may drop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from backend.api.sockets.closing import Close

SEND_TIMEOUT_S = 15.0
#: Above this share of the bound, frames that may be lost are lost.
LOSSY_SHARE = 0.5

Put = Callable[[str], Awaitable[None]]


class Outlet:
    """The lane's subscriber for one socket. `offer` never blocks: who does not read is closed, and resumes later."""

    def __init__(self, max_bytes: int, max_frames: int) -> None:
        self.cursor = 0
        self.closing: Close | None = None
        self._max_bytes, self._max_frames = max_bytes, max_frames
        self._first: deque[bytes] = deque()
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._held: list[tuple[int, bytes]] | None = []

    # -- from the hub ----------------------------------------------------------------------------------------------

    def offer(self, seq: int, frame: bytes) -> None:
        """A numbered frame, in order. While the client is joining it is held back."""
        if self.closing is not None:
            return
        if self._held is not None:
            self._held.append((seq, frame))
            self._bytes += len(frame)
            if len(self._held) > self._max_frames or self._bytes > self._max_bytes:
                self.close(Close.RESUME)
            return
        if seq != self.cursor + 1:
            # The lane was ahead of this socket: only a fresh resume can prove that nothing is missing.
            self.close(Close.RESUME)
            return
        self.cursor = seq
        self.put(frame)

    def whisper(self, frame: bytes) -> None:
        """A frame that may be lost."""
        if self._held is None and self._bytes < self._max_bytes * LOSSY_SHARE:
            self.put(frame)

    # -- from the socket's own task --------------------------------------------------------------------------------

    def begin(self, *frames: bytes) -> None:
        """Queue what a joining client gets first: it goes out ahead of the rest and beside the bound.

        The bound is for those who do not read. A client with much to catch up on would never get past it, and come
        back for the same again; how much that may be is the resume's to limit.
        """
        self._first.extend(frames)
        self._wake.set()

    def put(self, frame: bytes) -> None:
        """Queue a frame; over the bound the socket is closed."""
        if self.closing is not None:
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        if self._bytes > self._max_bytes or len(self._frames) > self._max_frames:
            self.close(Close.SLOW_CONSUMER)
        self._wake.set()

    def go_live(self, cursor: int) -> None:
        """The client has everything up to `cursor`: hand over what was held and pass on from here."""
        held, self._held, self.cursor = self._held or [], None, cursor
        self._bytes -= sum(len(frame) for _, frame in held)
        for seq, frame in held:
            if seq > self.cursor:
                self.offer(seq, frame)

    def close(self, code: Close) -> None:
        """End this socket; what still waits is dropped, the client resumes by its cursor."""
        if self.closing is None:
            self.closing = code
            if code in (Close.SLOW_CONSUMER, Close.RESUME):
                self._first.clear()
                self._frames.clear()
                self._bytes = 0
                self._held = None if self._held is None else []
        self._wake.set()

    async def pump(self, send: Put) -> Close:
        """Write frames until the socket is to be closed; returns with which code."""
        try:
            # One timeout moved on is a third of the cost of one for every frame.
            async with asyncio.timeout(None) as limit:
                while self.closing is None or self._first or self._frames:
                    if self._first or self._frames:
                        await self._write(send, limit)
                    else:
                        self._wake.clear()
                        await self._wake.wait()
                        # The ack of a message follows its frame two turns of the loop later: together, one write.
                        await asyncio.sleep(0)
                        await asyncio.sleep(0)
        except TimeoutError:
            self.close(Close.SLOW_CONSUMER)
        return self.closing or Close.SLOW_CONSUMER

    async def _write(self, send: Put, limit: asyncio.Timeout) -> None:
        """Write what waits; frame by frame, each within its time."""
        now = asyncio.get_running_loop().time
        while self._first or self._frames:
            if self._first:
                frame = self._first.popleft()
            else:
                frame = self._frames.popleft()
                self._bytes -= len(frame)
            limit.reschedule(now() + SEND_TIMEOUT_S)
            await send(frame.decode())
        limit.reschedule(None)
