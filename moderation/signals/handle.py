"""Account names on other services: "@name", "my telegram is name"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from moderation.content import Context
from moderation.normalise import View
from moderation.policy import FailureClass
from moderation.signals.base import Found
from moderation.verdict import SignalHit

_SERVICES = (
    "telegram",
    "telega",
    "tg",
    "insta",
    "instagram",
    "snap",
    "snapchat",
    "whatsapp",
    "wechat",
    "viber",
    "facebook",
    "discord",
    "tiktok",
    "skype",
    "телеграм",
    "телега",
    "телеге",
    "инста",
    "инсте",
    "инстаграм",
    "вк",
    "тг",
    "вайбер",
    "скайп",
    "инстам",
)
_AT_NAME = re.compile(r"(?<![\w.@/+-])@[a-z][a-z0-9_.]{2,31}(?![\w@])(?!\.\w)")
_SERVICE = "|".join(sorted(_SERVICES, key=len, reverse=True))
# The name must look like one (digit, underscore or dot inside) unless it is introduced by a sign or "is".
_NAMED = re.compile(
    rf"(?<!\w)(?:{_SERVICE})(?:\w{{0,2}})\s*(?:"
    r"(?:id|ник|nick|user|username|name)?\s*(?:[:=@]|is|это|es|-)\s*@?\s*(?P<said>[a-z][a-z0-9_.]{3,31})"
    r"|\s(?P<bare>(?=[a-z0-9_.]*[0-9_.][a-z0-9])[a-z][a-z0-9_.]{3,31}))(?!\w)"
)
_NO_NAME = frozenset(
    [
        "down",
        "here",
        "not",
        "the",
        "same",
        "this",
        "that",
        "there",
        "what",
        "your",
        "mine",
        "good",
        "better",
        "fine",
        "okay",
        "easier",
        "faster",
        "working",
        "broken",
        "free",
        "installed",
    ]
)


class Handle:
    """Spans of the names, for masking."""

    name = "handle"
    failure: FailureClass = "hygiene"
    behaviour = False

    def triggers(self) -> Iterable[tuple[str, int]]:
        """The sign, and the services people go to."""
        return [("@", 0), *((service, 1) for service in _SERVICES)]

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Signed names, then named services."""
        hits: list[SignalHit] = []
        reading = view.match
        for match in _AT_NAME.finditer(reading.text):
            hits.append(SignalHit("handle", 0.9, reading.span(match.start(), match.end())))
        for match in _NAMED.finditer(reading.text):
            group = "said" if match["said"] else "bare"
            if match[group] not in _NO_NAME:
                hits.append(SignalHit("handle", 0.8, reading.span(match.start(group), match.end(group))))
        return hits
