"""Push: devices of people, one row for every message that a device is told of, and which chats are still looked at."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE push_device (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL,
        platform text NOT NULL CHECK (platform IN ('android', 'ios', 'web')),
        locale text,
        token_sealed bytea NOT NULL,
        token_mac bytea NOT NULL UNIQUE,
        confirmed_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_push_device_user_id ON push_device (user_id)",
    """
    CREATE TABLE push (
        message_id uuid NOT NULL,
        device_id uuid NOT NULL,
        trip_id uuid NOT NULL,
        user_id uuid NOT NULL,
        seq bigint NOT NULL,
        status text NOT NULL CHECK (status IN ('due', 'sending', 'retry', 'sent', 'dropped', 'dead')),
        detail text,
        tries integer NOT NULL DEFAULT 0,
        fence bigint NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        enqueued_at timestamptz,
        claimed_until timestamptz,
        sent_at timestamptz,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (message_id, device_id)
    )
    """,
    "CREATE INDEX push_due ON push (due_at) WHERE status IN ('due', 'sending', 'retry')",
    "CREATE INDEX push_dead ON push (created_at) WHERE status = 'dead'",
    # Tokens were kept here as the platform sent them. Nothing read them; from now on they are sealed in `push_device`.
    # The column stays for the code that still runs while this is rolled out.
    "UPDATE app_user SET devices = '[]' WHERE devices <> '[]'",
    # The sweepers look once a second for chats that moved: this finds the open ones among all that ever were. Neither
    # column changes with a send, so that a send still updates its chat in place. Last, because from here to the commit
    # nobody can send.
    "ALTER TABLE trip_chat ADD COLUMN push_until timestamptz NOT NULL DEFAULT now() + interval '48 hours'",
    "CREATE INDEX trip_chat_looked_at ON trip_chat (coalesce(closes_at, push_until))",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
