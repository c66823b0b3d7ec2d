"""`tripwarden policy backtest`: who asks and why stands in the log before a message is read, the result after."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from backend.accounts.models import StaffAccount
from backend.audit import Entry
from backend.errors import ProblemError
from backend.policies.backtest import Answer, Backtest, Change, Period, Report, check_period, trips_of
from backend.policies.parts import Parts, access_lead
from backend.policies.service import check_policy
from backend.reviews.service import open_conversation
from moderation import Policy, default_pipeline

#: Under this purpose an opening shows in a trip's access history; the words of `--purpose` stand sealed in the log.
PURPOSE = "policy_backtest"
#: The product's own processes go first.
NICE = 10


class Row(msgspec.Struct, frozen=True):
    """One line of the table: how many messages of a market and language had these two answers."""

    market: str
    lang: str
    before: Answer
    after: Answer
    messages: int


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    options.add_argument("--from", dest="first", type=_moment, required=True, help="a day or a moment, UTC")
    options.add_argument("--to", dest="end", type=_end, required=True, help="a day (included) or a moment, UTC")
    options.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the candidate")
    options.add_argument("--market", help="of this market alone")
    options.add_argument("--limit", type=int, default=10_000, help="messages at most (default 10,000)")
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--show-text", action="store_true", help="with the texts of the messages that change")
    options.add_argument("--purpose", help="why; needed to show texts, stands in the log")
    options.add_argument("--account", metavar="EMAIL", help="the lead or admin who asks; needed to show texts")


def _moment(raw: str) -> datetime:
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a day is written 2026-11-22, a moment 2026-11-22T10:00Z; not {raw!r}"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _end(raw: str) -> datetime:
    """A day as the end is meant with all its hours."""
    return _moment(raw) + (timedelta(days=1) if len(raw) == len("2026-11-22") else timedelta())


async def backtest(parts: Parts, chosen: argparse.Namespace) -> None:
    """Read, judge, print. Raises `invalid_value`, `purpose_required`, `not_found`, `forbidden`."""
    try:
        source = chosen.policy.read_bytes()
    except OSError as error:
        raise ProblemError("invalid_value", f"{chosen.policy}: cannot be read: {error.strerror}") from error
    policy = check_policy(source, str(chosen.policy))
    period = Period(first=chosen.first, end=chosen.end, market=chosen.market, limit=chosen.limit)
    check_period(period)
    if chosen.show_text and not (chosen.account and chosen.purpose):
        raise ProblemError("purpose_required", "Texts are shown to an --account with a --purpose.")
    with contextlib.suppress(OSError):
        os.nice(NICE)
    account = await _note_start(parts, chosen, period, policy)
    candidate = await asyncio.to_thread(default_pipeline, policy)
    test = Backtest(parts.db.pool, parts.keyring, candidate, show_text=chosen.show_text)
    report = await test.run(period)
    await _note_end(parts, report, policy, account, shown=chosen.show_text)
    sys.stdout.write(_as_json(report, policy) if chosen.json else _as_text(report, policy))


async def _note_start(parts: Parts, chosen: argparse.Namespace, period: Period, policy: Policy) -> StaffAccount | None:
    async with parts.db.session() as session:
        account = await access_lead(session, chosen.account) if chosen.account else None
        private = {
            "from": period.first.isoformat(),
            "to": period.end.isoformat(),
            "market": period.market,
            "limit": period.limit,
            "purpose": chosen.purpose,
            "show_text": chosen.show_text,
        }
        staff_id = account.id if account else None
        entry = Entry(
            event="policy.backtest", outcome="started", policy=policy.name, staff_id=staff_id, private=private
        )
        await parts.audit.append(session, entry)
        await session.commit()
    return account


async def _note_end(parts: Parts, report: Report, policy: Policy, account: StaffAccount | None, *, shown: bool) -> None:
    """Whoever is shown a text has opened that conversation: it stands in the trip's history before it is printed."""
    counts = {"judged": report.judged, "changed": report.changed, "erased": report.erased}
    async with parts.db.session() as session:
        for trip_id in trips_of(report.changes) if shown and account is not None else ():
            assert account is not None
            await open_conversation(
                session, parts.audit, parts.clock,
                trip_id=trip_id, account_id=account.id, role=account.role, purpose=PURPOSE,
            )  # fmt: skip
        staff_id = account.id if account else None
        entry = Entry(event="policy.backtest", policy=policy.name, counts=counts, staff_id=staff_id)
        await parts.audit.append(session, entry)
        await session.commit()


def _rows(report: Report) -> list[Row]:
    return [Row(*key, messages) for key, messages in sorted(report.table.items())]


def _as_json(report: Report, policy: Policy) -> str:
    whole = {
        "policy": policy.name,
        "judged": report.judged,
        "changed": report.changed,
        "erased": report.erased,
        "without_text": report.without_text,
        "without_verdict": report.without_verdict,
        "by_another_model": report.by_another_model,
        "truncated": report.truncated,
        "table": _rows(report),
        "changes": report.changes,
    }
    return msgspec.json.encode(whole).decode() + "\n"


def _as_text(report: Report, policy: Policy) -> str:
    lines = [
        f"candidate {policy.name}: {report.judged:,} messages judged, {report.changed:,} would change",
        f"not judged: {report.erased:,} erased, {report.without_text:,} without text, "
        f"{report.without_verdict:,} without a verdict",
    ]
    if report.by_another_model:
        lines.append(f"{report.by_another_model:,} were judged by another model then: not all change is the policy's")
    if report.truncated:
        lines.append("the limit was reached: there may be more (--limit)")
    lines += ["", *_table(report), "", *_changes(report.changes)]
    return "\n".join(lines).rstrip() + "\n"


def _table(report: Report) -> list[str]:
    before, after = Counter[tuple[str, str, Answer]](), Counter[tuple[str, str, Answer]]()
    for row in _rows(report):
        before[row.market, row.lang, row.before] += row.messages
        after[row.market, row.lang, row.after] += row.messages
    lines = [f"{'market':<12} {'language':<9} {'answer':<26} {'before':>9} {'after':>9} {'':>9}"]
    for key in sorted({*before, *after}):
        market, lang, answer = key
        moved = after[key] - before[key]
        change = f"{moved:+,}" if moved else ""
        counts = f"{before[key]:>9,} {after[key]:>9,} {change:>9}"
        lines.append(f"{market:<12} {lang:<9} {answer!s:<26} {counts}".rstrip())
    return lines


def _changes(changes: Sequence[Change]) -> list[str]:
    lines: list[str] = []
    for change in changes:
        text = "" if change.text is None else f"  {change.text!r}"
        lines.append(f"{change.message_id}  {change.before!s} -> {change.after!s}{text}")
    return lines
