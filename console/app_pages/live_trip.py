"""One live trip: opened for a purpose, then followed as it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import streamlit as st

from console.api import ApiError
from console.components import conversation
from console.format import ago, moment, plain, position, short
from console.frame import cannot_load, person_link
from console.roles import READERS, may
from console.session import Desk
from console.wire import LiveTrip, Message, Party, Trip
from console.words import PURPOSES, list_words, phase

REFRESH_S = 1.5
KEPT = 400  # messages on the screen; older ones stay on the server
OPENED = "opened-trip"
LIVE_ROW = "live-row"  # the chosen trip as the board last had it


@dataclass
class Opened:
    """A trip that this person has opened, and how far they have read. It ends with the Streamlit session."""

    trip_id: str
    purpose: str
    trip: Trip
    last_seq: int
    messages: dict[str, Message] = field(default_factory=dict[str, Message])

    def take(self, messages: list[Message]) -> None:
        """Add new messages; one that was masked, released or removed comes again and replaces itself."""
        for message in messages:
            self.messages[message.id] = message
        for known in list(self.messages)[:-KEPT]:
            del self.messages[known]


def forget() -> None:
    """Close the trip that is open."""
    st.session_state.pop(OPENED, None)


def follow(desk: Desk, trip_id: str) -> None:
    """Ask for the purpose once, then show the trip."""
    opened = cast("Opened | None", st.session_state.get(OPENED))
    if opened is None or opened.trip_id != trip_id:
        _ask(desk, trip_id)
        return
    _head(opened)
    _facts(desk, opened)
    _talk(desk, opened)


def _ask(desk: Desk, trip_id: str) -> None:
    if not may(desk.account.role, READERS):
        st.info("Viewers see the board, not the conversations.")
        return
    with st.form("purpose", border=True):
        st.markdown(f"**Trip {short(trip_id)}** - why do you open this conversation?")
        st.caption("The reason is recorded, and both parties can see that safety staff read their trip.")
        purpose = st.selectbox("Purpose", list(PURPOSES), key="purpose-code", format_func=PURPOSES.__getitem__)
        if not st.form_submit_button("Open the conversation", type="primary"):
            return
    try:
        view = desk.api.trip(trip_id, purpose)
    except ApiError as error:
        cannot_load("this trip", error)
        return
    opened = Opened(trip_id, purpose, view.trip, view.last_seq)
    opened.take(view.messages)
    st.session_state[OPENED] = opened
    st.rerun()


def _head(opened: Opened) -> None:
    top = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    top.markdown(f"**Trip {short(opened.trip_id)}** - opened for: {PURPOSES[opened.purpose]}")
    if top.button("Close", key="close-trip"):
        forget()
        st.query_params.clear()
        st.rerun()


@st.fragment(run_every=REFRESH_S)
def _facts(desk: Desk, opened: Opened) -> None:
    """Phase, position and risk as the board beside this has them; what was opened stays when the trip has left it."""
    row = cast("LiveTrip | None", st.session_state.get(LIVE_ROW))
    trip: Trip = opened.trip if row is None else row
    left, right = st.columns(2)
    left.markdown(f"Driver: {_party(trip.driver)}  \nRider: {_party(trip.customer)}  \n{_phase(opened, row)}")
    right.markdown(f"{_vehicle(trip)}  \n{_where(trip)}  \n{_risk(row)}")
    st.caption(f"Started {moment(trip.started_at or opened.trip.created_at, desk.zone)}")


def _phase(opened: Opened, row: LiveTrip | None) -> str:
    if row is not None:
        return f"Phase: {phase(row.status)}"
    return f"Not on the board now; {phase(opened.trip.status)} when it was opened"


def _risk(row: LiveTrip | None) -> str:
    if row is None:
        return ""
    why = f": {list_words(row.risk_reasons, most=5)}" if row.risk_reasons else ""
    return f"Risk {row.risk:.2f}{plain(why)}"


@st.fragment(run_every=REFRESH_S)
def _talk(desk: Desk, opened: Opened) -> None:
    try:
        more = desk.api.trip_messages(opened.trip_id, after_seq=opened.last_seq, purpose=opened.purpose)
    except ApiError as error:
        cannot_load("what is being said now", error)
    else:
        opened.take(more.items)
        opened.last_seq = max(opened.last_seq, more.last_seq)
    withheld = [m for m in opened.messages.values() if m.status == "quarantined"]
    masked = [m for m in opened.messages.values() if m.status == "masked"]
    st.caption(f"{len(opened.messages)} messages, {len(withheld)} withheld, {len(masked)} masked. Grows as they write.")
    conversation("talk", list(opened.messages.values()), of=opened.trip_id, zone=desk.zone, height=430)
    _signals(list(opened.messages.values()))


def _signals(messages: list[Message]) -> None:
    codes = [signal.code for message in messages if message.verdict for signal in message.verdict.signals]
    if codes:
        st.caption(f"Signals so far: {list_words(list(dict.fromkeys(codes)), most=6)}")


def _party(party: Party | None) -> str:
    if party is None:
        return "not known"
    rating = "" if party.rating is None else f" ({party.rating:.1f})"
    return f"{person_link(party)}{rating}"


def _vehicle(trip: Trip) -> str:
    if trip.vehicle is None:
        return "Vehicle not known"
    car = trip.vehicle
    return f"{plain(f'{car.colour} {car.make} {car.model}')}, plate **{plain(car.plate)}**"


def _where(trip: Trip) -> str:
    if trip.location is None:
        return "No position yet"
    at = trip.location
    return f"{position(at.lat, at.lon, at.accuracy_m)}, {ago(at.at)}"
