"""Our own evasion generator: what the normaliser cannot undo has to be learnt (swapped letters, stars, no spaces)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from moderation.training.rows import Row

_WORD = re.compile(r"[^\W\d_]{4,}")


def swap(text: str, chance: random.Random) -> str:
    """Swap two inner letters of each longer word."""

    def one(match: re.Match[str]) -> str:
        word = match[0]
        at = chance.randrange(1, len(word) - 1)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :] if at + 1 < len(word) else word

    return _WORD.sub(one, text)


def star(text: str, chance: random.Random) -> str:
    """Put a star for one inner letter of each longer word."""

    def one(match: re.Match[str]) -> str:
        at = chance.randrange(1, len(match[0]) - 1)
        return match[0][:at] + "*" + match[0][at + 1 :]

    return _WORD.sub(one, text)


def glue(text: str, chance: random.Random) -> str:
    """Leave out the spaces."""
    return "".join(text.split())


def augmented(rows: Sequence[Row], share: float, seed: int) -> Iterator[Row]:
    """Yield disguised copies of a share (0..1) of the rows of either label: a disguise alone must prove nothing."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    for row in rows:
        if row.labels.get("toxicity") is None or len(row.text) > 400 or chance.random() >= share:
            continue
        disguise = chance.choice((swap, star, glue))
        yield Row(disguise(row.text, chance), row.source, row.labels)
