"""Links that open a chat elsewhere: wa.me, t.me and their like, also with spaces or "dot"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from moderation.content import Context
from moderation.normalise import View
from moderation.policy import FailureClass
from moderation.signals.base import Found
from moderation.verdict import SignalHit

HOSTS = (
    "wa.me",
    "t.me",
    "telegram.me",
    "telegram.dog",
    "m.me",
    "vk.me",
    "ig.me",
    "signal.me",
    "line.me",
    "viber.me",
    "join.skype.com",
    "chat.whatsapp.com",
    "api.whatsapp.com",
    "web.whatsapp.com",
    "whatsapp.com",
    "discord.gg",
    "snapchat.com",
    "instagram.com",
    "facebook.com",
    "fb.com",
    "vk.com",
    "ok.ru",
    "tiktok.com",
    "wechat.com",
)
SCHEMES = ("tg", "viber", "whatsapp", "skype", "weixin", "fb-messenger")
_DOT = r"(?:\s?\.\s?|\s?\(?(?:dot|точка|punto)\)?\s?)"
_HOST = "|".join(
    _DOT.join(re.escape(part) for part in host.split(".")) for host in sorted(HOSTS, key=len, reverse=True)
)
_LINK = re.compile(rf"(?<![\w.-])(?:https?\s?:\s?/\s?/\s?)?(?:www\.)?(?:{_HOST})(?:\s?/\s?[\w\-./?=&%+@]+|(?![\w.-]))")
_SCHEME = re.compile(rf"(?<!\w)(?:{'|'.join(SCHEMES)})://[\w\-./?=&%+@]+")


class MessengerLink:
    """Spans of the links, for masking."""

    name = "messenger_link"
    failure: FailureClass = "hygiene"
    behaviour = False

    def triggers(self) -> Iterable[tuple[str, int]]:
        """The parts of the hosts that stand out."""
        parts = {max(host.split("."), key=len) for host in HOSTS} - {
            "wa",
            "me",
            "t",
            "m",
            "vk",
            "ig",
            "ok",
            "fb",
            "com",
        }
        short = ("wa.me", "t.me", "m.me", "vk.", "ig.me", "ok.ru", "fb.com", "://")
        spoken = ("wa me", "wa dot me", "t dot me", "wa . me", "t . me", "wa. me", "t. me", "wa .me", "t .me", "точка")
        return [(literal, 0) for literal in sorted({*parts, *short, *spoken})]

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Match whole links."""
        reading = view.match
        return [
            SignalHit("messenger_link", 1.0, reading.span(match.start(), match.end()))
            for pattern in (_LINK, _SCHEME)
            for match in pattern.finditer(reading.text)
        ]
