"""Every table of the product, imported once, so that Alembic and `create_all` see them all."""

from __future__ import annotations

from advanced_alchemy.base import orm_registry

import backend.accounts.models
import backend.accounts.sign_ins
import backend.audit.models
import backend.keys.models
import backend.messages.models
import backend.reviews.models
import backend.trips.models  # noqa: F401  (trips)

metadata = orm_registry.metadata
