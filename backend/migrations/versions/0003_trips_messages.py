"""Trips, the partitioned tables of the chat, and the function that is the send."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from backend.messages.templates_seed import seed_rows

revision = "0003"
down_revision = "0002"

TABLES = (
    """
    CREATE TABLE trip (
        id uuid PRIMARY KEY,
        market text NOT NULL,
        status text NOT NULL
            CHECK (status IN ('accepted', 'pickup', 'arriving', 'in_transit', 'completed', 'cancelled')),
        driver_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        driver_name text NOT NULL,
        customer_name text NOT NULL,
        driver_rating double precision,
        customer_rating double precision,
        vehicle jsonb,
        pickup jsonb,
        destination jsonb,
        location jsonb,
        created_at timestamptz NOT NULL,
        started_at timestamptz,
        ended_at timestamptz,
        text_expire_on date NOT NULL,
        media_expire_on date NOT NULL,
        verdict_expire_on date NOT NULL,
        updated_at timestamptz NOT NULL
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX trip_live ON trip (created_at) WHERE ended_at IS NULL",
    "CREATE INDEX trip_by_driver ON trip (driver_id, created_at)",
    "CREATE INDEX trip_by_customer ON trip (customer_id, created_at)",
    # The row that each send locks and counts up: half empty pages keep the updates in place.
    """
    CREATE TABLE trip_chat (
        trip_id uuid PRIMARY KEY,
        driver_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        expire_on date NOT NULL,
        verdict_expire_on date NOT NULL,
        closes_at timestamptz,
        driver_muted_until timestamptz,
        customer_muted_until timestamptz,
        seq_driver bigint NOT NULL DEFAULT 0,
        seq_customer bigint NOT NULL DEFAULT 0,
        seq_staff bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE trip_participant (
        trip_id uuid NOT NULL,
        user_id uuid NOT NULL,
        role text NOT NULL CHECK (role IN ('driver', 'customer')),
        from_seq bigint NOT NULL DEFAULT 0,
        joined_at timestamptz NOT NULL,
        left_at timestamptz,
        PRIMARY KEY (trip_id, user_id)
    )
    """,
    """
    CREATE TABLE trip_message (
        id uuid NOT NULL,
        expire_on date NOT NULL,
        trip_id uuid NOT NULL,
        sender_id uuid NOT NULL,
        sender_type text NOT NULL CHECK (sender_type IN ('driver', 'customer', 'system')),
        message_type text NOT NULL CHECK (message_type IN ('text', 'image', 'quick', 'system')),
        body bytea,
        reader_body bytea,
        quick_message_template text,
        media_url text,
        client_message_id uuid,
        content_mac bytea,
        reply_to uuid,
        status text NOT NULL CHECK (status IN ('delivered', 'masked', 'quarantined', 'rejected', 'removed')),
        reason text,
        seq_driver bigint,
        seq_customer bigint,
        seq_staff bigint NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (id, expire_on)
    ) PARTITION BY RANGE (expire_on)
    """,
    """
    CREATE UNIQUE INDEX trip_message_once
        ON trip_message (trip_id, sender_id, client_message_id, expire_on)
    """,
    """
    CREATE TABLE trip_event (
        trip_id uuid NOT NULL,
        seq_staff bigint NOT NULL,
        expire_on date NOT NULL,
        seq_driver bigint,
        seq_customer bigint,
        kind text NOT NULL CHECK (kind IN ('new', 'masked', 'removed', 'released', 'status', 'closed', 'emergency')),
        message_id uuid,
        payload jsonb,
        at timestamptz NOT NULL,
        PRIMARY KEY (trip_id, seq_staff, expire_on)
    ) PARTITION BY RANGE (expire_on)
    """,
    """
    CREATE TABLE trip_verdict (
        message_id uuid NOT NULL,
        expire_on date NOT NULL,
        trip_id uuid NOT NULL,
        outcome text NOT NULL,
        flags text[] NOT NULL,
        labels jsonb NOT NULL,
        signals jsonb NOT NULL,
        policy text NOT NULL,
        model text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (message_id, expire_on)
    ) PARTITION BY RANGE (expire_on)
    """,
    """
    CREATE TABLE trip_receipt (
        trip_id uuid NOT NULL,
        user_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('delivered', 'read')),
        up_to_seq bigint NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (trip_id, user_id, kind, up_to_seq)
    )
    """,
    """
    CREATE TABLE message_template (
        id uuid PRIMARY KEY,
        sa_orm_sentinel integer,
        template_key text NOT NULL,
        language_code text NOT NULL DEFAULT 'en',
        audience text NOT NULL CHECK (audience IN ('driver', 'customer', 'both')),
        category text NOT NULL,
        message_text text NOT NULL,
        state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'published', 'retired')),
        is_active boolean NOT NULL DEFAULT false,
        reviewed_by_native boolean NOT NULL DEFAULT false,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE UNIQUE INDEX message_template_published
        ON message_template (template_key, language_code) WHERE state = 'published'
    """,
)

SEED = """
INSERT INTO message_template
    (id, template_key, language_code, audience, category, message_text, state, is_active, reviewed_by_native)
VALUES ('{id}', '{key}', '{lang}', '{audience}', '{category}', $text${text}$text$, 'published', true, {native})
"""


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    op.execute((Path(__file__).parent / "0003_chat_send.sql").read_text())
    for row in seed_rows():
        op.get_bind().exec_driver_sql(SEED.format(**row))
