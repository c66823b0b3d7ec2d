"""Every call of `console.api` against the real api: what the console reads is what the api says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import msgspec
import pytest

from backend.audit.note import Signer
from backend.audit.sequencing import run_once
from backend.pipeline.services import Services
from console.api import ApiError, StaffApi
from console.door import Door
from console.proofs import check_entry
from console.wire import Case, ClaimedCase, MessageOutcome
from tests.console.world import PHONE, THREAT, MadeTrip, World
from tests.factories.tokens import Tokens

As = Callable[[str], StaffApi]


@pytest.fixture(scope="module")
def world(api_url: str, tokens: Tokens) -> Generator[World]:
    made = World(api_url, tokens)
    yield made
    made.close()


@pytest.fixture(scope="module")
def as_(api_url: str, tokens: Tokens) -> As:
    return lambda role: StaffApi(api_url, tokens.staff(role), httpx.Timeout(10))


def case_of(api: StaffApi, trip: MadeTrip) -> Case:
    return next(case for case in api.cases().items if case.trip_id == str(trip.id))


def claimed(api: StaffApi, world: World, text: str = THREAT) -> tuple[MadeTrip, ClaimedCase]:
    trip = world.trip()
    world.say(trip, text)
    return trip, api.claim(case_of(api, trip).id)


def test_a_new_account_signs_in_and_its_token_dies_with_the_sign_out(api_url: str, as_: As) -> None:
    email, password = f"{uuid4().hex[:8]}@tripwarden.local", "correct horse battery"
    made = as_("admin").create_account(email=email, name="Marat", role="moderator", password=password)
    assert made.email in {account.email for account in as_("admin").accounts().items}

    door = StaffApi(api_url, "", httpx.Timeout(10))
    signed_in = door.sign_in(email, password)
    assert (signed_in.account.name, signed_in.account.role) == ("Marat", "moderator")
    assert signed_in.expires_at > datetime.now(UTC)

    own = StaffApi(api_url, signed_in.token, httpx.Timeout(10))
    assert own.me().id == made.id
    own.sign_out()
    with pytest.raises(ApiError) as refused:
        own.me()
    assert refused.value.signed_out


def test_a_wrong_password_is_told_by_its_code(api_url: str) -> None:
    with pytest.raises(ApiError) as refused:
        StaffApi(api_url, "", httpx.Timeout(10)).sign_in("nobody@tripwarden.local", "wrong")
    assert (refused.value.status, refused.value.code) == (401, "sign_in_failed")


def test_the_live_status_counts_what_waits(world: World, as_: As) -> None:
    before = as_("viewer").live()
    world.say(world.trip(), THREAT)
    after = as_("viewer").live(str(before.cursor))
    assert after.review.open == before.review.open + 1
    assert after.trips.live == before.trips.live + 1
    assert after.at is not None


def test_live_trips_show_both_parties_and_what_is_withheld(world: World, as_: As) -> None:
    trip = world.trip(driver_name="Olga N.")
    world.say(trip, THREAT)
    row = next(row for row in as_("viewer").live_trips(limit=200).items if row.ref == str(trip.id))
    assert (row.driver and row.driver.name, row.status, row.withheld, row.open_cases) == (
        "Olga N.",
        "in_transit",
        1,
        1,
    )
    assert 0 < row.risk <= 1
    assert row.risk_reasons


def test_a_conversation_opens_with_a_purpose_and_goes_on_from_its_last_number(world: World, as_: As) -> None:
    trip = world.trip()
    world.say(trip, PHONE)
    view = as_("moderator").trip(str(trip.id), "safety_review")
    message = next(message for message in view.messages if message.content == PHONE)
    assert (message.status, message.sender_type, message.sender_name) == ("masked", "driver", "Daulet K.")
    assert message.verdict
    assert [PHONE[a:b] for signal in message.verdict.signals for a, b in signal.spans]
    assert view.trip.vehicle
    assert view.trip.vehicle.plate == "100 ABC 02"

    world.say(trip, "no, here is fine", by="customer")
    more = as_("moderator").trip_messages(str(trip.id), after_seq=view.last_seq, purpose="safety_review")
    assert [item.content for item in more.items] == ["no, here is fine"]
    assert more.last_seq > view.last_seq


def test_a_conversation_stays_shut_without_a_purpose(world: World, as_: As) -> None:
    with pytest.raises(ApiError) as refused:
        as_("moderator").trip(str(world.trip().id), "")
    assert (refused.value.status, refused.value.code) == (422, "purpose_required")


def test_a_person_comes_with_their_record(world: World, as_: As) -> None:
    trip = world.trip(driver_name="Ivan P.")
    world.say(trip, THREAT)
    person = as_("moderator").person(str(trip.driver))
    assert person.user.name == "Ivan P."
    assert [case.severity for case in person.cases]
    assert [item.trip_id for item in person.trips] == [str(trip.id)]


def test_a_claimed_case_shows_the_conversation_and_is_kept_by_a_heartbeat(world: World, as_: As) -> None:
    api = as_("moderator")
    trip, claim = claimed(api, world)
    assert claim.case.state == "assigned"
    assert claim.case.claimed_by == api.me().id
    assert THREAT in [message.content for message in claim.conversation if message.id in claim.case.message_ids]
    assert claim.trip
    assert claim.trip.ref == str(trip.id)
    assert claim.lease_until
    api.heartbeat(claim.case.id)
    assert api.case(claim.case.id).case.state == "assigned"

    with pytest.raises(ApiError) as refused:
        as_("lead").claim(claim.case.id)
    assert refused.value.status == 409


def test_the_next_case_is_claimed_until_none_is_left(world: World, as_: As) -> None:
    world.say(world.trip(), THREAT)
    api = as_("admin")
    decided: set[str] = set()
    while (claim := api.claim_next()) is not None:
        assert claim.case.id not in decided
        outcomes = [MessageOutcome(message_id, "remove") for message_id in claim.case.message_ids]
        api.decide(claim.case.id, outcomes, person="none", policy_cited="threat", rationale="A plain threat.")
        decided.add(claim.case.id)
    assert decided


def test_a_skipped_case_is_open_again_and_a_referred_one_waits_for_its_role(world: World, as_: As) -> None:
    api = as_("moderator")
    _, skipped = claimed(api, world)
    api.skip(skipped.case.id, "I know one of these people")
    assert api.case(skipped.case.id).case.state == "open"
    _, referred = claimed(api, world)
    api.refer(referred.case.id, "lead", "needs a second look")
    assert api.case(referred.case.id).case.state == "referred"


def test_a_decision_closes_the_case_and_its_reversal_opens_another(world: World, as_: As) -> None:
    api = as_("lead")
    trip, claim = claimed(api, world)
    outcomes = [MessageOutcome(message_id, "release") for message_id in claim.case.message_ids]
    made = api.decide(
        claim.case.id, outcomes, person="warn", policy_cited=claim.case.reasons[0], rationale="Said in jest."
    )
    assert made.case
    assert made.case.state == "closed"
    assert THREAT in str(world.history(trip, "customer"))
    again = api.reverse(claim.case.id, "It was no jest.")
    assert again.case
    assert again.case.state == "open"


def test_templates_go_from_draft_to_published_to_retired(as_: As) -> None:
    api = as_("lead")
    key = f"gate_{uuid4().hex[:6]}"
    fields = {
        "template_key": key,
        "language_code": "en",
        "audience": "driver",
        "category": "arrival",
        "message_text": "I wait at the gate",
    }
    draft = api.draft_template(fields)
    assert (draft.state, draft.is_active) == ("draft", False)
    saved = api.save_template(draft.id, {"message_text": "I wait at the main gate", "reviewed_by_native": True})
    assert saved.message_text == "I wait at the main gate"
    published = api.publish_template(saved.id)
    assert (published.state, published.is_active) == ("published", True)
    assert key in {item.template_key for item in api.templates(lang="en", audience="driver").items}
    assert api.retire_template(published.id).state == "retired"


def test_an_emergency_is_acknowledged_noted_and_resolved(world: World, as_: As) -> None:
    api = as_("lead")
    trip = world.trip()
    world.press(trip, note="he does not stop")
    incident = next(item for item in api.incidents("triggered").items if item.trip_id == str(trip.id))
    assert incident.reporter
    assert (incident.reporter.name, incident.note) == ("Aigerim S.", "he does not stop")
    assert api.live().incidents.unacknowledged >= 1

    assert api.acknowledge(incident.id, "I call her").status == "acknowledged"
    noted = api.note(incident.id, "She answers, the car stands")
    assert "She answers, the car stands" in {line.note for line in noted.timeline}
    with pytest.raises(ApiError):
        api.resolve(incident.id, reason="all well", level=1, callback_attempted=False)
    resolved = api.resolve(incident.id, reason="all well", level=1, callback_attempted=True)
    assert (resolved.status, resolved.level) == ("resolved", 1)
    assert api.incident(incident.id).status == "resolved"


def test_phones_that_are_not_simulated_are_told_by_a_code(as_: As) -> None:
    with pytest.raises(ApiError) as refused:
        as_("viewer").simulated_phones()
    assert refused.value.code == "not_available"


async def test_an_entry_of_the_audit_log_comes_with_a_proof_that_holds(
    world: World, as_: As, services: Services
) -> None:
    trip = world.trip()
    as_("lead").trip(str(trip.id), "complaint")
    signer = Signer.load(services.settings.data.dir, "", "tripwarden.test/audit")
    await run_once(services.db, services.clock, signer)

    api = as_("compliance")
    found = api.audit_entries(trip_id=str(trip.id), event="trip.opened").items
    assert [item.event for item in found] == ["trip.opened"]
    entry = api.audit_entry(found[0].index)
    assert entry.entry.event == "trip.opened"
    assert entry.proof
    assert entry.proof.root_hash in api.audit_checkpoint()
    assert check_entry(entry)
    assert not check_entry(msgspec.structs.replace(entry, leaf=(entry.leaf or "") + " "))


def test_a_line_of_the_schedule_is_changed(as_: As) -> None:
    api = as_("compliance")
    line = api.schedules().items[0]
    saved = api.save_schedule(
        line.market,
        line.record_class,
        minimum_days=line.minimum_days,
        maximum_days=line.maximum_days + 1,
        basis="new basis",
    )
    assert (saved.maximum_days, saved.basis) == (line.maximum_days + 1, "new basis")


def test_a_dry_run_is_listed(as_: As) -> None:
    api = as_("compliance")
    run = api.start_run(dry_run=True)
    assert run.dry_run
    assert run.id in {item.id for item in api.runs().items}
    with pytest.raises(ApiError) as refused:  # only a run that is far from the usual waits for an approval
        api.approve_run(run.id)
    assert refused.value.status in {404, 409}


def test_a_hold_is_placed_and_released(world: World, as_: As) -> None:
    api = as_("compliance")
    trip = world.trip()
    hold = api.place_hold({"scope": "trip", "trip_id": str(trip.id), "reason": "court 12/7"})
    assert (hold.trip_id, hold.reason, hold.released_at) == (str(trip.id), "court 12/7", None)
    assert hold.id in {item.id for item in api.holds().items}
    assert api.release_hold(hold.id, "settled").released_at


@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_retention_report_is_fetched_as_it_is(as_: As, form: str) -> None:
    today = datetime.now(UTC).date()
    body = as_("compliance").retention_report(today - timedelta(days=7), today, form)
    assert body.strip()


def test_every_call_of_the_door_is_tried_here() -> None:
    """A method that is added without a line in this file fails here."""
    with open(__file__, encoding="utf-8") as file:
        source = file.read()
    methods = [name for name, _ in inspect.getmembers(StaffApi, inspect.isfunction) if not name.startswith("_")]
    own = [name for name in methods if name not in dir(Door)]
    assert len(own) > 25
    assert [name for name in own if f".{name}(" not in source] == []
