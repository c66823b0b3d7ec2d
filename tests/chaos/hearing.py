"""Frames, read: which of them are numbered, which are snapshots, and how far a device got by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.chaos.histories import Connection, Frame

NUMBERED = frozenset({"new-message", "message-updated", "trip-status", "emergency-declared"})

_decode = msgspec.json.Decoder().decode


class Heard(msgspec.Struct):
    """A frame with its meaning. `seq`: its number. `last`: of a snapshot, the number that it stands for."""

    at: float
    raw: str
    event: str
    data: Any
    seq: int | None = None
    last: int | None = None

    @property
    def messages(self) -> list[Any]:
        """The message objects that it holds."""
        if self.event in ("new-message", "message-updated"):
            return [self.data]
        if self.event == "messages-history":
            return self.data
        if self.event == "reset":
            return self.data["messages"]
        return self.data["items"] if self.event == "page" else []


def read(frame: Frame) -> Heard:
    """One frame of a socket."""
    whole = _decode(frame.raw)
    event, data = whole["event"], whole.get("data")
    heard = Heard(frame.at, frame.raw, event, data)
    if event in NUMBERED:
        heard.seq = data["seq"]
    elif event == "reset":
        heard.last = data["lastSeq"]
    return heard


def read_page(frame: Frame) -> Heard:
    """A page of history by REST: a snapshot like the one of a socket that joins."""
    data = _decode(frame.raw)
    return Heard(frame.at, frame.raw, "page", data, last=data["lastSeq"])


def read_all(connection: Connection) -> Iterator[Heard]:
    """Every frame of a socket; a history stands for the number that `joined` has named before it."""
    joined = None
    for frame in connection.frames:
        heard = read(frame)
        if heard.event == "joined":
            joined = heard.data["lastSeq"]
        elif heard.event == "messages-history":
            heard.last = joined
        yield heard
