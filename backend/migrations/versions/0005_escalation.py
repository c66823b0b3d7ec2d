"""Emergencies: incidents and their timers, policies, who is on call, attempts, acknowledgements, callbacks."""

from __future__ import annotations

from alembic import op

from backend.db import new_id
from backend.escalation.policy import DEFAULT_POLICY

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INCIDENTS = (
    """
    CREATE TABLE incident (
        id uuid PRIMARY KEY,
        trip_id uuid NOT NULL,
        market text NOT NULL,
        reporter_id uuid NOT NULL,
        reporter_role text NOT NULL CHECK (reporter_role IN ('driver', 'customer')),
        reporter_name text NOT NULL,
        covert boolean NOT NULL,
        status text NOT NULL CHECK (status IN ('triggered', 'acknowledged', 'resolved')),
        urgency integer NOT NULL,
        level integer CHECK (level BETWEEN 0 AND 4),
        short_code text NOT NULL,
        details_sealed bytea NOT NULL,
        policy jsonb NOT NULL,
        step integer NOT NULL,
        next_due timestamptz,
        lease_by text,
        lease_until timestamptz,
        fence bigint NOT NULL,
        triggered_at timestamptz NOT NULL,
        pressed_at timestamptz NOT NULL,
        acknowledged_at timestamptz,
        acknowledged_by uuid,
        resolved_at timestamptz,
        resolved_by uuid,
        reason_sealed bytea,
        callback_attempted boolean,
        linked_to uuid,
        -- An unresolved emergency always has a time at which somebody looks at it again.
        CONSTRAINT incident_never_forgotten CHECK ((status = 'resolved') = (next_due IS NULL)),
        CONSTRAINT incident_resolved_whole CHECK (
            status <> 'resolved' OR (level IS NOT NULL AND resolved_by IS NOT NULL AND reason_sealed IS NOT NULL
                                     AND callback_attempted IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX incident_one_open ON incident (trip_id, reporter_id) WHERE status <> 'resolved'",
    "CREATE UNIQUE INDEX incident_code ON incident (short_code) WHERE status <> 'resolved'",
    "CREATE INDEX incident_due ON incident (next_due) WHERE status <> 'resolved'",
    "CREATE INDEX incident_board ON incident (triggered_at)",
    "CREATE INDEX ix_incident_trip_id ON incident (trip_id)",
    """
    CREATE TABLE incident_press (
        trip_id uuid NOT NULL,
        reporter_id uuid NOT NULL,
        client_request_id text NOT NULL,
        incident_id uuid NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
        at timestamptz NOT NULL,
        PRIMARY KEY (trip_id, reporter_id, client_request_id)
    )
    """,
    """
    CREATE TABLE incident_event (
        id uuid PRIMARY KEY,
        incident_id uuid NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
        at timestamptz NOT NULL,
        kind text NOT NULL,
        text_code text NOT NULL,
        who text,
        account_id uuid,
        note_sealed bytea
    )
    """,
    "CREATE INDEX incident_event_incident ON incident_event (incident_id, at)",
)
POLICIES = (
    """
    CREATE TABLE escalation_policy (
        id uuid PRIMARY KEY,
        market text NOT NULL UNIQUE,
        name text NOT NULL,
        repeat_s integer NOT NULL CHECK (repeat_s BETWEEN 5 AND 3600),
        ack_lease_s integer NOT NULL CHECK (ack_lease_s BETWEEN 10 AND 3600),
        overt boolean NOT NULL,
        updated_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE escalation_step (
        id uuid PRIMARY KEY,
        policy_id uuid NOT NULL REFERENCES escalation_policy (id) ON DELETE CASCADE,
        position integer NOT NULL,
        delay_s integer NOT NULL CHECK (delay_s BETWEEN 0 AND 3600),
        targets text[] NOT NULL,
        channels text[] NOT NULL,
        UNIQUE (policy_id, position)
    )
    """,
    """
    CREATE TABLE on_call (
        id uuid PRIMARY KEY,
        market text NOT NULL,
        account_id uuid NOT NULL,
        role text NOT NULL CHECK (role IN ('primary', 'secondary', 'shift', 'duty_manager', 'reserve')),
        starts_at timestamptz NOT NULL,
        ends_at timestamptz
    )
    """,
    "CREATE INDEX on_call_now ON on_call (market, starts_at)",
    """
    CREATE TABLE contact_method (
        id uuid PRIMARY KEY,
        account_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind = 'phone'),
        phone_sealed bytea NOT NULL,
        phone_mac bytea NOT NULL UNIQUE,
        language text NOT NULL,
        verified_at timestamptz,
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_contact_method_account_id ON contact_method (account_id)",
)
ATTEMPTS = (
    """
    CREATE TABLE attempt (
        id uuid PRIMARY KEY,
        incident_id uuid NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
        wave integer NOT NULL,
        account_id uuid,
        contact_method_id uuid,
        channel text NOT NULL CHECK (channel IN ('console', 'sms', 'call')),
        status text NOT NULL,
        detail text,
        sid text,
        tries integer NOT NULL,
        due_at timestamptz NOT NULL,
        enqueued_at timestamptz,
        claimed_by text,
        claimed_until timestamptz,
        fence bigint NOT NULL,
        first_tried_at timestamptz,
        sent_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        UNIQUE (incident_id, wave, contact_method_id, channel)
    )
    """,
    "CREATE INDEX ix_attempt_incident_id ON attempt (incident_id)",
    "CREATE INDEX ix_attempt_sid ON attempt (sid)",
    "CREATE INDEX attempt_due ON attempt (due_at) WHERE status IN ('due', 'sending', 'unknown', 'retry')",
    """
    CREATE TABLE acknowledgement (
        id uuid PRIMARY KEY,
        incident_id uuid NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
        account_id uuid NOT NULL,
        via text NOT NULL CHECK (via IN ('dtmf', 'sms', 'console')),
        attempt_id uuid,
        at timestamptz NOT NULL,
        won boolean NOT NULL
    )
    """,
    "CREATE INDEX acknowledgement_incident ON acknowledgement (incident_id, at)",
    """
    CREATE TABLE provider_callback (
        event_key text PRIMARY KEY,
        kind text NOT NULL,
        attempt_id uuid,
        sid text,
        status text,
        fields_sealed bytea NOT NULL,
        received_at timestamptz NOT NULL,
        applied boolean NOT NULL
    )
    """,
    "CREATE INDEX ix_provider_callback_attempt_id ON provider_callback (attempt_id)",
)
_ADD_POLICY = """
INSERT INTO escalation_policy (id, market, name, repeat_s, ack_lease_s, overt, updated_at)
VALUES ('{id}', 'default', '{name}', {repeat_s}, {ack_lease_s}, {overt}, now())
"""
_ADD_STEP = """
INSERT INTO escalation_step (id, policy_id, position, delay_s, targets, channels)
VALUES ('{id}', '{policy_id}', {position}, {delay_s}, '{{{targets}}}', '{{{channels}}}')
"""


def upgrade() -> None:
    for statement in (*INCIDENTS, *POLICIES, *ATTEMPTS):
        op.execute(statement)
    policy, policy_id = DEFAULT_POLICY, new_id()
    op.execute(
        _ADD_POLICY.format(
            id=policy_id,
            name=policy.name,
            repeat_s=policy.repeat_s,
            ack_lease_s=policy.ack_lease_s,
            overt=str(policy.overt).lower(),
        )
    )
    for position, line in enumerate(policy.lines):
        op.execute(
            _ADD_STEP.format(
                id=new_id(),
                policy_id=policy_id,
                position=position,
                delay_s=line.delay_s,
                targets=",".join(line.targets),
                channels=",".join(line.channels),
            )
        )


def downgrade() -> None:
    for table in (
        "provider_callback",
        "acknowledgement",
        "attempt",
        "contact_method",
        "on_call",
        "escalation_step",
        "escalation_policy",
        "incident_event",
        "incident_press",
        "incident",
    ):
        op.execute(f"DROP TABLE {table}")
