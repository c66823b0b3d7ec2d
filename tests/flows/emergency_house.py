"""An installation with a telephone: api, worker, simulator on real ports; a clock that is moved, a sweep by hand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import uvicorn

from backend.app import create_app
from backend.cli.serving import configuration
from backend.clock import Clock, MovableClock
from backend.escalation.due import run_due
from backend.escalation.seeding import seed_roster
from backend.notification.simulator.people import COMPANY_NUMBER, DUTY_MANAGER, PRIMARY, SECONDARY, SHIFT
from backend.notification.simulator.server import server_for
from backend.pipeline.services import Services
from backend.settings import Settings, TwilioSettings
from tests.backend.notification.harness import Simulator, SimulatorConfig, free_port
from tests.factories.tokens import Tokens, bearer

PHONES = {"primary": PRIMARY, "secondary": SECONDARY, "duty": DUTY_MANAGER, "shift": SHIFT}
SPEED = 40.0


@contextmanager
def in_thread(server: uvicorn.Server) -> Generator[None]:
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < end
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def simulator_for(api_port: int) -> Generator[tuple[str, SimulatorConfig]]:
    config = SimulatorConfig(sms_url=f"http://127.0.0.1:{api_port}/api/twilio/sms", speed=SPEED)
    server = server_for(config, "127.0.0.1", free_port())
    with in_thread(server):
        yield f"http://127.0.0.1:{server.config.port}", config


def with_telephone(settings: Settings, api_port: int, simulator_url: str, config: SimulatorConfig) -> Settings:
    twilio = TwilioSettings(
        account_sid=config.account_sid,
        auth_token=config.auth_token,
        from_number=COMPANY_NUMBER,
        api_base=simulator_url,
    )
    api = replace(settings.api, port=api_port, public_url=f"http://127.0.0.1:{api_port}")
    return replace(settings, api=api, twilio=twilio)


@contextmanager
def api_on(settings: Settings, clock: Clock) -> Generator[str]:
    app = create_app(settings, clock=clock)
    with in_thread(uvicorn.Server(configuration(app, settings, port=settings.api.port))):
        yield settings.api.public_url


@dataclass
class TripOf:
    """A trip with its two people and their keys."""

    id: str
    driver: str
    customer: str


@dataclass
class House:
    """What a story does and sees."""

    services: Services
    client: httpx.AsyncClient
    simulator: Simulator
    tokens: Tokens
    clock: MovableClock
    staff: str = field(default="")

    async def roster(self) -> None:
        async with self.services.db.session() as session:
            await seed_roster(session, self.services.keyring, self.clock, ("default",))
            await session.commit()

    async def trip(self) -> TripOf:
        trip = TripOf(str(uuid4()), str(uuid4()), str(uuid4()))
        facts = {
            "market": "default",
            "status": "in_transit",
            "driver": {"id": trip.driver, "name": "Arman"},
            "customer": {"id": trip.customer, "name": "Aigerim"},
            "vehicle": {"make": "Toyota", "model": "Camry", "colour": "white", "plate": "123ABC02"},
        }
        answer = await self.client.put(
            f"/api/platform/trips/{trip.id}", json=facts, headers=bearer(self.tokens.service())
        )
        answer.raise_for_status()
        return trip

    def key(self, trip: TripOf, role: str = "customer") -> dict[str, str]:
        token = self.tokens.customer(trip.customer) if role == "customer" else self.tokens.driver(trip.driver)
        return bearer(token)

    async def press(self, trip: TripOf, role: str = "customer", **body: Any) -> httpx.Response:
        return await self.client.post(f"/api/trips/{trip.id}/emergency", json=body, headers=self.key(trip, role))

    async def pressed(self, trip: TripOf, role: str = "customer", **body: Any) -> str:
        answer = await self.press(trip, role, **body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def desk(self, role: str = "lead", sub: str | None = None) -> dict[str, str]:
        return bearer(self.tokens.staff(role, sub))

    async def incident(self, incident_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/staff/incidents/{incident_id}", headers=self.desk())
        answer.raise_for_status()
        return answer.json()

    async def act(self, incident_id: str, what: str, sub: str = "lead", **body: Any) -> httpx.Response:
        return await self.client.post(
            f"/api/staff/incidents/{incident_id}/{what}", json=body, headers=self.desk("lead", sub)
        )

    async def settle(self, incident_id: str) -> None:
        """End an incident so that the next story starts quietly."""
        done = await self.act(incident_id, "resolve", reason="story over", level=1, callback_attempted=True)
        assert done.status_code in (200, 409)

    async def clear(self) -> None:
        """After a story, whichever way it ended: no open incident, no ringing phone."""
        for status in ("triggered", "acknowledged"):
            page = await self.client.get("/api/staff/incidents", params={"status": status}, headers=self.desk())
            for incident in page.json()["items"]:
                await self.settle(incident["id"])
        await self.simulator.reset()

    async def later(self, seconds: float) -> int:
        """Move the time and let a sweeper look, thrice: it skips a row that a callback holds at that moment."""
        self.clock.move(timedelta(seconds=seconds))
        done = 0
        for _ in range(3):
            done += await run_due(self.services)
            await asyncio.sleep(0.05)
        return done

    async def until(
        self, incident_id: str, check: Callable[[dict[str, Any]], Any], timeout_s: float = 15.0
    ) -> dict[str, Any]:
        """The incident once `check` holds of it; the workers and the simulator live in real time."""
        end = time.monotonic() + timeout_s
        while True:
            now = await self.incident(incident_id)
            if check(now):
                return now
            assert time.monotonic() < end, f"it did not come: {summary(now)}"
            await asyncio.sleep(0.05)


def summary(incident: dict[str, Any]) -> Any:
    attempts = [(a["name"], a["channel"], a["status"], a["detail"]) for a in incident["attempts"]]
    return incident["status"], attempts, [line["text_code"] for line in incident["timeline"]]


def attempts(incident: dict[str, Any], channel: str | None = None, name: str | None = None) -> list[dict[str, Any]]:
    """Pages of an incident, the console's bell left out."""
    return [
        one
        for one in incident["attempts"]
        if one["channel"] != "console"
        and channel in (None, one["channel"])
        and (name is None or one["name"].startswith(name))
    ]


def settled(incident: dict[str, Any]) -> bool:
    """No attempt waits to be sent."""
    return all(one["status"] not in ("due", "sending", "retry", "unknown") for one in incident["attempts"])


Story = Callable[[House], Awaitable[None]]
