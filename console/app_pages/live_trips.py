"""Live trips: all trips under way ranked by risk; open one and follow its conversation."""

from __future__ import annotations

import streamlit as st

from console.api import ApiError
from console.app_pages.live_trip import LIVE_ROW, follow, forget
from console.components import Column, Row, bar, chip, table
from console.format import ago
from console.frame import cannot_load, moved, rerun_if_moved, show_notice
from console.session import Desk
from console.wire import LiveTrip
from console.words import PHASES, list_words, phase

REFRESH_S = 2.0
COLUMNS = (
    Column("risk", "Risk"),
    Column("why", "Why"),
    Column("phase", "Phase"),
    Column("driver", "Driver"),
    Column("rider", "Rider"),
    Column("open", "Open"),
    Column("messages", "Msgs", right=True),
    Column("withheld", "Withheld", right=True),
    Column("last", "Last message", right=True),
    Column("trip", "Trip"),
)
NARROW = tuple(column for column in COLUMNS if column.key in {"risk", "phase", "driver", "rider", "open", "trip"})


def show(desk: Desk) -> None:
    """The board, and beside it the chosen trip."""
    st.subheader("Live trips")
    show_notice()
    with st.container(horizontal=True, vertical_alignment="top"):
        market = st.text_input("Market", key="live-market", placeholder="all markets", width=160)
        status = st.selectbox(
            "Phase", ["", *PHASES], key="live-status", format_func=lambda code: phase(code) or "all", width=160
        )
        sort = st.segmented_control(
            "Order", ["risk", "started"], default="risk", key="live-sort", format_func=_order, width=260
        )
    chosen = st.query_params.get("trip", "")
    if not chosen:
        _board(desk, market, status, sort or "risk", "")
        return
    left, right = st.columns([9, 11], gap="medium")
    with left:
        _board(desk, market, status, sort or "risk", chosen)
    with right:
        follow(desk, chosen)


def _order(code: str) -> str:
    return {"risk": "riskiest first", "started": "newest first"}[code]


@st.fragment(run_every=REFRESH_S)
def _board(desk: Desk, market: str, status: str, sort: str, chosen: str) -> None:
    rerun_if_moved()
    try:
        page = desk.api.live_trips(market=market.strip(), status=status, sort=sort)
    except ApiError as error:
        cannot_load("the live trips", error)
        return
    st.session_state[LIVE_ROW] = next((trip for trip in page.items if trip.ref == chosen), None)
    table(
        "live-trips",
        NARROW if chosen else COLUMNS,
        [_row(trip) for trip in page.items],
        empty="No trip is under way. Trips appear here when the platform announces them.",
        selected=chosen,
        on_select=_choose,
        height=620,
    )
    shown, total = len(page.items), page.total
    if total is None and page.cursor is not None:
        count = f"The first {shown} trips, there are more: narrow them by market or phase"
    else:
        count = f"{shown} of {shown if total is None else total} trips"
    st.caption(f"{count}, refreshed every {REFRESH_S:.0f} s.")


def _choose(trip_id: str) -> None:
    forget()
    st.query_params["trip"] = trip_id
    moved()


def _row(trip: LiveTrip) -> Row:
    tone = "bad" if trip.risk >= 0.7 else "warn" if trip.risk >= 0.4 else "soft"
    return Row(
        trip.ref,
        {
            "risk": bar(trip.risk, f"{trip.risk:.2f}", tone),
            "why": list_words(trip.risk_reasons) or "",
            "phase": phase(trip.status),
            "driver": trip.driver.name if trip.driver else "",
            "rider": trip.customer.name if trip.customer else "",
            "open": _open(trip),
            "messages": trip.messages,
            "withheld": chip(str(trip.withheld), "warn") if trip.withheld else "0",
            "last": ago(trip.last_message_at),
            "trip": {"text": trip.ref[-6:], "tone": "soft", "hint": trip.ref},
        },
    )


def _open(trip: LiveTrip) -> dict[str, object] | str:
    if trip.open_incidents:
        return chip("emergency", "loud")
    if trip.open_cases:
        return chip(f"{trip.open_cases} case" + ("s" if trip.open_cases > 1 else ""), "warn")
    return ""
