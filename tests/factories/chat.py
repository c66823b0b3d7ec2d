"""A trip and the telephones of its two people, frame by frame: for stories about the chat itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.factories.tokens import Tokens, bearer

PATIENCE_S = 5.0


class Phone:
    """One device: keeps every frame that it got, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []

    async def send(self, event: str, **data: Any) -> None:
        """Send a frame."""
        await self.socket.send(json.dumps({"event": event, "data": data}))

    async def next(self, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next frame, whatever it is. Raises TimeoutError, ConnectionClosed."""
        async with asyncio.timeout(within_s):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        self.frames.append(frame)
        return frame

    async def hear(self, event: str, within_s: float = PATIENCE_S) -> Any:
        """The data of the next frame of this kind."""
        async with asyncio.timeout(within_s):
            while True:
                frame = await self.next(within_s)
                if frame["event"] == event:
                    return frame["data"]

    async def hear_all(self, during_s: float = 0.3) -> list[dict[str, Any]]:
        """Everything that comes until it is quiet for `during_s`."""
        heard: list[dict[str, Any]] = []
        while True:
            try:
                heard.append(await self.next(during_s))
            except TimeoutError:
                return heard

    async def closed_with(self, within_s: float = PATIENCE_S) -> int:
        """The code with which the other end closes."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    await self.next(within_s)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006

    async def hang_up(self) -> None:
        """Close from this end."""
        await self.socket.close()


class Chat:
    """One trip on one installation; `url` says which api process a phone talks to."""

    def __init__(self, client: httpx.AsyncClient, tokens: Tokens) -> None:
        self.client, self.tokens = client, tokens
        self.trip_id, self.driver_id, self.customer_id = uuid4(), uuid4(), uuid4()
        self.locales = {"driver": "en", "customer": "en"}
        self.phones: list[Phone] = []

    @property
    def path(self) -> str:
        """Where the trip is."""
        return f"/api/trips/{self.trip_id}"

    async def begin(
        self, status: str = "accepted", *, driver: UUID | None = None, market: str = "default"
    ) -> httpx.Response:
        """Tell the product of the trip, as the platform does; again with another driver for a swap."""
        self.driver_id = driver or self.driver_id
        body = {
            "market": market,
            "status": status,
            "driver": {"id": str(self.driver_id), "name": "Dana", "locale": self.locales["driver"]},
            "customer": {"id": str(self.customer_id), "name": "Kim", "locale": self.locales["customer"]},
        }
        answer = await self.client.put(f"/api/platform/trips/{self.trip_id}", json=body, headers=self.service)
        assert answer.is_success, answer.text
        return answer

    async def move(self, status: str) -> None:
        """Give the trip another status."""
        answer = await self.client.post(
            f"/api/platform/trips/{self.trip_id}/status", json={"status": status}, headers=self.service
        )
        assert answer.status_code == 200, answer.text

    @property
    def service(self) -> dict[str, str]:
        """The platform's header."""
        return bearer(self.tokens.service())

    def id_of(self, role: str) -> UUID:
        """Who that is."""
        return self.driver_id if role == "driver" else self.customer_id

    def token(self, role: str) -> str:
        """A key of the trip's driver or customer."""
        mint = self.tokens.driver if role == "driver" else self.tokens.customer
        return mint(self.id_of(role))

    def as_(self, role: str) -> dict[str, str]:
        """The header of the trip's driver or customer."""
        return bearer(self.token(role))

    async def say(self, role: str, content: str, **more: Any) -> httpx.Response:
        """Send a text over REST; the answer as it is."""
        body = {"content": content, "messageType": "text", **more}
        return await self.client.post(f"{self.path}/messages", json=body, headers=self.as_(role))

    async def history(self, role: str, **query: Any) -> dict[str, Any]:
        """One side's messages."""
        answer = await self.client.get(f"{self.path}/messages", params=query, headers=self.as_(role))
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def dial(self, url: str | None = None) -> Phone:
        """An open socket that has not said who it is."""
        base = (url or str(self.client.base_url)).replace("http", "ws", 1).rstrip("/")
        phone = Phone(await connect(f"{base}/ws/trips/{self.trip_id}/chat", proxy=None, max_size=2**22))
        self.phones.append(phone)
        return phone

    async def join(self, role: str, url: str | None = None, **auth: Any) -> Phone:
        """A socket that has joined; its first two frames are already heard."""
        phone = await self.dial(url)
        await phone.send("auth", **({"token": self.token(role)} | auth))
        await phone.hear("joined")
        if "since" not in auth:
            await phone.hear("messages-history")
        return phone

    async def hang_up(self) -> None:
        """Close every socket of the story."""
        for phone in self.phones:
            await phone.hang_up()
