"""Every table of the product, imported once, so that Alembic sees them all."""

from __future__ import annotations

from types import ModuleType

from advanced_alchemy.base import orm_registry

import backend.accounts.models
import backend.accounts.sign_ins
import backend.audit.models
import backend.escalation.models
import backend.keys.models
import backend.messages.models
import backend.policies.models
import backend.push.models
import backend.reviews.models
import backend.trips.models
import retention.models

#: Where tables are declared; naming the modules is what loads them.
MODULES: tuple[ModuleType, ...] = (
    backend.accounts.models,
    backend.accounts.sign_ins,
    backend.audit.models,
    backend.escalation.models,
    backend.keys.models,
    backend.messages.models,
    backend.policies.models,
    backend.push.models,
    backend.reviews.models,
    backend.trips.models,
    retention.models,
)

metadata = orm_registry.metadata
