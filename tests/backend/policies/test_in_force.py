"""Rows win over the file of the settings, which wins over the shipped policy; whoever starts says which one it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing

from backend.bootstrap import build_moderation
from backend.pipeline.services import Services
from backend.policies import service
from backend.policies.access import InstalledPolicies
from backend.policies.in_force import PoliciesInForce, PolicyWatch
from backend.policies.service import Act
from backend.settings import Settings
from moderation import Content, Policy, load_policy
from tests.backend.policies.files import STRICT, policy


@pytest.fixture
def with_file(settings: Settings, tmp_path: Path) -> PoliciesInForce:
    """A process whose settings name a file."""
    file = tmp_path / "p.toml"
    file.write_bytes(policy("from-file"))
    return build_moderation(replace(settings, moderation=replace(settings.moderation, policy_file=str(file))))


async def test_the_order(services: Services, settings: Settings, with_file: PoliciesInForce) -> None:
    shipped = build_moderation(settings)
    assert (shipped.policy.name, shipped.source) == (load_policy().name, "shipped")
    assert (with_file.policy.document.version, with_file.source) == ("from-file", "file")
    async with services.db.session() as session:
        act = Act("a test")
        row, _ = await service.import_policy(session, services.audit, services.clock, policy("from-rows"), "p", act)
        await service.activate(session, services.audit, services.clock, row.version, act)
        await session.commit()
    watch = PolicyWatch(with_file, lambda: services.pool, every_s=60)
    with structlog.testing.capture_logs() as told:
        await watch.start()
    await watch.stop()
    assert (with_file.policy.document.version, with_file.source) == ("from-rows", "rows")
    assert [one["event"] for one in told] == ["policy.in_force", "policy.in_force", "policy.file_ignored"]


async def test_one_that_cannot_be_used_leaves_the_old_one_and_says_so(with_file: PoliciesInForce) -> None:
    heard: list[Policy] = []
    with_file.on_change(heard.append)
    with structlog.testing.capture_logs() as told:
        await with_file.follow(InstalledPolicies(1, b"version = 3", b"[not a policy"))
    assert with_file.policy.document.version == "from-file"
    assert {one["event"] for one in told} == {"policy.refused", "policy.shadow_refused"}
    assert "installed policy" in told[0]["fault"]
    assert with_file.counts == {"refused": 2}
    await with_file.follow(InstalledPolicies(2, policy("next", STRICT), policy("beside")))
    shadow = with_file.now.shadow
    assert shadow is not None
    assert (shadow.policy.document.version, with_file.judge(Content("+7 701 123 45 67")).outcome) == (
        "beside",
        "reject",
    )
    assert [one.document.version for one in heard] == ["from-file", "next"]


async def test_a_database_that_is_away_is_said_once(with_file: PoliciesInForce) -> None:
    class Away:
        async def fetchval(self, query: str) -> None:
            raise ConnectionError

    watch = PolicyWatch(with_file, Away, every_s=0.01)
    with structlog.testing.capture_logs() as told:
        await watch.start()
        for _ in range(3):
            watch.ring()
            await asyncio.sleep(0.02)
    await watch.stop()
    assert [one["event"] for one in told].count("policy.look_failed") == 1
    assert with_file.policy.document.version == "from-file"
