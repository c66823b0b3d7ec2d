"""E-mail addresses, also written out ("name at gmail dot com")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from moderation.content import Context
from moderation.normalise import View
from moderation.policy import FailureClass
from moderation.signals.base import Found
from moderation.verdict import SignalHit

_PROVIDERS = ("gmail", "hotmail", "outlook", "yahoo", "icloud", "proton", "mail", "yandex", "rambler", "inbox")
_AT = r"(?:\s*@\s*|\s*[\[({<]\s*(?:at|собака|arroba)\s*[\])}>]\s*|\s+(?:at|собака|собачка|arroba)\s+)"
_DOT = r"(?:\s*\.\s*|\s*[\[({<]\s*(?:dot|точка|punto)\s*[\])}>]\s*|\s+(?:dot|точка|punto)\s+)"
_PLAIN = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}")
_SPOKEN = re.compile(
    rf"[\w+%-]+(?:{_DOT}[\w+%-]+){{0,3}}{_AT}(?:[\w-]+{_DOT})?(?:{'|'.join(_PROVIDERS)})(?:{_DOT}[a-z]{{2,3}}|(?=\s|$))"
)


class Email:
    """Spans of whole addresses, for masking."""

    name = "email"
    failure: FailureClass = "hygiene"
    behaviour = False

    def triggers(self) -> Iterable[tuple[str, int]]:
        """The sign itself, and providers."""
        return [("@", 0), *((provider, 1) for provider in _PROVIDERS if provider != "mail"), ("mail.", 1), ("mail ", 1)]

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Written addresses first, spoken ones where a provider is named."""
        hits: list[SignalHit] = []
        reading = view.match
        for pattern, score in ((_PLAIN, 1.0), (_SPOKEN, 0.9)):
            for match in pattern.finditer(reading.text):
                hits.append(SignalHit("email", score, reading.span(match.start(), match.end())))
        return hits
