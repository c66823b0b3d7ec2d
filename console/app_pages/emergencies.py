"""Emergencies: the board with the clock of each, and one incident with everything to act on it."""

from __future__ import annotations

import streamlit as st

from console.api import ApiError
from console.app_pages.incident import incident
from console.components import Column, Row, chip, table
from console.format import clock, due, short
from console.frame import cannot_load, moved, rerun_if_moved, show_notice
from console.session import Desk
from console.wire import Incident
from console.words import code_words, side

REFRESH_S = 1.0
STATUS = {
    "triggered": ("waiting", "loud"),
    "acknowledged": ("acknowledged", "warn"),
    "resolved": ("resolved", "soft"),
}
COLUMNS = (
    Column("status", "State"),
    Column("next", "Next step"),
    Column("who", "Pressed by"),
    Column("at", "At"),
    Column("trip", "Trip"),
)
SCOPES = {"": "all", "triggered": "waiting", "acknowledged": "acknowledged", "resolved": "resolved"}


def show(desk: Desk) -> None:
    """The board on the left, the chosen incident on the right, the simulated phones below."""
    st.subheader("Emergencies")
    show_notice()
    left, right = st.columns([7, 9], gap="medium")
    with left:
        scope = st.segmented_control(
            "Show",
            list(SCOPES),
            default="",
            key="incident-scope",
            format_func=SCOPES.__getitem__,
            label_visibility="collapsed",
        )
        _board(desk, scope or "")
        _phones(desk)
    with right:
        chosen = st.query_params.get("incident", "") or _most_urgent(desk)
        if chosen:
            incident(desk, chosen)
        else:
            st.info("No emergency is open. When somebody presses for help, the red bar appears on every page.")


@st.fragment(run_every=REFRESH_S)
def _board(desk: Desk, scope: str) -> None:
    rerun_if_moved()
    try:
        page = desk.api.incidents(scope)
    except ApiError as error:
        cannot_load("the emergencies", error)
        return
    table(
        "incidents",
        COLUMNS,
        [_row(item, desk) for item in page.items],
        empty="No emergency here. Each press of the help button appears as a line, with its clock.",
        selected=st.query_params.get("incident", ""),
        on_select=_choose,
        height=330,
    )


def _choose(incident_id: str) -> None:
    st.query_params["incident"] = incident_id
    moved()


def _most_urgent(desk: Desk) -> str:
    """What to show before anybody chose: one that waits, else one that is being handled."""
    try:
        for status in ("triggered", "acknowledged"):
            found = desk.api.incidents(status).items
            if found:
                return found[0].id
    except ApiError:
        return ""  # the board beside this says what could not be loaded
    return ""


def _row(item: Incident, desk: Desk) -> Row:
    word, tone = STATUS.get(item.status, (item.status, ""))
    who = item.reporter.name if item.reporter else "not known"
    role = f" ({side(item.reporter.role)})" if item.reporter and item.reporter.role else ""
    upcoming = due(item.next_due) if item.status != "resolved" else ""
    return Row(
        item.id,
        {
            "status": chip(word, tone),
            "next": {"text": upcoming, "tone": "bad" if item.status == "triggered" else ""},
            "who": f"{who}{role}" + (", covert" if item.covert else ""),
            "at": clock(item.triggered_at, desk.zone),
            "trip": {"text": short(item.trip_id), "tone": "soft", "hint": item.trip_id},
        },
    )


@st.fragment(run_every=2.0)
def _phones(desk: Desk) -> None:
    try:
        phones = desk.api.simulated_phones()
    except ApiError as error:
        if error.status not in {404, 501}:  # no simulator runs where real phones ring
            cannot_load("the simulated phones", error)
        return
    heard = [(phone, event) for phone in phones for event in phone.events]
    heard.sort(key=lambda pair: str(pair[1].at), reverse=True)
    rows = [
        Row(
            f"{phone.phone}-{number}",
            {
                "at": clock(event.at, desk.zone),
                "phone": phone.name or phone.phone,
                "kind": code_words(event.kind),
                "text": event.text,
            },
        )
        for number, (phone, event) in enumerate(heard[:40])
    ]
    st.markdown("**What the simulated phones heard**")
    columns = (Column("at", "At"), Column("phone", "Phone"), Column("kind", ""), Column("text", "", wrap=True))
    table("phones", columns, rows, empty="Silent so far. SMS and calls of the simulator appear here.", height=260)
