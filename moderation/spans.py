"""Text that remembers where each of its characters came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from moderation.verdict import Span

# What a rewrite puts in place of a match: a new text, characters with the offset that each is from, or None: leave it.
Placed = Sequence[tuple[str, int]]
Replacement = str | Placed | None


class Mapped:
    """A rewritten text and, per character, the span of the original it stands for (None: the text was not moved)."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str, starts: list[int] | None = None, ends: list[int] | None = None) -> None:
        self.text = text
        self.starts = starts
        self.ends = ends

    def span(self, start: int, end: int) -> Span:
        """Return the span of the original (code points, end exclusive) behind `text[start:end]`, start < end."""
        if self.starts is None or self.ends is None:
            return start, end
        inside = self.starts[start:end], self.ends[start:end]
        return min(inside[0]), max(inside[1])

    def with_text(self, text: str) -> Mapped:
        """Return the same map over another text of the same length."""
        return Mapped(text, self.starts, self.ends)

    def rewrite(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], Replacement]) -> Mapped:
        """Return a copy in which each match of `pattern` is replaced; the map follows."""
        pieces: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        done = 0
        for match in pattern.finditer(self.text):
            new = replace(match)
            if new is None or new == match[0] or match.end() == match.start():
                continue
            self._copy(done, match.start(), pieces, starts, ends)
            self._place(match, new, pieces, starts, ends)
            done = match.end()
        if done == 0:
            return self
        self._copy(done, len(self.text), pieces, starts, ends)
        return Mapped("".join(pieces), starts, ends)

    def _copy(self, start: int, end: int, pieces: list[str], starts: list[int], ends: list[int]) -> None:
        pieces.append(self.text[start:end])
        starts.extend(range(start, end) if self.starts is None else self.starts[start:end])
        ends.extend(range(start + 1, end + 1) if self.ends is None else self.ends[start:end])

    def _place(
        self, match: re.Match[str], new: str | Placed, pieces: list[str], starts: list[int], ends: list[int]
    ) -> None:
        if not isinstance(new, str):
            for char, offset in new:
                start, end = self.span(match.start() + offset, match.start() + offset + 1)
                pieces.append(char)
                starts.append(start)
                ends.append(end)
            return
        if len(new) == match.end() - match.start():
            self._copy(match.start(), match.end(), pieces, starts, ends)
            pieces[-1] = new
            return
        start, end = self.span(match.start(), match.end())
        pieces.append(new)
        starts.extend([start] * len(new))
        ends.extend([end] * len(new))
