"""Banks of slurs, insults and profanity per language; whole words, stems, and what is bad inside any word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import NamedTuple

from moderation.content import Context
from moderation.lexicon import Lexicon
from moderation.normalise import Normaliser, View
from moderation.policy import FailureClass
from moderation.signals.base import Found
from moderation.spans import Mapped
from moderation.verdict import SignalHit

LANGUAGES = ("en", "ru", "kk", "es")
SCORES = {"slur": 0.95, "insult": 0.7, "profanity": 0.5}
_LINE = re.compile(r"(?P<kind>slur|insult|profanity|-)\s+(?P<words>.+)")


class BankError(ValueError):
    """A line of a keyword file that cannot be read; says file, line and fault."""


class Entry(NamedTuple):
    """One word of the bank. kind "-" is harmless; `stem` may go on, `inside` may also begin in the middle of a word."""

    word: str
    kind: str
    stem: bool
    inside: bool


def read_bank(name: str, text: str, form: Normaliser) -> list[Entry]:
    """Read one file: lines of `<kind> <word>, <stem>*, *<inside>*, ...`; `-` are harmless words. Raises BankError."""
    entries: list[Entry] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = form.match_form(raw.strip().lower())
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if not found:
            raise BankError(f"{name}:{number}: expected `slur|insult|profanity|- word, stem*, *inside*`")
        for word in filter(None, map(str.strip, found["words"].split(","))):
            bare = word.strip("*")
            if len(bare) < 2:
                raise BankError(f"{name}:{number}: `{word}` is too short to look for")
            entries.append(Entry(bare, found["kind"], word.endswith("*"), word.startswith("*")))
    return entries


def load_bank(form: Normaliser) -> list[Entry]:
    """Read the shipped banks of all languages."""
    folder = resources.files("moderation").joinpath("data/keywords")
    entries: list[Entry] = []
    for language in LANGUAGES:
        name = f"{language}.txt"
        entries += read_bank(name, folder.joinpath(name).read_text(encoding="utf-8"), form)
    return entries


def lexicon(entries: Iterable[Entry], vocabulary: Sequence[str] = ()) -> Lexicon:
    """Return the words that the normaliser resolves disguises to."""
    bad = [entry for entry in entries if entry.kind != "-" and " " not in entry.word]
    return Lexicon((entry.word for entry in bad), (entry.word for entry in bad if entry.stem), vocabulary)


class Keyword:
    """Codes `keyword_slur`, `keyword_insult`, `keyword_profanity`."""

    name = "keyword"
    failure: FailureClass = "safety"
    behaviour = False

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)

    def triggers(self) -> Iterable[tuple[str, int]]:
        """Every word of the bank, harmless ones too."""
        for number, entry in enumerate(self._entries):
            yield entry.word, number

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Take what stands at word boundaries, unless a harmless word covers it."""
        hits: list[SignalHit] = []
        harmless: list[tuple[int, int, Mapped]] = []
        bad: list[tuple[int, int, Mapped, str]] = []
        for number, end, reading in found:
            entry = self._entries[number]
            start = end - len(entry.word)
            if not _fits(entry, reading.text, start, end):
                continue
            if entry.kind == "-":
                harmless.append((start, end, reading))
            else:
                bad.append((start, end, reading, entry.kind))
        for start, end, reading, kind in bad:
            if not any(reading is other and first <= start and end <= last for first, last, other in harmless):
                hits.append(SignalHit(f"keyword_{kind}", SCORES[kind], reading.span(start, end)))
        return hits


def _fits(entry: Entry, text: str, start: int, end: int) -> bool:
    """Whether the boundaries are those that the entry asks for; digits and signs count as boundaries."""
    if not entry.inside and start and text[start - 1].isalpha():
        return False
    return entry.stem or end == len(text) or not text[end].isalpha()
