"""First rewriting: what a reader sees, in lower case, in the letters of the script that the words are in."""

from __future__ import annotations

import re
import unicodedata

from moderation import normalise_tables as tables
from moderation.spans import Mapped, Replacement

# Nothing to fold: the letters of our markets, common signs and plain emoji. Everything else takes the slow way.
_EVERYDAY = re.compile(
    r"[ -~\n\t\r"
    r"а-яёА-ЯЁәғқңөұүһіӘҒҚҢӨҰҮҺІ"
    r"áéíóúñüçÁÉÍÓÚÑÜÇ¿¡ğşöıĞŞÖ"
    r"’‘“”«»–—…№°₸₽€"
    r"\u2600-\u2775\u2794-\u27BF\U0001F300-\U0001F3FA\U0001F400-\U0001FAFF]*"
)
MIXED = re.compile(rf"[a-z][{tables.CYRILLIC}{tables.GREEK}]|[{tables.CYRILLIC}{tables.GREEK}][a-z]|[ѕјԁԛԝӏ]")
_WORD = re.compile(r"[^\W\d_]+")
_FOREIGN = re.compile(rf"[{tables.CYRILLIC}{tables.GREEK}]")
_MAX_ROUNDS = 4


def plain(text: str) -> Mapped:
    """Return the readable text: idempotent, lower case, mapped to `text`."""
    if _EVERYDAY.fullmatch(text):
        lower = text.lower()
        if not text.isascii():
            lower = lower.translate(tables.TYPOGRAPHIC)
        if len(lower) == len(text) and (text.isascii() or not MIXED.search(lower)):
            return Mapped(lower)
    return _slow(text)


def _slow(text: str) -> Mapped:
    mapped = Mapped(text)
    for _ in range(_MAX_ROUNDS):
        before = mapped.text
        mapped = fold_scripts(_readable(mapped))
        if mapped.text == before:
            break
    return mapped


def _readable(mapped: Mapped) -> Mapped:
    """Compose, drop what cannot be seen and stacked marks, lower the case; cluster by cluster to keep the map."""
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    text = mapped.text
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and (unicodedata.category(text[end])[0] == "M" or tables.is_invisible(text[end])):
            end += 1
        new = _cluster(text[at:end])
        if new:
            start, stop = mapped.span(at, end)
            chars.append(new)
            starts.extend([start] * len(new))
            ends.extend([stop] * len(new))
        at = end
    return Mapped("".join(chars), starts, ends)


def _cluster(cluster: str) -> str:
    seen = "".join(char for char in cluster if not tables.is_invisible(char))
    if not seen:
        return ""
    if seen[0] in tables.EMOJI_LETTERS:
        return tables.EMOJI_LETTERS[seen[0]]
    if ord(seen[0]) in tables.TYPOGRAPHIC:
        return tables.TYPOGRAPHIC[ord(seen[0])]
    composed = unicodedata.normalize("NFKC", seen)
    out: list[str] = []
    for char in composed:
        category = unicodedata.category(char)
        if category[0] == "M" and not _keeps_marks(out):
            continue
        if category in {"Zs", "Zl", "Zp"}:
            char = " "
        lower = "i" if char == "İ" else char.lower()
        out.append(tables.LATIN_LOOKALIKES.get(lower, lower))
    return "".join(out)


def _keeps_marks(before: list[str]) -> bool:
    """Marks are letters' parts in Indic, Arabic, Hebrew or Thai writing; on ours they are only ornament or disguise."""
    if not before or not before[-1]:
        return False
    return before[-1].isalpha() and ord(before[-1][-1]) >= 0x0590 and not 0x1E00 <= ord(before[-1][-1]) <= 0x1FFF


def fold_scripts(mapped: Mapped) -> Mapped:
    """Write each word of mixed scripts in the one it is meant in; whole Russian and Kazakh words stay as they are."""
    if not _FOREIGN.search(mapped.text):
        return mapped
    words = _WORD.findall(mapped.text)
    message_lead = _sure_lead(mapped.text)
    mapped = mapped.rewrite(_WORD, lambda match: _one_script(match[0], message_lead))
    deceived = any(set(word) & tables.DECEIVING or _is_fake_latin(word, message_lead) for word in words)
    if not deceived or any(set(word) & tables.ONLY_CYRILLIC for word in words if not _is_mixed(word)):
        return mapped
    # Somebody disguises Latin words and writes no Cyrillic one: words wholly of lookalikes are Latin too.
    return mapped.rewrite(_WORD, lambda match: _lookalike(match[0]))


def _latin_lead(word: str) -> int:
    return sum((char < "\u0250") - (char in tables.CYRILLIC_TO_LATIN or char in tables.ONLY_CYRILLIC) for char in word)


def _is_mixed(word: str) -> bool:
    latin = any(char < "\u0250" for char in word)
    return latin and any("\u0370" <= char <= "\u052f" for char in word)


def _sure_lead(text: str) -> int:
    """Letters that only one script has, Latin minus Cyrillic; letters of no living alphabet are there to fake Latin."""
    latin = sum(char in tables.ONLY_LATIN or char in tables.DECEIVING for char in text)
    return latin - sum(char in tables.ONLY_CYRILLIC for char in text)


def _is_fake_latin(word: str, message_lead: int) -> bool:
    """Whether a word of two scripts is Latin: by its own sure letters, then the message's, then its majority."""
    return _is_mixed(word) and (_sure_lead(word) or message_lead or _latin_lead(word)) > 0


def _one_script(word: str, message_lead: int) -> Replacement:
    if not _is_mixed(word):
        return None
    if _is_fake_latin(word, message_lead):
        return "".join(
            tables.CYRILLIC_TO_LATIN.get(char)
            or tables.CYRILLIC_LOOSE_TO_LATIN.get(char)
            or tables.GREEK_TO_LATIN.get(char, char)
            for char in word
        )
    return "".join(tables.LATIN_TO_CYRILLIC.get(char, char) for char in word)


def _lookalike(word: str) -> Replacement:
    table = tables.CYRILLIC_TO_LATIN if word[0] in tables.CYRILLIC_TO_LATIN else tables.GREEK_TO_LATIN
    return "".join(table[char] for char in word) if all(char in table for char in word) else None
