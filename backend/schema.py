"""Every table of the product, imported once, so that Alembic and `create_all` see them all."""

from __future__ import annotations

from advanced_alchemy.base import orm_registry

import backend.accounts.sign_ins  # noqa: F401  (tries to sign in)
import backend.audit.models  # noqa: F401  (tables of the log and its keys)
import backend.keys.models  # noqa: F401  (tables of wrapped keys)
import backend.reviews.models  # noqa: F401  (tables of the review desk)

metadata = orm_registry.metadata
