"""A trip, its two people and the desk, over HTTP and WebSocket, in the words of a story."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.factories.tokens import Tokens, bearer

#: What the shipped policy makes of these is asserted in `tests/flows/test_review_desk.py`, so that a change is noticed.
WITHHELD = "I know where you live"
FLAGGED = "cancel the trip and send me the money to my card"
DANGEROUS = "I will kill you"
HARMLESS = "ok, two minutes"


class Line:
    """An open, authenticated socket of one participant."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def hear(self, event: str, timeout_s: float = 5.0) -> dict[str, Any]:
        """The data of the next frame of this kind; what comes before it is passed over."""
        async with asyncio.timeout(timeout_s):
            while True:
                frame = json.loads(await self._socket.recv())
                if frame["event"] == event:
                    data: dict[str, Any] = frame["data"]
                    return data

    async def tell(self, event: str, **data: Any) -> None:
        """Say a frame."""
        await self._socket.send(json.dumps({"event": event, "data": data}))

    async def hears_nothing_of(self, *events: str, during_s: float = 0.4) -> bool:
        """Whether none of these frames comes within `during_s`."""
        try:
            async with asyncio.timeout(during_s):
                while json.loads(await self._socket.recv())["event"] not in events:
                    pass
        except TimeoutError:
            return True
        return False

    async def is_closed_within(self, timeout_s: float) -> bool:
        """Whether the product hangs up in this time."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._socket.recv()
        except ConnectionClosed:
            return True
        except TimeoutError:
            return False


class Ride:
    """One trip."""

    def __init__(self, client: httpx.AsyncClient, tokens: Tokens) -> None:
        self._client, self._tokens = client, tokens
        self.trip_id, self.driver_id, self.customer_id = uuid4(), uuid4(), uuid4()

    async def begin(self, status: str = "in_transit") -> Ride:
        """Tell the product of this trip, as the platform does."""
        body = {
            "market": "default",
            "status": status,
            "driver": {"id": str(self.driver_id), "name": "Dana", "locale": "en"},
            "customer": {"id": str(self.customer_id), "name": "Kim", "locale": "en"},
        }
        answer = await self._client.put(
            f"/api/platform/trips/{self.trip_id}", json=body, headers=bearer(self._tokens.service())
        )
        assert answer.is_success, answer.text
        return self

    def token(self, role: str) -> str:
        """The key of this trip's driver or customer."""
        return self._tokens.driver(self.driver_id) if role == "driver" else self._tokens.customer(self.customer_id)

    def person(self, role: str) -> UUID:
        """Who that is."""
        return self.driver_id if role == "driver" else self.customer_id

    async def try_to_say(self, role: str, text: str) -> httpx.Response:
        """Send a text; the answer as it is."""
        return await self._client.post(
            f"/api/trips/{self.trip_id}/messages",
            json={"content": text, "messageType": "text", "clientMessageId": str(uuid4())},
            headers=bearer(self.token(role)),
        )

    async def say(self, role: str, text: str) -> dict[str, Any]:
        """Send a text that is accepted; the message object."""
        answer = await self.try_to_say(role, text)
        assert answer.status_code == 201, answer.text
        message: dict[str, Any] = answer.json()
        return message

    async def reads(self, role: str) -> list[dict[str, Any]]:
        """What one side has in its history, oldest first, without system lines."""
        answer = await self._client.get(f"/api/trips/{self.trip_id}/messages", headers=bearer(self.token(role)))
        assert answer.status_code == 200, answer.text
        return [item for item in reversed(answer.json()["items"]) if item["sender_type"] != "system"]

    async def system_lines(self, role: str) -> list[str]:
        """The system's lines that one side reads."""
        answer = await self._client.get(f"/api/trips/{self.trip_id}/messages", headers=bearer(self.token(role)))
        return [item["content"] for item in answer.json()["items"] if item["sender_type"] == "system"]

    @asynccontextmanager
    async def line(self, role: str) -> AsyncGenerator[Line]:
        """This side's socket, joined."""
        base = str(self._client.base_url).replace("http", "ws", 1).rstrip("/")
        async with connect(f"{base}/ws/trips/{self.trip_id}/chat", proxy=None) as socket:
            await socket.send(json.dumps({"event": "auth", "data": {"token": self.token(role)}}))
            line = Line(socket)
            await line.hear("joined")
            yield line


class Reviewer:
    """Somebody of staff at the desk."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client, self.headers = client, bearer(token)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """GET under `/api/staff`."""
        return await self._client.get("/api/staff" + path, params=query, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        """POST under `/api/staff`."""
        return await self._client.post("/api/staff" + path, json=body, headers=self.headers)

    async def put(self, path: str, body: Any) -> httpx.Response:
        """PUT under `/api/staff`."""
        return await self._client.put("/api/staff" + path, json=body, headers=self.headers)

    async def case_of(self, ride: Ride, **query: Any) -> dict[str, Any]:
        """The one case of this trip that is not closed."""
        items = (await self.get("/cases", trip_id=str(ride.trip_id), **query)).json()["items"]
        assert len(items) == 1, items
        case: dict[str, Any] = items[0]
        return case

    async def claim(self, case: dict[str, Any]) -> dict[str, Any]:
        """Claim this case; the case with its conversation."""
        answer = await self.post(f"/cases/{case['id']}/claim")
        assert answer.status_code == 200, answer.text
        opened: dict[str, Any] = answer.json()
        return opened

    async def decide(self, case: dict[str, Any], outcome: str | None = None, **more: Any) -> httpx.Response:
        """Give every message of the case one outcome."""
        messages = [{"message_id": one, "outcome": outcome} for one in case["message_ids"]] if outcome else []
        body = {"messages": messages, "person": "none", "policy_cited": "conduct", "rationale": "because"} | more
        return await self.post(f"/cases/{case['id']}/decisions", body)
