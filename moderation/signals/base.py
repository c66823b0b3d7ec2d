"""What a signal is, and the one scan that wakes the signals a text concerns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from moderation.content import Context
from moderation.normalise import View
from moderation.policy import FailureClass
from moderation.spans import Mapped
from moderation.untyped import untyped
from moderation.verdict import SignalHit


class Found(NamedTuple):
    """A trigger that occurs: what the signal gave with it, where it ends (exclusive), and in which reading."""

    payload: int
    end: int
    reading: Mapped


class Signal(Protocol):
    """One measurement. Stateless and thread-safe after construction; it may raise, the pipeline knows what to do then.

    A signal with triggers is asked only when one of them occurs; one without is asked for every text.
    """

    @property
    def name(self) -> str:
        """The signal's name: the file's, and that in "failed.<name>"."""
        ...

    @property
    def failure(self) -> FailureClass:
        """Which failure class of the policy holds when this signal breaks."""
        ...

    @property
    def behaviour(self) -> bool:
        """Whether it looks at how a person writes, not at what: such a signal is asked for our own templates too."""
        ...

    def triggers(self) -> Iterable[tuple[str, int]]:
        """Literals in match form (lower case, no accents) with a payload each; empty: ask always."""
        ...

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Measure; an empty answer means that there is nothing."""
        ...


class Scanner:
    """Finds the triggers of all signals in one pass (Aho-Corasick)."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        wanted: dict[str, list[tuple[int, int]]] = {}
        for number, signal in enumerate(signals):
            for literal, payload in signal.triggers():
                wanted.setdefault(literal, []).append((number, payload))
        self._automaton: Any = untyped("ahocorasick").Automaton() if wanted else None
        if self._automaton is not None:
            for literal, owners in wanted.items():
                self._automaton.add_word(literal, tuple(owners))
            self._automaton.make_automaton()

    def scan(self, view: View) -> dict[int, list[Found]]:
        """Return, by signal number, the triggers found in the match reading and, if it differs, in the folded one."""
        found: dict[int, list[Found]] = {}
        if self._automaton is None:
            return found
        readings = (view.match, view.folded) if view.disguised else (view.match,)
        for reading in readings:
            for last, owners in self._automaton.iter(reading.text):
                for number, payload in owners:
                    found.setdefault(number, []).append(Found(payload, last + 1, reading))
        return found
