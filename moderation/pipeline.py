"""Content in, verdict out: normalise, ask the signals and the classifier, let the policy decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Protocol

from moderation.codes import FAILED, LATE
from moderation.content import Content, Context
from moderation.decide import Ruling, apply_failure, apply_tiers, merge_labels, worst_hits
from moderation.normalise import Normaliser, View
from moderation.policy import FailureClass, Policy
from moderation.signals.base import Found, Scanner, Signal
from moderation.verdict import SignalHit, Verdict

NO_CONTEXT = Context()
_NO_FOUND: tuple[Found, ...] = ()


class Classifier(Protocol):
    """Gives each label a probability; `text` is the folded reading."""

    @property
    def name(self) -> str:
        """Model name and version, as it stands in verdicts."""
        ...

    def scores(self, text: str) -> dict[str, float]:
        """Return label -> probability 0..1."""
        ...


class Pipeline:
    """Judges texts by one policy. Thread-safe: nothing changes after construction."""

    def __init__(
        self,
        policy: Policy,
        signals: Sequence[Signal],
        classifier: Classifier | None = None,
        normaliser: Normaliser | None = None,
    ) -> None:
        self.policy = policy
        self.model = classifier.name if classifier else "none"
        self._signals = tuple(signals)
        self._always = tuple(number for number, signal in enumerate(signals) if not tuple(signal.triggers()))
        self._scanner = Scanner(self._signals)
        self._classifier = classifier
        self._normaliser = normaliser or Normaliser()
        self._signal_s = policy.document.budget_ms.signal / 1000
        self._classifier_s = policy.document.budget_ms.classifier / 1000

    def judge(self, content: Content, context: Context = NO_CONTEXT) -> Verdict:
        """Judge one text. Never raises: what breaks inside is judged as the policy says for its class."""
        begun = perf_counter()
        ruling = Ruling()
        hits: list[SignalHit] = []
        labels: dict[str, float] = {}
        try:
            view = self._normaliser.view(content.text)
            found = self._scanner.scan(view)
        except Exception:  # noqa: BLE001 - broken means quarantine, whatever broke
            self._fail(FAILED, "normaliser", "safety", hits, ruling)
        else:
            self._ask_signals(view, context, found, hits, ruling)
            if self._classifier is not None and not context.template:
                labels = self._classify(self._classifier, view, hits, ruling)
            rules = self.policy.rules(context.market, content.lang or _script_language(view))
            hits = worst_hits(hits) if len(hits) > 1 else hits
            merge_labels(labels, hits)
            apply_tiers(ruling, hits, labels, rules)
        return Verdict(
            outcome=ruling.outcome,
            flags=ruling.flags(),
            labels=labels,
            signals=tuple(hits),
            policy=self.policy.name,
            model=self.model,
            ms=(perf_counter() - begun) * 1000,
            reason=ruling.reason if ruling.outcome == "reject" else None,
            mask_spans=ruling.mask_spans(),
        )

    def _ask_signals(
        self, view: View, context: Context, found: Mapping[int, list[Found]], hits: list[SignalHit], ruling: Ruling
    ) -> None:
        numbers = (*self._always, *found) if found else self._always
        for number in numbers:
            signal = self._signals[number]
            if context.template and not signal.behaviour:
                continue
            begun = perf_counter()
            try:
                new = signal.look(view, context, found.get(number, _NO_FOUND))
            except Exception:  # noqa: BLE001 - a broken signal must not allow, nor stop the others
                self._fail(FAILED, signal.name, signal.failure, hits, ruling)
                continue
            if new:
                hits.extend(new)
            if perf_counter() - begun > self._signal_s:
                self._fail(LATE, signal.name, signal.failure, hits, ruling)

    def _classify(self, classifier: Classifier, view: View, hits: list[SignalHit], ruling: Ruling) -> dict[str, float]:
        begun = perf_counter()
        try:
            labels = classifier.scores(view.folded.text)
        except Exception:  # noqa: BLE001 - a broken classifier must not allow
            self._fail(FAILED, "classifier", "safety", hits, ruling)
            return {}
        if perf_counter() - begun > self._classifier_s:
            self._fail(LATE, "classifier", "safety", hits, ruling)
        return labels

    def _fail(self, how: str, name: str, failure: FailureClass, hits: list[SignalHit], ruling: Ruling) -> None:
        hits.append(SignalHit(f"{how}.{name}", 1.0))
        apply_failure(ruling, getattr(self.policy.document.failure, failure))


def _script_language(view: View) -> str | None:
    """Guess only what the letters say: the policy's language sections need no more, and a wrong guess would cost."""
    text = view.plain.text
    if text.isascii():
        return None
    if any(char in "әғқңөұүһі" for char in text):
        return "kk"
    return "ru" if any("а" <= char <= "я" for char in text) else None
