"""What a candidate policy would have said of the messages of a period, beside what was said.

Messages are read page by page in the order in which they came, opened through the keyring, judged, and forgotten. After
each page the command rests as long as it worked, so that it never takes more than half of a core from the product.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from backend.errors import ProblemError
from backend.keys import Keyring
from backend.messages.access import opened
from backend.messages.wire import Opened
from backend.policies.remembering import Memory, marks_left
from moderation import Content, Pipeline, Verdict

PAGE = 200
LONGEST = timedelta(days=31)
MOST_MESSAGES = 1_000_000
#: Messages that are named one by one; all of them are counted.
NAMED = 10_000
#: Ids carry the moment at which they were made, in ms; that a message was taken in may be a little later.
SLACK = timedelta(seconds=10)

_PAGE = """
SELECT m.id, m.trip_id, m.sender_id, m.sender_type, m.message_type, m.body, NULL::bytea AS reader_body,
       m.quick_message_template, m.media_url, m.client_message_id, m.reply_to, m.status, m.reason,
       m.seq_driver, m.seq_customer, m.seq_staff, m.created_at,
       t.market, t.driver_id, t.customer_id, coalesce(u.locale, 'en') AS lang, v.outcome, v.flags, v.model
FROM trip_message m
JOIN trip t ON t.id = m.trip_id
LEFT JOIN app_user u ON u.id = m.sender_id
LEFT JOIN trip_verdict v ON v.message_id = m.id AND v.expire_on = t.verdict_expire_on
WHERE m.id > $1 AND m.id < $2 AND m.created_at >= $3 AND m.created_at < $4
  AND m.message_type <> 'system' AND ($5::text IS NULL OR t.market = $5) AND m.expire_on > $6
ORDER BY m.id LIMIT $7
"""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages: taken in from `first` until before `end`, of one market or of all, at most `limit`."""

    first: datetime
    end: datetime
    market: str | None = None
    limit: int = 10_000


class _Place(NamedTuple):
    trip_id: UUID
    market: str
    driver_id: UUID
    customer_id: UUID


class Answer(msgspec.Struct, frozen=True, order=True):
    """An outcome with its flags."""

    outcome: str
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.outcome, *self.flags))


class Change(msgspec.Struct, frozen=True):
    """A message on which the candidate differs."""

    message_id: UUID
    trip_id: UUID
    market: str
    lang: str
    before: Answer
    after: Answer
    text: str | None = None


@dataclass
class Report:
    """What came of it. `table`: messages by (market, language, before, after)."""

    judged: int = 0
    changed: int = 0
    erased: int = 0
    without_text: int = 0
    without_verdict: int = 0
    by_another_model: int = 0
    truncated: bool = False
    table: Counter[tuple[str, str, Answer, Answer]] = field(default_factory=Counter[tuple[str, str, Answer, Answer]])
    changes: list[Change] = field(default_factory=list[Change])


def check_period(period: Period) -> None:
    """Raise `invalid_value` for a period that is empty, too long, or without bound."""
    if not period.first < period.end:
        raise ProblemError("invalid_value", "The period ends before it begins.")
    if period.end - period.first > LONGEST:
        raise ProblemError("invalid_value", f"A period has at most {LONGEST.days} days.")
    if not 1 <= period.limit <= MOST_MESSAGES:
        raise ProblemError("invalid_value", f"The limit is between 1 and {MOST_MESSAGES:,}.")


async def access_messages(pool: Any, period: Period) -> AsyncGenerator[list[Any]]:
    """The rows of a period in the order in which they came, a page at a time, at most `limit` in all."""
    after, end = _first_id(period.first - SLACK), _first_id(period.end + SLACK)
    # What expired is gone with its partition, or about to be: it is nobody's to read.
    today = datetime.now(UTC).date()
    left = period.limit
    while left > 0:
        rows = await pool.fetch(_PAGE, after, end, period.first, period.end, period.market, today, min(PAGE, left))
        if not rows:
            return
        yield rows
        after, left = rows[-1]["id"], left - len(rows)


def _first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment (RFC 9562: 48 bits of milliseconds first)."""
    return uuid.UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)


class Backtest:
    """Judges stored messages by a candidate. `show_text` keeps the texts of the messages that change."""

    def __init__(self, pool: Any, keyring: Keyring, candidate: Pipeline, *, show_text: bool = False) -> None:
        self._pool, self._keyring, self._candidate, self._show_text = pool, keyring, candidate, show_text
        self._memory = Memory()

    async def run(self, period: Period) -> Report:
        """Go through the period. Raises what the driver raises."""
        check_period(period)
        report = Report()
        read = 0
        async for rows in access_messages(self._pool, period):
            begun = time.thread_time()
            # One by one, with the loop free in between: keys are read by it.
            for row in rows:
                self._judge(row, await opened(self._keyring, row), report)
            read += len(rows)
            await asyncio.sleep(time.thread_time() - begun)
        report.truncated = read >= period.limit
        return report

    def _judge(self, row: Any, message: Opened, report: Report) -> None:
        if message.body is None:
            if row["body"] is None:
                report.without_text += 1
            else:
                report.erased += 1
            return
        if row["outcome"] is None:
            report.without_verdict += 1
            return
        verdict = self._verdict(row, message)
        report.judged += 1
        report.by_another_model += row["model"] not in (verdict.model, "none")
        before, after = Answer(row["outcome"], tuple(row["flags"])), Answer(verdict.outcome, verdict.flags)
        report.table[row["market"], row["lang"], before, after] += 1
        if before != after:
            report.changed += 1
            if len(report.changes) < NAMED:
                text = message.body if self._show_text else None
                report.changes.append(
                    Change(message.id, message.trip_id, row["market"], row["lang"], before, after, text)
                )

    def _verdict(self, row: Any, message: Opened) -> Verdict:
        """As the chat judges it: with what was said before in this period, refused or not."""
        text, policy = message.body or "", self._candidate.policy
        place = _Place(message.trip_id, row["market"], row["driver_id"], row["customer_id"])
        at, template = message.created_at.timestamp(), row["quick_message_template"] is not None
        sender, role = message.sender_id, row["sender_type"]
        letters = policy.document.conversation.same_text_letters
        judging = self._memory.judging(text, place, sender, role, at, template, letters)
        verdict = self._candidate.judge(Content(text, row["lang"]), judging.context)
        self._memory.judged(judging, marks_left(verdict, policy, template=template))
        self._memory.sent(place.trip_id, sender, text, at)
        return verdict


def trips_of(changes: Sequence[Change]) -> list[UUID]:
    """The trips of these messages, each once."""
    return list(dict.fromkeys(change.trip_id for change in changes))
