"""Legal holds: place one, see them, release one."""

from __future__ import annotations

import streamlit as st

from console.components import Column, Row, chip, table
from console.format import moment, short
from console.frame import do, loading
from console.session import Desk
from console.wire import LegalHold

COLUMNS = (
    Column("what", "Holds"),
    Column("reason", "Reason", wrap=True),
    Column("placed", "Placed"),
    Column("by", "By"),
    Column("state", "State"),
)
SCOPES = {"trip": "a trip", "user": "a person", "case": "a case", "market": "a market"}


def holds(desk: Desk, may_place: bool) -> None:
    """The holds, and the forms for those who may use them."""
    with loading("the legal holds"):
        items = desk.api.holds().items
        table(
            "holds",
            COLUMNS,
            [_row(item, desk) for item in items],
            empty="No legal hold. What is under one is never disposed of, whatever the schedule says.",
        )
        if may_place:
            left, right = st.columns(2, gap="medium")
            with left:
                _place(desk)
            with right:
                _release(desk, [item for item in items if item.released_at is None])


def _row(item: LegalHold, desk: Desk) -> Row:
    state = chip("released", "soft") if item.released_at else chip("in force", "warn")
    return Row(
        item.id,
        {
            "what": _what(item),
            "reason": item.reason,
            "placed": moment(item.placed_at, desk.zone),
            "by": item.placed_by,
            "state": state,
        },
    )


def _what(item: LegalHold) -> str:
    if item.trip_id:
        return f"trip {short(item.trip_id)}"
    if item.user_id:
        return f"person {short(item.user_id)}"
    return f"case {short(item.case_id)}" if item.case_id else f"market {item.market}"


def _place(desk: Desk) -> None:
    with st.form("place-hold", border=True):
        st.markdown("**Place a hold**")
        scope = st.selectbox("On", list(SCOPES), key="h-scope", format_func=SCOPES.__getitem__)
        ref = st.text_input("Its id (a market: its name)", key="h-ref", max_chars=64)
        reason = st.text_input("Reason", key="h-reason", max_chars=300, placeholder="case number of the court")
        placed = st.form_submit_button("Place the hold", type="primary")
    if not placed:
        return
    if not ref.strip() or not reason.strip():
        st.error("A hold needs what it covers and a reason.")
        return
    field = "market" if scope == "market" else f"{scope}_id"
    fields = {"scope": scope, field: ref.strip(), "reason": reason.strip()}
    do("place the hold", lambda: desk.api.place_hold(fields), "The hold is in force.")
    st.rerun()


def _release(desk: Desk, items: list[LegalHold]) -> None:
    if not items:
        return
    names = {item.id: f"{_what(item)}: {item.reason}" for item in items}
    with st.form("release-hold", border=True):
        st.markdown("**Release a hold**")
        ref = st.selectbox("Hold", list(names), key="h-release", format_func=names.__getitem__)
        reason = st.text_input("Reason", key="h-release-reason", max_chars=300)
        released = st.form_submit_button("Release")
    if not released:
        return
    if not reason.strip():
        st.error("A hold ends for a reason; write it down.")
        return
    do("release the hold", lambda: desk.api.release_hold(ref, reason.strip()), "The hold is released.")
    st.rerun()
