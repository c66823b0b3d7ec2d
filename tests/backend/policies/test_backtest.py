"""A candidate is tried on what was really said: what would change is counted, and named, and nothing else happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from backend.accounts.service import create_staff
from backend.pipeline.services import Services
from backend.policies.backtest import Backtest, Period
from backend.policies.cli import run
from backend.settings import Settings
from moderation import default_pipeline, parse_policy
from tests.backend.policies.files import STRICT, policy
from tests.factories.chat import Chat
from tests.factories.tokens import Tokens

NUMBER = "call me +7 701 123 45 67"
Tripwarden = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture(scope="module")
async def talk(client: httpx.AsyncClient, tokens: Tokens, services: Services) -> dict[str, Chat]:
    """Three trips of two markets; the words of one driver are erased afterwards."""
    chats = {name: Chat(client, tokens) for name in ("almaty", "madrid", "erased")}
    for name, chat in chats.items():
        chat.locales = {"driver": "es" if name == "madrid" else "ru", "customer": "en"}
        await chat.begin(market="spain" if name == "madrid" else "kz")
        for line in ("I am at the gate", NUMBER, "see you", "write to me at ann@example.org"):
            assert (await chat.say("driver", line)).status_code == 201
        assert (await chat.say("customer", "thank you")).status_code == 201
    async with services.db.session() as session:
        await services.keyring.destroy(session, chats["erased"].trip_id, chats["erased"].driver_id)
        await session.commit()
    for name in ("lea", "mo"):
        async with services.db.session() as session:
            await create_staff(
                session, services.clock, email=f"{name}@example.org", name=name,
                role="lead" if name == "lea" else "moderator", password="correct horse battery",
            )  # fmt: skip
            await session.commit()
    return chats


@pytest.fixture
def tripwarden(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Tripwarden:
    """`tripwarden policy backtest` over today, with the strict candidate."""
    monkeypatch.setenv("TRIPWARDEN_DATABASE_URL", settings.database.url)
    monkeypatch.setenv("TRIPWARDEN_REDIS_URL", settings.redis.url)
    file = tmp_path / "strict.toml"
    file.write_bytes(policy("candidate", STRICT))

    async def tripwarden(*argv: str, first: str = "2000-01-01", end: str = "") -> tuple[int, str, str]:
        whole = ["backtest", "--from", first, "--to", end or first, "--policy", str(file), *argv]
        status = await asyncio.to_thread(run, whole, settings.data.dir)
        written = capsys.readouterr()
        return status, "".join(line for line in written.out.splitlines(True) if "policy." not in line), written.err

    return tripwarden


def today(services: Services) -> dict[str, str]:
    now = services.clock.now()
    return {"first": f"{now - timedelta(days=1):%Y-%m-%d}", "end": f"{now:%Y-%m-%d}"}


async def test_what_would_change_is_counted_by_market_and_language_and_named(
    talk: dict[str, Chat], tripwarden: Tripwarden, services: Services
) -> None:
    status, told, _ = await tripwarden("--json", **today(services))
    assert status == 0
    report: dict[str, Any] = msgspec.json.decode(told)
    assert (report["judged"], report["changed"], report["erased"]) == (11, 2, 4)
    changed = {
        (row["market"], row["lang"], row["messages"]) for row in report["table"] if row["before"] != row["after"]
    }
    assert changed == {("kz", "ru", 1), ("spain", "es", 1)}
    assert {one["trip_id"] for one in report["changes"]} == {str(talk[name].trip_id) for name in ("almaty", "madrid")}
    assert all(one["text"] is None for one in report["changes"])
    assert NUMBER not in told
    stored = await services.pool.fetch(
        "SELECT id FROM trip_message WHERE id = ANY($1)", [one["message_id"] for one in report["changes"]]
    )
    assert len(stored) == 2


async def test_the_table_shows_before_and_after(
    talk: dict[str, Chat], tripwarden: Tripwarden, services: Services
) -> None:
    _, told, _ = await tripwarden("--market", "spain", **today(services))
    assert "5 messages judged, 1 would change" in told
    lines = {tuple(line.split()[1:3]): line.split()[3:] for line in told.splitlines() if line.startswith("spain")}
    assert lines["es", "mask"] == ["2", "1", "-1"]
    assert lines["es", "reject"] == ["0", "1", "+1"]
    assert lines["en", "allow"] == ["1", "1"]


async def test_texts_are_shown_to_a_lead_with_a_purpose_and_that_is_an_opening(
    talk: dict[str, Chat], tripwarden: Tripwarden, services: Services
) -> None:
    assert (await tripwarden("--show-text", **today(services)))[0] == 2
    why = ("--show-text", "--purpose", "numbers that are refused")
    assert (await tripwarden(*why, "--account", "mo@example.org", **today(services)))[0] == 1
    status, told, _ = await tripwarden(*why, "--account", "lea@example.org", **today(services))
    assert (status, told.count(NUMBER)) == (0, 2)
    openings = await services.pool.fetch("SELECT trip_id FROM trip_access WHERE purpose = 'policy_backtest'")
    assert {row["trip_id"] for row in openings} == {talk[name].trip_id for name in ("almaty", "madrid")}
    events = await services.pool.fetch("SELECT leaf FROM audit_intake WHERE event = 'policy.backtest'")
    assert events
    assert not any(b"numbers that are refused" in row["leaf"] for row in events)


async def test_pages_and_limits(
    talk: dict[str, Chat], tripwarden: Tripwarden, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.policies.backtest.PAGE", 4)
    for limit, read in ((7, 7), (100, 15)):
        now = services.clock.now()
        period = Period(first=now - timedelta(hours=1), end=now, limit=limit)
        candidate = default_pipeline(parse_policy(policy("candidate", STRICT)))
        report = await Backtest(services.pool, services.keyring, candidate).run(period)
        assert (report.judged + report.erased, report.truncated) == (read, limit == 7)


@pytest.mark.parametrize(
    ("argv", "days"),
    [
        ((), {"first": "2026-11-22", "end": "2026-11-01"}),
        ((), {"first": "2026-01-01", "end": "2026-11-01"}),
        (("--limit", "0"), {"first": "2026-11-01", "end": "2026-11-02"}),
        ((), {"first": "yesterday", "end": "2026-11-01"}),
    ],
)
async def test_a_period_without_bounds_is_refused(
    tripwarden: Tripwarden, argv: tuple[str, ...], days: dict[str, str]
) -> None:
    assert (await tripwarden(*argv, **days))[0] == 2


async def test_the_policy_in_force_would_change_nothing_of_a_conversation(
    client: httpx.AsyncClient, tokens: Tokens, services: Services
) -> None:
    """What looks back at earlier messages sees the same ones again."""
    chat = Chat(client, tokens)
    await chat.begin(market="quarrels")
    await chat.say("customer", "please stop writing to me")
    for text in (
        "why so angry",
        "come on, talk to me",
        "I only want to be nice",
        "you idiot",
        "you moron",
        "you loser",
    ):
        await chat.say("driver", text)
    found = await services.pool.fetch(
        "SELECT v.signals FROM trip_verdict v JOIN trip_message m ON m.id = v.message_id WHERE m.trip_id = $1",
        chat.trip_id,
    )
    assert all(code in str(found) for code in ("stop_ignored", "insult_series"))
    now = services.clock.now()
    period = Period(first=now - timedelta(hours=1), end=now, market="quarrels")
    report = await Backtest(services.pool, services.keyring, default_pipeline()).run(period)
    assert (report.judged, report.changes) == (7, [])
