"""A policy that is activated in one process judges in another within two seconds, with the bell and without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from redis.asyncio import Redis

from backend.bootstrap import build
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.policies import in_force, service
from backend.policies.service import Act
from backend.settings import Settings
from tests.backend.policies.files import STRICT, policy
from tests.backend.realtime.houses import until
from tests.factories.chat import Chat

WHY = Act("a story")
NUMBER = "call me +7 701 123 45 67"
WITHIN_S = 2.0
_NEWEST = "SELECT policy FROM trip_verdict WHERE trip_id = $1 ORDER BY at DESC LIMIT 1"


@pytest.fixture(scope="module")
async def second(settings: Settings, services: Services) -> AsyncGenerator[Services]:
    """Another process of the installation, in the same loop."""
    async with build(settings, producer="second") as built:
        yield built


async def activate(services: Services, source: bytes, *, bell: bool = True, shadow: bool = False) -> str:
    """Install a version and put it in force, or beside it; returns its name."""
    put = service.put_in_shadow if shadow else service.activate
    async with services.db.session() as session:
        row, _ = await service.import_policy(session, services.audit, services.clock, source, "p.toml", WHY)
        await put(session, services.audit, services.clock, row.version, WHY)
        await session.commit()
    if bell:
        services.hub.control("policy_changed")
    return f"{row.version}:{row.digest}"


async def in_force_at(name: str, *processes: Services) -> None:
    """Wait until all of them judge by `name`."""
    assert await until(lambda: all(each.moderation.policy.name == name for each in processes), WITHIN_S)


async def test_the_bell_brings_a_policy_at_once(
    services: Services, second: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await activate(services, policy("bell"))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await in_force_at(name, services, second)
    assert loop.time() - begun < in_force.LOOK_EVERY_S, "no look would have come so soon"


async def test_without_a_bell_it_comes_with_the_next_look(services: Services, second: Services, redis_url: str) -> None:
    client = Redis.from_url(redis_url)
    try:
        await client.execute_command("CLIENT", "PAUSE", 2_500, "ALL")
        name = await activate(services, policy("silent", STRICT))
        await in_force_at(name, services, second)
    finally:
        await client.execute_command("CLIENT", "UNPAUSE")
        await client.aclose()


async def test_messages_are_judged_by_what_was_activated_and_say_so(
    chat: Chat, services: Services, other_api_url: str
) -> None:
    """Two served apis, each in a thread of its own, and this process, which only activates."""
    rider = await chat.join("customer", other_api_url)
    driver = await chat.join("driver")
    lenient = await activate(services, policy("lenient"))
    await sees(chat, services, driver, lenient)
    await driver.send("message", content=NUMBER)
    assert (await rider.hear("new-message"))["content"].startswith("call me ***")
    strict = await activate(services, policy("strict", STRICT), bell=False)
    await asyncio.sleep(WITHIN_S)
    for phone in (driver, rider):
        await phone.send("message", content=NUMBER)
        assert (await phone.hear("error"))["code"] == "message_rejected"
    rows = await services.pool.fetch("SELECT policy FROM trip_verdict ORDER BY at DESC LIMIT 2")
    assert [row["policy"] for row in rows] == [strict, strict]
    leaves = await services.pool.fetch("SELECT leaf FROM audit_intake WHERE event = 'message.rejected' ORDER BY at")
    assert all(strict.encode() in row["leaf"] for row in leaves[-2:])


async def sees(chat: Chat, services: Services, phone: Any, name: str) -> None:
    """The process that this phone talks to judges by `name`, at the latest after two seconds."""
    async with asyncio.timeout(WITHIN_S):
        for number in range(100):
            await phone.send("message", content=f"{NUMBER}, number {number}")
            while (await phone.next())["event"] not in ("ack", "error"):
                pass
            if await services.pool.fetchval(_NEWEST, chat.trip_id) == name:
                return
            await asyncio.sleep(0.2)


async def test_a_policy_that_cannot_be_built_leaves_the_old_one_in_force(services: Services, second: Services) -> None:
    name = await activate(services, policy("good"))
    await in_force_at(name, services, second)
    await services.pool.execute("UPDATE policy_version SET document = 'version = 3' WHERE version = 'silent'")
    refused = second.moderation.counts["refused"]
    with pytest.raises(ProblemError):
        await activate(services, b"version = 3")
    await services.pool.execute(
        """INSERT INTO policy_act (act, version_id, reason, at)
        SELECT 'activate', id, 'forced', now() FROM policy_version WHERE version = 'silent'"""
    )
    assert await until(lambda: second.moderation.counts["refused"] > refused, WITHIN_S)
    assert second.moderation.policy.name == name
    await in_force_at(await activate(services, policy("after")), services, second)
