"""One person's app on the trip's socket: sends until acknowledged, resumes after a drop, marks what it got.

It follows the public contract and nothing else: `auth` first, a `clientMessageId` before the first try, the same one
on every repeat, `since` and `epoch` after a drop.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from backend.city.figures import Figures
from backend.city.ledger import Ledger

#: No acknowledgement within this many seconds: the frame goes out again.
REPEAT_AFTER_S = 5.0
#: So many repeats on one socket without an answer: the socket is given up and a new one opened.
REPEATS_PER_SOCKET = 3
#: First and longest wait before the next try to connect, in seconds; each is halved to one and a half times at random.
BACKOFF_S = (0.4, 15.0)
#: Codes after which the same message is worth another try.
PASSING = frozenset({"rate_limited", "unavailable", "internal_error", "not_authenticated"})
#: Codes that say no to this content.
REFUSING = frozenset({"message_rejected", "content_empty", "content_too_long", "content_control_characters"})
#: Codes that end this person's part in the trip.
FINAL = frozenset({"suspended", "trip_not_found"})

Answer = Literal["delivered", "masked", "quarantined", "rejected", "refused", "gone"]


class Frame(msgspec.Struct):
    """A frame of the server."""

    event: str
    data: Any = None


@dataclass
class _Waiting:
    """A message without an answer so far."""

    event: str
    data: dict[str, object]
    answer: asyncio.Future[str]
    again_at: float = 0.0
    tries: int = 0
    tries_here: int = 0


@dataclass
class Seat:
    """Where and as whom to speak. `token` makes a fresh token for each connection."""

    url: str
    token: Callable[[], str]
    user_id: str
    read_after_s: float = 1.5
    proxy: Literal[True] | None = None


@dataclass
class _Cursor:
    """How far this client has seen the conversation."""

    epoch: str | None = None
    seq: int = 0
    seen: set[str] = field(default_factory=set[str])


class Speaker:
    """A participant. `run` keeps the connection until `close`; `say` and `use` return what became of the message."""

    def __init__(self, seat: Seat, ledger: Ledger, figures: Figures, rng: random.Random) -> None:
        self._seat, self._ledger, self._figures, self._rng = seat, ledger, figures, rng
        self._waiting: dict[str, _Waiting] = {}
        self._cursor = _Cursor()
        self._socket: ClientConnection | None = None
        self._closed = False
        self._readings: set[asyncio.Task[None]] = set()
        self.joined = asyncio.Event()

    async def say(self, text: str, lang: str) -> Answer:
        """Send a text; returns when the server has answered for good."""
        return await self._send("message", {"content": text, "messageType": "text"}, lang)

    async def use(self, template_key: str, lang: str) -> Answer:
        """Send a quick message."""
        return await self._send("quick", {"templateKey": template_key}, lang)

    async def type(self, is_typing: bool) -> None:
        """Show (or stop showing) that this person writes; lost without harm."""
        await self._put("typing", {"isTyping": is_typing})

    async def close(self) -> None:
        """Hang up. What still waits for an answer gets `gone`."""
        self._closed = True
        for task in self._readings:
            task.cancel()
        if self._socket is not None:
            await self._socket.close()
        self._drop_waiting("gone")

    async def run(self) -> None:
        """Connect, talk, connect again; returns after `close` or when the server says that this is over."""
        wait = BACKOFF_S[0]
        while not self._closed:
            with contextlib.suppress(OSError, TimeoutError, WebSocketException):
                await self._talk()  # however it ends, what follows is the same
            self._socket = None
            if self._closed:
                return
            if self.joined.is_set():
                self._figures.reconnects += 1
                wait = BACKOFF_S[0]
            self.joined.clear()
            await asyncio.sleep(wait * self._rng.uniform(0.5, 1.5))
            wait = min(BACKOFF_S[1], wait * 2)

    async def _talk(self) -> None:
        """One connection from `auth` to its end."""
        for waiting in self._waiting.values():
            waiting.tries_here, waiting.again_at = 0, 0.0
        socket = connect(
            self._seat.url, compression=None, open_timeout=10, close_timeout=1, max_size=2**22, proxy=self._seat.proxy
        )
        async with socket as self._socket:
            auth: dict[str, object] = {"token": self._seat.token()}
            if self._cursor.epoch is not None:
                auth |= {"epoch": self._cursor.epoch, "since": self._cursor.seq}
            await self._put("auth", auth)
            repeating = asyncio.create_task(self._repeat())
            try:
                async for raw in self._socket:
                    await self._hear(raw)
            finally:
                repeating.cancel()

    async def _send(self, event: str, data: dict[str, object], lang: str) -> Answer:
        if self._closed:
            return "gone"
        client_message_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        waiting = _Waiting(event, {**data, "clientMessageId": client_message_id}, asyncio.Future())
        self._waiting[client_message_id] = waiting
        self._ledger.offer(client_message_id, lang)
        if self.joined.is_set():
            await self._try(waiting)
        return await waiting.answer  # pyright: ignore[reportReturnType]

    async def _try(self, waiting: _Waiting) -> None:
        waiting.tries += 1
        waiting.tries_here += 1
        self._figures.repeats += waiting.tries > 1
        waiting.again_at = time.monotonic() + REPEAT_AFTER_S
        await self._put(waiting.event, waiting.data)

    async def _repeat(self) -> None:
        """Offer everything unanswered to this socket, and again while it stays so."""
        await self.joined.wait()
        while True:
            for waiting in list(self._waiting.values()):
                if waiting.tries_here > REPEATS_PER_SOCKET and self._socket is not None:
                    await self._socket.close(1001)
                elif time.monotonic() >= waiting.again_at:
                    await self._try(waiting)
            await asyncio.sleep(1.0)

    async def _put(self, event: str, data: dict[str, object]) -> None:
        if self._socket is None:
            return
        try:
            await self._socket.send(msgspec.json.encode({"event": event, "data": data}).decode())
        except WebSocketException:
            return  # `run` notices too; what matters waits in `_waiting`

    async def _hear(self, raw: str | bytes) -> None:
        try:
            frame = msgspec.json.decode(raw, type=Frame)
        except msgspec.MsgspecError:
            self._figures.errors["unreadable_frame"] += 1
            return
        data: Any = frame.data
        match frame.event:
            case "joined":
                self._join(data)
            case "messages-history":
                for message in reversed(data):
                    await self._take(message)
                self.joined.set()
            case "new-message" | "message-updated":
                self.joined.set()
                await self._take(data)
            case "ack":
                self._acknowledge(data)
            case "reset":
                self._cursor.epoch = None
            case "error":
                await self._refuse(data)
            case _:
                pass

    def _join(self, data: Any) -> None:
        if data["epoch"] != self._cursor.epoch:
            self._cursor.epoch, self._cursor.seq = data["epoch"], int(data.get("lastSeq") or 0)
        asyncio.get_running_loop().call_later(0.2, self.joined.set)  # a resume may bring no history at all

    async def _take(self, message: Any) -> None:
        """A message of the peer or of the system: note it, mark it."""
        seq, message_id = message.get("seq"), str(message.get("id"))
        if isinstance(seq, int):
            self._cursor.seq = max(self._cursor.seq, seq)
        sender = str(message.get("sender_id"))
        if message_id in self._cursor.seen or sender == self._seat.user_id or message.get("sender_type") == "system":
            return
        if not message.get("content"):
            return  # withheld or withdrawn: only its place is known
        self._cursor.seen.add(message_id)
        self._ledger.arrive(message_id, message.get("client_message_id"))
        if isinstance(seq, int):
            await self._put("delivered", {"seq": seq})
            task = asyncio.create_task(self._read(seq))
            self._readings.add(task)
            task.add_done_callback(self._readings.discard)

    async def _read(self, seq: int) -> None:
        await asyncio.sleep(self._seat.read_after_s * self._rng.uniform(0.5, 1.5))
        await self._put("read", {"seq": seq})

    def _acknowledge(self, data: Any) -> None:
        waiting = self._waiting.pop(str(data.get("clientMessageId")), None)
        if waiting is None:
            return
        status = str(data.get("status") or "delivered")
        if isinstance(data.get("seq"), int):
            self._cursor.seq = max(self._cursor.seq, data["seq"])
        if status == "rejected":
            self._ledger.reject(str(data["clientMessageId"]))
        else:
            self._ledger.acknowledge(str(data["clientMessageId"]), str(data.get("id")), status)
        waiting.answer.set_result(status)

    async def _refuse(self, data: Any) -> None:
        code = str(data.get("code"))
        client_message_id = str(data.get("clientMessageId"))
        waiting = self._waiting.get(client_message_id)
        if code in REFUSING and waiting is not None:
            self._ledger.reject(client_message_id)
            self._answer(client_message_id, "rejected")
            return
        self._figures.errors[code] += 1
        if code in FINAL:
            await self.close()
        elif waiting is not None and code in PASSING:
            waiting.again_at = time.monotonic() + self._rng.uniform(1.0, 2.0)
        elif waiting is not None:
            self._answer(client_message_id, "refused")

    def _answer(self, client_message_id: str, answer: Answer) -> None:
        waiting = self._waiting.pop(client_message_id)
        if not waiting.answer.done():
            waiting.answer.set_result(answer)

    def _drop_waiting(self, answer: Answer) -> None:
        for client_message_id in list(self._waiting):
            self._answer(client_message_id, answer)
