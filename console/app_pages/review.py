"""Review: the queue by due time, and the case that this person has claimed."""

from __future__ import annotations

import streamlit as st

from console.api import ApiError
from console.app_pages import case_desk, claimed
from console.app_pages.deciding import undo_last
from console.components import Column, Row, chip, table
from console.format import SEVERITY_TONE, due, now, short
from console.frame import cannot_load, moved, reason, rerun_if_moved, show_notice
from console.session import Desk
from console.wire import Case
from console.words import code_words, list_words

REFRESH_S = 3.0
RESUMED = "review-resumed"
STATES = {"open": "open", "assigned": "claimed", "referred": "referred", "closed": "closed", "": "all"}
SEVERITIES = ("", "critical", "high", "medium", "low")
COLUMNS = (
    Column("severity", "Severity"),
    Column("due", "Due"),
    Column("kind", "Kind"),
    Column("reasons", "Why", wrap=True),
    Column("messages", "Msgs", right=True),
    Column("state", "State"),
    Column("claimed", "Claimed by"),
    Column("trip", "Trip"),
)


def show(desk: Desk) -> None:
    """A claimed case takes the whole page; without one, the queue does."""
    _resume(desk)
    if case_desk.current() is not None:
        show_notice()
        claimed.show(desk)
        return
    st.subheader("Review")
    show_notice()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button("Claim the next case", type="primary", shortcut="N", key="claim-next"):
            _claim_next(desk)
        state = st.segmented_control(
            "State", list(STATES), default="open", key="queue-state", format_func=STATES.__getitem__
        )
        severity = st.selectbox(
            "Severity", SEVERITIES, key="queue-severity", format_func=lambda code: code or "all", width=150
        )
        undo_last(desk)
    _queue(desk, state or "", severity)
    st.caption("A click on a line claims that case. A claim is yours until it is decided, skipped, or you go away.")


def _resume(desk: Desk) -> None:
    """After a reload: the case that this person still holds comes back on the desk."""
    if RESUMED in st.session_state:
        return
    st.session_state[RESUMED] = True
    try:
        mine = [case for case in desk.api.cases(state="assigned").items if case.claimed_by == desk.account.id]
        held = desk.api.claim(mine[0].id) if mine else None
    except ApiError:
        return  # the queue below says what could not be loaded
    if held is not None:
        case_desk.take(held)


def _claim_next(desk: Desk) -> None:
    try:
        case = desk.api.claim_next()
    except ApiError as error:
        cannot_load("the next case", error)
        return
    if case is None:
        st.info("The queue is empty. A case appears when a message is withheld, or somebody reports one.")
        return
    case_desk.take(case)
    st.rerun()


@st.fragment(run_every=REFRESH_S)
def _queue(desk: Desk, state: str, severity: str) -> None:
    rerun_if_moved()
    refusal = st.session_state.pop("claim-refused", "")
    if refusal:
        st.error(refusal)
    try:
        page = desk.api.cases(state=state, severity=severity, sort="due")
    except ApiError as error:
        cannot_load("the review queue", error)
        return

    def choose(case_id: str) -> None:
        try:
            case_desk.take(desk.api.claim(case_id))
        except ApiError as error:
            st.session_state["claim-refused"] = f"Could not claim that case: {reason(error)}"
        else:
            moved()

    table(
        "queue",
        COLUMNS,
        [_row(case, desk) for case in page.items],
        empty="Nothing to decide. Cases appear when a message is withheld, or somebody reports one.",
        on_select=choose,
        height=560,
    )


def _row(case: Case, desk: Desk) -> Row:
    late = case.due_at is not None and case.due_at < now()
    return Row(
        case.id,
        {
            "severity": chip(case.severity, SEVERITY_TONE.get(case.severity, "")),
            "due": {"text": due(case.due_at), "tone": "bad" if late and case.state != "closed" else ""},
            "kind": code_words(case.kind),
            "reasons": list_words(case.reasons),
            "messages": len(case.message_ids),
            "state": STATES.get(case.state, case.state),
            "claimed": _holder(case, desk),
            "trip": {"text": short(case.trip_id), "tone": "soft", "hint": case.trip_id},
        },
    )


def _holder(case: Case, desk: Desk) -> str:
    if case.claimed_by is None or case.state != "assigned":
        return ""
    return "you" if case.claimed_by == desk.account.id else "somebody else"
