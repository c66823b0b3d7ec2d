"""Data dies on time, never under a hold, and whatever is killed goes on."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from backend.db import Database
from backend.errors import ProblemError
from backend.keys import KeyDestroyed, body_aad
from backend.records.service import HoldDraft, RetentionDesk
from retention.disposition import STEPS
from tests.backend.records.city_of_records import Records, count, make_trip
from tests.backend.records.conftest import UNTIL_DUE

HOUR = timedelta(hours=1, seconds=1)


async def start(records: Records, desk: RetentionDesk, kind: str = "manual") -> UUID:
    async with records.db.session() as session:
        run = await desk.start(session, kind)  # type: ignore[arg-type]
        await session.commit()
    return run.id


async def place(records: Records, desk: RetentionDesk, scope: str, target: object) -> UUID:
    async with records.db.session() as session:
        hold = await desk.place_hold(session, HoldDraft(scope, str(target), "court order 17/26"), None)
        await session.commit()
    return hold.id


async def dispose(records: Records, desk: RetentionDesk) -> UUID:
    """A whole run, the hour's quarantine included."""
    run_id = await start(records, desk)
    assert await desk.advance(run_id) == "quarantine"
    records.clock.move(HOUR)
    assert await desk.advance(run_id) == "done"
    return run_id


async def words(records: Records, trip_id: UUID) -> list[str]:
    """The messages of a trip, found by its own expiry and opened with its keys, as every reader does."""
    async with records.db.session() as session:
        rows = await session.execute(
            text(
                "SELECT m.* FROM trip t JOIN trip_message m ON m.trip_id = t.id AND m.expire_on = t.text_expire_on"
                " WHERE t.id = :trip ORDER BY m.seq_staff"
            ),
            {"trip": trip_id},
        )
        found = rows.all()
    opened: list[str] = []
    for row in found:
        key = await records.keyring.get(trip_id, row.sender_id)
        opened.append(key.open(row.body, body_aad(trip_id, row.sender_id, row.id, "text")).decode())
    return opened


async def partitions(records: Records, table: str) -> int:
    return await count(records, f"pg_class WHERE relname ~ '^{table}_[0-9]{{8}}$'")


async def test_words_die_on_their_day_with_partition_keys_marks_and_places(
    records: Records, desk: RetentionDesk
) -> None:
    trip_id = await make_trip(records)
    records.clock.move(UNTIL_DUE - timedelta(days=1))
    run_id = await start(records, desk)
    assert await desk.advance(run_id) == "done"
    assert len(await words(records, trip_id)) == 3, "a day before its time nothing dies"

    records.clock.move(timedelta(days=1))
    await dispose(records, desk)
    records.keyring.clear()
    assert await partitions(records, "trip_message") == 0
    assert await partitions(records, "trip_event") == 0
    assert await count(records, "trip_message") == await count(records, "trip_event") == 0
    assert await count(records, "keys.data_key WHERE wrapped IS NOT NULL") == 0
    assert await count(records, "keys.key_encryption_key WHERE record_class = 'text' AND wrapped IS NOT NULL") == 0
    assert await count(records, "trip_receipt") == 0
    assert await count(records, "trip WHERE pickup IS NOT NULL AND pickup <> 'null'") == 0
    assert await partitions(records, "trip_verdict") == 1, "verdicts without text live longer"
    with pytest.raises(KeyDestroyed):
        await records.keyring.get(trip_id, UUID(int=0))


async def test_verdicts_die_a_year_after_the_trip(records: Records, desk: RetentionDesk) -> None:
    await make_trip(records)
    records.clock.move(timedelta(days=366))
    await dispose(records, desk)
    assert await partitions(records, "trip_verdict") == 0


async def test_readers_lose_sight_at_once_but_the_day_is_only_destroyed_an_hour_later(
    records: Records, desk: RetentionDesk
) -> None:
    await make_trip(records)
    records.clock.move(UNTIL_DUE)
    run_id = await start(records, desk)
    assert await desk.advance(run_id) == "quarantine"
    assert await count(records, "trip_message") == 0
    assert await partitions(records, "trip_message") == 1
    records.clock.move(timedelta(minutes=59))
    assert await desk.advance(run_id) == "quarantine"
    assert await partitions(records, "trip_message") == 1


