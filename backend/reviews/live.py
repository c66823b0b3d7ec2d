"""What the desk watches: live trips ranked by risk, and one small state that tells a console whether to look again."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

LIVE_STATUSES = ("accepted", "pickup", "arriving", "in_transit")

#: Trips that one listing ranks at most, those that changed last first: the query stays bounded in a big city.
RANKED_TRIPS = 2_000

#: How far back verdict labels count for the risk of a trip.
LABEL_WINDOW = timedelta(minutes=15)


class Person(msgspec.Struct, frozen=True):
    """A party of a trip."""

    id: UUID
    name: str
    rating: float | None


class LiveTrip(msgspec.Struct, frozen=True):
    """A trip in progress. `risk` is 0..1; `risk_reasons` are codes, the heaviest first."""

    trip_id: UUID
    market: str
    status: str
    driver: Person
    customer: Person
    vehicle: dict[str, Any] | None
    location: dict[str, Any] | None
    risk: float
    risk_reasons: list[str]
    open_cases: int
    open_incidents: int
    messages: int
    withheld: int
    last_message_at: datetime | None
    started_at: datetime | None


class LiveFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which trips; `sort` is `risk` or `started`; `after` is (sort key, trip id) of the last one already listed."""

    market: str | None = None
    status: str | None = None
    sort: str = "risk"
    after: tuple[float, UUID] | None = None
    limit: int = 50


# risk = 1 - product of (1 - weight): an open incident .9; the worst open case .1/.25/.45/.7 by severity; withheld
# messages .15 each, at most .45; half of the highest alarming label of what was flagged in the last minutes. The
# weights are our judgement.
_RANKED = """
WITH live AS (
    SELECT * FROM trip
    WHERE ended_at IS NULL AND status = ANY(:statuses) AND (CAST(:market AS text) IS NULL OR market = :market)
    ORDER BY updated_at DESC LIMIT :ranked
), incidents AS (
    SELECT trip_id, count(*) AS n FROM incident WHERE status <> 'resolved' GROUP BY trip_id
), cases AS (
    SELECT trip_id, count(*) AS n,
        max(array_position(ARRAY['low', 'medium', 'high', 'critical']::varchar[], severity)) AS worst
    FROM review_case WHERE state <> 'closed' GROUP BY trip_id
), written AS (
    SELECT m.trip_id, count(*) AS n, count(*) FILTER (WHERE m.status = 'quarantined') AS withheld,
        max(m.created_at) AS last_at
    FROM live JOIN trip_message m ON m.trip_id = live.id AND m.expire_on = live.text_expire_on
    WHERE m.sender_type <> 'system' GROUP BY m.trip_id
), alarming AS (
    SELECT DISTINCT ON (m.trip_id) m.trip_id, label.key AS label, CAST(label.value AS float) AS score
    FROM live JOIN trip_message m ON m.trip_id = live.id AND m.expire_on = live.text_expire_on
    JOIN trip_verdict v ON v.message_id = m.id AND v.expire_on = live.verdict_expire_on
    CROSS JOIN LATERAL jsonb_each_text(v.labels) AS label
    WHERE m.created_at > :since AND (v.outcome <> 'allow' OR v.flags <> '{}') AND label.key = ANY(:labels)
    ORDER BY m.trip_id, score DESC
), ranked AS (
    SELECT live.*, coalesce(incidents.n, 0) AS open_incidents, coalesce(cases.n, 0) AS open_cases,
        coalesce(cases.worst, 0) AS worst, coalesce(written.n, 0) AS messages,
        coalesce(written.withheld, 0) AS withheld, written.last_at, alarming.label,
        coalesce(alarming.score, 0) AS score,
        CAST(round(CAST(1 - (CASE WHEN incidents.n > 0 THEN .1 ELSE 1 END)
            * (1 - (ARRAY[0, .1, .25, .45, .7])[coalesce(cases.worst, 0) + 1])
            * (1 - least(.15 * coalesce(written.withheld, 0), .45))
            * (1 - .5 * coalesce(alarming.score, 0)) AS numeric), 4) AS float) AS risk
    FROM live LEFT JOIN incidents ON incidents.trip_id = live.id LEFT JOIN cases ON cases.trip_id = live.id
    LEFT JOIN written ON written.trip_id = live.id LEFT JOIN alarming ON alarming.trip_id = live.id
), keyed AS (
    SELECT *, CASE WHEN :sort = 'risk' THEN risk
        ELSE CAST(extract(epoch FROM coalesce(started_at, created_at)) AS float) END AS sort_key
    FROM ranked
)
SELECT * FROM keyed
WHERE CAST(:after_key AS float) IS NULL OR (sort_key, id) < (CAST(:after_key AS float), CAST(:after_id AS uuid))
ORDER BY sort_key DESC, id DESC LIMIT :limit
"""

