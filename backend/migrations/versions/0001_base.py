"""People, staff accounts, and the function that makes a partition without locking its parent."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE FUNCTION ensure_partition(parent text, day date) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        child text := parent || '_' || to_char(day, 'YYYYMMDD');
    BEGIN
        IF to_regclass(child) IS NOT NULL THEN
            RETURN;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('ensure_partition', 0));
        -- Not to_regclass again: its catalogue cache still says what was true before the wait for the lock.
        IF EXISTS (SELECT FROM pg_class c
                   WHERE c.relname = child AND c.relnamespace = current_schema()::regnamespace) THEN
            RETURN;
        END IF;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)',
                       child, parent);
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (expire_on >= %L AND expire_on < %L)',
                       child, child || '_day', day, day + 1);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       parent, child, day, day + 1);
    END $$
    """,
    """
    CREATE TABLE installation (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        epoch uuid NOT NULL DEFAULT gen_random_uuid(),
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "INSERT INTO installation DEFAULT VALUES",
    """
    CREATE TABLE app_user (
        id uuid PRIMARY KEY,
        name text NOT NULL DEFAULT '',
        locale text NOT NULL DEFAULT 'en',
        rating double precision,
        phone_sealed bytea,
        devices jsonb NOT NULL DEFAULT '[]',
        emergency_contacts_sealed bytea,
        suspended_until timestamptz,
        tokens_valid_from timestamptz,
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE staff_account (
        id uuid PRIMARY KEY,
        email text NOT NULL UNIQUE,
        name text NOT NULL,
        role text NOT NULL CHECK (role IN ('viewer', 'moderator', 'lead', 'compliance', 'admin')),
        password_hash text,
        active boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_sign_in_at timestamptz
    )
    """,
    """
    CREATE TABLE revoked_token (
        token_id text PRIMARY KEY,
        revoked_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE ws_ticket (
        ticket_hash bytea PRIMARY KEY,
        user_id uuid NOT NULL,
        role text NOT NULL,
        trip_id uuid NOT NULL,
        token_id text NOT NULL,
        token_issued_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
