"""Classes without partitions: cases, incidents, the private half of the log."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from backend.audit import Entry
from backend.audit.note import Signer
from backend.audit.search import Filters, access_entries
from backend.audit.sequencing import run_once
from backend.records.service import HoldDraft, RetentionDesk
from tests.backend.records.city_of_records import Records, count, make_trip

HOUR = timedelta(hours=1, seconds=1)


async def dispose(records: Records, desk: RetentionDesk) -> None:
    async with records.db.session() as session:
        run = await desk.start(session, "manual")
        await session.commit()
    await desk.advance(run.id)
    records.clock.move(HOUR)
    assert await desk.advance(run.id) == "done"


async def make_case(records: Records, trip_id: UUID, *, closed: bool = True) -> UUID:
    values = {
        "id": uuid4(),
        "trip": trip_id,
        "at": records.clock.now(),
        "closed": records.clock.now() if closed else None,
    }
    statements = (
        "INSERT INTO review_case (id, trip_id, market, kind, state, severity, reasons, trip_phase, about_user_id,"
        " opened_at, due_at, closed_at) VALUES (:id, :trip, 'kz', 'message', :state, 'low', '{}', 'in_transit',"
        " gen_random_uuid(), :at, :at, :closed)",
        "INSERT INTO case_signal (id, case_id, about_user_id, severity, reasons, verdict, at)"
        " VALUES (gen_random_uuid(), :id, gen_random_uuid(), 'low', '{}', '{}', :at)",
        "INSERT INTO case_claim (id, case_id, account_id, taken_at, heartbeat_at)"
        " VALUES (gen_random_uuid(), :id, gen_random_uuid(), :at, :at)",
    )
    await _write(records, statements, {**values, "state": "closed" if closed else "open"})
    return values["id"]  # type: ignore[return-value]


async def make_incident(records: Records, trip_id: UUID, resolved_at: datetime | None) -> UUID:
    now, incident_id = records.clock.now(), uuid4()
    values = {
        "id": incident_id, "trip": trip_id, "at": now, "resolved": resolved_at, "code": incident_id.hex,
        "status": "resolved" if resolved_at else "triggered", "due": None if resolved_at else now,
    }  # fmt: skip
    statement = (
        "INSERT INTO incident (id, trip_id, market, reporter_id, reporter_role, reporter_name, covert, status, urgency,"
        " level, short_code, details_sealed, policy, step, next_due, fence, triggered_at, pressed_at, resolved_at,"
        " resolved_by, reason_sealed, callback_attempted) VALUES (:id, :trip, 'kz', gen_random_uuid(), 'customer', 'C',"
        " true, :status, 1, 2, :code, '', '{}', 0, :due, 1, :at, :at, :resolved, gen_random_uuid(), '', true)"
    )
    await _write(records, (statement,), values)
    return incident_id


async def _write(records: Records, statements: tuple[str, ...], values: dict[str, object]) -> None:
    async with records.db.session() as session:
        for statement in statements:
            await session.execute(text(statement), values)
        await session.commit()


async def test_closed_cases_die_after_two_years_with_all_that_hangs_on_them(
    records: Records, desk: RetentionDesk
) -> None:
    gone, held = await make_trip(records), await make_trip(records)
    await make_case(records, gone)
    kept_case = await make_case(records, held)
    await make_case(records, gone, closed=False)
    async with records.db.session() as session:
        await desk.place_hold(session, HoldDraft("case", str(kept_case), "court order"), None)
        await session.commit()
    records.clock.move(timedelta(days=729))
    await dispose(records, desk)
    assert await count(records, "review_case") == 3
    records.clock.move(timedelta(days=1))
    await dispose(records, desk)
    assert await count(records, "review_case WHERE id = :id", id=kept_case) == 1
    assert await count(records, "review_case WHERE state = 'open'") == 1
    assert (
        await count(records, "review_case")
        == await count(records, "case_signal")
        == await count(records, "case_claim")
        == 2
    )


async def test_resolved_incidents_die_after_three_years_and_open_ones_never(
    records: Records, desk: RetentionDesk
) -> None:
    trip_id = await make_trip(records)
    await make_incident(records, trip_id, records.clock.now())
    unresolved = await make_incident(records, trip_id, None)
    records.clock.move(timedelta(days=1094))
    await dispose(records, desk)
    assert await count(records, "incident") == 2
    records.clock.move(timedelta(days=1))
    await dispose(records, desk)
    assert await count(records, "incident WHERE id = :id", id=unresolved) == await count(records, "incident") == 1


@pytest.fixture
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer.load(tmp_path_factory.mktemp("signer"), "", "test/audit")


async def test_the_log_forgets_people_after_two_years_and_stays_whole(
    records: Records, desk: RetentionDesk, signer: Signer
) -> None:
    person = uuid4()
    async with records.db.session() as session:
        await records.audit.append(session, Entry(event="trip.opened", person_id=person, private={"note": 7}))
        await session.commit()
    await run_once(records.db, records.clock, signer)
    assert await private_parts(records, "trip.opened") == ["told"]
    records.clock.move(timedelta(days=739))  # the end of November 2026 and 730 days
    await dispose(records, desk)
    assert await private_parts(records, "trip.opened") == ["erased"]
    assert await count(records, "audit_entry WHERE event = 'trip.opened' AND private_sealed IS NOT NULL") == 0


async def test_while_a_hold_is_in_force_the_log_forgets_nobody(
    records: Records, desk: RetentionDesk, signer: Signer
) -> None:
    async with records.db.session() as session:
        await desk.place_hold(session, HoldDraft("person", str(uuid4()), "court order"), None)
        await records.audit.append(session, Entry(event="trip.opened", person_id=uuid4(), private={"note": 7}))
        await session.commit()
    await run_once(records.db, records.clock, signer)
    records.clock.move(timedelta(days=739))
    await dispose(records, desk)
    assert await count(records, "audit_key WHERE wrapped IS NULL") == 0


async def private_parts(records: Records, event: str) -> list[str]:
    async with records.db.session() as session:
        page = await access_entries(session, records.audit.keys, Filters(event=event, limit=10))
    return ["told" if isinstance(item.private, dict) else str(item.private) for item in page.items]
