"""Telephone numbers spelled out in words (English, Russian, Kazakh, Spanish), also mixed with digits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from moderation.content import Context
from moderation.normalise import Normaliser, View
from moderation.policy import FailureClass
from moderation.signals.base import Found
from moderation.verdict import SignalHit

MIN_DIGITS = 7
MIN_WORDS = 3
# With fewer words among digits the row must be as long as a whole number: "7700 nine00 118".
MIN_MIXED_DIGITS = 9
# How many digits of a telephone number a word stands for.
_ONE = """zero oh one two three four five six seven eight nine
ноль нуль один два три четыре пять шесть семь восемь девять
нөл бір екі үш төрт бес алты жеті сегіз тоғыз
cero uno dos tres cuatro cinco seis siete ocho nueve"""
_TWO = """ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать
он diez once doce trece catorce quince"""
# Twenty-one is two words and two digits: tens count one, what follows counts the other.
_TENS = """twenty thirty forty fifty sixty seventy eighty ninety
двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто
жиырма отыз қырық елу алпыс жетпіс сексен тоқсан
veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa"""
_HUNDREDS = """сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот"""
_DOUBLE = {"double": 2, "triple": 3, "doble": 2}
_JOINERS = frozenset(("жуз", "and", "и", "y", "плюс", "plus", "más", "mas"))
_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_SOME_DIGITS = re.compile(r"\d(?:\D{0,12}\d){3}")


def _digit_words(form: Normaliser) -> dict[str, tuple[int, int]]:
    """word -> (place it opens: 1, 2 or 3 digits; place below which the next word still falls inside)."""
    words: dict[str, tuple[int, int]] = {}
    for text, digits, inside in ((_ONE, 1, 0), (_TWO, 2, 0), (_TENS, 2, 1), (_HUNDREDS, 3, 2)):
        words |= {form.match_form(word): (digits, inside) for word in text.split()}
    return words


class PhoneSpelled:
    """Runs of number words that make at least seven digits; score 0.9."""

    name = "phone_spelled"
    failure: FailureClass = "hygiene"
    behaviour = False

    def __init__(self) -> None:
        self._words = _digit_words(Normaliser())

    def triggers(self) -> Iterable[tuple[str, int]]:
        """Words of three letters and more; a number without any does not happen."""
        return [(word, 0) for word in self._words if len(word) >= 3]

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Walk over the tokens only when enough number words occur."""
        if len(found) < MIN_WORDS and not _SOME_DIGITS.search(view.match.text):
            return ()
        hits: list[SignalHit] = []
        run: list[re.Match[str]] = []
        for token in [*_TOKEN.finditer(view.match.text), None]:
            if token is not None and self._continues(token, run):
                run.append(token)
                continue
            self._close(run, view, hits)
            run = [token] if token is not None and self._is_number(token[0]) else []
        return hits

    def _is_number(self, word: str) -> bool:
        return word in self._words or word in _DOUBLE or (word.isdigit() and len(word) <= 11)

    def _continues(self, token: re.Match[str], run: list[re.Match[str]]) -> bool:
        if not run or token.start() - run[-1].end() > 4:
            return False
        return self._is_number(token[0]) or token[0] in _JOINERS

    def _close(self, run: list[re.Match[str]], view: View, hits: list[SignalHit]) -> None:
        while run and run[-1][0] in _JOINERS:
            run.pop()
        words = sum(token[0] in self._words for token in run)
        digits = self._digits(run)
        if (words >= MIN_WORDS and digits >= MIN_DIGITS) or (words and digits >= MIN_MIXED_DIGITS):
            hits.append(SignalHit("phone_spelled", 0.9, view.match.span(run[0].start(), run[-1].end())))

    def _digits(self, run: Iterable[re.Match[str]]) -> int:
        total, room, times = 0, 0, 1
        for token in run:
            word = token[0]
            if word in _DOUBLE:
                times = _DOUBLE[word]
                continue
            digits, inside = self._words.get(word, (len(word) if word.isdigit() else 0, 0))
            if not digits:
                continue
            if digits > room:
                total += digits * times
                room = inside
            else:
                room = min(inside, digits - 1)
            times = 1
        return total
