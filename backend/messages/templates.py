"""Quick messages for phones: read through a short memory, so that a template costs a send nothing."""

from __future__ import annotations

import time
from typing import Any, NamedTuple
from uuid import UUID

from backend.errors import ProblemError
from backend.i18n import DEFAULT, language_of

#: A published change reaches every process at once by the bell, and after this long without it.
FRESH_S = 5.0
_PUBLISHED = """
SELECT id, template_key, language_code, audience, category, message_text
FROM message_template WHERE state = 'published' AND is_active ORDER BY category, template_key, language_code
"""
#: The template that is also a press of the emergency button.
EMERGENCY_KEY = "emergency_help"


class Template(NamedTuple):
    id: UUID
    template_key: str
    language_code: str
    audience: str
    category: str
    message_text: str


class TemplateBook:
    """All published templates, as one process knows them."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[str, Template]] = {}
        self._read_at = -1e9

    def forget(self) -> None:
        """Read again at the next use."""
        self._read_at = -1e9

    async def access_for(self, pool: Any, role: str, *, category: str | None, lang: str) -> list[Template]:
        """The templates of a role in one language; English where that language has none."""
        book = await self._book(pool)
        chosen = [texts.get(lang) or texts.get(DEFAULT) for texts in book.values()]
        return [
            template
            for template in chosen
            if template is not None
            and template.audience in (role, "both")
            and (category is None or template.category == category)
        ]

    async def access_texts(self, pool: Any, key: str, role: str, locales: tuple[str, str]) -> tuple[str, str]:
        """The text of a template in each of two locales (sender's, reader's). Raises `template_unknown`."""
        return _texts(await self._book(pool), key, role, locales)

    def kept_texts(self, key: str, role: str, locales: tuple[str, str]) -> tuple[str, str] | None:
        """`access_texts` from memory alone: None when the templates have to be read first."""
        return _texts(self._by_key, key, role, locales) if self._is_fresh() else None

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at <= FRESH_S

    async def _book(self, pool: Any) -> dict[str, dict[str, Template]]:
        if not self._is_fresh():
            book: dict[str, dict[str, Template]] = {}
            for row in await pool.fetch(_PUBLISHED):
                book.setdefault(row["template_key"], {})[row["language_code"]] = Template(*row)
            self._by_key, self._read_at = book, time.monotonic()
        return self._by_key


def _texts(book: dict[str, dict[str, Template]], key: str, role: str, locales: tuple[str, str]) -> tuple[str, str]:
    texts = book.get(key)
    if not texts or next(iter(texts.values())).audience not in (role, "both"):
        raise ProblemError("template_unknown")
    found = [texts.get(language_of(locale)) or texts.get(DEFAULT) or next(iter(texts.values())) for locale in locales]
    return found[0].message_text, found[1].message_text
