"""A shadow judges beside the policy in force: nobody notices, and where it differs is written down."""

from __future__ import annotations

from typing import Any

import pytest

from backend.pipeline.services import Services
from backend.policies import service, shadowing
from backend.policies.access import access_differences
from backend.policies.service import Act
from tests.backend.policies.files import STRICT, policy
from tests.backend.realtime.houses import until
from tests.factories.chat import Chat

WHY = Act("a story")
NUMBER = "call me +7 701 123 45 67"


@pytest.fixture(scope="module", autouse=True)
async def shadow(services: Services, api_url: str) -> str:
    """Numbers would be refused."""
    async with services.db.session() as session:
        source = policy("shadowy", STRICT)
        row, _ = await service.import_policy(session, services.audit, services.clock, source, "p.toml", WHY)
        await service.put_in_shadow(session, services.audit, services.clock, row.version, WHY)
        await session.commit()
    services.hub.control("policy_changed")
    assert await until(lambda: services.moderation.now.shadow is not None)
    return f"{row.version}:{row.digest}"


async def differences(services: Services, count: int, patience: int = 100) -> list[dict[str, Any]]:
    """All of them, once there are `count`."""
    query = "SELECT d.* FROM policy_difference d JOIN trip_message m ON m.id = d.message_id ORDER BY d.at"
    found: list[Any] = []
    for _ in range(patience):
        found = await services.pool.fetch(query)
        if len(found) >= count:
            break
        await services.pool.fetchval("SELECT pg_sleep(0.05)")
    return [dict(row) for row in found]


async def test_a_difference_is_written_with_its_message_and_has_no_effect(
    chat: Chat, services: Services, shadow: str
) -> None:
    for number in range(10):
        await chat.say("customer", f"{NUMBER}, ring {number} times")
        if await differences(services, 1, patience=10):
            break
    before = len(await differences(services, 1))
    answer = await chat.say("driver", NUMBER)
    assert (answer.status_code, answer.json()["status"]) == (201, "masked")
    await chat.say("driver", "I am at the gate")
    row = (await differences(services, before + 1))[-1]
    assert str(row["message_id"]) == answer.json()["id"]
    assert (row["outcome"], row["flags"], row["shadow_outcome"]) == ("mask", [], "reject")
    assert (row["policy"], row["shadow"]) == (services.moderation.policy.name, shadow)
    assert row["expire_on"] <= (row["at"] + shadowing.KEPT).date()
    async with services.db.session() as session:
        counted = await access_differences(session, shadow)
    assert [(one.outcome, one.shadow_outcome) for one in counted] == [("mask", "reject")]
    verdicts = await services.pool.fetch("SELECT DISTINCT outcome FROM trip_verdict")
    assert {one["outcome"] for one in verdicts} <= {"mask", "allow"}


async def test_a_repeat_is_no_second_difference(chat: Chat, services: Services) -> None:
    before = len(await differences(services, 0))
    sent = {"clientMessageId": "0198c000-0000-7000-8000-000000000001"}
    for _ in range(2):
        assert (await chat.say("driver", NUMBER, **sent)).json()["status"] == "masked"
    assert len(await differences(services, before + 2, patience=20)) == before + 1


async def test_what_is_too_much_is_dropped_and_counted(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadowing, "WAITING", 1)
    recorder = shadowing.ShadowRecorder(lambda: services.pool, services.clock)
    now = services.clock.now()
    ids = [row["id"] for row in await services.pool.fetch("SELECT id FROM trip LIMIT 1")]
    for _ in range(3):
        recorder.take(shadowing.Difference(ids[0], ids[0], now, now.date(), now.date(), "", "", "", "", "", ""))
    assert (recorder.counts["differed"], recorder.counts["dropped"]) == (3, 2)
    await recorder.stop()
    assert recorder.counts["written"] == 0, "no message was taken in at that moment"


async def test_differences_past_their_day_are_removed_also_without_a_shadow(services: Services) -> None:
    await services.pool.execute(
        """INSERT INTO policy_difference
        SELECT gen_random_uuid(), gen_random_uuid(), 'p', 'allow', '{}', 's', 'mask', '{}',
        now(), current_date - n FROM generate_series(0, 1) AS n"""
    )
    recorder = shadowing.ShadowRecorder(lambda: services.pool, services.clock)
    recorder.start()
    gone = "SELECT count(*) = 0 FROM policy_difference WHERE expire_on <= current_date"
    for _ in range(100):
        if await services.pool.fetchval(gone):
            break
        await services.pool.fetchval("SELECT pg_sleep(0.02)")
    assert await services.pool.fetchval(gone)
    await recorder.stop()
