"""What the staff api answers, as the console reads it. Unknown fields are ignored, so the api may grow."""

from console.wire.evidence import (
    AuditEntry,
    AuditProof,
    LegalHold,
    RetentionRun,
    Schedule,
)
from console.wire.incidents import Attempt, Incident, SimulatedPhone, TimelineItem
from console.wire.people import Account, Party, Person, SignedIn
from console.wire.reviews import Case, ClaimedCase, DecisionMade, MessageOutcome
from console.wire.status import LiveStatus
from console.wire.templates import Template
from console.wire.trips import Conversation, LiveTrip, Message, Trip, TripView, Verdict

__all__ = [
    "Account",
    "Attempt",
    "AuditEntry",
    "AuditProof",
    "Case",
    "ClaimedCase",
    "Conversation",
    "DecisionMade",
    "Incident",
    "LegalHold",
    "LiveStatus",
    "LiveTrip",
    "Message",
    "MessageOutcome",
    "Party",
    "Person",
    "RetentionRun",
    "Schedule",
    "SignedIn",
    "SimulatedPhone",
    "Template",
    "TimelineItem",
    "Trip",
    "TripView",
    "Verdict",
]
