"""A process that stops: its clients are told, one after the other, and nobody misses or doubles anything."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from backend.api.sockets import line as lines
from backend.pipeline.services import Services
from backend.settings import Settings
from tests.factories.chat import Chat, Phone
from tests.factories.served import served

TRIPS = 6


@asynccontextmanager
async def process(settings: Settings) -> AsyncGenerator[tuple[str, asyncio.subprocess.Process]]:
    """A real `tripwarden api` of this installation, ready; killed afterwards if it still runs."""
    reading, writing = os.pipe()
    port = free_port()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "backend.cli", "api", "--data-dir", str(settings.data.dir),
        "--port", str(port), "--ready-fd", str(writing),
        env={
            **os.environ,
            "TRIPWARDEN_DATABASE_URL": settings.database.url,
            "TRIPWARDEN_REDIS_URL": settings.redis.url,
            "TRIPWARDEN_TOKEN_ISSUER": settings.token.issuer,
            "TRIPWARDEN_LOG_LEVEL": "warning",
        },
        pass_fds=(writing,),
    )  # fmt: skip
    os.close(writing)
    try:
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(os.read, reading, 1), "the process did not start"
        yield f"http://127.0.0.1:{port}", child
    finally:
        os.close(reading)
        if child.returncode is None:
            child.kill()
        await child.wait()


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def stop(context: AbstractContextManager[str]) -> asyncio.Task[bool | None]:
    """Stop an api that runs in a thread, without waiting for it."""
    return asyncio.create_task(asyncio.to_thread(context.__exit__, None, None, None))


class Traveller:
    """A phone that comes back by its cursor and repeats what was not acknowledged, as an app does."""

    def __init__(self, chat: Chat, role: str, url: str, later: str) -> None:
        self.chat, self.role, self.url, self.later = chat, role, url, later
        self.seqs: list[int] = []
        self.acked: set[str] = set()
        self.waiting: dict[str, str] = {}
        self.closed_with: list[int] = []
        self.done = asyncio.Event()

    async def live(self) -> None:
        """Stay connected until `done`."""
        while not self.done.is_set():
            phone = await self.chat.dial(self.url)
            await phone.send("auth", token=self.chat.token(self.role), since=self.seqs[-1] if self.seqs else 0)
            speaking = asyncio.create_task(self._speak(phone))
            try:
                await self._listen(phone)
            except ConnectionClosed as closed:
                self.closed_with.append(closed.rcvd.code if closed.rcvd else 1006)
                self.url = self.later
            finally:
                speaking.cancel()

    async def _listen(self, phone: Phone) -> None:
        while True:
            frame = await phone.next(60.0)
            if frame["event"] == "new-message":
                self.seqs.append(frame["data"]["seq"])
            elif frame["event"] == "ack":
                self.acked.add(frame["data"]["clientMessageId"])
                self.waiting.pop(frame["data"]["clientMessageId"], None)

    async def _speak(self, phone: Phone) -> None:
        if self.role != "driver":
            return
        for client_id, content in list(self.waiting.items()):
            await phone.send("message", content=content, clientMessageId=client_id)
        while not self.done.is_set():
            client_id = str(uuid4())
            self.waiting[client_id] = f"gate {len(self.acked)}"
            await phone.send("message", content=self.waiting[client_id], clientMessageId=client_id)
            await asyncio.sleep(0.15)


async def test_a_process_is_stopped_under_traffic_and_nobody_misses_anything(
    settings: Settings, api_url: str, chat: Chat, services: Services
) -> None:
    async with process(settings) as (url, child):
        chats = [chat, *(Chat(chat.client, chat.tokens) for _ in range(TRIPS - 1))]
        people: list[Traveller] = []
        for one in chats:
            await one.begin()
            people += [Traveller(one, role, url, api_url) for role in ("driver", "customer")]
        lives = [asyncio.create_task(person.live()) for person in people]
        await asyncio.sleep(1.5)
        child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), 8) in (0, -signal.SIGTERM)
        await asyncio.sleep(1.5)
        for person in people:
            assert person.closed_with == [1012], person.role
            person.done.set()
        await asyncio.sleep(0.5)
        for one in chats:
            last = (await one.history("customer"))["lastSeq"]
            for person in (found for found in people if found.chat is one):
                assert person.seqs == list(range(1, last + 1)), person.role
        acked = [client_id for person in people for client_id in person.acked]
        assert len(acked) > TRIPS * 8
        stored = await services.pool.fetch("SELECT client_message_id, count(*) AS times FROM trip_message GROUP BY 1")
        times = {str(row["client_message_id"]): row["times"] for row in stored}
        assert [times.get(client_id) for client_id in acked] == [1] * len(acked)
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        for one in chats:
            await one.hang_up()


async def test_what_is_being_sent_is_acknowledged_before_the_socket_closes(
    settings: Settings, chat: Chat, services: Services
) -> None:
    running = served(settings, producer="api-rolling")
    url = running.__enter__()
    phone, idle = await chat.join("driver", url), await chat.join("customer", url)
    await phone.send("message", content="the first makes the key", clientMessageId=str(uuid4()))
    await phone.hear("ack")
    client_id = str(uuid4())
    async with services.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM trip_chat WHERE trip_id = $1 FOR UPDATE", chat.trip_id)
        await phone.send("message", content="at the gate", clientMessageId=client_id)
        await asyncio.sleep(0.2)
        stopping = await stop(running)
        assert await idle.closed_with() == 1012
        with pytest.raises(TimeoutError):
            await phone.hear("ack", 0.5)
        with pytest.raises(ConnectionRefusedError):
            await chat.dial(url)
    assert (await phone.hear("ack"))["clientMessageId"] == client_id
    assert await phone.closed_with() == 1012
    await stopping


async def test_sockets_of_a_process_that_stops_close_one_after_the_other(
    settings: Settings, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "ROLL_PER_S", 10.0)
    running = served(settings, producer="api-rolling")
    url = running.__enter__()
    phones = [await chat.join(role, url) for role in ("driver", "customer") for _ in range(5)]
    began = time.monotonic()
    stopping = await stop(running)
    ends: list[float] = []

    async def end(phone: Phone) -> None:
        assert await phone.closed_with() == 1012
        ends.append(time.monotonic() - began)

    await asyncio.gather(*(end(phone) for phone in phones))
    await stopping
    assert max(ends) < 2.0
    assert max(ends) - min(ends) > 0.2
