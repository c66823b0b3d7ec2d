"""A telephone that speaks the protocol byte by byte, also wrongly: for what no client library would send."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from tests.factories.chat import Chat

TEXT, BINARY, CONT, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
MASK = b"\x01\x02\x03\x04"


def packed(payload: bytes | str, opcode: int = TEXT, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A client's frame as bytes."""
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + data
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(data))


def event(name: str, **data: Any) -> str:
    """The text of a chat frame."""
    return json.dumps({"event": name, "data": data})


class Handset:
    """One connection. `early`: bytes in the same segment as the request for the upgrade."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._parser = Protocol(CLIENT, max_size=None)
        self._frames: list[Frame] = []

    @classmethod
    async def dial(cls, chat: Chat, *, early: bytes = b"", url: str | None = None) -> Handset:
        """Connect and shake hands."""
        port = int((url or str(chat.client.base_url)).rstrip("/").rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(b"0123456789abcdef").decode()
        request = (
            f"GET /ws/trips/{chat.trip_id}/chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        writer.write(request.encode() + early)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer)

    @classmethod
    async def join(cls, chat: Chat, role: str = "driver", *, url: str | None = None) -> Handset:
        """Connect, sign in, and hear the first two frames."""
        made = await cls.dial(chat, url=url)
        made.say(packed(event("auth", token=chat.token(role))))
        assert (await made.hear("joined"))["lastSeq"] >= 0
        await made.hear("messages-history")
        return made

    def say(self, *frames: bytes) -> None:
        """Send bytes, all in one piece."""
        self.writer.write(b"".join(frames))

    async def next(self, within_s: float = 5.0) -> Frame | None:
        """The next frame; None at the end of the connection. Raises TimeoutError.

        A heartbeat of the server is answered, and not told of; who never listens answers none.
        """
        async with asyncio.timeout(within_s):
            while not self._frames:
                try:
                    data = await self.reader.read(65_536)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._parser.receive_data(data)
                for part in self._parser.events_received():
                    if isinstance(part, Frame) and part.opcode is Opcode.PING and not part.data:
                        self.say(packed(b"", PONG))
                    elif isinstance(part, Frame):
                        self._frames.append(part)
        return self._frames.pop(0)

    async def until(self, wanted: Callable[[Frame], bool], within_s: float = 5.0) -> Frame | None:
        """The next frame that is wanted; None at the end of the connection."""
        async with asyncio.timeout(within_s):
            while (found := await self.next(within_s)) is not None:
                if wanted(found):
                    return found
        return None

    async def hear(self, name: str, within_s: float = 5.0) -> Any:
        """The data of the next chat frame of this kind."""
        found = await self.until(
            lambda part: part.opcode is Opcode.TEXT and json.loads(bytes(part.data))["event"] == name, within_s
        )
        assert found is not None, f"the connection ended without {name}"
        return json.loads(bytes(found.data))["data"]

    async def closed_with(self, within_s: float = 5.0) -> int | None:
        """The code of the server's close frame; None where the connection ended without one."""
        found = await self.until(lambda part: part.opcode is Opcode.CLOSE, within_s)
        return None if found is None else int.from_bytes(bytes(found.data)[:2], "big")

    async def ended(self, within_s: float = 5.0) -> None:
        """Wait until the other end closes the connection. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while await self.next(within_s) is not None:
                pass

    def hang_up(self) -> None:
        """Let go."""
        self.writer.close()
