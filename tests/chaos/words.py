"""What people say, of every kind that the judge tells apart, each with a word that nobody else says."""

from __future__ import annotations

import random
import re

#: A made-up word: "zq", ten letters, "qz". No language has it, nothing else on a wire looks like it.
WORD = re.compile(r"zq[b-y]{10}qz")
_LETTERS = "bcdfghklmnprstvw"

#: kind -> (share, what is said). What the shipped policy makes of each is asserted in `test_words.py`.
KINDS: dict[str, tuple[float, str]] = {
    "plain": (0.76, "two minutes, by the gate, {word}"),
    "masked": (0.06, "write to {word}@gmail.com please"),
    "threat": (0.07, "I know where you live, {word}"),
    "link": (0.03, "see https://{word}.xyz/login"),
    "flagged": (0.05, "cancel the trip and send me the money to my card, {word}"),
    "rejected": (0.03, "click http://user@{word}.example.net/login"),
}
#: What the policy makes of it: the status that its sender is told.
STATUS = {
    "plain": "delivered",
    "masked": "masked",
    "threat": "quarantined",
    "link": "quarantined",
    "flagged": "delivered",
    "rejected": "rejected",
}


def speak(rng: random.Random) -> tuple[str, str, str]:
    """(kind, text, word)."""
    word = "zq" + "".join(rng.choices(_LETTERS, k=10)) + "qz"
    kind = rng.choices(list(KINDS), [share for share, _ in KINDS.values()])[0]
    return kind, KINDS[kind][1].format(word=word), word