@pytest.mark.parametrize("scope", ["trip", "person", "case", "market"])
async def test_a_hold_keeps_what_it_covers_and_nothing_else(records: Records, desk: RetentionDesk, scope: str) -> None:
    held, other = await make_trip(records), await make_trip(records, market="es")
    target: object = held if scope == "trip" else "kz"
    if scope in ("person", "case"):
        target = await _target(records, scope, held)
    await place(records, desk, scope, target)
    records.clock.move(UNTIL_DUE)
    await dispose(records, desk)
    assert await words(records, held) == ["message 0", "message 1", "message 2"]
    assert await words(records, other) == []
    with pytest.raises(KeyDestroyed):
        await records.keyring.get(other, UUID(int=0))
    assert await count(records, "trip WHERE id = :id AND pickup IS NOT NULL", id=held) == 1


async def _target(records: Records, scope: str, trip_id: UUID) -> UUID:
    async with records.db.session() as session:
        if scope == "person":
            return (
                await session.execute(text("SELECT customer_id FROM trip WHERE id = :t"), {"t": trip_id})
            ).scalar_one()
        case = await session.execute(
            text(
                "INSERT INTO review_case (id, trip_id, market, kind, state, severity, reasons, trip_phase,"
                " about_user_id, opened_at, due_at) VALUES (gen_random_uuid(), :t, 'kz', 'message', 'closed', 'low',"
                " '{}', 'in_transit', gen_random_uuid(), now(), now()) RETURNING id"
            ),
            {"t": trip_id},
        )
        case_id: UUID = case.scalar_one()
        await session.commit()
        return case_id


async def test_a_hold_placed_while_the_day_waits_to_be_dropped_brings_the_words_back(
    records: Records, desk: RetentionDesk
) -> None:
    held, other = await make_trip(records), await make_trip(records)
    records.clock.move(UNTIL_DUE)
    run_id = await start(records, desk)
    assert await desk.advance(run_id) == "quarantine"
    assert await words(records, held) == []
    await place(records, desk, "trip", held)
    records.clock.move(HOUR)
    assert await desk.advance(run_id) == "done"
    assert len(await words(records, held)) == 3
    assert await words(records, other) == []


async def test_a_hold_placed_after_the_drop_still_saves_the_keys(records: Records, database_url: str) -> None:
    held = await make_trip(records)
    records.clock.move(UNTIL_DUE)

    async def hold_before_keys(name: str) -> None:
        if name == "drop:committed":
            await place(records, RetentionDesk(records), "trip", held)

    await dispose(records, RetentionDesk(records, point=hold_before_keys))
    assert await count(records, "keys.data_key WHERE wrapped IS NOT NULL AND trip_id = :t", t=held) == 3


async def test_a_released_hold_lets_the_words_die_the_day_after(records: Records, desk: RetentionDesk) -> None:
    trip_id = await make_trip(records)
    hold_id = await place(records, desk, "trip", trip_id)
    records.clock.move(UNTIL_DUE)
    await dispose(records, desk)
    async with records.db.session() as session:
        _, moved = await desk.release_hold(session, hold_id, "court closed the case", None)
        await session.commit()
    assert moved == {trip_id}
    assert len(await words(records, trip_id)) == 3
    assert await desk.advance(await start(records, desk)) == "done"
    assert len(await words(records, trip_id)) == 3, "not on the day of the release"
    records.clock.move(timedelta(days=1))
    await dispose(records, desk)
    assert await words(records, trip_id) == []
    assert await count(records, "keys.data_key WHERE wrapped IS NOT NULL") == 0
    assert await partitions(records, "trip_message") == 0


