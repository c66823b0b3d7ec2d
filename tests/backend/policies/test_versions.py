"""Versions and acts: one in force, at most one in the shadow, each act with who, why and an entry in the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.accounts.service import create_staff
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.policies import service
from backend.policies.access import access_acts, access_installed, access_versions
from backend.policies.cli import run
from backend.policies.service import Act
from backend.settings import Settings
from tests.backend.policies.files import STRICT, policy

WHY = Act("a test")


async def put(services: Services, source: bytes) -> tuple[str, bool]:
    async with services.db.session() as session:
        row, new = await service.import_policy(session, services.audit, services.clock, source, "my.toml", WHY)
        await session.commit()
        return row.version, new


async def standing(services: Services) -> dict[str, str]:
    async with services.db.session() as session:
        return {one.version: one.standing for one in await access_versions(session)}


async def events(services: Services) -> list[str]:
    rows = await services.pool.fetch("SELECT event FROM audit_intake WHERE event LIKE 'policy.%' ORDER BY at")
    return [row["event"] for row in rows]


async def test_the_way_of_a_version(services: Services) -> None:
    first, second = policy("t-1"), policy("t-2", STRICT)
    assert await put(services, first) == ("t-1", True)
    assert await put(services, first) == ("t-1", False)
    await put(services, second)
    assert await standing(services) == {"t-1": "", "t-2": ""}
    async with services.db.session() as session:
        await service.activate(session, services.audit, services.clock, "t-1", WHY)
        await service.put_in_shadow(session, services.audit, services.clock, "t-2", WHY)
        await session.commit()
    assert await standing(services) == {"t-1": "active", "t-2": "shadow"}
    installed = await access_installed(services.pool)
    assert (installed.active, installed.shadow) == (first, second)
    async with services.db.session() as session:
        await service.activate(session, services.audit, services.clock, "t-2", WHY)
        await session.commit()
    assert await standing(services) == {"t-1": "", "t-2": "active"}, "what is in force is no shadow any more"
    async with services.db.session() as session:
        acts = [(act.act, act.version) for act in await access_acts(session)]
    assert acts == [("shadow", None), ("activate", "t-2"), ("shadow", "t-2"), ("activate", "t-1")]
    assert await events(services) == [
        "policy.imported", "policy.imported", "policy.activated", "policy.shadowed", "policy.activated",
    ]  # fmt: skip


async def test_a_name_stands_for_one_content(services: Services) -> None:
    await put(services, policy("taken"))
    with pytest.raises(ProblemError) as refused:
        await put(services, policy("taken", STRICT))
    assert refused.value.code == "conflict"


async def test_no_act_without_a_reason_and_no_version_that_is_not_there(services: Services) -> None:
    await put(services, policy("there"))
    for act, named, code in ((Act(" "), "there", "rationale_required"), (WHY, "nowhere", "not_found")):
        async with services.db.session() as session:
            with pytest.raises(ProblemError) as refused:
                await service.activate(session, services.audit, services.clock, named, act)
            assert refused.value.code == code


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPWARDEN_DATABASE_URL", settings.database.url)
    monkeypatch.setenv("TRIPWARDEN_REDIS_URL", settings.redis.url)
    return settings.data.dir


def test_a_bad_file_is_named_with_line_and_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(policy("x", ('outcome = "reject", reason = "flood"', 'outcome = "shout"')))
    assert run(["check", str(file)]) == 2
    told = capsys.readouterr().err
    assert f"{file}:" in told
    assert "shout" in told
    place = told.split(f"{file}:")[1].split(":")
    assert 'outcome = "shout"' in file.read_text().splitlines()[int(place[0]) - 1]
    file.write_bytes(policy("x"))
    assert run(["check", str(file)]) == 0


async def test_the_command_does_all_of_it(
    services: Services, environment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with services.db.session() as session:
        for email, role in (("lea@example.org", "lead"), ("mo@example.org", "moderator")):
            await create_staff(
                session, services.clock, email=email, name=email, role=role, password="correct horse battery"
            )
        await session.commit()
    file = tmp_path / "p.toml"
    file.write_bytes(policy("cli-1", STRICT))

    async def tripwarden(*argv: str) -> tuple[int, str]:
        status = await asyncio.to_thread(run, list(argv), environment)
        written = capsys.readouterr()
        lines = (written.out + written.err).splitlines(keepends=True)
        # The other fixtures' processes tell of the change, too.
        return status, "".join(line for line in lines if "policy.in_force" not in line and "policy.shadow" not in line)

    by = ("--account", "lea@example.org", "--reason", "numbers are refused")
    status, told = await tripwarden("import", str(file), *by)
    assert (status, told.startswith("cli-1:")) == (0, True)
    assert (await tripwarden("activate", "cli-1", "--account", "mo@example.org", "--reason", "x"))[0] == 1
    assert (await tripwarden("activate", "cli-1", *by))[0] == 0
    assert (await tripwarden("activate", "cli-9", *by))[0] == 2
    file.write_bytes(policy("cli-2"))
    await tripwarden("import", str(file), *by)
    assert (await tripwarden("shadow", "cli-2", *by))[0] == 0
    listed = (await tripwarden("list"))[1]
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("cli-")] == ["shadow", "active"]
    assert "numbers are refused" in listed
    assert (await tripwarden("show", "cli-2"))[1].encode() == policy("cli-2")
    assert "activate cli-1" in (await tripwarden("show"))[1]
    assert (await tripwarden("shadow", "--off", *by))[0] == 0
    assert (await tripwarden("shadow", *by))[0] == 2
    assert "shadow" not in (await tripwarden("list"))[1]
