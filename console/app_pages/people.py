"""People: the record of a driver or rider - enforcements that run, cases about them, their last trips."""

from __future__ import annotations

import streamlit as st

from console.components import Column, Row, chip, table
from console.format import SEVERITY_TONE, moment, plain, short
from console.frame import loading
from console.session import Desk
from console.wire import Person
from console.words import code_words, list_words, phase, side

ENFORCEMENTS = (Column("kind", "What"), Column("at", "Since"), Column("until", "Until"), Column("state", "State"))
CASES = (
    Column("severity", "Severity"),
    Column("kind", "Kind"),
    Column("why", "Why", wrap=True),
    Column("opened", "Opened"),
    Column("state", "State"),
)
TRIPS = (Column("trip", "Trip"), Column("role", "As"), Column("phase", "Phase"), Column("at", "When"))


def show(desk: Desk) -> None:
    """Find a person by id, and read their record. Opening it is recorded."""
    st.subheader("People")
    asked = st.text_input("Person", st.query_params.get("person", ""), key="person-id", placeholder="id", width=380)
    ref = asked.strip()
    if not ref:
        st.info("Give the id of a driver or rider; trips and cases link here. The record then appears below.")
        return
    st.query_params["person"] = ref
    with loading("this person"):
        _record(desk, desk.api.person(ref))


def _record(desk: Desk, person: Person) -> None:
    rating = "" if person.user.rating is None else f", rating {person.user.rating:.1f}"
    st.markdown(f"**{plain(person.user.name)}**{rating}")
    if person.user.suspended_until is not None:
        st.markdown(f":red[Suspended from chat until {moment(person.user.suspended_until, desk.zone)}]")
    st.markdown("**Enforcements**")
    _enforcements(desk, person)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Cases about them**")
        _cases(desk, person)
    with right:
        st.markdown("**Last trips**")
        _trips(desk, person)


def _enforcements(desk: Desk, person: Person) -> None:
    rows = [
        Row(
            item.id,
            {
                "kind": code_words(item.kind),
                "at": moment(item.applied_at, desk.zone),
                "until": moment(item.until, desk.zone) or "no end",
                "state": chip("in force", "warn") if item.running else chip("ended", "soft"),
            },
        )
        for item in person.enforcements
    ]
    table("enforcements", ENFORCEMENTS, rows, empty="None. A warning, mute or suspension appears here.", height=220)


def _cases(desk: Desk, person: Person) -> None:
    rows = [
        Row(
            item.id,
            {
                "severity": chip(item.severity, SEVERITY_TONE.get(item.severity, "")),
                "kind": code_words(item.kind),
                "why": list_words(item.reasons),
                "opened": moment(item.opened_at, desk.zone),
                "state": item.state,
            },
        )
        for item in person.cases
    ]
    table("person-cases", CASES, rows, empty="No case was ever about this person.", height=380)


def _trips(desk: Desk, person: Person) -> None:
    rows = [
        Row(
            item.trip_id,
            {
                "trip": {"text": short(item.trip_id), "tone": "soft", "hint": item.trip_id},
                "role": side(item.role),
                "phase": phase(item.status),
                "at": moment(item.created_at, desk.zone),
            },
        )
        for item in person.trips
    ]
    table("person-trips", TRIPS, rows, empty="No trip yet.", height=380)
