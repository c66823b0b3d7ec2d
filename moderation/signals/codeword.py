"""Words that staff put into the policy (`[codewords]`), for example an agreed silent call for help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from moderation.content import Context
from moderation.normalise import Normaliser, View
from moderation.policy import FailureClass
from moderation.signals.base import Found
from moderation.verdict import SignalHit


class Codeword:
    """Whole words or phrases with the score that the policy gives them."""

    name = "codeword"
    failure: FailureClass = "safety"
    behaviour = False

    def __init__(self, words: Mapping[str, float]) -> None:
        normaliser = Normaliser()
        self._words = tuple((normaliser.view(word).match.text.strip(), score) for word, score in words.items())

    def triggers(self) -> Iterable[tuple[str, int]]:
        """The words themselves; one that can never match keeps the signal asleep."""
        return [(word, number) for number, (word, _) in enumerate(self._words) if word] or [("\x00", 0)]

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Take the words that stand alone."""
        hits: list[SignalHit] = []
        for each in found:
            word, score = self._words[each.payload]
            start = each.end - len(word)
            if stands_alone(each.reading.text, start, each.end):
                hits.append(SignalHit("codeword", score, each.reading.span(start, each.end)))
        return hits


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no letter or digit touches `text[start:end]`."""
    return not (start and text[start - 1].isalnum()) and not (end < len(text) and text[end].isalnum())
