"""Web links that the policy does not allow, and those that it or their own shape calls harmful."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from moderation.content import Context
from moderation.normalise import View
from moderation.policy import FailureClass, Links
from moderation.signals.base import Found
from moderation.signals.messenger_link import HOSTS as MESSENGERS
from moderation.signals.messenger_link import SCHEMES as MESSENGER_SCHEMES
from moderation.verdict import SignalHit

# Endings that a full stop without a space after it does not make by accident ("see you.me too" does).
_ENDINGS = (
    "com",
    "net",
    "org",
    "ru",
    "kz",
    "kg",
    "uz",
    "info",
    "biz",
    "online",
    "site",
    "shop",
    "xyz",
    "top",
    "club",
    "app",
    "dev",
    "io",
    "link",
    "click",
    "live",
    "pro",
    "store",
    "space",
    "website",
    "ly",
    "cc",
    "tk",
    "su",
    "рф",
    "қаз",
    "us",
    "es",
    "uk",
    "tr",
)
_URL = re.compile(
    rf"(?<![\w@.-])(?:(?P<scheme>[a-z][a-z0-9+.-]{{1,11}})://(?:(?P<user>[^\s/@]+)@)?(?P<host>[^\s/:?#]+)"
    rf"|(?P<bare>(?:www\.)?(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?\.)+(?:{'|'.join(_ENDINGS)}))(?![\w@-]))(?P<rest>[/:?#][^\s]*)?"
)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|0x[0-9a-f]+|\d{8,10}")
_WEB = frozenset(("http", "https", "ftp"))


class Link:
    """Codes `link` and `link_malicious` (blocked host, bare address, a name before an @, letters of two scripts)."""

    name = "link"
    failure: FailureClass = "safety"
    behaviour = False

    def __init__(self, links: Links) -> None:
        self._allow = tuple(host.lower() for host in links.allow)
        self._block = tuple(host.lower() for host in links.block)

    def triggers(self) -> Iterable[tuple[str, int]]:
        """A scheme, www, or an ending."""
        return [(literal, 0) for literal in ("://", "www.", *(f".{ending}" for ending in _ENDINGS))]

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Find links, tell allowed, unknown and harmful ones apart; messenger links have a signal of their own."""
        hits: list[SignalHit] = []
        for match in _URL.finditer(view.plain.text):
            host = (match["host"] or match["bare"]).strip(".").removeprefix("www.")
            span = view.plain.span(match.start(), match.end())
            if match["scheme"] in MESSENGER_SCHEMES:
                continue
            if match["scheme"] and match["scheme"] not in _WEB:
                hits.append(SignalHit("link", 0.7, span))
            elif self._is_harmful(host, match["user"], view.original[span[0] : span[1]]):
                hits.append(SignalHit("link_malicious", 1.0, span))
            elif not _within(host, self._allow) and not _within(host, MESSENGERS):
                hits.append(SignalHit("link", 0.9, span))
        return hits

    def _is_harmful(self, host: str, user: str | None, original: str) -> bool:
        disguised = "xn--" in host and not host.endswith(("xn--p1ai", "xn--80ao21a"))
        disguised = disguised or (host not in original.lower() and not original.isascii())
        return _within(host, self._block) or bool(user) or bool(_ADDRESS.fullmatch(host)) or disguised


def _within(host: str, known: Sequence[str]) -> bool:
    return any(host == each or host.endswith("." + each) for each in known)
