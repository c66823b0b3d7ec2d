"""Alembic's entry: runs the revisions on the connection that `migrate` hands over."""

from __future__ import annotations

from advanced_alchemy.base import orm_registry
from alembic import context

import backend.schema  # noqa: F401  (fills the metadata)

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=orm_registry.metadata,
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
