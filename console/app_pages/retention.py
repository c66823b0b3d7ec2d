"""Retention: how long things are kept, the runs that dispose of them, the holds that forbid it, and the report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from console.app_pages.holds import holds
from console.components import Column, Row, chip, table
from console.format import moment, now, span
from console.frame import do, loading, moved, rerun_if_moved, show_notice
from console.roles import RECORDS, may
from console.session import Desk
from console.wire import RetentionRun, Schedule
from console.words import code_words

WAITS = "awaiting_approval"
SCHEDULE = (
    Column("market", "Market"),
    Column("record_class", "Record class"),
    Column("minimum", "Kept at least", right=True),
    Column("maximum", "Gone after", right=True),
    Column("basis", "Legal basis", wrap=True),
)
RUNS = (
    Column("started", "Started"),
    Column("kind", "Kind"),
    Column("status", "State"),
    Column("took", "Took", right=True),
    Column("counts", "Records", wrap=True),
)


def show(desk: Desk) -> None:
    """Four tabs, each for one question."""
    st.subheader("Retention")
    show_notice()
    schedule, runs, held, report = st.tabs(["Schedule", "Runs", "Legal holds", "Report"])
    with schedule:
        _schedule(desk)
    with runs:
        _runs(desk)
    with held:
        holds(desk, may(desk.account.role, RECORDS))
    with report:
        _report(desk)


def _schedule(desk: Desk) -> None:
    with loading("the schedule"):
        items = desk.api.schedules().items
        table(
            "schedule",
            SCHEDULE,
            [_line(item) for item in items],
            empty="No schedule yet. Each market gets one line for each record class when it is set up.",
        )
        if items and may(desk.account.role, RECORDS):
            _change(desk, items)


def _line(item: Schedule) -> Row:
    return Row(
        f"{item.market}/{item.record_class}",
        {
            "market": item.market,
            "record_class": code_words(item.record_class),
            "minimum": f"{item.minimum_days} days",
            "maximum": f"{item.maximum_days} days",
            "basis": item.basis,
        },
    )


def _change(desk: Desk, items: list[Schedule]) -> None:
    st.markdown("**Change a line**")
    lines = {f"{item.market}/{item.record_class}": item for item in items}
    ref = st.selectbox("Line", list(lines), key="r-line", width=320)
    item = lines[ref]
    with st.form(f"schedule-{ref}", border=True):
        left, right = st.columns(2)
        low = left.number_input("Kept at least (days)", 0, 36_500, item.minimum_days, key=f"r-min-{ref}")
        high = right.number_input("Gone after (days)", 0, 36_500, item.maximum_days, key=f"r-max-{ref}")
        basis = st.text_input("Legal basis", item.basis, key=f"r-basis-{ref}", max_chars=300)
        law = st.text_input("Reference of the law", item.regulator_reference, key=f"r-law-{ref}", max_chars=200)
        saved = st.form_submit_button("Save this line", type="primary")
    if not saved:
        return
    if low > high:
        st.error("What must be kept longer than it may be kept cannot be kept: the minimum is above the maximum.")
        return
    do(
        "save the line",
        lambda: desk.api.save_schedule(
            item.market,
            item.record_class,
            minimum_days=low,
            maximum_days=high,
            basis=basis.strip(),
            regulator_reference=law.strip(),
        ),
        f"Saved {ref}. Trips made from now on follow it.",
    )
    st.rerun()


def _runs(desk: Desk) -> None:
    if may(desk.account.role, RECORDS):
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Dry run", key="r-dry", type="primary"):
                _start(desk, dry_run=True)
            sure = st.checkbox("I want to dispose of what is due now", key="r-sure")
            if st.button("Run now", key="r-run", disabled=not sure):
                _start(desk, dry_run=False)
        st.caption("A dry run counts and changes nothing. What is under a legal hold stays in both.")
    _run_table(desk)


@st.fragment(run_every=3.0)
def _run_table(desk: Desk) -> None:
    rerun_if_moved()
    show_notice()
    with loading("the runs"):
        items = desk.api.runs().items
        for item in items:
            if item.status == WAITS and may(desk.account.role, RECORDS):
                _approval(desk, item)
        rows = [_run(item, desk) for item in items]
        table("runs", RUNS, rows, empty="No run yet. One starts each day, and each appears here.", height=420)


def _approval(desk: Desk, item: RetentionRun) -> None:
    """A run far from the usual waits for two people."""
    planned = sum(item.counts.values())
    usual = "unknown" if item.expected is None else f"{item.expected:.0f}"
    st.warning(f"The run of {item.for_date} is unusual: {planned} rows, usual {usual}. It waits for two approvals.")
    if st.button(f"Approve it ({len(item.approvals)} of 2)", key=f"r-approve-{item.id}"):
        do("approve the run", lambda: desk.api.approve_run(item.id), "Your approval is recorded.")
        moved()
        st.rerun()


def _start(desk: Desk, *, dry_run: bool) -> None:
    with st.spinner("Planning what is due"):
        do("start the run", lambda: desk.api.start_run(dry_run=dry_run), "Dry run made." if dry_run else "Run started.")
    st.rerun()


def _run(item: RetentionRun, desk: Desk) -> Row:
    end = item.finished_at or now()
    took = span((end - item.started_at).total_seconds()) if item.started_at else ""
    tone = {"done": "good", "failed": "bad"}.get(item.status, "warn")
    return Row(
        item.id,
        {
            "started": moment(item.started_at, desk.zone),
            "kind": "dry run" if item.dry_run else "disposition",
            "status": chip(code_words(item.status), tone),
            "took": took,
            "counts": ", ".join(f"{code_words(name)}: {count}" for name, count in item.counts.items()) or "nothing due",
        },
    )


def _report(desk: Desk) -> None:
    today = datetime.now(UTC).date()
    days = st.date_input("Period", (today - timedelta(days=30), today), key="r-period", width=260)
    if len(days) != 2:
        st.caption("Pick the first and the last day.")
        return
    first, last = days
    st.caption("What was kept, disposed of and held in these days, as it is to be filed. Each download is recorded.")
    with st.container(horizontal=True):
        for form, mime in (("csv", "text/csv"), ("json", "application/json")):
            if st.button(f"Prepare {form.upper()}", key=f"r-make-{form}"):
                with loading("the report"), st.spinner("Collecting"):
                    st.session_state["r-report"] = (form, mime, desk.api.retention_report(first, last, form))
    ready = st.session_state.get("r-report")
    if ready is not None:
        form, mime, body = ready
        name = f"retention-{first}-{last}.{form}"
        st.download_button(f"Download {name} ({len(body):,} bytes)", body, name, mime, key="r-download", type="primary")
