"""The log through the staff api: found by whoever may look, proven by anybody."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from backend.audit import sequencing
from backend.audit.merkle import verify_inclusion
from backend.audit.note import Signer
from backend.clock import MovableClock
from backend.pipeline.services import Services
from tests.backend.api_staff.ride import WITHHELD, Reviewer, Ride
from tests.factories.tokens import Tokens

WriteDown = Callable[[], Awaitable[None]]


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def officer(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    return Reviewer(client, tokens.staff("compliance", "cleo"))


@pytest.fixture
def ann(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    return Reviewer(client, tokens.staff("moderator", "ann"))


@pytest.fixture
async def decided(client: httpx.AsyncClient, tokens: Tokens, ann: Reviewer, sequenced: WriteDown) -> Ride:
    """A trip with a message that was withheld, decided and written into the tree."""
    ride = await Ride(client, tokens).begin()
    await ride.say("driver", WITHHELD)
    case = await ann.case_of(ride)
    await ann.claim(case)
    await ann.decide(case, "remove", person="warn")
    await sequenced()
    return ride


@pytest.fixture
def sequenced(services: Services, clock: MovableClock) -> WriteDown:
    """Bring what waits into the tree and sign it, as a sweeper does."""
    signer = Signer.load(services.settings.data.dir, services.settings.audit.key_file, services.settings.audit.origin)

    async def write_down() -> None:
        clock.move(timedelta(seconds=2))
        await sequencing.run_once(services.db, clock, signer)

    return write_down


async def _events(officer: Reviewer, **query: Any) -> list[str]:
    answer = await officer.get("/audit", **query)
    assert answer.status_code == 200, answer.text
    return [item["event"] for item in answer.json()["items"]]


async def test_the_whole_way_of_a_case_is_found_by_its_trip(decided: Ride, officer: Reviewer) -> None:
    found = await _events(officer, trip_id=str(decided.trip_id))
    expected = {
        "trip.created",
        "message.accepted",
        "message.verdict",
        "case.opened",
        "trip.opened",
        "case.claimed",
        "case.decided",
        "message.removed",
        "enforcement.applied",
    }
    assert expected <= set(found)
    assert found.index("case.decided") < found.index("case.opened")


async def test_entries_name_people_and_acts_and_hold_no_text(decided: Ride, officer: Reviewer) -> None:
    answer = await officer.get("/audit", trip_id=str(decided.trip_id), event="case.")
    assert {item["event"] for item in answer.json()["items"]} >= {"case.opened", "case.claimed", "case.decided"}
    entry = next(item for item in answer.json()["items"] if item["event"] == "case.decided")
    assert entry["outcome"] == "warn"
    assert entry["counts"] == {"remove": 1}
    assert entry["private"]["person_id"] == str(decided.driver_id)
    assert entry["private"]["trip_id"] == str(decided.trip_id)
    assert WITHHELD not in answer.text
    assert await _events(officer, person_id=str(decided.driver_id), event="enforcement.applied") == [
        "enforcement.applied"
    ]


async def test_an_entry_is_proven_against_the_signed_checkpoint(decided: Ride, officer: Reviewer) -> None:
    entry = (await officer.get("/audit", trip_id=str(decided.trip_id), event="case.decided")).json()["items"][0]
    proven = (await officer.get(f"/audit/{entry['index']}")).json()
    assert proven["entry"]["event"] == "case.decided"
    proof = proven["proof"]
    leaf = hashlib.sha256(b"\x00" + proven["leaf"].encode()).digest()
    assert leaf.hex() == proof["leaf_hash"]
    path = [base64.b64decode(step) for step in proof["path"]]
    root = base64.b64decode(proof["root_hash"])
    assert verify_inclusion(leaf, proof["index"], proof["tree_size"], path, root)
    note = await officer.get("/audit/checkpoint")
    assert note.headers["content-type"].startswith("text/plain")
    assert proof["root_hash"] in note.text


async def test_pages_go_back_in_time_without_a_gap(decided: Ride, officer: Reviewer) -> None:
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await officer.get("/audit", trip_id=str(decided.trip_id), limit=3, **cursor)).json()
        seen += [item["index"] for item in page["items"]]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == len(await _events(officer, trip_id=str(decided.trip_id), limit=200))


async def test_searching_and_being_refused_are_entries_too(
    decided: Ride, officer: Reviewer, ann: Reviewer, sequenced: WriteDown
) -> None:
    assert (await ann.get("/audit")).status_code == 403
    await _events(officer, trip_id=str(decided.trip_id))
    await sequenced()
    assert "audit.searched" in await _events(officer, event="audit.searched")
    denied = (await officer.get("/audit", event="access.denied")).json()["items"]
    assert [item["outcome"] for item in denied] == ["moderator"]
    assert denied[0]["private"]["route"].endswith("search_audit")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"trip_id": "nonsense"}, 400),
        ({"from": "yesterday"}, 400),
        ({"from": "2026-01-01T00:00:00"}, 422),
        ({"event": "Case Opened"}, 400),
        ({"limit": 201}, 400),
        ({"cursor": "WzAsMV0"}, 400),
    ],
)
async def test_bad_filters_are_refused(officer: Reviewer, query: dict[str, str], status: int) -> None:
    assert (await officer.get("/audit", **query)).status_code == status


async def test_an_entry_that_does_not_exist_is_not_found(officer: Reviewer) -> None:
    for index in ("99999999", "99999999999999999999"):
        assert (await officer.get(f"/audit/{index}")).status_code == 404
