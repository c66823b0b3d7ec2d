"""A connection that remembers what it was given: the drain of an outlet."""

from __future__ import annotations


class Pipe:
    """Takes frames (the text frames of a server, unmasked) while it is not `choked`."""

    def __init__(self, *, choked: bool = False) -> None:
        self.choked = choked
        self.raw = b""
        self.closed_with: int | None = None

    def write(self, data: bytes) -> None:
        """Take bytes."""
        self.raw += data

    def close(self, code: int) -> None:
        """Remember the code."""
        self.closed_with = int(code)

    @property
    def frames(self) -> list[str]:
        """The payloads of what was written, in order."""
        found: list[str] = []
        rest = self.raw
        while rest:
            size, start = rest[1], 2
            if size == 126:
                size, start = int.from_bytes(rest[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(rest[2:10], "big"), 10
            assert rest[0] == 0x81
            found.append(rest[start : start + size].decode())
            rest = rest[start + size :]
        return found
