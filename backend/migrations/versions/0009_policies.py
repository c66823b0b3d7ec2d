"""Moderation policies: versions, what was put in force or beside it and when, and where a shadow would differ."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE policy_version (
        id uuid PRIMARY KEY,
        version text NOT NULL UNIQUE,
        digest text NOT NULL,
        sha256 bytea NOT NULL UNIQUE,
        document bytea NOT NULL,
        reason text NOT NULL,
        account_id uuid,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE policy_act (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        act text NOT NULL CHECK (act IN ('activate', 'shadow')),
        version_id uuid REFERENCES policy_version (id),
        reason text NOT NULL,
        account_id uuid,
        at timestamptz NOT NULL,
        CHECK (act = 'shadow' OR version_id IS NOT NULL)
    )
    """,
    """
    CREATE TABLE policy_difference (
        message_id uuid PRIMARY KEY,
        trip_id uuid NOT NULL,
        policy text NOT NULL,
        outcome text NOT NULL,
        flags text[] NOT NULL,
        shadow text NOT NULL,
        shadow_outcome text NOT NULL,
        shadow_flags text[] NOT NULL,
        at timestamptz NOT NULL,
        expire_on date NOT NULL
    )
    """,
    "CREATE INDEX policy_difference_shadow ON policy_difference (shadow, at)",
    "CREATE INDEX policy_difference_expire ON policy_difference (expire_on)",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
