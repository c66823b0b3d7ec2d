"""The claimed case: the words in their context, and the machine's view of them beside the decision."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from console.api import ApiError
from console.app_pages import case_desk
from console.app_pages.deciding import decide, keyboard, way_out
from console.components import Column, Row, bar, conversation, table
from console.format import due, plain, short
from console.frame import cannot_load
from console.session import Desk
from console.wire import Case, ClaimedCase, Message, Trip
from console.words import code_words, list_words, phase

HEARTBEAT_S = 15.0
BADGE: dict[str, Literal["red", "orange", "gray"]] = {"critical": "red", "high": "red", "medium": "orange"}


def show(desk: Desk) -> None:
    """The whole page for one case."""
    claim = case_desk.current()
    if claim is None:
        return
    _head(desk, claim)
    left, right = st.columns([11, 9], gap="medium")
    with left:
        conversation(
            "case-talk",
            claim.conversation,
            of=claim.case.id,
            zone=desk.zone,
            flagged=claim.case.message_ids,
            height=430,
        )
        st.caption("The flagged message has a red frame. Severe words are blurred until you ask for them.")
        _machine(claim)
    with right:
        decide(desk, claim)
        way_out(desk, claim.case)
        keyboard()


def _head(desk: Desk, claim: ClaimedCase) -> None:
    case = claim.case
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Case {short(case.id)}**", width="content")
        st.badge(f"severity: {case.severity}", color=BADGE.get(case.severity, "gray"))
        st.badge(code_words(case.kind), color="gray")
        st.markdown(plain(list_words(case.reasons, 4)), width="content")
    st.caption(f"{_trip(claim.trip, case)} - due {due(case.due_at)}")
    if case.kind == "urgent":
        st.markdown(f":red[Somebody may be in danger.] [Emergencies](/emergencies), [trip](/?trip={case.trip_id})")
    _keep(desk, case)


@st.fragment(run_every=HEARTBEAT_S)
def _keep(desk: Desk, case: Case) -> None:
    """Keep the claim alive while the page is open, and say so when it is lost."""
    try:
        desk.api.heartbeat(case.id)
    except ApiError as error:
        if error.status in {404, 409, 410}:
            st.error("Your claim on this case has ended; somebody else may have it. A decision here would be refused.")
        else:
            cannot_load("whether this case is still yours", error)


def _machine(claim: ClaimedCase) -> None:
    """The machine's answer on each flagged message."""
    rows = [row for message in claim.conversation if message.id in claim.case.message_ids for row in _findings(message)]
    columns = (Column("what", "What the machine saw"), Column("score", "Score"), Column("policy", "By"))
    table("findings", columns, rows, empty="The machine found nothing here: a person reported it.")


def _findings(message: Message) -> list[Row]:
    verdict = message.verdict
    if verdict is None:
        return []
    strongest: dict[str, float | None] = {}
    for signal in verdict.signals:
        strongest[signal.code] = max(strongest.get(signal.code) or 0.0, signal.score or 0.0)
    signals = [(code, score, verdict.policy) for code, score in strongest.items()]
    labels = [(name, score, verdict.model) for name, score in sorted(verdict.labels.items(), key=lambda p: -p[1])[:5]]
    return [
        Row(
            f"{message.id}-{number}",
            {"what": code_words(code), "score": "" if score is None else _score(score), "policy": by},
        )
        for number, (code, score, by) in enumerate([*signals, *labels])
    ]


def _score(score: float) -> dict[str, object]:
    return bar(score, f"{score:.2f}", "bad" if score >= 0.7 else "warn" if score >= 0.4 else "soft")


def _trip(trip: Trip | None, case: Case) -> str:
    if trip is None:
        return f"Trip {short(case.trip_id)}"
    names = [
        f"{word} {party.name}" + (" (this case is about them)" if party.id == case.about_user_id else "")
        for word, party in (("driver", trip.driver), ("rider", trip.customer))
        if party is not None
    ]
    return f"Trip {short(case.trip_id)}, {phase(trip.status)}: " + plain(", ".join(names))
