"""An installation with a local Firebase: a clock that is moved, a sweeper's looks by hand, phones that may be asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from backend.clock import MovableClock
from backend.notification.simulator import SimulatorConfig
from backend.notification.simulator.fcm import ensure_account, read_account
from backend.notification.simulator.server import server_for
from backend.pipeline.services import Services
from backend.push.due import Lookout, pick_up
from backend.settings import PushSettings, Settings
from tests.backend.notification.harness import free_port
from tests.factories.chat import Chat
from tests.flows.emergency_house import in_thread


def registration(name: str) -> str:
    """A registration token as long as real ones."""
    return f"{name}:APA91b" + "x" * 120


@contextmanager
def firebase_for(directory: Path) -> Generator[PushSettings]:
    """A running local Firebase and the settings that lead to it."""
    account = ensure_account(directory / "push" / "simulated.json")
    server = server_for(SimulatorConfig(firebase=read_account(account)), "127.0.0.1", free_port())
    with in_thread(server):
        base = f"http://127.0.0.1:{server.config.port}/fcm"
        yield PushSettings(credentials_file=str(account), api_base=base, token_url=base + "/token", ttl_s=600)


@contextmanager
def reach(settings: PushSettings) -> Generator[httpx.Client]:
    url = settings.api_base.removesuffix("/fcm")
    with httpx.Client(base_url=url + "/_control", timeout=10, trust_env=False) as client:
        yield client


@dataclass
class PushHouse:
    """What a story does and sees."""

    services: Services
    clock: MovableClock
    lookout: Lookout
    control: httpx.Client

    async def register(self, chat: Chat, role: str, *names: str, **more: Any) -> None:
        """Name the devices of one side, as the platform does."""
        devices = [{"token": registration(name), "platform": "android", **more} for name in names]
        answer = await chat.client.put(
            f"/api/platform/users/{chat.id_of(role)}", json={"devices": devices}, headers=chat.service
        )
        assert answer.status_code == 204, answer.text

    async def later(self, seconds: float) -> None:
        """Move the time in steps of half a second; a sweeper does at each what it does at each."""
        for _ in range(max(1, round(seconds / 0.5))):
            self.clock.move(timedelta(seconds=0.5))
            await self.sweep()

    async def sweep(self) -> None:
        await self.lookout.run_due(self.services)
        await pick_up(self.services)

    def heard(self, chat: Chat) -> list[dict[str, Any]]:
        """The pushes that the local Firebase took for a trip."""
        sent: list[dict[str, Any]] = self.control.get("/push/sent").json()
        return [one["message"] for one in sent if one["message"]["data"]["tripId"] == str(chat.trip_id)]

    async def hears(self, chat: Chat, count: int, within_s: float = 10.0) -> list[dict[str, Any]]:
        """These pushes once there are `count` of them; a worker sends them in real time."""
        end = time.monotonic() + within_s
        while len(heard := self.heard(chat)) < count:
            assert time.monotonic() < end, f"{len(heard)} of {count} pushes came: {await self.rows(chat)}"
            await asyncio.sleep(0.02)
        return heard

    async def rows(self, chat: Chat) -> list[tuple[str, str | None]]:
        """(status, detail) of every row of a trip, in the order of its messages."""
        found = await self.services.pool.fetch(
            "SELECT status, detail FROM push WHERE trip_id = $1 ORDER BY seq, device_id", chat.trip_id
        )
        return [(row["status"], row["detail"]) for row in found]

    async def settles(self, chat: Chat, *wanted: str, within_s: float = 10.0) -> list[tuple[str, str | None]]:
        """The rows once they have these statuses."""
        end = time.monotonic() + within_s
        while True:
            rows = await self.rows(chat)
            if [status for status, _ in rows] == list(wanted):
                return rows
            assert time.monotonic() < end, f"{rows} never became {wanted}"
            await asyncio.sleep(0.02)

    def fault(self, kind: str, **more: Any) -> None:
        self.control.post("/faults", json={"kind": kind, "resource": "push", **more}).raise_for_status()

    def reset(self) -> None:
        self.control.post("/reset").raise_for_status()


def with_push(settings: Settings, push: PushSettings) -> Settings:
    return replace(settings, push=push)


def seq_of(push: dict[str, Any]) -> int:
    return int(push["data"]["seq"])


def message_of(push: dict[str, Any]) -> UUID:
    return UUID(push["data"]["messageId"])


async def said(chat: Chat, text: str = "I am at the red gate", role: str = "driver") -> dict[str, Any]:
    answer = await chat.say(role, text)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def marked(house: PushHouse, chat: Chat, seq: int) -> None:
    """Wait for the receipt to be stored."""
    query = "SELECT EXISTS (SELECT FROM trip_receipt WHERE trip_id = $1 AND up_to_seq >= $2)"
    end = time.monotonic() + 5
    while not await house.services.pool.fetchval(query, chat.trip_id, seq):
        assert time.monotonic() < end, "the mark was not stored"
        await asyncio.sleep(0.01)


async def remove(house: PushHouse, chat: Chat, message_id: str) -> None:
    async with house.services.db.session() as session:
        await house.services.chat.remove(session, chat.trip_id, UUID(message_id), "a test")
        await session.commit()


async def platform(chat: Chat, what: str, **body: Any) -> None:
    answer = await chat.client.post(
        f"/api/platform/users/{chat.customer_id}/{what}", json=body or None, headers=chat.service
    )
    assert answer.status_code == 204, answer.text


async def devices_of(house: PushHouse, chat: Chat) -> int:
    return await house.services.pool.fetchval("SELECT count(*) FROM push_device WHERE user_id = $1", chat.customer_id)