#: Labels that speak of danger to a person or of abuse; `obscene` alone does not make a trip risky.
_LABELS = (
    "toxicity", "severe_toxicity", "threat", "insult", "identity_attack", "sexual_explicit", "distress", "self_harm",
)  # fmt: skip
#: A label below this is no reason that a person should read.
_LABEL_SHOWN_FROM = 0.5

_CASE_REASONS: tuple[str, ...] = ("", "case_low", "case_medium", "case_high", "case_critical")


async def access_live_trips(
    session: AsyncSession, wish: LiveFilter, now: datetime
) -> tuple[list[LiveTrip], tuple[float, UUID] | None]:
    """One page of live trips and the cursor of the next, from one query. Only counts and codes, no text."""
    after_key, after_id = wish.after or (None, None)
    rows = (
        await session.execute(
            text(_RANKED),
            {
                "statuses": [wish.status] if wish.status else list(LIVE_STATUSES),
                "market": wish.market,
                "ranked": RANKED_TRIPS,
                "since": now - LABEL_WINDOW,
                "labels": list(_LABELS),
                "sort": wish.sort,
                "after_key": after_key,
                "after_id": after_id,
                "limit": wish.limit + 1,
            },
        )
    ).all()
    page = rows[: wish.limit]
    more = (page[-1].sort_key, page[-1].id) if len(rows) > wish.limit else None
    return [_live_trip(row) for row in page], more


def _live_trip(row: Any) -> LiveTrip:
    return LiveTrip(
        trip_id=row.id,
        market=row.market,
        status=row.status,
        driver=Person(row.driver_id, row.driver_name, row.driver_rating),
        customer=Person(row.customer_id, row.customer_name, row.customer_rating),
        vehicle=row.vehicle,
        location=row.location,
        risk=row.risk,
        risk_reasons=_reasons(row),
        open_cases=row.open_cases,
        open_incidents=row.open_incidents,
        messages=row.messages,
        withheld=row.withheld,
        last_message_at=row.last_at,
        started_at=row.started_at,
    )


def _reasons(row: Any) -> list[str]:
    reasons: list[str] = ["incident_open"] if row.open_incidents else []
    if row.worst:
        reasons.append(_CASE_REASONS[int(row.worst)])
    if row.withheld:
        reasons.append("withheld_messages")
    if row.score >= _LABEL_SHOWN_FROM:
        reasons.append(f"label_{row.label}")
    return reasons


class NewestIncident(msgspec.Struct, frozen=True):
    """The incident that a banner shows first."""

    id: UUID
    trip_id: UUID
    triggered_at: datetime
    next_due: datetime | None


class IncidentCounts(msgspec.Struct, frozen=True):
    """`open`: not resolved; `unacknowledged`: nobody has answered."""

    open: int
    unacknowledged: int
    newest: NewestIncident | None


class ReviewCounts(msgspec.Struct, frozen=True):
    """The review queue: all that is not closed, of it past its due time, of it critical."""

    open: int
    overdue: int
    urgent: int


class TripCounts(msgspec.Struct, frozen=True):
    """Trips in progress."""

    live: int


class DeskState(msgspec.Struct, frozen=True):
    """What a console page needs to know at every moment. `cursor` is a digest of the rest without `at`."""

    cursor: str
    incidents: IncidentCounts
    review: ReviewCounts
    trips: TripCounts
    at: datetime


_STATE = """
SELECT i.open, i.unacknowledged, newest.id, newest.trip_id, newest.triggered_at, newest.next_due,
    c.open AS cases, c.overdue, c.urgent, t.live
FROM (SELECT count(*) AS open, count(*) FILTER (WHERE status = 'triggered') AS unacknowledged
      FROM incident WHERE status <> 'resolved') i
CROSS JOIN (SELECT count(*) AS open, count(*) FILTER (WHERE due_at < :now) AS overdue,
      count(*) FILTER (WHERE severity = 'critical') AS urgent FROM review_case WHERE state <> 'closed') c
CROSS JOIN (SELECT count(*) AS live FROM trip WHERE ended_at IS NULL AND status = ANY(:statuses)) t
LEFT JOIN LATERAL (SELECT id, trip_id, triggered_at, next_due FROM incident WHERE status <> 'resolved'
      ORDER BY status = 'triggered' DESC, triggered_at DESC LIMIT 1) newest ON true
"""


async def access_desk_state(session: AsyncSession, now: datetime) -> DeskState:
    """The state as its rows say at `now`, from one query; nothing is remembered between calls."""
    row = (await session.execute(text(_STATE), {"now": now, "statuses": list(LIVE_STATUSES)})).one()
    newest = NewestIncident(row.id, row.trip_id, row.triggered_at, row.next_due) if row.id else None
    incidents = IncidentCounts(row.open, row.unacknowledged, newest)
    review = ReviewCounts(row.cases, row.overdue, row.urgent)
    trips = TripCounts(row.live)
    digest = hashlib.sha256(msgspec.json.encode((incidents, review, trips))).hexdigest()[:24]
    return DeskState(digest, incidents, review, trips, now)
