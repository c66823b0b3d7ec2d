"""The three readings of a message that signals look at, each with its way back to the original."""

from __future__ import annotations

import hashlib
import re

from moderation.lexicon import Lexicon
from moderation.normalise_folded import Folder
from moderation.normalise_plain import MIXED, fold_scripts, plain
from moderation.normalise_tables import MatchTable
from moderation.spans import Mapped

__all__ = ["Lexicon", "Normaliser", "View", "fingerprint"]

_ACCENTED = re.compile(r"[^\x00-\x7Fа-я]")


class View:
    """One message, read three ways.

    `plain` is what a reader sees, lower case; `match` the same without accents (same length and map; ё is е, Kazakh
    letters are the Russian ones typed instead of them); `folded` has disguises undone and has a map of its own.
    """

    __slots__ = ("folded", "match", "original", "plain")

    def __init__(self, original: str, seen: Mapped, match: Mapped, folded: Mapped) -> None:
        self.original = original
        self.plain = seen
        self.match = match
        self.folded = folded

    @property
    def disguised(self) -> bool:
        """Whether folding changed anything."""
        return self.folded is not self.match


class Normaliser:
    """Makes views. `lexicon` holds the words that disguises are resolved to."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._table = MatchTable()
        self._folder = Folder(lexicon or Lexicon(), self._settle)

    def view(self, text: str) -> View:
        """Read `text` (any string) in all three ways."""
        seen = plain(text)
        match = self._match(seen)
        return View(text, seen, match, self._folder.fold(match, text))

    def _settle(self, mapped: Mapped) -> Mapped:
        return self._match(fold_scripts(mapped)) if MIXED.search(mapped.text) else mapped

    def _match(self, seen: Mapped) -> Mapped:
        form = self.match_form(seen.text)
        return seen if form is seen.text else seen.with_text(form)

    def match_form(self, text: str) -> str:
        """Return `text` without accents, length unchanged; also for the patterns that are matched."""
        return text.translate(self._table) if _ACCENTED.search(text) else text


def fingerprint(text: str) -> bytes:
    """Return 8 bytes, equal for texts that read the same: case, spacing, punctuation and invisible marks apart."""
    seen = plain(text).text
    core = "".join(filter(str.isalnum, seen)) or seen.strip()
    return hashlib.blake2b(core.encode("utf-8", "surrogatepass"), digest_size=8).digest()
