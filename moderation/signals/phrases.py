"""A small language for phrases, and the signal that looks for them.

A line of `data/phrases/<signal>.<language>.txt` is `<score> <pattern>`, `- <pattern>` (harmless: swallows hits that it
overlaps), `@name = a | b c | d` (a macro) or `# comment`. A pattern is a row of words; `(a|b c|d*)` is one of, `[a|b]`
may be missing, `^` and `$` are the edges of a sentence, `*` ends a stem, `..` is up to three words of any kind, `@name`
stands for the macro. Apostrophes may be left out by the writer, accents as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import resources

from moderation.content import Context
from moderation.normalise import Normaliser, View
from moderation.policy import FailureClass
from moderation.signals.base import Found
from moderation.verdict import SignalHit, Span

LANGUAGES = ("en", "ru", "kk", "es")
# Between words: no full stop with a space behind it, or "a shared ride. It is fine" becomes a phrase.
_GAP = r"(?:(?:[^\w.!?]|_){1,4}|[.!?]{1,3}(?=\w))"
_EDGES = {"^": r"(?:^|(?<=[.!?\n])|(?<=[.!?\n]\s))", "$": r"(?=[^\w.!?]{0,6}(?:[.!?\n]|$))"}
_ELEMENT = re.compile(r"\((?P<one>[^)]*)\)|\[(?P<maybe>[^\]]*)\]|(?P<gap>\.\.)|(?P<word>\S+)")
_LINE = re.compile(r"(?P<score>-|[01](?:\.\d+)?)\s+(?P<pattern>.+)")
_PHRASE_WORD = re.compile(r"(?<![\w@*#])[^\W\d_]{2,}(?![\w*'])")
_MACRO = re.compile(r"@(\w+)\s*=\s*(.+)")


class PhraseError(ValueError):
    """A line of a phrase file that cannot be read; says file, line and fault."""


class Phrase:
    """One compiled pattern: score (None: harmless), regular expression, and the literals of which one must occur."""

    __slots__ = ("literals", "regex", "score")

    def __init__(self, score: float | None, pattern: str) -> None:
        self.score = score
        parts: list[str] = []
        wanted: list[tuple[str, ...]] = []
        for element in _ELEMENT.finditer(pattern):
            if element["word"] in _EDGES:
                parts.append(_EDGES[element["word"]])
                continue
            if element["gap"]:
                parts.append(rf"(?:{_GAP}[\w']+){{0,3}}?")
                continue
            options = _options(element["one"] or element["maybe"] or element["word"] or "")
            body = "(?:" + "|".join(map(_option_regex, options)) + ")"
            if element["maybe"] is not None:
                parts.append(f"(?:{_GAP}{body})?" if _needs_lead(parts) else f"(?:{body}{_GAP})??")
            else:
                parts.append(_GAP + body if _needs_lead(parts) else body)
                wanted.append(options)
        if not wanted:
            raise ValueError("no word that must occur")
        self.regex = re.compile(r"(?<!\w)" + "".join(parts) + r"(?!\w)")
        self.literals = _literals(max(wanted, key=_worth))


def _needs_lead(parts: list[str]) -> bool:
    """A gap before this element unless only leading optional elements (which bring their own) stand before it."""
    return any(not part.endswith(")??") and part not in _EDGES.values() for part in parts)


def _options(text: str) -> tuple[str, ...]:
    return tuple(option.strip() for option in text.split("|") if option.strip())


def _option_regex(option: str) -> str:
    words = [
        re.escape(word.rstrip("*")).replace("'", "'?") + (r"\w*" if word.endswith("*") else "")
        for word in option.split()
    ]
    return _GAP.join(words)


def _anchor(option: str) -> str:
    return max((word.rstrip("*") for word in option.split()), key=len)


def _worth(options: tuple[str, ...]) -> tuple[int, int]:
    """Long literals wake a signal rarely; with equal length the fewer the better."""
    return min(min(len(_anchor(option)) for option in options), 6), -len(options)


def _literals(options: tuple[str, ...]) -> tuple[str, ...]:
    anchors = {_anchor(option) for option in options}
    return tuple(sorted(anchors | {anchor.replace("'", "") for anchor in anchors}))


def read_phrases(name: str, text: str, match_form: Normaliser) -> list[Phrase]:
    """Compile the lines of one phrase file; `name` is what errors call it. Raises PhraseError."""
    macros: dict[str, str] = {}
    phrases: list[Phrase] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = match_form.match_form(raw.strip().lower())
        if not line or line.startswith("#"):
            continue
        macro = _MACRO.fullmatch(line)
        if macro:
            macros[macro[1]] = macro[2].strip()
            continue
        found = _LINE.fullmatch(line)
        if not found:
            raise PhraseError(f"{name}:{number}: expected `<score> <pattern>`, `- <pattern>` or `@name = ...`")
        try:
            pattern = _expand(found["pattern"], macros)
            phrases.append(Phrase(None if found["score"] == "-" else float(found["score"]), pattern))
        except (ValueError, KeyError, re.error) as error:
            raise PhraseError(f"{name}:{number}: {error}") from error
    return phrases


def _expand(pattern: str, macros: dict[str, str]) -> str:
    """Put macros in; inside brackets as alternatives, alone as a bracket of their own."""
    depth = 0
    out: list[str] = []
    for piece in re.split(r"([()\[\]]|@\w+)", pattern):
        if piece.startswith("@"):
            body = _expand_body(macros[piece[1:]], macros)
            out.append(body if depth else f"({body})")
            continue
        depth += (piece in "([" and piece != "") - (piece in ")]" and piece != "")
        out.append(piece)
    return "".join(out)


def _expand_body(body: str, macros: dict[str, str]) -> str:
    return re.sub(r"@(\w+)", lambda found: _expand_body(macros[found[1]], macros), body)


def load_phrases(signal: str, match_form: Normaliser) -> list[Phrase]:
    """Read the shipped phrase files of a signal, all languages."""
    folder = resources.files("moderation").joinpath("data/phrases")
    phrases: list[Phrase] = []
    for language in LANGUAGES:
        name = f"{signal}.{language}.txt"
        phrases += read_phrases(name, folder.joinpath(name).read_text(encoding="utf-8"), match_form)
    return phrases


def phrase_words(match_form: Normaliser) -> list[str]:
    """Return the whole words of all shipped phrases: what a disguise of them is to be resolved to."""
    folder = resources.files("moderation").joinpath("data/phrases")
    words: dict[str, None] = {}
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        text = match_form.match_form(file.read_text(encoding="utf-8").lower())
        words.update(dict.fromkeys(_PHRASE_WORD.findall(text)))
    return list(words)


class PhraseSignal:
    """Looks for the phrases of one code; subclasses say which."""

    name: str = "phrases"
    failure: FailureClass = "safety"
    behaviour: bool = False

    def __init__(self, phrases: Sequence[Phrase] | None = None) -> None:
        self._phrases = tuple(load_phrases(self.name, Normaliser()) if phrases is None else phrases)

    def triggers(self) -> Iterable[tuple[str, int]]:
        """The rarest word of each phrase."""
        for number, phrase in enumerate(self._phrases):
            for literal in phrase.literals:
                yield literal, number

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Match the phrases that woke us; a hit that a harmless phrase overlaps is none."""
        hits: list[SignalHit] = []
        harmless: list[Span] = []
        for number, reading in {(each.payload, each.reading) for each in found}:
            phrase = self._phrases[number]
            for match in phrase.regex.finditer(reading.text):
                span = reading.span(match.start(), match.end())
                if phrase.score is None:
                    harmless.append(span)
                else:
                    hits.append(SignalHit(self.name, phrase.score, span))
        if harmless and hits:
            hits = [hit for hit in hits if hit.span and not _overlaps(hit.span, harmless)]
        return hits


def _overlaps(span: Span, others: Sequence[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)
