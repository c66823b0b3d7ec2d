"""Telephone numbers in digits, however they are spaced, checked against the numbering plans of the market."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from moderation.content import Context
from moderation.normalise import View
from moderation.policy import FailureClass, Policy
from moderation.signals.base import Found
from moderation.verdict import SignalHit

MIN_DIGITS = 7
MAX_DIGITS = 15
_ENOUGH = re.compile(r"\d(?:\D{0,4}\d){6}")
_CANDIDATE = re.compile(r"(?<![\w.,:/])[+(]{0,2}\d(?:[\s().\-–_/*,|~]{0,4}\d){6,17}(?![\w%₸₽$€]|[.,:]\d)")
# The letter for the zero: "7o1 ooo"; only in groups that hold nothing else, next to a digit.
_OH = re.compile(r"\d[oо]|[oо]\d|\d [oо]{2}")
_OH_WORD = re.compile(r"(?<![^\W\d_oо])[\doо]*(?:\d[oо]|[oо]\d)[\doо]*(?![^\W\d_])|(?<=[\doо] )[oо]{2,4}(?= [\doо])")
_ASKED = re.compile(
    r"call|phone|ph\.|number|whats|text me|sms|dial|reach|позвон|звони|набер|номер|тел|пиши|вотсап|ватсап"
    r"|llam|numero|telefono|marca|кон[гғ]ырау|номир|номер|хабарлас|звонда"
)
# Dates, times, prices, coordinates: digits that a ride has.
_ORDINARY = re.compile(
    r"(?:\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2}))(?:[\s,]+\d{1,2}[:.]\d{2})?"
    r"|\d{1,3}(?:[ ,.]000)+"
    r"|\d{1,3}\.\d{3,}\s*,\s*\d{1,3}\.\d{3,}"
    r"|\d{1,2}[.:]\d{2}\s*-\s*\d{1,2}[.:]\d{2}"
)


class Phone:
    """Spans of numbers; 1.0 for a valid one, 0.8 for a possible one, 0.6 for a short one that is asked to be called."""

    name = "phone"
    failure: FailureClass = "hygiene"
    behaviour = False

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def triggers(self) -> Iterable[tuple[str, int]]:
        """None: digits are counted, which is cheaper than to look for them."""
        return ()

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Count digits first: the numbering plans are slow."""
        reading = view.match
        if _OH.search(reading.text):
            reading = reading.with_text(_OH_WORD.sub(_zeros, reading.text))
        if not _ENOUGH.search(reading.text):
            return ()
        hits: list[SignalHit] = []
        regions = self._policy.phone_regions(context.market)
        for match in _CANDIDATE.finditer(reading.text):
            score = self._score(match[0], reading.text, regions)
            if score:
                hits.append(SignalHit("phone", score, reading.span(match.start(), match.end())))
        return hits

    def _score(self, candidate: str, text: str, regions: Sequence[str]) -> float:
        digits = "".join(filter(str.isdigit, candidate))
        if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or _ORDINARY.fullmatch(candidate.strip()):
            return 0.0
        international = candidate.lstrip("(").startswith("+") or digits.startswith("00")
        if _is_valid(digits, international, regions):
            return 1.0
        if len(digits) >= 10 and (international or _is_spaced_like_phone(candidate)):
            return 0.8
        return 0.6 if _ASKED.search(text) else 0.0


def _zeros(match: re.Match[str]) -> str:
    return match[0].replace("o", "0").replace("о", "0")


def _is_spaced_like_phone(candidate: str) -> bool:
    """Groups as people write numbers; one unbroken row of digits may be an order or a card."""
    groups = re.findall(r"\d+", candidate)
    return len(groups) >= 3 and len(groups[-1]) <= 4


def _is_valid(digits: str, international: bool, regions: Sequence[str]) -> bool:
    import phonenumbers

    tries: list[tuple[str, str | None]] = (
        [("+" + digits.removeprefix("00"), None)] if international else [(digits, region) for region in regions]
    )
    if not international and len(digits) >= 11:
        tries.append(("+" + digits, None))
    for number, region in tries:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return len(digits) >= 9 or international
        except phonenumbers.NumberParseException:
            continue
    return False
