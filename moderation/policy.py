"""Conduct rules with thresholds: a versioned TOML file that turns signals and labels into outcomes.

Sections `[signals]` and `[labels]` map a code to tiers; the highest tier whose `at` the score reaches counts. The same
two sections under `[languages.<code>]` and `[markets.<name>]` replace single entries; a market wins over a language.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import msgspec
from msgspec import Meta

from moderation.policy_errors import PolicyError, locate, not_toml, unknown_names
from moderation.verdict import Flag, Outcome

FailureOutcome = Literal["quarantine", "deliver_and_review"]
FailureClass = Literal["safety", "hygiene"]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Count = Annotated[int, Meta(ge=1)]
#: It stands in every verdict, in the log and on command lines.
VERSION = "^[0-9A-Za-z][0-9A-Za-z._+-]*$"
#: A policy file longer than this is a mistake; the shipped one has some 5 kB.
MAX_BYTES = 256 * 1024


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From score `at` (0..1) upward: this outcome and these flags; `reason` is told to a rejected sender."""

    at: Share = 0.0
    outcome: Outcome = "allow"
    flags: tuple[Flag, ...] = ()
    reason: str | None = None


Tiers = tuple[Tier, ...]


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a broken or late signal of each class gives; never a silent allow."""

    safety: FailureOutcome = "quarantine"
    hygiene: FailureOutcome = "deliver_and_review"


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds of wall time after which an answer counts as late."""

    signal: Positive = 250.0
    classifier: Positive = 250.0


class Flood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """More than `max_messages` in `window_s` seconds, or one text `max_repeats` times in `repeat_window_s` seconds
    among the last `repeat_among` messages: who says much and also repeats himself is no flood."""

    window_s: Positive = 1.0
    max_messages: Count = 32
    repeat_window_s: Positive = 30.0
    repeat_among: Count = 6
    max_repeats: Count = 4


class Conversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What counts as which mark, and from when on a conversation of a pair is a matter for a person.

    Within `window_s`: `insults` of one side; a threat of which the other side has said nothing for `silence_s`;
    `stop_messages` after a wish to be left alone. The same text of at least `same_text_letters` letters in
    `same_text_trips` trips within `same_text_window_s`.
    """

    window_s: Positive = 900.0
    insults: Count = 3
    insult_at: Share = 0.8
    toxicity_at: Share = 0.95
    threat_at: Share = 0.9
    silence_s: Positive = 60.0
    stop_messages: Count = 3
    same_text_trips: Count = 5
    same_text_window_s: Positive = 600.0
    same_text_letters: Count = 12


class Links(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Host names (with all their subdomains) that are fine, and those that are known to be harmful."""

    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entries of one language or market that replace the general ones."""

    signals: dict[str, Tiers] = {}
    labels: dict[str, Tiers] = {}
    phone_regions: tuple[str, ...] | None = None


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy file as written."""

    version: Annotated[str, Meta(pattern=VERSION, max_length=40)]
    signals: dict[str, Tiers]
    labels: dict[str, Tiers]
    phone_regions: tuple[str, ...]
    failure: Failure = Failure()
    budget_ms: Budget = Budget()
    flood: Flood = Flood()
    conversation: Conversation = Conversation()
    links: Links = Links()
    codewords: dict[str, Share] = {}
    languages: dict[str, Override] = {}
    markets: dict[str, Override] = {}


class Rules(msgspec.Struct, frozen=True):
    """What applies in one market and language."""

    signals: Mapping[str, Tiers]
    labels: Mapping[str, Tiers]


class Policy:
    """A validated policy; immutable. `name` is "version:digest", the digest being of the file's bytes."""

    def __init__(self, document: Document, source: bytes) -> None:
        self.document = document
        self.digest = hashlib.sha256(source).hexdigest()[:8]
        self.name = f"{document.version}:{self.digest}"
        self.markets = {market.lower(): override for market, override in document.markets.items()}
        self._rules = {
            (market, lang): self._merge(market, lang)
            for market in (None, *self.markets)
            for lang in (None, *document.languages)
        }

    def rules(self, market: str, lang: str | None) -> Rules:
        """Return the tiers for this market and language; unknown ones get the general rules."""
        place = market.lower()
        tongue = lang.split("-", 1)[0].lower() if lang else None
        return self._rules[
            place if place in self.markets else None, tongue if tongue in self.document.languages else None
        ]

    def phone_regions(self, market: str) -> tuple[str, ...]:
        """Return the ISO 3166 regions whose telephone numbers are looked for in a market, the likeliest first."""
        override = self.markets.get(market.lower())
        if override is None or override.phone_regions is None:
            return self.document.phone_regions
        return override.phone_regions

    def _merge(self, market: str | None, lang: str | None) -> Rules:
        signals, labels = dict(self.document.signals), dict(self.document.labels)
        for override in (self.document.languages.get(lang or ""), self.markets.get(market or "")):
            if override is not None:
                signals |= override.signals
                labels |= override.labels
        return Rules(_sorted(signals), _sorted(labels))


def _sorted(tiers: dict[str, Tiers]) -> dict[str, Tiers]:
    return {code: tuple(sorted(each, key=lambda tier: tier.at, reverse=True)) for code, each in tiers.items()}


def load_policy(path: str | Path | None = None) -> Policy:
    """Read and check a policy file; without a path the one that is shipped.

    Raises PolicyError, which names the file, the line where that can be told, the key, and what would be right.
    """
    if path is None:
        source = resources.files("moderation").joinpath("data/policy.toml").read_bytes()
        return parse_policy(source, "moderation/data/policy.toml")
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        raise PolicyError(str(path), f"cannot be read: {error.strerror}") from error
    return parse_policy(source, str(path))


def parse_policy(source: bytes, name: str = "policy") -> Policy:
    """Check the bytes of a policy file; `name` is what errors call it. Raises PolicyError."""
    if len(source) > MAX_BYTES:
        raise PolicyError(name, f"is longer than {MAX_BYTES:,} bytes")
    try:
        text = source.decode()
        tree = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PolicyError(name, f"is not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise not_toml(name, str(error)) from error
    try:
        document = msgspec.convert(tree, Document)
    except msgspec.ValidationError as error:
        raise locate(name, text, _exactly(tree) or str(error)) from error
    unknown = unknown_names(document.signals, document.labels, [*document.languages.items(), *document.markets.items()])
    if unknown:
        section, key, known = unknown
        raise locate(
            name, text, f"no such {section[:-1]} `{key}`; known are {', '.join(known)} - at `$.{section}.{key}`"
        )
    return Policy(document, source)


def _exactly(tree: dict[str, Any]) -> str | None:
    """The fault of the first tier list that has one, with the names that the whole document's validation leaves out."""
    parts = {"$": tree}
    for section in ("languages", "markets"):
        parts |= {f"$.{section}.{name}": _table(part) for name, part in _table(tree.get(section)).items()}
    for path, part in parts.items():
        for kind in ("signals", "labels"):
            for code, tiers in _table(part.get(kind)).items():
                try:
                    msgspec.convert(tiers, Tiers)
                except msgspec.ValidationError as error:
                    fault, _, place = str(error).partition(" - at `$")
                    return f"{fault} - at `{path}.{kind}.{code}{place or '`'}"
    return None


def _table(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


FLAG_NAMES: tuple[str, ...] = get_args(Flag)
