"""Audit: search the log, read one entry, and check its proof against the signed checkpoint."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import msgspec
import streamlit as st
from streamlit.elements.widgets.time_widgets import DateWidgetReturn

from console.api import ApiError
from console.components import Column, Row, chip, table
from console.format import moment
from console.frame import cannot_load, loading, show_notice
from console.proofs import check_entry
from console.session import Desk
from console.wire import AuditEntry, AuditProof
from console.words import code_words

EVENTS = (
    *("message.accepted", "message.verdict", "message.masked", "message.quarantined", "message.rejected"),
    *("message.released", "message.removed", "trip.created", "trip.driver_swapped", "trip.status", "trip.opened"),
    *("staff.signed_in", "staff.sign_in_failed", "access.denied"),
    *("case.opened", "case.claimed", "case.skipped", "case.referred", "case.decided", "enforcement.applied"),
    *("template.saved", "template.published", "template.retired"),
    *("incident.triggered", "incident.acknowledged", "incident.resolved", "attempt.sent", "attempt.result"),
    *("hold.placed", "hold.released", "disposition.planned", "disposition.done", "schedule.saved"),
    *("key.created", "key.destroyed", "settings.started", "report.exported"),
)
GOOD = frozenset({"ok", "delivered", "done", "allow", "released"})
BAD = frozenset({"refused", "denied", "failed", "rejected", "reject", "quarantined", "quarantine", "urgent", "error"})
COLUMNS = (
    Column("index", "No.", right=True),
    Column("ts", "When"),
    Column("event", "Event"),
    Column("outcome", "Outcome"),
    Column("policy", "Policy"),
    Column("detail", "Detail", wrap=True),
)


def show(desk: Desk) -> None:
    """Filters above, entries below, the chosen one with its proof beside them."""
    st.subheader("Audit")
    show_notice()
    filters = _filters()
    cursor = st.session_state.get("audit-cursor", "")
    if st.session_state.get("audit-filters") != filters:
        st.session_state["audit-filters"], cursor = filters, ""
        st.session_state["audit-cursor"] = ""
    chosen = st.query_params.get("entry", "")
    left, right = st.columns([8, 5], gap="medium") if chosen else (st.container(), None)
    with left:
        _entries(desk, filters, cursor, chosen)
    if right is not None:
        with right:
            _entry(desk, chosen)
    _checkpoint(desk)


def _filters() -> dict[str, str]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        trip = st.text_input("Trip", key="audit-trip", placeholder="id", width=210)
        person = st.text_input("Person", key="audit-person", placeholder="id", width=210)
        staff = st.text_input("Staff", key="audit-staff", placeholder="id", width=210)
        event = st.selectbox(
            "Event",
            ["", *EVENTS],
            key="audit-event",
            format_func=lambda c: c or "all",
            width=200,
            accept_new_options=True,
        )
        today = datetime.now(UTC).date()
        days = st.date_input("From, to", (today - timedelta(days=7), today), key="audit-days", width=220)
    found = {"trip_id": trip.strip(), "person_id": person.strip(), "staff_id": staff.strip(), "event": event or ""}
    first, last = _period(days)
    if first is not None:
        found["from"] = datetime.combine(first, time(), UTC).isoformat()
    if last is not None:
        found["to"] = datetime.combine(last + timedelta(days=1), time(), UTC).isoformat()
    return found


def _period(days: DateWidgetReturn) -> tuple[date | None, date | None]:
    if not isinstance(days, tuple):
        return None, None
    picked = list(days)
    return (picked[0] if picked else None), (picked[1] if len(picked) > 1 else None)


def _entries(desk: Desk, filters: dict[str, str], cursor: str, chosen: str) -> None:
    try:
        page = desk.api.audit_entries(cursor=cursor, **filters)
    except ApiError as error:
        cannot_load("the audit log", error)
        return
    table(
        "audit-entries",
        COLUMNS if not chosen else COLUMNS[:4],
        [_row(item, desk) for item in page.items],
        empty="No entry matches. Every act on somebody's words or data leaves one, within a second or two.",
        selected=chosen,
        on_select=_choose,
        height=520,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if cursor and st.button("Newest", key="audit-first"):
            st.session_state["audit-cursor"] = ""
            st.rerun()
        if page.cursor and st.button("Older", key="audit-older"):
            st.session_state["audit-cursor"] = page.cursor
            st.rerun()
        st.caption("This search is itself recorded.")


def _choose(index: str) -> None:
    st.query_params["entry"] = index


def _row(item: AuditEntry, desk: Desk) -> Row:
    return Row(
        str(item.index),
        {
            "index": item.index,
            "ts": moment(item.ts, desk.zone),
            "event": item.event,
            "outcome": chip(code_words(item.outcome), _tone(item.outcome)),
            "policy": item.policy,
            "detail": _private(item),
        },
    )


def _tone(outcome: str) -> str:
    if outcome in GOOD:
        return "good"
    return "bad" if outcome in BAD else "soft"


def _private(item: AuditEntry) -> str:
    if item.private is None:
        return ""
    if item.private == "broken":
        return "broken: the private half does not fit the entry; report this to compliance"
    if isinstance(item.private, str):
        return "erased: the key was destroyed, the entry still proves that the act took place"
    return ", ".join(f"{code_words(name)}: {value}" for name, value in item.private.items())


def _entry(desk: Desk, chosen: str) -> None:
    with loading("this entry"):
        found = desk.api.audit_entry(int(chosen)) if chosen.isdigit() else None
        if found is None:
            st.info("There is no such entry.")
            return
        st.markdown(f"**Entry {found.entry.index}**: {found.entry.event}, {found.entry.outcome}")
        st.caption(f"{moment(found.entry.ts, desk.zone)}. {_private(found.entry)}")
        _proof(found)
        with st.expander("Everything the api says about it"):
            st.json(msgspec.to_builtins(found))
        if st.button("Close", key="audit-close"):
            st.query_params.clear()
            st.rerun()


def _proof(found: AuditProof) -> None:
    if found.proof is None:
        st.info("Not in a checkpoint yet. Its proof appears when the next one is signed.")
        return
    if check_entry(found):
        st.success(f"In the log: entry {found.entry.index} of {found.proof.tree_size}, checked here against the root.")
    else:
        st.error("The proof does not lead to the signed root. Report this to compliance at once.")
    st.caption(f"Root {found.proof.root_hash}, {len(found.proof.path)} hashes on the way.")


def _checkpoint(desk: Desk) -> None:
    with st.expander("Newest signed checkpoint"), loading("the checkpoint"):
        note = desk.api.audit_checkpoint()
        st.code(note, language=None)
        st.download_button("Download", note, "checkpoint.txt", "text/plain", key="audit-note")