async def test_a_raised_minimum_keeps_words_until_it(records: Records, desk: RetentionDesk) -> None:
    from retention.schedule import RetentionRule

    trip_id = await make_trip(records)
    async with records.db.session() as session:
        await desk.save_rule(session, "kz", RetentionRule("text", 120, 150, "a new law"), None)
        await session.commit()
    records.clock.move(UNTIL_DUE)
    await dispose(records, desk)
    assert len(await words(records, trip_id)) == 3
    records.clock.move(timedelta(days=30))
    await dispose(records, desk)
    assert await words(records, trip_id) == []


async def test_a_new_rule_counts_for_trips_made_from_then_on(records: Records, desk: RetentionDesk) -> None:
    from retention.schedule import RetentionRule

    async with records.db.session() as session:
        await desk.save_rule(session, "kz", RetentionRule("text", 0, 5, "privacy"), None)
        await session.commit()
    await make_trip(records)
    days = (records.clock.now() + timedelta(days=6)).date()
    assert await count(records, "trip WHERE text_expire_on = :day", day=days) == 1


async def test_a_dry_run_changes_nothing(records: Records, desk: RetentionDesk) -> None:
    await make_trip(records)
    held = await make_trip(records)
    await place(records, desk, "trip", held)
    records.clock.move(UNTIL_DUE)
    before = await everything(records)
    run_id = await start(records, desk, "dry")
    assert await desk.advance(run_id) == "done"
    assert await everything(records) == before
    async with records.db.session() as session:
        counts = (await session.execute(text("SELECT counts FROM disposition_run"))).scalar_one()
    messages_and_events = 6 + await count(records, "trip_event WHERE kind = 'status'") // 2
    assert counts["due"] == counts["held"] == messages_and_events
    assert counts["held_trips"] == 1


async def test_a_dry_run_may_look_ahead_and_a_real_one_may_not(records: Records, desk: RetentionDesk) -> None:
    await make_trip(records)
    day = (records.clock.now() + UNTIL_DUE).date()
    async with records.db.session() as session:
        ahead = await desk.start(session, "dry", today=day)
        await session.commit()
        assert ahead.counts["due"] > 0
        with pytest.raises(ProblemError, match="invalid_value"):
            await desk.start(session, "manual", today=day)


