"""Who comes late hears everything: by history, by resume, by a lane that fell behind; small queues show it early."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from backend.api import messages as messages_api
from backend.api.sockets import joining
from backend.pipeline.services import Services
from backend.pipeline.travelling import save_trip
from backend.settings import Settings, load
from backend.trips.service import Person, TripFacts
from tests.factories.chat import Chat

#: Frames that may wait for one client in this module.
QUEUE_FRAMES = 16


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation whose sockets wait for nobody for long."""
    return load(
        {
            "TRIPWARDEN_DATABASE_URL": database_url,
            "TRIPWARDEN_REDIS_URL": redis_url,
            "TRIPWARDEN_LOG_LEVEL": "warning",
            "TRIPWARDEN_LIMIT_SOCKET_QUEUE_FRAMES": str(QUEUE_FRAMES),
            "TRIPWARDEN_LIMIT_SOCKET_QUEUE_BYTES": "16384",
        },
        data_dir=tmp_path_factory.mktemp("data"),
    )


async def post_lines(services: Services, chat: Chat, count: int) -> None:
    """Lines of the system, written and never rung: as if every bell were lost."""
    async with services.db.session() as session:
        for _ in range(count):
            await services.chat.post_system_line(session, chat.trip_id, "safety_notice")
        await session.commit()


def during(work: Callable[[], Awaitable[Any]], real: Any, *, before: bool) -> Any:
    """`real`, with `work` done once right before or right after it: what another process does meanwhile."""
    waiting = [work]

    async def both(*args: Any, **options: Any) -> Any:
        if before and waiting:
            await waiting.pop()()
        answer = await real(*args, **options)
        if waiting:
            await waiting.pop()()
        return answer

    return both


async def test_an_event_without_a_message_is_heard_by_who_joins_at_that_moment(
    chat: Chat, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trip_starts() -> None:
        async with httpx.AsyncClient(base_url=api_url, trust_env=False) as platform:
            path = f"/api/platform/trips/{chat.trip_id}/status"
            assert (await platform.post(path, json={"status": "in_transit"}, headers=chat.service)).is_success

    monkeypatch.setattr(joining, "access_history", during(trip_starts, joining.access_history, before=True))
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"))
    assert (await phone.hear("joined"))["lastSeq"] == 0
    assert await phone.hear("messages-history") == []
    assert (await phone.hear("trip-status"))["seq"] == 1
    assert (await phone.hear("new-message"))["seq"] == 2


async def test_a_page_of_history_never_says_it_reached_a_message_that_it_does_not_hold(
    chat: Chat, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def driver_speaks() -> None:
        async with httpx.AsyncClient(base_url=api_url, trust_env=False) as phone:
            body = {"content": "at the gate", "messageType": "text"}
            answer = await phone.post(f"{chat.path}/messages", json=body, headers=chat.as_("driver"))
            assert answer.status_code == 201

    then_speaks = during(driver_speaks, messages_api.access_history, before=False)
    monkeypatch.setattr(messages_api, "access_history", then_speaks)
    page = await chat.history("customer")
    assert (page["items"], page["lastSeq"]) == ([], 0)
    back = await chat.dial()
    await back.send("auth", token=chat.token("customer"), since=page["lastSeq"], epoch=page["epoch"])
    assert (await back.hear("new-message"))["content"] == "at the gate"


async def test_a_resume_may_hold_more_frames_than_may_wait_for_a_slow_client(chat: Chat, services: Services) -> None:
    count = QUEUE_FRAMES * 3
    await post_lines(services, chat, count)
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"), since=0)
    assert (await phone.hear("joined"))["lastSeq"] == count
    assert [(await phone.hear("new-message"))["seq"] for _ in range(count)] == list(range(1, count + 1))
    await chat.say("driver", "and now live")
    assert (await phone.hear("new-message"))["seq"] == count + 1


async def test_a_long_history_is_no_reason_to_close(chat: Chat) -> None:
    for role in ("driver", "customer"):
        for number in range(8):
            assert (await chat.say(role, f"{number} " + "very long gate " * 100)).status_code == 201
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"))
    assert len(await phone.hear("messages-history")) == 16
    await phone.send("ping")
    await phone.hear("pong")


async def test_more_bytes_than_a_resume_may_hold_are_a_reset(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MAX_RESUME_BYTES", 1000)
    for word in ("one", "two", "three"):
        await chat.say("driver", word)
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"), since=0)
    assert (await phone.hear("joined"))["lastSeq"] == 3
    assert [item["content"] for item in (await phone.hear("reset"))["messages"]] == ["three", "two", "one"]


async def test_a_new_driver_resumes_from_where_they_took_over(chat: Chat) -> None:
    await chat.say("customer", "for the first driver only")
    await chat.begin(driver=uuid4())
    await chat.say("customer", "for the second")
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("driver"), since=0)
    assert (await phone.hear("joined"))["lastSeq"] == 2
    assert (await phone.hear("new-message"))["content"] == "for the second"


class Listener:
    """A socket of this process that only remembers."""

    def __init__(self) -> None:
        self.cursor = 0
        self.heard: list[int] = []

    def offer(self, seq: int, frame: bytes) -> None:
        self.cursor = seq
        self.heard.append(seq)

    def whisper(self, frame: bytes, mark: object = None) -> None:
        """Nobody listens for those."""


async def test_a_lane_that_fell_behind_before_a_driver_swap_catches_up(chat: Chat, services: Services) -> None:
    listener = Listener()
    await services.hub.attach(chat.trip_id, "driver", listener, 0)
    await post_lines(services, chat, 2)
    facts = TripFacts(
        market="default", status="accepted", driver=Person(id=uuid4()), customer=Person(id=chat.customer_id)
    )
    await save_trip(services, chat.trip_id, facts)
    async with services.db.session() as session:
        line = await services.chat.post_system_line(session, chat.trip_id, "safety_notice")
        await session.commit()
    await services.hub.publish(line)
    for _ in range(100):
        if len(listener.heard) == 3:
            break
        await asyncio.sleep(0.02)
    assert listener.heard == [1, 2, 3]
    await services.hub.detach(chat.trip_id, "driver", listener)
