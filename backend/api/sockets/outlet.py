"""What waits for one client: bounded in bytes and frames, in order, with a lane that may drop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from backend.api.sockets.closing import Close
from backend.api.sockets.framing import text_frame
from backend.realtime import Mark

#: Above this share of the bound, frames that may be lost are lost.
LOSSY_SHARE = 0.5
#: Among frames that are held back: this one has no number.
WHISPERED = 0


class Drain(Protocol):
    """The connection, as the outlet sees it."""

    choked: bool

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport. While `choked`, it holds as much as it should."""
        ...

    def close(self, code: int) -> None:
        """End the connection with a code, after what was written."""
        ...


class Outlet:
    """The lane's subscriber for one socket. `offer` never blocks: who does not read is closed, and resumes later.

    A frame goes straight to the line, which puts all of one turn of the loop into one write. Only while that is choked
    do frames wait here.
    """

    __slots__ = ("_bytes", "_drain", "_held", "_max_bytes", "_max_frames", "_told", "_waiting", "closing", "cursor")

    def __init__(self, drain: Drain, max_bytes: int, max_frames: int) -> None:
        self.cursor = 0
        self.closing: Close | None = None
        self._drain = drain
        self._max_bytes, self._max_frames = max_bytes, max_frames
        self._waiting: deque[bytes] | None = None
        self._bytes = 0
        self._held: list[tuple[int, bytes, Mark | None]] | None = []
        #: Receipts that the client was told when it came in: how far, by kind, until one goes further.
        self._told: dict[str, int] | None = None

    # -- from the hub ----------------------------------------------------------------------------------------------

    def offer(self, seq: int, frame: bytes) -> None:
        """A numbered frame, in order. While the client is joining it is held back."""
        if self.closing is not None:
            return
        if self._held is not None:
            self._held.append((seq, frame, None))
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

    def whisper(self, frame: bytes, mark: Mark | None = None) -> bool | None:
        """A frame that may be lost; False when it was. A receipt (`mark`) then comes again."""
        if self._bytes >= self._max_bytes * LOSSY_SHARE:
            return False
        if self._held is None:
            if mark is None or self._is_news(mark):
                self.put(frame)
        elif len(self._held) < self._max_frames * LOSSY_SHARE:
            # Who comes online while this client joins is in nothing else that it is told.
            self._held.append((WHISPERED, frame, mark))
            self._bytes += len(frame)
        else:
            return False
        return None

    # -- from the session ------------------------------------------------------------------------------------------

    def begin(self, *frames: bytes, told: Iterable[Mark] = ()) -> None:
        """Send what a joining client gets first: it goes out ahead of the rest and beside the bound.

        `told`: the receipts in it. What says less was overtaken on its way here, and is not told any more.

        The bound is for those who do not read. A client with much to catch up on would never get past it, and come
        back for the same again; how much that may be is the resume's to limit.
        """
        if self.closing is None:
            self._told = dict(told) or None
            self._drain.write(b"".join(map(text_frame, frames)))

    def _is_news(self, mark: Mark) -> bool:
        if self._told is None or (told := self._told.get(mark[0])) is None:
            return True
        if mark[1] <= told:
            return False
        del self._told[mark[0]]
        return True

    def put(self, frame: bytes) -> None:
        """Send a frame, or let it wait; over the bound the socket is closed."""
        if self.closing is not None:
            return
        if self._waiting is None:
            if not self._drain.choked:
                self._drain.write(text_frame(frame))
                return
            self._waiting = deque()
        self._waiting.append(frame)
        self._bytes += len(frame)
        if self._bytes > self._max_bytes or len(self._waiting) > self._max_frames:
            self.close(Close.SLOW_CONSUMER)

    def flush(self) -> None:
        """The transport has room again."""
        waiting = self._waiting
        while waiting and not self._drain.choked:
            frame = waiting.popleft()
            self._bytes -= len(frame)
            self._drain.write(text_frame(frame))
        if not waiting:
            self._waiting = None

    def go_live(self, cursor: int) -> None:
        """The client has everything up to `cursor`: hand over what was held and pass on from here."""
        held, self._held, self.cursor = self._held or [], None, cursor
        self._bytes -= sum(len(frame) for _, frame, _ in held)
        for seq, frame, mark in held:
            if seq == WHISPERED:
                self.whisper(frame, mark)
            elif seq > self.cursor:
                self.offer(seq, frame)

    def close(self, code: Close) -> None:
        """End this socket. What waits goes out first, unless the client resumes by its cursor anyway."""
        if self.closing is not None:
            return
        self.closing = code
        waiting, self._waiting, self._bytes = self._waiting, None, 0
        self._held = None if self._held is None else []
        if waiting and code not in (Close.SLOW_CONSUMER, Close.RESUME):
            self._drain.write(b"".join(map(text_frame, waiting)))
        self._drain.close(code)
