"""Quick messages."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Template(msgspec.Struct, frozen=True):
    """A quick message; `state` is draft, published or retired."""

    id: str
    template_key: str = ""
    language_code: str = ""
    audience: str = ""
    category: str | None = None
    message_text: str = ""
    state: str = "draft"
    is_active: bool = False
    reviewed_by_native: bool = False
    version: int = 1
    updated_at: datetime | None = None
