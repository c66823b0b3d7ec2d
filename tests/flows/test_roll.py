"""`tripwarden roll` while people write: nothing acknowledged is lost or doubled, no device misses anything."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException

from backend.settings import load
from tests.factories.chat import Chat, Phone
from tests.factories.tokens import Tokens
from tests.flows.test_up import GONE_WITHIN_S, Up, tripwarden

pytestmark = pytest.mark.timeout(240)

NUMBERED = {"new-message", "message-updated", "trip-status", "emergency-declared"}
ACK_WITHIN_S = 2.0
#: Back after a close with 1012, at random up to this.
JITTER_S = 0.5


@dataclass
class Device:
    """A person's phone: comes back by itself, resumes, and sends what was not acknowledged again."""

    chat: Chat
    role: str
    url: str
    seqs: list[int] = field(default_factory=list[int])
    codes: list[int] = field(default_factory=list[int])
    acked: dict[str, str] = field(default_factory=dict[str, str])
    epoch: str | None = None
    resets: int = 0
    phone: Phone | None = None
    answers: dict[str, asyncio.Future[str]] = field(default_factory=dict[str, "asyncio.Future[str]"])
    gone: bool = False

    async def live(self) -> None:
        """Listen until `gone`, however often the line ends."""
        while not self.gone:
            try:
                await self._listen()
            except ConnectionClosed as closed:
                self.codes.append(closed.rcvd.code if closed.rcvd is not None else 1006)
            except (OSError, TimeoutError, WebSocketException):
                self.codes.append(0)
            self.phone = None
            await asyncio.sleep(random.uniform(0, JITTER_S))

    async def _listen(self) -> None:
        phone = await self.chat.dial(self.url)
        where = {"since": self.seqs[-1] if self.seqs else 0} | ({"epoch": self.epoch} if self.epoch else {})
        await phone.send("auth", token=self.chat.token(self.role), **where)
        joined = await phone.hear("joined")
        self.epoch, self.phone = joined["epoch"], phone
        while True:
            frame = await phone.next(60.0)
            data = frame["data"]
            if frame["event"] in NUMBERED:
                self.seqs.append(data["seq"])
            elif frame["event"] == "reset":
                self.resets += 1
            elif frame["event"] == "ack" and not (waiting := self.answers[data["clientMessageId"]]).done():
                waiting.set_result(data["id"])

    async def say(self, content: str) -> None:
        """Send until it is acknowledged."""
        own = str(uuid4())
        answer = self.answers[own] = asyncio.get_running_loop().create_future()
        while not answer.done():
            if self.phone is not None:
                try:
                    await self.phone.send("message", content=content, messageType="text", clientMessageId=own)
                    await asyncio.wait_for(asyncio.shield(answer), ACK_WITHIN_S)
                except (ConnectionClosed, TimeoutError):
                    pass
            await asyncio.sleep(0.05)
        self.acked[own] = answer.result()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str) -> Generator[Up]:
    """One `up` on engines given by address, for all stories here."""
    given = {"TRIPWARDEN_DATABASE_URL": database_url, "TRIPWARDEN_REDIS_URL": redis_url}
    data_dir = tmp_path_factory.mktemp("roll") / "data"
    up = Up(data_dir, "--no-console", "--api-workers", "2", **given)
    try:
        yield up.wait_started()
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(GONE_WITHIN_S) == 0
    finally:
        up.process.kill()
        up.process.wait()


async def roll(up: Up) -> None:
    done = await asyncio.to_thread(tripwarden, "roll", "--data-dir", str(up.data_dir))
    assert done.returncode == 0, done.stderr + up.said()
    assert set(done.stdout.split(": ")[1].strip().split(", ")) == {"api-1", "api-2", "sweeper-1", "sweeper-2", "worker"}


async def test_while_processes_are_rolled_nothing_is_lost_doubled_or_missed(
    running: Up, database_url: str, redis_url: str
) -> None:
    before, engines = running.pids(), {"TRIPWARDEN_DATABASE_URL": database_url, "TRIPWARDEN_REDIS_URL": redis_url}
    tokens = Tokens(load(engines, data_dir=running.data_dir))
    url = running.url("API")
    async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client:
        chat = Chat(client, tokens)
        await chat.begin()
        devices = [Device(chat, role, url) for role in ("driver", "driver", "customer", "customer")]
        living = [asyncio.create_task(device.live()) for device in devices]
        rolled = asyncio.Event()

        async def write(device: Device) -> None:
            number = 0
            while not rolled.is_set() or number < 10:
                number += 1
                await device.say(f"{device.role} at gate {number}, stand {number * 7 % 31}")
                await asyncio.sleep(0.2)

        writing = [asyncio.create_task(write(device)) for device in (devices[0], devices[2])]
        await asyncio.sleep(0.5)
        await roll(running)
        rolled.set()
        await asyncio.wait_for(asyncio.gather(*writing), 30)
        await asyncio.sleep(1.5)
        stored = await every_message(chat)
        for device, task in zip(devices, living, strict=True):
            device.gone = True
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
    acked = devices[0].acked | devices[2].acked
    assert sorted(stored) == sorted(acked.values()), "acknowledged is stored, once"
    for device in devices:
        assert device.seqs == list(range(1, len(stored) + 1)), (device.role, device.codes)
        assert not device.resets
        assert set(device.codes) <= {1012}, "who goes says that it restarts"
    assert any(device.codes for device in devices), "nobody's process was replaced"
    after = running.pids()
    assert all(after[name] != pid for name, pid in before.items() if name != "simulator")
    assert not any(psutil.pid_exists(pid) for name, pid in before.items() if name != "simulator")


async def every_message(chat: Chat) -> list[str]:
    """The ids of the whole conversation, page by page."""
    found: list[str] = []
    after = 0
    while items := (await chat.history("driver", after_seq=after, limit=100))["items"]:
        found += [item["id"] for item in items]
        after = max(item["seq"] for item in items)
    return found


def test_where_nothing_runs_the_verb_says_so(tmp_path: Path) -> None:
    nowhere = tripwarden("roll", "--data-dir", str(tmp_path / "elsewhere"))
    assert nowhere.returncode == 1
    assert "does not run on" in nowhere.stderr
    assert len(nowhere.stderr.splitlines()) == 1


async def test_a_process_that_does_not_start_ends_the_roll_and_the_old_one_stays_until_the_next(running: Up) -> None:
    before = running.pids()
    root = running.data_dir / "keys"
    hidden = running.data_dir / "keys-hidden"
    root.rename(hidden)
    (running.data_dir / "keys").write_text("no directory")
    try:
        done = await asyncio.to_thread(tripwarden, "roll", "--data-dir", str(running.data_dir))
    finally:
        os.unlink(running.data_dir / "keys")
        hidden.rename(root)
    assert done.returncode == 1
    assert "api-1 does not start" in done.stderr
    assert running.pids() == before
    assert running.is_well()
    await roll(running)
    assert running.is_well()
