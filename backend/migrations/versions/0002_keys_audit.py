"""Wrapped keys in a schema of their own; the audit log: intake, entries, tiles, state, checkpoints, keys."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_KEYS = """
CREATE SCHEMA IF NOT EXISTS keys;

CREATE TABLE keys.key_encryption_key (
    id uuid CONSTRAINT pk_key_encryption_key PRIMARY KEY,
    market text NOT NULL,
    record_class text NOT NULL,
    day date NOT NULL,
    wrapped bytea,
    created_at timestamptz NOT NULL,
    destroyed_at timestamptz,
    CONSTRAINT uq_key_encryption_key_market_record_class_day UNIQUE (market, record_class, day),
    CONSTRAINT ck_key_encryption_key_destroyed CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE TABLE keys.data_key (
    trip_id uuid NOT NULL,
    sender_id uuid NOT NULL,
    kek_id uuid NOT NULL CONSTRAINT fk_data_key_kek_id_key_encryption_key REFERENCES keys.key_encryption_key (id),
    wrapped bytea,
    created_at timestamptz NOT NULL,
    destroyed_at timestamptz,
    CONSTRAINT pk_data_key PRIMARY KEY (trip_id, sender_id),
    CONSTRAINT ck_data_key_destroyed CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE INDEX ix_keys_data_key_kek_id ON keys.data_key (kek_id);

CREATE TABLE audit_key (
    id uuid CONSTRAINT pk_audit_key PRIMARY KEY,
    subject_mac bytea NOT NULL,
    record_class text NOT NULL,
    period date NOT NULL,
    kek_id uuid NOT NULL CONSTRAINT fk_audit_key_kek_id_key_encryption_key REFERENCES keys.key_encryption_key (id),
    wrapped bytea,
    created_at timestamptz NOT NULL,
    destroyed_at timestamptz,
    CONSTRAINT uq_audit_key_subject_mac_record_class_period UNIQUE (subject_mac, record_class, period),
    CONSTRAINT ck_audit_key_destroyed CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE INDEX ix_audit_key_kek_id ON audit_key (kek_id);
"""

# The intake is a queue: rows live for a fraction of a second, so it is vacuumed by count and not by share.
_LOG = """
CREATE TABLE audit_intake (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_audit_intake PRIMARY KEY,
    leaf bytea NOT NULL,
    event text NOT NULL,
    at timestamptz NOT NULL,
    private_sealed bytea,
    audit_key_id uuid,
    trip_mac bytea,
    person_mac bytea,
    staff_mac bytea
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);

CREATE TABLE audit_entry (
    entry_index bigint CONSTRAINT pk_audit_entry PRIMARY KEY,
    leaf bytea NOT NULL,
    event text NOT NULL,
    at timestamptz NOT NULL,
    private_sealed bytea,
    audit_key_id uuid,
    trip_mac bytea,
    person_mac bytea,
    staff_mac bytea
);
CREATE INDEX ix_audit_entry_event ON audit_entry (event, entry_index);
CREATE INDEX ix_audit_entry_at ON audit_entry (at);
CREATE INDEX ix_audit_entry_audit_key_id ON audit_entry (audit_key_id) WHERE audit_key_id IS NOT NULL;
CREATE INDEX ix_audit_entry_trip_mac ON audit_entry (trip_mac, entry_index) WHERE trip_mac IS NOT NULL;
CREATE INDEX ix_audit_entry_person_mac ON audit_entry (person_mac, entry_index) WHERE person_mac IS NOT NULL;
CREATE INDEX ix_audit_entry_staff_mac ON audit_entry (staff_mac, entry_index) WHERE staff_mac IS NOT NULL;

CREATE TABLE audit_producer (
    boot text CONSTRAINT pk_audit_producer PRIMARY KEY,
    producer text NOT NULL,
    closed_up_to bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX ix_audit_producer_seen_at ON audit_producer (seen_at) WHERE ended_at IS NULL;

CREATE TABLE audit_tile (
    level smallint NOT NULL,
    tile_index bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT pk_audit_tile PRIMARY KEY (level, tile_index),
    CONSTRAINT ck_audit_tile_width CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0)
);

CREATE TABLE audit_state (
    id smallint CONSTRAINT pk_audit_state PRIMARY KEY CONSTRAINT ck_audit_state_one CHECK (id = 1),
    tree_size bigint NOT NULL,
    root_hash bytea NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE audit_checkpoint (
    tree_size bigint CONSTRAINT pk_audit_checkpoint PRIMARY KEY,
    root_hash bytea NOT NULL,
    note text NOT NULL,
    signed_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    for block in (_KEYS, _LOG):
        for statement in block.split(";\n"):
            if statement.strip():
                op.execute(statement)


def downgrade() -> None:
    for table in ("checkpoint", "state", "tile", "producer", "entry", "intake", "key"):
        op.execute(f"DROP TABLE audit_{table}")
    op.execute("DROP SCHEMA keys CASCADE")
