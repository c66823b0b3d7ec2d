"""Second rewriting: undo what is done to get round a word filter (leet, spacing, repeats, stars, emoji, base64)."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable, Sequence

from moderation import normalise_tables as tables
from moderation.lexicon import Lexicon
from moderation.normalise_plain import plain
from moderation.spans import Mapped, Replacement

# Cheap looks, each about 0.3 us, that keep everyday text away from the costly patterns.
_MAY_BE_LEET = re.compile(r"[^\W\d_][0-9@$!|€£*#%_]|[0-9@$!|€£*#%_][^\W\d_]")
_MAY_BE_SPACED = re.compile(r"\b\w[\W_]{1,2}\w(?:\b|_)")
_GLUED = re.compile(r"[a-z]{12,}")
_MAY_BE_RUN = re.compile(r"(\w)\1\1")
_ODD = re.compile(r"[0-9@$!|€£*#%_]")
_LEET_TOKEN = re.compile(r"[\w@$!|€£]*(?:[^\W\d_][0-9@$!|€£]|[0-9@$!|€£][^\W\d_])[\w@$!|€£]*")
# Numbers that belong to a ride: 5min, 100kzt, gate5, t1, plates such as a123bc, 777abc02, h1z9.
_ORDINARY = re.compile(
    r"[$€£]?\d+[^\W\d_]{1,4}|[^\W\d_]+\d+[$€£]?|[^\W\d_]{1,3}\d{2,4}[^\W\d_]{1,3}\d{0,3}|\d{2,4}[^\W\d_]{2,3}\d{2}"
    r"|\d+[^\W\d_]\d+[^\W\d_]?"
)
_LEET_SHORT = re.compile(r"(?<![\w.,:$€£-])[0-9a-z]{1,4}(?![\w.,:$€£-])")
_STARRED = re.compile(r"[^\W\d_]+(?:[*#%_]{1,4}[^\W\d_]+)+|[^\W\d_]{2,}[*#%]{1,3}(?![\w*#%])")
# One kind of separator all along, or "my d*k b" would be one word.
_SPACED = re.compile(r"(?<![^\W_])(?<![*#%])[^\W\d_]([ ._\-*~|/,'\n])\1?[^\W\d_](?:\1{1,2}[^\W\d_])+(?![^\W_]|[*#%])")
_RUN = re.compile(r"[^\W\d_]*([^\W\d_])\1\1+[^\W\d_]*")
_RUN_PART = re.compile(r"([^\W\d_])\1\1+")
_EMOJI_INSIDE = re.compile(r"(?<=[^\W\d_])[\u2190-\u2BFF\U0001F000-\U0001FAFF]{1,3}(?=[^\W\d_])")
_EMOJI = re.compile(r"[\u2190-\u2BFF\U0001F000-\U0001FAFF]")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{12,}={0,2}(?![A-Za-z0-9+/=])")
_MAX_ROUNDS = 4


class Folder:
    """Folds what `plain` returned. Idempotent; ordinary text comes back as the very same object."""

    def __init__(self, lexicon: Lexicon, settle: Callable[[Mapped], Mapped]) -> None:
        self._lexicon = lexicon
        # Joined letters may make a word of two scripts: the plain reading's rules hold for it as well.
        self._settle = settle

    def fold(self, mapped: Mapped, original: str) -> Mapped:
        """Return the folded text; `original` is needed for the case of encoded words."""
        if _BASE64.search(original):
            mapped = _decode(mapped, original)
        for _ in range(_MAX_ROUNDS):
            before = mapped.text
            mapped = self._once(mapped if mapped.text.isascii() else self._settle(mapped))
            if mapped.text == before:
                break
        return mapped

    def _once(self, mapped: Mapped) -> Mapped:
        text = mapped.text
        if _ODD.search(text) and _MAY_BE_LEET.search(text):
            mapped = mapped.rewrite(_STARRED, self._unmask)
            folded = mapped.rewrite(_LEET_TOKEN, self._leet)
            if sum(a != b for a, b in zip(text.split(), folded.text.split(), strict=False)) > 2:
                folded = folded.rewrite(_LEET_SHORT, self._leet_short)  # whoever writes so means "15" as "is"
            mapped = folded
        if not text.isascii() and _EMOJI.search(text):
            mapped = mapped.rewrite(_EMOJI_INSIDE, lambda match: ())
        if _MAY_BE_SPACED.search(mapped.text):
            mapped = mapped.rewrite(_SPACED, self._join)
        if _MAY_BE_RUN.search(mapped.text):
            mapped = mapped.rewrite(_RUN, self._squash)
        return mapped.rewrite(_GLUED, self._cut) if _GLUED.search(mapped.text) else mapped

    def _unmask(self, match: re.Match[str]) -> Replacement:
        return self._lexicon.unmask(match[0])

    def _leet(self, match: re.Match[str]) -> Replacement:
        token = match[0]
        core = token.rstrip("!")
        if not any(char.isalpha() for char in core):
            return None
        if "@" in core and match.string[match.end() : match.end() + 1] == ".":
            return None  # an e-mail address, or looks like one
        known = self._leet_word(core)
        if known is None and core[0] != "@" and not _ORDINARY.fullmatch(core):
            known = core.translate(_leet_tables(core)[0])
        return None if known is None else known + token[len(core) :]

    def _leet_word(self, core: str) -> str | None:
        for table in _leet_tables(core):
            if self._lexicon.knows(core.translate(table)):
                return core.translate(table)
        return None

    def _leet_short(self, match: re.Match[str]) -> Replacement:
        word = match[0].translate(tables.LEET_LATIN)
        return word if self._lexicon.is_common(word) else None

    def _join(self, match: re.Match[str]) -> Replacement:
        text = match[0]
        placed: list[tuple[str, int]] = []
        for group in _letter_groups(text):
            # Rows of one letter shrink first: "s h i i i i t" holds no word yet.
            letters = "".join(text[n] for n in group)
            kept = [group[n] for _, n in _keep(letters, list(_RUN_PART.finditer(letters)), ())]
            words = self._lexicon.segment("".join(text[n] for n in kept))
            if placed:
                placed.append((" ", kept[0]))
            placed += _spread(words, kept) if words else [(text[n], n) for n in kept]
        return placed

    def _cut(self, match: re.Match[str]) -> Replacement:
        word = match[0]
        if self._lexicon.knows(word):
            return None
        words = self._lexicon.segment(word)
        return _spread(words, range(len(word))) if words and len(words) > 1 else None

    def _squash(self, match: re.Match[str]) -> Replacement:
        word = match[0]
        runs = list(_RUN_PART.finditer(word))
        if word == "www" or len(runs[0][0]) == len(word):
            return None
        for keep in itertools.islice(itertools.product((1, 2), repeat=len(runs)), 16):
            kept = _keep(word, runs, keep)
            if self._lexicon.knows("".join(char for char, _ in kept)):
                return kept
        return _keep(word, runs, (1,) * len(runs))


def _letter_groups(text: str) -> list[list[int]]:
    """Return the offsets of the letters, parted where the gap is wider than between most ("h e l p  m e")."""
    offsets = [n for n, char in enumerate(text) if char.isalpha()]
    narrow = min(after - before for before, after in itertools.pairwise(offsets))
    groups = [offsets[:1]]
    for before, after in itertools.pairwise(offsets):
        if after - before > narrow:
            groups.append([])
        groups[-1].append(after)
    return groups


def _leet_tables(core: str) -> tuple[dict[int, int], ...]:
    if any("\u0400" <= char <= "\u052f" for char in core):
        return (tables.LEET_CYRILLIC,)
    return tables.LEET_LATIN, tables.LEET_LATIN_ELL


def _keep(word: str, runs: list[re.Match[str]], keep: tuple[int, ...]) -> list[tuple[str, int]]:
    """Return the letters of `word` that stay when run i is cut to keep[i] letters (runs beyond `keep` to one)."""
    dropped: set[int] = set()
    for number, run in enumerate(runs):
        dropped.update(range(run.start() + (keep[number] if number < len(keep) else 1), run.end()))
    return [(word[n], n) for n in range(len(word)) if n not in dropped]


def _spread(words: Sequence[str], offsets: Sequence[int]) -> list[tuple[str, int]]:
    """Lay words over the offsets that their letters are from; a space belongs to the letter after it."""
    placed: list[tuple[str, int]] = []
    at = 0
    for word in words:
        if placed:
            placed.append((" ", offsets[at]))
        for char in word:
            placed.append((char, offsets[at]))
            at += 1
    return placed


def _decode(mapped: Mapped, original: str) -> Mapped:
    """Replace base64 words that hold readable text; only when the text is otherwise unmoved (same offsets)."""
    if mapped.starts is not None or len(mapped.text) != len(original):
        return mapped

    def readable(match: re.Match[str]) -> Replacement:
        word = original[match.start() : match.end()]
        try:
            text = base64.b64decode(word + "=" * (-len(word) % 4), validate=True).decode()
        except ValueError:  # not base64, or not of a text
            return None
        letters = sum(char.isalpha() or char.isspace() for char in text)
        return plain(text).text if text.isprintable() and letters >= 0.6 * len(text) else None

    return mapped.rewrite(_BASE64_LOWER, readable)


_BASE64_LOWER = re.compile(_BASE64.pattern, re.IGNORECASE)
