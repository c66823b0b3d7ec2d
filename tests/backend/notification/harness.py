"""A simulator and a webhook of its own on real ports, in the loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
import uvicorn

from backend.notification.simulator import SimulatorConfig
from backend.notification.simulator.server import server_for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def serving(server: uvicorn.Server) -> AsyncGenerator[str]:
    """Run a server in this loop until the block ends; yields its URL."""
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        await task


@dataclass
class Hook:
    """A webhook that writes down what it was told and answers what it is given."""

    url: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        self.told.append((scope["path"], dict(parse_qsl(body.decode(), keep_blank_values=True)), headers))
        answer = self.answers.get(scope["path"], "").encode()
        status = 200 if answer else 204
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/xml")]})
        await send({"type": "http.response.body", "body": answer})

    def statuses(self, path: str) -> list[str]:
        return [
            fields.get("CallStatus") or fields.get("MessageStatus", "")
            for where, fields, _ in self.told
            if where == path
        ]


@dataclass(frozen=True)
class Simulator:
    """A running simulator: its URL, its configuration and a client for its control."""

    url: str
    config: SimulatorConfig
    control: httpx.AsyncClient

    async def person(self, phone: str, **script: Any) -> None:
        (await self.control.put("/people", json={"phone": phone, **script})).raise_for_status()

    async def fault(self, kind: str, **more: Any) -> None:
        (await self.control.post("/faults", json={"kind": kind, **more})).raise_for_status()

    async def slow_down(self, speed: float = 5.0) -> None:
        """Until the reset: phones ring long enough to be seen ringing on a busy machine."""
        (await self.control.put("/settings", json={"speed": speed})).raise_for_status()

    async def callbacks(self, trouble: str, late_s: float = 0.0) -> None:
        (await self.control.put("/callbacks", json={"trouble": trouble, "late_s": late_s})).raise_for_status()

    async def text_in(self, phone: str, body: str) -> None:
        (await self.control.post("/inbound", json={"phone": phone, "body": body})).raise_for_status()

    async def heard(self, phone: str, kind: str | None = None) -> list[str]:
        phones = (await self.control.get("/phones")).json()
        events = next((entry["events"] for entry in phones if entry["phone"] == phone), [])
        return [event["text"] for event in events if kind in (None, event["kind"])]

    async def reset(self) -> None:
        (await self.control.post("/reset")).raise_for_status()


@asynccontextmanager
async def simulating(**config: Any) -> AsyncGenerator[Simulator]:
    settings = SimulatorConfig(**{"speed": 50.0, **config})
    server = server_for(settings, "127.0.0.1", free_port())
    async with serving(server) as url, httpx.AsyncClient(base_url=url + "/_control", timeout=10) as control:
        yield Simulator(url, settings, control)


@asynccontextmanager
async def hooked() -> AsyncGenerator[Hook]:
    hook = Hook()
    server = uvicorn.Server(
        uvicorn.Config(hook, host="127.0.0.1", port=free_port(), log_level="warning", lifespan="off")
    )
    async with serving(server) as url:
        hook.url = url
        yield hook


async def until(check: Callable[[], Any], timeout_s: float = 15.0) -> Any:
    """Wait for something of the outer world (another process, a socket); what `check` gave."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while True:
        value = check()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert loop.time() < end, "it did not come in time"
        await asyncio.sleep(0.02)
