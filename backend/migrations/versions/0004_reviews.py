"""The review desk: cases, signals, claims, decisions, enforcement, and who opened which conversation.

No foreign key reaches into chat tables: evidence outlives the messages that it is about.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CASES = """
CREATE TABLE review_case (
    id uuid PRIMARY KEY,
    trip_id uuid NOT NULL,
    market varchar NOT NULL,
    kind varchar NOT NULL,
    state varchar NOT NULL CONSTRAINT review_case_state CHECK (state IN ('open', 'assigned', 'referred', 'closed')),
    severity varchar NOT NULL
        CONSTRAINT review_case_severity CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    reasons varchar[] NOT NULL,
    trip_phase varchar NOT NULL,
    about_user_id uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    refer_to varchar,
    claim_id uuid,
    claimed_by uuid,
    claimed_until timestamptz,
    closed_at timestamptz
);
CREATE UNIQUE INDEX review_case_one_open ON review_case (trip_id, kind) WHERE state <> 'closed';
CREATE INDEX review_case_queue ON review_case (due_at, id) WHERE state <> 'closed';
CREATE INDEX review_case_trip ON review_case (trip_id);
CREATE INDEX review_case_about ON review_case (about_user_id);

CREATE TABLE case_signal (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL,
    message_id uuid,
    about_user_id uuid NOT NULL,
    severity varchar NOT NULL,
    reasons varchar[] NOT NULL,
    verdict jsonb NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX case_signal_case ON case_signal (case_id);
"""

CLAIMS = """
CREATE TABLE case_claim (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES review_case (id) ON DELETE CASCADE,
    account_id uuid NOT NULL,
    taken_at timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_how varchar,
    reason varchar,
    to_role varchar,
    seen jsonb,
    seen_hash varchar
);
CREATE INDEX case_claim_case ON case_claim (case_id);
CREATE INDEX case_claim_account ON case_claim (account_id, ended_at);
"""

DECISIONS = """
CREATE TABLE case_decision (
    case_id uuid NOT NULL,
    turn integer NOT NULL CONSTRAINT case_decision_turn CHECK (turn IN (0, 1)),
    id uuid NOT NULL CONSTRAINT uq_case_decision_id UNIQUE,
    claim_id uuid,
    account_id uuid NOT NULL,
    messages jsonb NOT NULL,
    person varchar NOT NULL,
    person_id uuid NOT NULL,
    policy_cited varchar NOT NULL,
    rationale_sealed bytea,
    seen jsonb,
    seen_hash varchar,
    at timestamptz NOT NULL,
    PRIMARY KEY (case_id, turn)
);

CREATE TABLE enforcement (
    id uuid PRIMARY KEY,
    idempotency_key varchar NOT NULL CONSTRAINT uq_enforcement_idempotency_key UNIQUE,
    decision_id uuid NOT NULL,
    case_id uuid NOT NULL,
    trip_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind varchar NOT NULL CONSTRAINT enforcement_kind CHECK (kind IN ('warn', 'mute', 'suspend')),
    applied_at timestamptz NOT NULL,
    until timestamptz,
    lifted_at timestamptz
);
CREATE INDEX enforcement_user ON enforcement (user_id, trip_id);

CREATE TABLE trip_access (
    id uuid PRIMARY KEY,
    trip_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role varchar NOT NULL,
    purpose varchar NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX trip_access_trip ON trip_access (trip_id, at);
CREATE INDEX trip_access_once ON trip_access (trip_id, account_id, purpose, at);

CREATE TABLE sign_in_attempt (
    id uuid PRIMARY KEY,
    account_key bytea NOT NULL,
    address text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempt_account ON sign_in_attempt (account_key, at);
CREATE INDEX sign_in_attempt_address ON sign_in_attempt (address, at);
"""


def _run(script: str) -> None:
    # asyncpg prepares what it is given, and a prepared statement is one statement.
    for statement in script.split(";"):
        if statement.strip():
            op.execute(statement)


def upgrade() -> None:
    """Make the tables and their indexes."""
    for script in (CASES, CLAIMS, DECISIONS):
        _run(script)


def downgrade() -> None:
    """Take them away again."""
    tables = "sign_in_attempt trip_access enforcement case_decision case_claim case_signal review_case"
    for table in tables.split():
        op.execute(f"DROP TABLE {table}")
