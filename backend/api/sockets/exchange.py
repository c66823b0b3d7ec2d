"""What the lines of a process share, and what each of them is used by."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from backend.api.sockets.framing import Parsers
from backend.api.sockets.wheel import Wheel

log = structlog.get_logger()


class Talk(Protocol):
    """Who uses the line."""

    @property
    def full(self) -> bool:
        """Whether more should not be read for now; `Line.go_on` ends that."""
        ...

    def on_message(self, message: str | bytes) -> None:
        """A whole message has come: text as str, binary as bytes."""
        ...

    def on_room(self) -> None:
        """The line is not `choked` any more."""
        ...

    def on_unsaid(self) -> None:
        """No first message came in time."""
        ...

    def on_stuck(self) -> None:
        """The client takes nothing of what it was sent."""
        ...

    def on_gone(self) -> None:
        """Nothing more is heard from here, and nothing said is read. Called once."""
        ...

    def retire(self) -> None:
        """The process stops: finish what is in work, and close."""
        ...


class Sender(Protocol):
    """A line that has something to write."""

    def send(self) -> None:
        """Hand what was written to the transport."""
        ...

    def give_up(self) -> None:
        """The writing failed: end."""
        ...


class Exchange:
    """What all lines of a process share."""

    def __init__(self, max_size: int) -> None:
        self.wheel = Wheel()
        self.parsers = Parsers(max_size)
        self._unsent: list[Sender] = []

    def send_soon(self, line: Sender) -> None:
        """Let a line write what it has at the end of this turn of the loop."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send_all)
        self._unsent.append(line)

    def _send_all(self) -> None:
        unsent, self._unsent = self._unsent, []
        for line in unsent:
            try:
                line.send()
            except Exception as error:
                # What the others wrote in this turn would never leave.
                log.error("socket.write_failed", error=type(error).__name__, exc_info=error)
                line.give_up()
