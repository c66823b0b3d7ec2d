"""What people write is nowhere in the clear: not in data files, the write-ahead log, Valkey or the logs."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import redis.asyncio

from backend.supervisor.engines import Engines
from tests.factories.chat import Chat

CANARY = "canary-sings-in-the-mine"
PHONE = "+77015550143"


def _files_with(directory: Path, *needles: bytes) -> list[str]:
    found: list[str] = []
    for path in directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found += [f"{path.name}: {needle.decode()}" for needle in needles if needle in data]
    return found


@contextmanager
def _overheard(url: str) -> Generator[list[bytes]]:
    """Everything that clients say to Valkey meanwhile, as MONITOR sees it."""
    heard: list[bytes] = []

    async def listen() -> None:
        client = redis.asyncio.Redis.from_url(url)
        async with client.monitor() as monitor:
            async for command in monitor.listen():
                heard.append(repr(command).encode())

    task = asyncio.get_running_loop().create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()


async def test_no_word_of_a_conversation_is_stored_or_logged_in_the_clear(
    chat: Chat,
    other_api_url: str,
    engines: Engines,
    database_url: str,
    redis_url: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with _overheard(redis_url) as heard:
        await asyncio.sleep(0.1)
        rider = await chat.join("customer", other_api_url)
        texts = [CANARY, f"{CANARY} call me {PHONE}", f"{CANARY} I know where you live"]
        statuses = [(await chat.say("driver", text)).json()["status"] for text in texts]
        assert statuses == ["delivered", "masked", "quarantined"]
        assert CANARY in (await rider.hear("new-message"))["content"], "the canary did sing"
        await rider.send("message", content="x" * 3000 + CANARY, clientMessageId=str(uuid4()))
        await rider.send("message", content=CANARY + "\x00")
        await rider.hear("error")
        await chat.client.put(
            f"/api/platform/users/{chat.driver_id}", json={"phone": PHONE, "name": "Dana"}, headers=chat.service
        )
        await asyncio.sleep(0.2)
    assert len(heard) > 5, "the monitor heard nothing"
    assert not [line for line in heard if CANARY.encode() in line or PHONE.encode() in line]
    connection = await asyncpg.connect(database_url)
    await connection.execute("CHECKPOINT")
    await connection.close()
    assert _files_with(engines.postgres.directory.parent, CANARY.encode(), PHONE.encode()) == []
    assert _files_with(engines.postgres.directory.parent, b"trip_message_once"), "the search itself finds things"
    logged = capfd.readouterr()
    assert CANARY not in logged.out + logged.err