async def everything(records: Records) -> list[tuple[str, int, str]]:
    """Each table of chat and keys with its rows and a digest of them."""
    found: list[tuple[str, int, str]] = []
    async with records.db.session() as session:
        tables = await session.scalars(
            text(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND (relname ~ '^trip'"
                " OR oid = 'keys.data_key'::regclass) ORDER BY 1"
            )
        )
        for table in tables.all():
            digest = text(
                f"SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t"
            )
            rows, md5 = (await session.execute(digest)).one()
            found.append((table, rows, md5))
    return found


class Killed(Exception):
    """Stands for the end of a process."""


POINTS = [f"{step}:{place}" for step in STEPS for place in ("begun", "before_commit", "committed")]
POINTS += ["advance", "rest:before_commit", "rest:committed"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_run_killed_anywhere_goes_on_and_ends_the_same(records: Records, point: str) -> None:
    held, gone = await make_trip(records), await make_trip(records)
    killed: list[str] = []

    async def kill_once(name: str) -> None:
        if name == point and not killed:
            killed.append(name)
            raise Killed(name)

    desk = RetentionDesk(records, point=kill_once)
    await place(records, desk, "trip", held)
    records.clock.move(UNTIL_DUE)
    run_id = await start(records, desk)
    await until_it_stands(desk, run_id)
    records.clock.move(HOUR)
    await until_it_stands(desk, run_id)
    assert killed == [point]
    assert len(await words(records, held)) == 3
    assert await words(records, gone) == []
    assert await count(records, "keys.data_key WHERE wrapped IS NOT NULL AND trip_id = :t", t=gone) == 0
    assert await partitions(records, "trip_message") == 0
    assert await count(records, "audit_intake WHERE event = 'disposition.done'") == 1
    assert await count(records, "disposition_run WHERE status = 'done'") == 1
    assert await count(records, "disposition_step WHERE done_at IS NULL") == 0


async def until_it_stands(desk: RetentionDesk, run_id: UUID) -> str:
    for _ in range(5):
        try:
            return await desk.advance(run_id)
        except Killed:
            continue
    raise AssertionError("it never stands")


async def test_two_workers_on_one_run_do_each_thing_once(records: Records) -> None:
    import asyncio

    for _ in range(3):
        await make_trip(records)
    records.clock.move(UNTIL_DUE)
    run_id = await start(records, RetentionDesk(records))
    await asyncio.gather(*(RetentionDesk(records).advance(run_id) for _ in range(4)))
    records.clock.move(HOUR)
    await asyncio.gather(*(RetentionDesk(records).advance(run_id) for _ in range(4)))
    assert await RetentionDesk(records).advance(run_id) == "done"
    assert await count(records, "audit_intake WHERE event = 'disposition.done'") == 1


async def test_a_reader_with_a_long_look_makes_the_run_wait_and_not_the_senders(
    records: Records, desk: RetentionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retention import disposition

    monkeypatch.setattr(disposition, "LOCK_TRIES", 2)
    monkeypatch.setattr(disposition, "LOCK_PAUSE_S", 0.01)
    await make_trip(records)
    records.clock.move(UNTIL_DUE)
    run_id = await start(records, desk)
    async with records.db.session() as reader:
        await reader.execute(text("SELECT count(*) FROM trip_message"))
        assert await desk.advance(run_id) == "running"
        assert await partitions(records, "trip_message") == 1
    assert await count(records, "disposition_run WHERE next_due > :now", now=records.clock.now()) == 1
    assert await desk.advance(run_id) == "quarantine"


async def test_holds_that_cannot_be_read_stop_the_drop(
    records: Records, desk: RetentionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_trip(records)
    records.clock.move(UNTIL_DUE)
    run_id = await start(records, desk)
    assert await desk.advance(run_id) == "quarantine"
    records.clock.move(HOUR)

    async def broken(*_: object, **__: object) -> None:
        raise OSError("cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(desk.standing, "holds", broken)
        with pytest.raises(OSError, match="cannot be read"):
            await desk.advance(run_id)
    assert await partitions(records, "trip_message") == 1
    assert await count(records, "keys.data_key WHERE wrapped IS NOT NULL") == 3
    assert await desk.advance(run_id) == "done"


async def test_records_of_a_trip_that_nobody_knows_are_kept(records: Records, desk: RetentionDesk) -> None:
    trip_id = await make_trip(records)
    records.clock.move(UNTIL_DUE)
    async with records.db.session() as session:
        await session.execute(text("DELETE FROM trip WHERE id = :t"), {"t": trip_id})
        await session.commit()
    await dispose(records, desk)
    assert await count(records, "trip_message_held WHERE trip_id = :t", t=trip_id) == 3


async def test_a_large_day_is_gone_in_seconds(records: Records, desk: RetentionDesk) -> None:
    import time

    trip_id = await make_trip(records)
    async with records.db.session() as session:
        await session.execute(
            text(
                "INSERT INTO trip_message SELECT gen_random_uuid(), m.expire_on, m.trip_id, m.sender_id, m.sender_type,"
                " m.message_type, m.body, NULL, NULL, NULL, gen_random_uuid(), NULL, NULL, m.status, NULL, 1, 1, 1,"
                " m.created_at FROM (SELECT * FROM trip_message WHERE trip_id = :t LIMIT 1) m,"
                " generate_series(1, 50000)"
            ),
            {"t": trip_id},
        )
        await session.commit()
    records.clock.move(UNTIL_DUE)
    run_id = await start(records, desk)
    began = time.monotonic()
    await desk.advance(run_id)
    records.clock.move(HOUR)
    await desk.advance(run_id)
    assert await partitions(records, "trip_message") == 0
    assert time.monotonic() - began < 10


def test_the_database_of_these_tests_is_real() -> None:
    assert Database.__module__ == "backend.db.engine"
