"""The signals of a pipeline, asked about one text: what they found, and which of them broke or were late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

from moderation.codes import FAILED, LATE
from moderation.content import Context
from moderation.normalise import View
from moderation.policy import FailureClass
from moderation.signals.base import Found, Scanner, Signal
from moderation.verdict import SignalHit

_NO_FOUND: tuple[Found, ...] = ()


class Measured:
    """Everything that was found about one text, before any policy decides. `labels` are the classifier's own.

    `view` is None where the normaliser broke: then there is nothing to look at. `failures`: name and class of each
    part that broke or was late; `lang`: the language whose section of a policy counts.
    """

    __slots__ = ("context", "failures", "hits", "labels", "lang", "view")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.view: View | None = None
        self.lang: str | None = None
        self.hits: list[SignalHit] = []
        self.labels: dict[str, float] = {}
        self.failures: list[tuple[str, FailureClass]] = []

    def fail(self, how: str, name: str, failure: FailureClass) -> None:
        """Note a part that broke or was late."""
        self.hits.append(SignalHit(f"{how}.{name}", 1.0))
        self.failures.append((name, failure))


class Panel:
    """Some signals and their one scan. Thread-safe: nothing changes after construction."""

    def __init__(self, signals: Sequence[Signal], budget_s: float) -> None:
        self.signals = tuple(signals)
        self._always = tuple(number for number, signal in enumerate(signals) if not tuple(signal.triggers()))
        self._scanner = Scanner(self.signals)
        self._budget_s = budget_s

    def scan(self, view: View) -> dict[int, list[Found]]:
        """Which signals the text wakes; for `ask`."""
        return self._scanner.scan(view)

    def ask(self, view: View, found: Mapping[int, list[Found]], measured: Measured) -> None:
        """Ask those signals and the ones that are always asked. Never raises: one that breaks is noted."""
        context = measured.context
        for number in (*self._always, *found) if found else self._always:
            signal = self.signals[number]
            if context.template and not signal.behaviour:
                continue
            begun = perf_counter()
            try:
                new = signal.look(view, context, found.get(number, _NO_FOUND))
            except Exception:  # noqa: BLE001 - a broken signal must not allow, nor stop the others
                measured.fail(FAILED, signal.name, signal.failure)
                continue
            if new:
                measured.hits.extend(new)
            if perf_counter() - begun > self._budget_s:
                measured.fail(LATE, signal.name, signal.failure)
