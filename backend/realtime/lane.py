"""One audience of one trip in this process: puts numbered frames in order and hands them to its sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from backend.realtime.events import Numbered

#: Frames, and bytes of them, that may wait for an earlier one; what is beyond is read from PostgreSQL with the gap.
WAITING = 64
WAITING_BYTES = 64 * 1024
#: A receipt: of which kind and whose, and the number that its reader has reached.
Mark = tuple[str, int]

#: Added to a number so that it follows no cursor whatever else is delivered meanwhile.
_NOWHERE = 2**40


class Subscriber(Protocol):
    """A socket, as the lane sees it."""

    cursor: int

    def offer(self, seq: int, frame: bytes) -> None:
        """Take the frame of event `seq`; must not block. Sets `cursor`.

        In order, unless something cannot be delivered any more: a number that does not follow the cursor says that the
        client has to resume.
        """
        ...

    def whisper(self, frame: bytes, mark: Mark | None = None) -> bool | None:
        """Take a frame that may be lost, a receipt with its `mark`; False when it was lost."""
        ...


class Lane:
    """Next -> deliver; lower -> drop; higher -> keep, and ask for the gap."""

    __slots__ = ("_bytes", "_highest", "_marks", "_on_gap", "_owed", "_waiting", "last", "subscribers")

    def __init__(self, last: int, on_gap: Callable[[], None]) -> None:
        self.last = last
        self.subscribers: set[Subscriber] = set()
        self._waiting: dict[int, bytes] | None = None
        self._bytes = 0
        self._highest = 0
        self._on_gap = on_gap
        self._marks: dict[str, int] | None = None
        self._owed: dict[str, tuple[Mark, bytes]] | None = None

    @property
    def has_gap(self) -> bool:
        """Whether a later event than the last one is known of, kept or not."""
        return self._highest > self.last

    @property
    def expected(self) -> int:
        """The highest number that anybody has spoken of; 0 where nothing is known to be ahead."""
        return self._highest

    def expect(self, seq: int) -> None:
        """There are events up to `seq`, whoever said so."""
        self._highest = max(self._highest, seq)

    def take(self, seq: int, frame: bytes) -> None:
        """An event with number `seq` has arrived, from wherever."""
        if seq == self.last + 1:
            self._deliver(seq, frame)
            if self._waiting:
                self._go_on(self._waiting)
        elif seq > self.last:
            self._keep(seq, frame)
            self._on_gap()

    def take_rows(self, rows: Sequence[Numbered]) -> None:
        """What PostgreSQL has after `last`, in order. Its first number is the next one, or what was between is gone.

        Then (a partition disposed of, a database restored) no waiting helps: the sockets are offered what there is, and
        find that it does not follow.
        """
        if rows and rows[0].seq > self.last + 1:
            self.last = rows[0].seq - 1
            self._go_on(self._waiting or {})
        for row in rows:
            self.take(row.seq, row.frame)

    def break_off(self, last: int) -> None:
        """The numbers went back to `last`: nobody here can go on from where they are."""
        self.last, self._highest, self._waiting, self._bytes = last, 0, None, 0
        for subscriber in tuple(self.subscribers):
            subscriber.offer(max(subscriber.cursor, last) + _NOWHERE, b"{}")

    def _keep(self, seq: int, frame: bytes) -> None:
        self.expect(seq)
        if self._waiting is None:
            self._waiting = {}
        if len(self._waiting) < WAITING and self._bytes + len(frame) <= WAITING_BYTES and seq not in self._waiting:
            self._waiting[seq] = frame
            self._bytes += len(frame)

    def _go_on(self, waiting: dict[int, bytes]) -> None:
        while (frame := waiting.pop(self.last + 1, None)) is not None:
            self._deliver(self.last + 1, frame)
        kept = {number: frame for number, frame in waiting.items() if number > self.last}
        self._waiting = kept or None
        self._bytes = sum(map(len, kept.values()))

    def _deliver(self, seq: int, frame: bytes) -> None:
        self.last = seq
        for subscriber in tuple(self.subscribers):
            if subscriber.cursor < seq:
                subscriber.offer(seq, frame)

    def whisper(self, frame: bytes, mark: Mark | None = None) -> None:
        """Hand a frame that may be lost to everybody here; a receipt (`mark`) only if it goes further than the last.

        Who could not take a receipt is owed it: `repeat_marks` tells it again.
        """
        if mark is not None:
            kind, seq = mark
            self._marks = self._marks or {}
            if self._marks.get(kind, 0) >= seq:
                return
            self._marks[kind] = seq
        taken = [subscriber.whisper(frame, mark) for subscriber in tuple(self.subscribers)]
        if mark is not None and False in taken:
            self._owed = self._owed or {}
            self._owed[mark[0]] = (mark, frame)
        elif mark is not None and self._owed:
            self._owed.pop(mark[0], None)  # everybody has a later one now

    def repeat_marks(self) -> None:
        """Tell again the newest receipts that somebody here could not take."""
        if self._owed is None:
            return
        owed, self._owed = self._owed, None
        for kind, (mark, frame) in owed.items():
            if False in [subscriber.whisper(frame, mark) for subscriber in tuple(self.subscribers)]:
                self._owed = self._owed or {}
                self._owed[kind] = (mark, frame)
