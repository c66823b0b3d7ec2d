"""Words that disguises are resolved to: the banks' words first, then a vocabulary of common words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

_STARS = re.compile(r"[*#%_]+")
_MIN_STEM = 4
_MIN_KNOWN = 3
_MAX_WORD = 20
_MAX_SEGMENT = 400
# What an unknown letter costs in a segmentation, in nats; dearer than any word of the vocabulary.
_UNKNOWN = 12.0


class Lexicon:
    """`words` and `stems` come from the keyword banks, `vocabulary` holds common words, the commonest first."""

    def __init__(self, words: Iterable[str] = (), stems: Iterable[str] = (), vocabulary: Sequence[str] = ()) -> None:
        self.words = frozenset(words)
        self.stems = tuple(stem for stem in stems if len(stem) >= _MIN_STEM)
        # Zipf: the n-th word has a share of about 1 / (n ln N).
        size = max(math.log(len(vocabulary) + 2), 1.0)
        self._cost = {word: math.log((rank + 1) * size) for rank, word in enumerate(vocabulary)}
        for word in self.words:
            self._cost.setdefault(word, math.log((len(vocabulary) + 1) * size))
        self._by_outline: dict[tuple[str, int], list[str]] = {}
        for word in (*sorted(self.words), *vocabulary):
            self._by_outline.setdefault((word[0], len(word)), []).append(word)

    def knows(self, word: str) -> bool:
        """Whether `word` is in a bank, starts with one of its stems, or is a common word."""
        if word in self.words or (len(word) >= _MIN_KNOWN and word in self._cost):
            return True
        return bool(self.stems) and word.startswith(self.stems)

    def is_common(self, word: str) -> bool:
        """Whether it is in the vocabulary, however short."""
        return word in self._cost

    def unmask(self, masked: str) -> str | None:
        """Return the likeliest word that `masked` (signs for letters) stands for; None if it may be anything."""
        signs = sum(map(len, _STARS.findall(masked)))
        if not masked[0].isalpha() or signs * 2 > len(masked):
            return None
        pattern = re.compile(_STARS.sub(lambda stars: f"[^\\W\\d_]{{{len(stars[0])}}}", masked))
        for word in self._by_outline.get((masked[0], len(masked)), ()):
            if pattern.fullmatch(word):
                return word
        return None

    def segment(self, letters: str) -> list[str] | None:
        """Cut a row of letters into known words (cheapest way, unigram costs); None if too much of it is unknown."""
        if not self._cost or len(letters) > _MAX_SEGMENT:
            return None
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(letters) + 1):
            options = [(best[end - 1][0] + _UNKNOWN, end - 1)]
            for start in range(max(0, end - _MAX_WORD), end):
                cost = self._cost.get(letters[start:end])
                if cost is not None:
                    options.append((best[start][0] + cost, start))
            best.append(min(options))
        words: list[str] = []
        end = len(letters)
        while end:
            start = best[end][1]
            words.append(letters[start:end])
            end = start
        words.reverse()
        unknown = sum(len(word) for word in words if word not in self._cost)
        return words if unknown * 4 <= len(letters) else None
