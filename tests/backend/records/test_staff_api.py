"""What compliance does over HTTP."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from backend.pipeline.services import Services
from tests.backend.records.city_of_records import Records, make_trip
from tests.factories.tokens import Tokens, bearer

BASE = "/api/staff/retention"
TODAY = datetime.now(UTC).date()


@pytest.fixture
def compliance(tokens: Tokens) -> dict[str, str]:
    return bearer(tokens.staff("compliance"))


async def test_the_schedule_starts_with_the_defaults(client: httpx.AsyncClient, compliance: dict[str, str]) -> None:
    items = (await client.get(f"{BASE}/schedules", headers=compliance)).json()["items"]
    kept = {item["record_class"]: (item["minimum_days"], item["maximum_days"]) for item in items}
    assert kept["text"] == (30, 90)
    assert kept["verdict"][1] == 365
    assert (kept["case"][1], kept["incident"][1], kept["audit"][1]) == (730, 1095, 730)
    assert {item["market"] for item in items} == {"default"}


async def test_a_changed_line_is_a_new_version_and_counts_for_new_trips(
    client: httpx.AsyncClient, compliance: dict[str, str], tokens: Tokens, services: Services
) -> None:
    change = {"minimum_days": 10, "maximum_days": 20, "basis": "local privacy act"}
    first = (await client.put(f"{BASE}/schedules/kg/text", headers=compliance, json=change)).json()
    again = {**change, "maximum_days": 25}
    second = (await client.put(f"{BASE}/schedules/kg/text", headers=compliance, json=again)).json()
    assert (first["version"], second["version"], second["maximum_days"]) == (1, 2, 25)
    trip_id = uuid4()
    trip = {
        "market": "kg",
        "status": "accepted",
        "driver": {"id": str(uuid4()), "name": "D"},
        "customer": {"id": str(uuid4()), "name": "C"},
    }
    made = await client.put(f"/api/platform/trips/{trip_id}", headers=bearer(tokens.service()), json=trip)
    assert made.is_success
    async with services.db.session() as session:
        query = text("SELECT text_expire_on, verdict_expire_on FROM trip WHERE id = :t")
        expire_on, verdict_expire_on = (await session.execute(query, {"t": trip_id})).one()
    latest_end = services.clock.now().date() + timedelta(days=1)
    assert expire_on == latest_end + timedelta(days=25)
    assert verdict_expire_on == latest_end + timedelta(days=365), "the other lines came along"


@pytest.mark.parametrize(
    "change",
    [
        {"minimum_days": 30, "maximum_days": 10, "basis": "wrong way round"},
        {"minimum_days": -1, "maximum_days": 10, "basis": "negative"},
        {"minimum_days": 1, "maximum_days": 10, "basis": ""},
        {"minimum_days": 1, "maximum_days": 99999, "basis": "for ever"},
    ],
)
async def test_a_line_that_cannot_be_kept_is_refused(
    client: httpx.AsyncClient, compliance: dict[str, str], change: dict[str, object]
) -> None:
    answer = await client.put(f"{BASE}/schedules/kz/text", headers=compliance, json=change)
    assert answer.status_code in (400, 422)
    unknown = {"minimum_days": 1, "maximum_days": 2, "basis": "fine"}
    wrong = await client.put(f"{BASE}/schedules/kz/gossip", headers=compliance, json=unknown)
    assert wrong.status_code == 422
    assert wrong.json()["code"] == "invalid_value"


async def test_a_hold_is_placed_seen_and_released(client: httpx.AsyncClient, compliance: dict[str, str]) -> None:
    trip_id = str(uuid4())
    placed = await client.post(
        f"{BASE}/holds", headers=compliance, json={"scope": "trip", "trip_id": trip_id, "reason": "court order 5"}
    )
    assert placed.status_code == 201
    hold = placed.json()
    assert (hold["trip_id"], hold["user_id"], hold["reason"], hold["placed_by"]) == (
        trip_id,
        None,
        "court order 5",
        "compliance",
    )
    released = await client.post(
        f"{BASE}/holds/{hold['id']}/release", headers=compliance, json={"reason": "case closed"}
    )
    assert released.json()["released_by"] == "compliance"
    twice = await client.post(f"{BASE}/holds/{hold['id']}/release", headers=compliance, json={"reason": "case closed"})
    assert twice.status_code == 409
    listed = (await client.get(f"{BASE}/holds", headers=compliance)).json()["items"]
    assert [item["id"] for item in listed if item["released_at"]] == [hold["id"]]


@pytest.mark.parametrize(
    "wish",
    [
        {"scope": "trip", "reason": "no trip named"},
        {"scope": "planet", "trip_id": str(uuid4()), "reason": "everything"},
        {"scope": "trip", "trip_id": "7", "reason": "no uuid"},
        {"scope": "market", "market": "kz", "reason": ""},
    ],
)
async def test_a_hold_on_nothing_is_refused(
    client: httpx.AsyncClient, compliance: dict[str, str], wish: dict[str, str]
) -> None:
    assert (await client.post(f"{BASE}/holds", headers=compliance, json=wish)).status_code in (400, 422)


async def test_unknown_holds_and_runs_are_not_found(client: httpx.AsyncClient, compliance: dict[str, str]) -> None:
    body = {"reason": "no such thing"}
    assert (await client.post(f"{BASE}/holds/{uuid4()}/release", headers=compliance, json=body)).status_code == 404
    assert (await client.post(f"{BASE}/runs/{uuid4()}/approve", headers=compliance)).status_code == 404


async def test_a_dry_run_is_listed_with_its_counts(client: httpx.AsyncClient, compliance: dict[str, str]) -> None:
    made = await client.post(f"{BASE}/runs", headers=compliance, json={"dry_run": True})
    assert made.status_code == 201
    run = made.json()
    assert (run["status"], run["dry_run"], run["counts"]["days"]) == ("done", True, 0)
    listed = (await client.get(f"{BASE}/runs", headers=compliance)).json()["items"]
    assert listed[0] == run


@pytest.mark.parametrize("role", ["viewer", "moderator"])
async def test_others_of_staff_are_kept_out(client: httpx.AsyncClient, tokens: Tokens, role: str) -> None:
    headers = bearer(tokens.staff(role))
    for path in ("schedules", "runs", "holds", "report?from=2026-01-01&to=2026-02-01"):
        assert (await client.get(f"{BASE}/{path}", headers=headers)).status_code == 403
    assert (await client.post(f"{BASE}/runs", headers=headers, json={"dry_run": True})).status_code == 403


async def test_participants_and_strangers_are_kept_out(client: httpx.AsyncClient, tokens: Tokens) -> None:
    assert (await client.get(f"{BASE}/holds", headers=bearer(tokens.driver()))).status_code == 403
    assert (await client.get(f"{BASE}/holds")).status_code == 401


async def test_the_report_comes_as_json_and_csv_with_the_same_figures(
    client: httpx.AsyncClient, compliance: dict[str, str], services: Services
) -> None:
    records = Records(services.db, services.keyring, services.audit, services.clock)  # type: ignore[arg-type]
    await make_trip(records, market="es")
    period = f"from={TODAY - timedelta(days=1)}&to={TODAY + timedelta(days=1)}"
    as_json = await client.get(f"{BASE}/report?{period}", headers=compliance)
    report = as_json.json()
    assert "attachment" in as_json.headers["content-disposition"]
    as_csv = await client.get(f"{BASE}/report?{period}&format=csv", headers=compliance)
    table = list(csv.DictReader(io.StringIO(as_csv.text)))
    for line in report["classes"]:
        for figure in ("live", "created", "held", "due", "disposed"):
            found = [
                row["value"]
                for row in table
                if (row["section"], row["market"], row["record_class"], row["figure"])
                == ("class", line["market"], line["record_class"], figure)
            ]
            assert found == [str(line[figure])]
    spanish = {line["record_class"]: line for line in report["classes"] if line["market"] == "es"}
    assert spanish["verdict"]["live"] == 3
    assert spanish["key"]["live"] == 3
    assert report["verify"].startswith("tripwarden audit verify")


@pytest.mark.parametrize(
    "period", ["from=2026-02-01&to=2026-01-01", "from=2020-01-01&to=2026-01-01", "from=x&to=y", ""]
)
async def test_a_period_that_is_none_is_refused(
    client: httpx.AsyncClient, compliance: dict[str, str], period: str
) -> None:
    assert (await client.get(f"{BASE}/report?{period}", headers=compliance)).status_code in (400, 422)


async def test_every_act_is_in_the_log(client: httpx.AsyncClient, services: Services) -> None:
    async with services.db.session() as session:
        query = text("SELECT event FROM audit_intake UNION SELECT event FROM audit_entry")
        events = set((await session.execute(query)).scalars())
    assert {"schedule.saved", "hold.placed", "hold.released", "disposition.planned", "report.exported"} <= events
