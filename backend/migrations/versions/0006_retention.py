"""Retention: schedules, legal holds, disposition runs; and the partition in which held records live on.

Held records stay in their tables, in a partition of a day that no calendar reaches: every read finds them by the trip's
own expiry as before, and no run ever reaches that day.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from retention.schedule import DEFAULT_MARKET, DEFAULT_RULES

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HELD = ("trip_message", "trip_event", "trip_verdict")

TABLES = (
    """
    CREATE TABLE retention_schedule (
        id uuid PRIMARY KEY,
        market text NOT NULL,
        version integer NOT NULL,
        saved_at timestamptz NOT NULL,
        saved_by uuid,
        CONSTRAINT retention_schedule_version UNIQUE (market, version)
    )
    """,
    """
    CREATE TABLE retention_rule (
        schedule_id uuid NOT NULL REFERENCES retention_schedule (id),
        record_class text NOT NULL,
        minimum_days integer NOT NULL CHECK (minimum_days >= 0),
        maximum_days integer NOT NULL,
        basis text NOT NULL,
        regulator_reference text NOT NULL DEFAULT '',
        PRIMARY KEY (schedule_id, record_class),
        CHECK (minimum_days <= maximum_days)
    )
    """,
    """
    CREATE TABLE legal_hold (
        id uuid PRIMARY KEY,
        scope text NOT NULL CHECK (scope IN ('trip', 'person', 'case', 'market')),
        target text NOT NULL,
        basis text NOT NULL,
        review_on date,
        placed_at timestamptz NOT NULL,
        placed_by uuid,
        released_at timestamptz,
        released_by uuid,
        release_reason text
    )
    """,
    "CREATE INDEX legal_hold_target ON legal_hold (target) WHERE released_at IS NULL",
    """
    CREATE TABLE disposition_run (
        id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('daily', 'manual', 'dry')),
        for_date date NOT NULL,
        status text NOT NULL
            CHECK (status IN ('awaiting_approval', 'running', 'quarantine', 'done', 'withdrawn')),
        started_at timestamptz NOT NULL,
        started_by uuid,
        finished_at timestamptz,
        counts jsonb NOT NULL,
        expected double precision,
        approvals jsonb NOT NULL DEFAULT '[]',
        next_due timestamptz,
        sends integer NOT NULL DEFAULT 0
    )
    """,
    "CREATE UNIQUE INDEX disposition_run_daily ON disposition_run (for_date) WHERE kind = 'daily'",
    "CREATE INDEX disposition_run_due ON disposition_run (next_due) WHERE next_due IS NOT NULL",
    """
    CREATE TABLE disposition_step (
        run_id uuid NOT NULL REFERENCES disposition_run (id),
        record_class text NOT NULL,
        day date NOT NULL,
        place integer NOT NULL,
        name text NOT NULL,
        not_before timestamptz,
        done_at timestamptz,
        counts jsonb NOT NULL DEFAULT '{}',
        PRIMARY KEY (run_id, record_class, day, place)
    )
    """,
    "CREATE INDEX disposition_step_done ON disposition_step (done_at)",
    # Disposition asks for the trips of a day; without these each such question reads every trip that ever was.
    "CREATE INDEX trip_text_expire_on ON trip (text_expire_on)",
    "CREATE INDEX trip_verdict_expire_on ON trip (verdict_expire_on)",
    "CREATE INDEX trip_participant_user ON trip_participant (user_id)",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in HELD:
        op.execute(f"CREATE TABLE {table}_held PARTITION OF {table} FOR VALUES FROM ('9000-01-01') TO ('9000-01-02')")
    schedule, rules = _tables()
    row = op.get_bind().execute(
        sa.insert(schedule)
        .values(id=sa.func.gen_random_uuid(), market=DEFAULT_MARKET, version=1, saved_at=sa.func.now())
        .returning(schedule.c.id)
    )
    schedule_id = row.scalar_one()
    op.bulk_insert(
        rules,
        [
            {
                "schedule_id": schedule_id,
                "record_class": rule.record_class,
                "minimum_days": rule.minimum_days,
                "maximum_days": rule.maximum_days,
                "basis": rule.basis,
            }
            for rule in DEFAULT_RULES
        ],
    )


def _tables() -> tuple[sa.TableClause, sa.TableClause]:
    columns = ["record_class", "minimum_days", "maximum_days", "basis"]
    return (
        sa.table("retention_schedule", *map(sa.column, ("id", "market", "version", "saved_at"))),
        sa.table("retention_rule", sa.column("schedule_id", sa.Uuid()), *map(sa.column, columns)),
    )
