"""What processes say to each other over Valkey: every letter sealed, with its writer in front.

A letter holds the text of messages, so Valkey only ever carries it sealed, whatever it logs, dumps or lets others
watch. The writer stands outside the seal and is bound to it: one's own words on the common channel are dropped
unopened.
"""

from __future__ import annotations

import secrets

import msgspec

from backend.keys import DataKey
from backend.realtime.events import ChatEvent, Control, Whisper

#: Bytes of the name that a process gives itself at its start.
NAME = 8
#: Base of an `Interests` that is the whole list and no change to an earlier one.
WHOLE = -1


class Ring(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Something changed for whoever watches this topic in the console."""

    topic: str


class Interests(msgspec.Struct, frozen=True, array_like=True, tag="i"):
    """Change `base + 1 .. version` of what the writer listens to; with no change in it, a sign of life.

    `added`, `removed`: 16 bytes a topic (a trip's id, or the digest of a staff topic).
    """

    base: int
    version: int
    added: bytes = b""
    removed: bytes = b""


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """Say what you listen to: the version of it, or `whole`, the list."""

    whole: bool = False


class Bye(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """The writer stops."""


class Reached(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """How far trips had come that were announced a moment ago: (topic, driver's number, customer's number)."""

    numbers: list[tuple[bytes, int, int]]


class Back(msgspec.Struct, frozen=True, array_like=True, tag="k"):
    """The writer's line was away for so many seconds: receipts that it rang meanwhile are lost."""

    away_s: float


Letter = ChatEvent | Whisper | Control | Ring | Interests | Ask | Bye | Reached | Back


class Post:
    """Seals and opens letters of one installation, and knows the names of its channels."""

    def __init__(self, sealer: DataKey) -> None:
        self.me = secrets.token_bytes(NAME)
        self._sealer, self._aad = sealer, b"bus" + self.me
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Letter).decode
        # Two installations on one Valkey never meet: their channels have other names.
        self._prefix = b"tw:" + sealer.mac(b"channels")[:4].hex().encode()
        self.everybody = self._prefix + b":all"

    def channel_of(self, process: bytes) -> bytes:
        """Where one process is rung."""
        return self._prefix + b":to:" + process.hex().encode()

    def seal(self, letter: Letter) -> bytes:
        """The payload of a letter from this process."""
        return self.me + self._sealer.seal(self._encode(letter), self._aad)

    def writer(self, payload: bytes) -> bytes:
        """Who says to have written it; true once it opens."""
        return payload[:NAME]

    def open(self, payload: bytes) -> Letter:
        """Raises `SealBroken`, `msgspec.MsgspecError`, ValueError for what no process of this installation wrote."""
        writer = payload[:NAME]
        return self._decode(self._sealer.open(payload[NAME:], b"bus" + writer))
