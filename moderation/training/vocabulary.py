"""Counts the common words that the normaliser resolves disguises to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from moderation.normalise import Normaliser

SIZE = 14_000
MIN_TEXTS = 20
_WORD = re.compile(r"(?<![\w*@#$'])[a-zа-яё]{1,20}(?![\w*@#$])")
_SINGLE = frozenset("aiuявуоксиы")


def count_words(texts: Iterable[str]) -> list[str]:
    """Return the words that stand in most texts (names and nicknames of few do not), the commonest first."""
    normaliser = Normaliser()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(_WORD.findall(normaliser.view(text).match.text)))
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    common = [word for word, count in ranked if count >= MIN_TEXTS]
    return [word for word in common if len(word) > 1 or word in _SINGLE][:SIZE]
