"""The only door out of the console: the staff api over HTTP, typed, with explicit timeouts.

One `StaffApi` belongs to one signed-in person and one Streamlit session. Nothing is cached, so nothing can be
shown to somebody who may not see it. Every failure is an `ApiError` with a stable code.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from console.door import ApiError, Door
from console.wire import (
    Account,
    AuditEntry,
    AuditProof,
    Case,
    ClaimedCase,
    Conversation,
    DecisionMade,
    Incident,
    LegalHold,
    LiveStatus,
    LiveTrip,
    MessageOutcome,
    Person,
    RetentionRun,
    Schedule,
    SignedIn,
    SimulatedPhone,
    Template,
    TripView,
)
from console.wire.base import Page

__all__ = ["ApiError", "StaffApi"]


class StaffApi(Door):
    """Each public method is one call of the staff api. All raise `ApiError`."""

    # -- sign-in -------------------------------------------------------------------------------------------

    def sign_in(self, email: str, password: str) -> SignedIn:
        """Exchange a password for a token. Raises `ApiError` with status 401 when they do not match."""
        return self.ask(SignedIn, "POST", "/session", {"email": email, "password": password})

    def sign_out(self) -> None:
        """Revoke this token."""
        self.tell("DELETE", "/session")

    def me(self) -> Account:
        """Whose token this is."""
        return self.ask(Account, "GET", "/me")

    def live(self, cursor: str = "") -> LiveStatus:
        """Counts for the alarm bar; waits at most 2 s for a change after `cursor`."""
        return self.ask(LiveStatus, "GET", "/live", cursor=cursor)

    # -- trips ---------------------------------------------------------------------------------------------

    def live_trips(
        self, *, market: str = "", status: str = "", sort: str = "risk", limit: int = 100, cursor: str = ""
    ) -> Page[LiveTrip]:
        """Trips under way, the riskiest first."""
        return self.ask(
            Page[LiveTrip],
            "GET",
            "/live-trips",
            market=market,
            status=status,
            sort=sort,
            limit=limit,
            cursor=cursor,
        )

    def trip(self, trip_id: str, purpose: str) -> TripView:
        """Open a private conversation for a purpose; this is audited and shown to its participants."""
        return self.ask(TripView, "GET", f"/trips/{trip_id}", purpose=purpose)

    def trip_messages(self, trip_id: str, *, after_seq: int, purpose: str) -> Conversation:
        """What was said after `after_seq` (staff numbering)."""
        return self.ask(Conversation, "GET", f"/trips/{trip_id}/messages", after_seq=after_seq, purpose=purpose)

    def person(self, user_id: str) -> Person:
        """A driver or customer with enforcements, cases and their last trips."""
        return self.ask(Person, "GET", f"/people/{user_id}")

    # -- review --------------------------------------------------------------------------------------------

    def cases(self, *, state: str = "", severity: str = "", sort: str = "due", cursor: str = "") -> Page[Case]:
        """The review queue."""
        return self.ask(Page[Case], "GET", "/cases", state=state, severity=severity, sort=sort, cursor=cursor)

    def case(self, case_id: str) -> ClaimedCase:
        """A case with its conversation."""
        return self.ask(ClaimedCase, "GET", f"/cases/{case_id}")

    def claim_next(self) -> ClaimedCase | None:
        """Claim what is due first; None when the queue is empty."""
        return self.ask_or_none(ClaimedCase, "POST", "/cases/claim")

    def claim(self, case_id: str) -> ClaimedCase:
        """Claim this case. Raises `ApiError` with status 409 when somebody else has it."""
        return self.ask(ClaimedCase, "POST", f"/cases/{case_id}/claim")

    def heartbeat(self, case_id: str) -> None:
        """Keep the claim alive. Raises `ApiError` with status 409 when it was lost."""
        self.tell("POST", f"/cases/{case_id}/heartbeat")

    def skip(self, case_id: str, reason: str) -> None:
        """Put the case back for somebody else."""
        self.tell("POST", f"/cases/{case_id}/skip", {"reason": reason})

    def refer(self, case_id: str, to_role: str, reason: str) -> None:
        """Hand the case to people of another role."""
        self.tell("POST", f"/cases/{case_id}/refer", {"to_role": to_role, "reason": reason})

    def decide(
        self,
        case_id: str,
        messages: list[MessageOutcome],
        *,
        person: str,
        policy_cited: str,
        rationale: str = "",
    ) -> DecisionMade:
        """Decide a claimed case; there is no second decision on the same case."""
        body = {
            "messages": [msgspec.to_builtins(outcome) for outcome in messages],
            "person": person,
            "policy_cited": policy_cited,
            "rationale": rationale or None,
        }
        return self.ask(DecisionMade, "POST", f"/cases/{case_id}/decisions", body)

    def reverse(self, case_id: str, rationale: str) -> DecisionMade:
        """Undo the decision on a case; what it was about comes back as a new case."""
        return self.ask(DecisionMade, "POST", f"/cases/{case_id}/reversal", {"rationale": rationale})

    # -- emergencies ---------------------------------------------------------------------------------------

    def incidents(self, status: str = "") -> Page[Incident]:
        """Emergencies, the newest first."""
        return self.ask(Page[Incident], "GET", "/incidents", status=status)

    def incident(self, incident_id: str) -> Incident:
        """One emergency with its attempts and timeline."""
        return self.ask(Incident, "GET", f"/incidents/{incident_id}")

    def acknowledge(self, incident_id: str, note: str = "") -> Incident:
        """Take the incident; the first acknowledgement wins, a later one is a 409."""
        return self.ask(Incident, "POST", f"/incidents/{incident_id}/acknowledge", {"note": note or None})

    def note(self, incident_id: str, note: str) -> Incident:
        """Write a line into the timeline; it also keeps the acknowledgement alive."""
        return self.ask(Incident, "POST", f"/incidents/{incident_id}/notes", {"note": note})

    def resolve(self, incident_id: str, *, reason: str, level: int, callback_attempted: bool) -> Incident:
        """Close the incident with a validation level from 0 (false alarm) to 4 (life in danger)."""
        body = {"reason": reason, "level": level, "callback_attempted": callback_attempted}
        return self.ask(Incident, "POST", f"/incidents/{incident_id}/resolve", body)

    def simulated_phones(self) -> list[SimulatedPhone]:
        """What the phones of the simulator heard. Raises `ApiError` 404 where no simulator runs."""
        return self.ask(list[SimulatedPhone], "GET", "/simulated-phones")

    # -- templates -----------------------------------------------------------------------------------------

    def templates(self, *, lang: str = "", audience: str = "") -> Page[Template]:
        """Quick messages of every state."""
        return self.ask(Page[Template], "GET", "/templates", lang=lang, audience=audience)

    def draft_template(self, fields: dict[str, Any]) -> Template:
        """Start a quick message as a draft."""
        return self.ask(Template, "POST", "/templates", fields)

    def save_template(self, template_id: str, fields: dict[str, Any]) -> Template:
        """Change a quick message; what is published stays so until the change is published."""
        return self.ask(Template, "PUT", f"/templates/{template_id}", fields)

    def publish_template(self, template_id: str) -> Template:
        """Offer it to riders or drivers."""
        return self.ask(Template, "POST", f"/templates/{template_id}/publish")

    def retire_template(self, template_id: str) -> Template:
        """Offer it no longer."""
        return self.ask(Template, "POST", f"/templates/{template_id}/retire")

    # -- audit ---------------------------------------------------------------------------------------------

    def audit_entries(self, *, cursor: str = "", **filters: str) -> Page[AuditEntry]:
        """Search by `trip_id person_id staff_id event from to`, the newest first."""
        return self.ask(Page[AuditEntry], "GET", "/audit", cursor=cursor, **filters)

    def audit_entry(self, index: int) -> AuditProof:
        """One entry with its proof."""
        return self.ask(AuditProof, "GET", f"/audit/{index}")

    def audit_checkpoint(self) -> str:
        """The newest signed checkpoint, as text (C2SP signed note)."""
        return self.fetch("/audit/checkpoint").decode()

    # -- retention -----------------------------------------------------------------------------------------

    def schedules(self) -> Page[Schedule]:
        """How long each market keeps each record class."""
        return self.ask(Page[Schedule], "GET", "/retention/schedules")

    def save_schedule(
        self,
        market: str,
        record_class: str,
        *,
        minimum_days: int,
        maximum_days: int,
        basis: str,
        regulator_reference: str = "",
    ) -> Schedule:
        """Change one line of the schedule; trips made from now on follow it."""
        body = {
            "minimum_days": minimum_days,
            "maximum_days": maximum_days,
            "basis": basis,
            "regulator_reference": regulator_reference,
        }
        return self.ask(Schedule, "PUT", f"/retention/schedules/{market}/{record_class}", body)

    def runs(self) -> Page[RetentionRun]:
        """Disposition runs, the newest first."""
        return self.ask(Page[RetentionRun], "GET", "/retention/runs")

    def start_run(self, *, dry_run: bool) -> RetentionRun:
        """Start a disposition run, or only count what it would dispose of."""
        return self.ask(RetentionRun, "POST", "/retention/runs", {"dry_run": dry_run})

    def approve_run(self, run_id: str) -> RetentionRun:
        """One of the two approvals of a run that is far from the usual."""
        return self.ask(RetentionRun, "POST", f"/retention/runs/{run_id}/approve")

    def holds(self) -> Page[LegalHold]:
        """Legal holds, released ones too."""
        return self.ask(Page[LegalHold], "GET", "/retention/holds")

    def place_hold(self, fields: dict[str, Any]) -> LegalHold:
        """Suspend disposition of a trip, a person, a case or a market: `scope`, the id of that, `reason`."""
        return self.ask(LegalHold, "POST", "/retention/holds", fields)

    def release_hold(self, hold_id: str, reason: str) -> LegalHold:
        """Let disposition go on."""
        return self.ask(LegalHold, "POST", f"/retention/holds/{hold_id}/release", {"reason": reason})

    def retention_report(self, first: date, last: date, form: str) -> bytes:
        """The report of a period, `form` csv or json, as it is to be filed."""
        return self.fetch("/retention/report", **{"from": str(first), "to": str(last), "format": form})

    # -- staff ---------------------------------------------------------------------------------------------

    def accounts(self) -> Page[Account]:
        """Staff accounts (admins only)."""
        return self.ask(Page[Account], "GET", "/accounts")

    def create_account(self, *, email: str, name: str, role: str, password: str) -> Account:
        """Add a staff account (admins only)."""
        body = {"email": email, "name": name, "role": role, "password": password}
        return self.ask(Account, "POST", "/accounts", body)
