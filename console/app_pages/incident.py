"""One incident: its clock, who was paged and what came back, and what a responder can do about it."""

from __future__ import annotations

import streamlit as st

from console.api import ApiError
from console.components import Column, Row, chip, table
from console.format import ago, clock, due, plain, position, short
from console.frame import cannot_load, do
from console.roles import DESK, may
from console.session import Desk
from console.wire import Attempt, Incident
from console.words import LEVELS, code_words, phase, side

REFRESH_S = 1.0
HISTORY_S = 2.0
GOOD = frozenset({"acknowledged", "answered", "confirmed", "replied"})
BAD = frozenset({"failed", "busy", "no_answer", "undelivered", "no-answer", "wrong_digit", "canceled"})
ATTEMPTS = (
    Column("at", "At"),
    Column("name", "Who"),
    Column("channel", "By"),
    Column("to", "To"),
    Column("status", "Came back"),
    Column("detail", "", wrap=True),
)
TIMELINE = (Column("at", "At"), Column("what", "What", wrap=True), Column("who", "Who"))


def incident(desk: Desk, incident_id: str) -> None:
    """Facts that refresh by themselves, and forms that do not move under the hand."""
    try:
        now = desk.api.incident(incident_id)
    except ApiError as error:
        cannot_load("this emergency", error)
        return
    _facts(desk, incident_id)
    if now.status != "resolved" and may(desk.account.role, DESK):
        _respond(desk, now)
    _history(desk, incident_id)


@st.fragment(run_every=REFRESH_S)
def _facts(desk: Desk, incident_id: str) -> None:
    try:
        now = desk.api.incident(incident_id)
    except ApiError as error:
        cannot_load("this emergency", error)
        return
    if st.session_state.get("incident-state") != (incident_id, now.status):
        known = "incident-state" in st.session_state
        st.session_state["incident-state"] = (incident_id, now.status)
        if known:
            st.rerun()  # the forms below belong to another state
    st.markdown(f"#### {_headline(now)}")
    if now.status == "acknowledged":
        st.caption("It escalates again when nothing is done here for a while. A note counts.")
    left, right = st.columns(2)
    left.markdown(f"{_reporter(now)}  \n{_clock(now, desk)}")
    right.markdown(f"{_car(now)}  \n{_where(now)}")
    if now.note:
        st.text(f"Note from the person: {now.note}")
    if now.urgency > 1:
        st.markdown(f":red[Pressed {now.urgency} times.]")
    if now.linked_to:
        st.caption("The other side of this trip has pressed too: see the other emergency of this trip.")
    if now.covert:
        st.caption("Covert press: the other side of this trip does not know. Do not call that side.")


def _respond(desk: Desk, now: Incident) -> None:
    if now.status == "triggered":
        label = "Acknowledge: I am on it"
        if st.button(label, type="primary", shortcut="A", key="acknowledge", width="stretch"):
            do("acknowledge", lambda: desk.api.acknowledge(now.id), "Acknowledged. The other phones stop ringing.")
            st.rerun()
    elif now.acknowledged_by == desk.account.name and st.button("I am still on it", shortcut="A", key="renew"):
        do("renew", lambda: desk.api.acknowledge(now.id), "Renewed: it stays yours for now.")
        st.rerun()
    note_side, resolve_side = st.columns(2)
    with note_side, st.form("note", clear_on_submit=True):
        note = st.text_input("Note for the timeline", key="incident-note", max_chars=500)
        if st.form_submit_button("Add note") and note.strip():
            do("add the note", lambda: desk.api.note(now.id, note.strip()), "Note added.")
            st.rerun()
    with resolve_side, st.popover("Resolve", width="stretch"):
        _resolve(desk, now)


def _resolve(desk: Desk, now: Incident) -> None:
    with st.form("resolve", border=False):
        reason = st.text_area("What happened, and how it ended", key="resolve-reason", max_chars=1000)
        level = st.selectbox("Level", list(LEVELS), key="resolve-level", format_func=LEVELS.__getitem__)
        called = st.checkbox("I tried to call the person back", key="resolve-callback")
        if not st.form_submit_button("Resolve this emergency", type="primary"):
            return
    if not reason.strip():
        st.error("Write what happened first.")
        return
    if not called:
        st.error("An emergency is closed only after a callback was tried.")
        return
    if do(
        "resolve",
        lambda: desk.api.resolve(now.id, reason=reason.strip(), level=level, callback_attempted=called),
        "Resolved.",
    ):
        st.query_params.clear()
    st.rerun()


@st.fragment(run_every=HISTORY_S)
def _history(desk: Desk, incident_id: str) -> None:
    try:
        now = desk.api.incident(incident_id)
    except ApiError:
        return  # the facts above say it
    st.markdown("**Who was paged, and what came back**")
    rows = [_attempt(item, desk) for item in reversed(now.attempts)]
    table("attempts", ATTEMPTS, rows, empty="Nobody yet. The first pages leave within a second.", height=240)
    st.markdown("**Timeline**")
    lines = [
        Row(
            str(number),
            {
                "at": clock(item.at, desk.zone),
                "what": item.note or code_words(item.text_code or item.kind),
                "who": item.who,
            },
        )
        for number, item in enumerate(reversed(now.timeline))
    ]
    table("timeline", TIMELINE, lines, empty="Nothing yet.", height=220)


def _attempt(item: Attempt, desk: Desk) -> Row:
    tone = "good" if item.status in GOOD else "bad" if item.status in BAD else "soft"
    return Row(
        item.id,
        {
            "at": clock(item.at, desk.zone),
            "name": item.name,
            "channel": code_words(item.channel),
            "to": item.to,
            "status": chip(code_words(item.status), tone),
            "detail": item.detail,
        },
    )


def _headline(now: Incident) -> str:
    if now.status == "triggered":
        upcoming = due(now.next_due)
        return f":red[Waiting for an answer] - next step {upcoming}" if upcoming else ":red[Waiting for an answer]"
    if now.status == "acknowledged":
        lease = f", escalates again {due(now.next_due)}" if now.next_due else ""
        return f":orange[Acknowledged] by {plain(now.acknowledged_by or 'somebody')}{lease}"
    level = "" if now.level is None else f", level {LEVELS.get(now.level, now.level)}"
    by = f" by {plain(now.resolved_by)}" if now.resolved_by else ""
    return f"Resolved{by}{level}"


def _reporter(now: Incident) -> str:
    if now.reporter is None:
        return "Pressed by a person not known"
    return f"Pressed by **{plain(now.reporter.name)}** ({side(now.reporter.role)})"


def _clock(now: Incident, desk: Desk) -> str:
    return f"at {clock(now.triggered_at, desk.zone)}, {ago(now.triggered_at)}; code {now.short_code or 'none'}"


def _car(now: Incident) -> str:
    trip = now.trip
    if trip is None:
        return f"Trip {short(now.trip_id)}"
    car = trip.vehicle
    seen = (
        f"{plain(f'{car.colour} {car.make} {car.model}')}, plate **{plain(car.plate)}**" if car else "vehicle not known"
    )
    return f"Trip {short(now.trip_id)}, {phase(trip.status)}: {seen}"


def _where(now: Incident) -> str:
    at = now.location or (now.trip.location if now.trip else None)
    if at is None:
        return "No position known"
    return f"Position {position(at.lat, at.lon, at.accuracy_m)}, {ago(at.at) or 'age not known'}"
