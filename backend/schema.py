"""Every table of the product, imported once, so that Alembic and `create_all` see them all."""

# ruff: noqa: F401 - all of them are imported for their tables

from __future__ import annotations

from advanced_alchemy.base import orm_registry

import backend.accounts.models
import backend.accounts.sign_ins
import backend.audit.models
import backend.escalation.models
import backend.keys.models
import backend.messages.models
import backend.reviews.models
import backend.trips.models
import retention.models

metadata = orm_registry.metadata
