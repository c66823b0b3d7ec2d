"""Content in, verdict out: normalise, ask the signals and the classifier, let the policy decide."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Protocol

from moderation.codes import FAILED, LATE
from moderation.content import Content, Context
from moderation.conversation.panel import ask_conversation
from moderation.decide import rule
from moderation.normalise import Normaliser, View
from moderation.panel import Measured, Panel
from moderation.policy import Policy
from moderation.signals.base import Signal
from moderation.verdict import Verdict

NO_CONTEXT = Context()


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
        self._panel = Panel(signals, policy.document.budget_ms.signal / 1000)
        self._classifier = classifier
        self._normaliser = normaliser or Normaliser()
        self._classifier_s = policy.document.budget_ms.classifier / 1000

    def under(self, policy: Policy, signals: Sequence[Signal]) -> Pipeline:
        """This pipeline by another policy: `signals` take the place of those of the same name, the rest is shared."""
        given = {signal.name: signal for signal in signals}
        kept = [given.get(signal.name, signal) for signal in self._panel.signals]
        return Pipeline(policy, kept, self._classifier, self._normaliser)

    def judge(self, content: Content, context: Context = NO_CONTEXT) -> Verdict:
        """Judge one text. Never raises: what breaks inside is judged as the policy says for its class."""
        begun = perf_counter()
        return verdict_on(self.measure(content, context), self.policy, self.model, begun)

    def measure(self, content: Content, context: Context = NO_CONTEXT) -> Measured:
        """Everything but the decision; `verdict_on` makes a verdict of it, by this or by another policy."""
        measured = Measured(context)
        try:
            view = self._normaliser.view(content.text)
            found = self._panel.scan(view)
        except Exception:  # noqa: BLE001 - broken means quarantine, whatever broke
            measured.fail(FAILED, "normaliser", "safety")
            return measured
        measured.view, measured.lang = view, content.lang or _script_language(view)
        self._panel.ask(view, found, measured)
        if self._classifier is not None and not context.template:
            measured.labels = self._classify(self._classifier, view, measured)
        ask_conversation(measured, self.policy.document.conversation)
        return measured

    def _classify(self, classifier: Classifier, view: View, measured: Measured) -> dict[str, float]:
        begun = perf_counter()
        try:
            labels = classifier.scores(view.folded.text)
        except Exception:  # noqa: BLE001 - a broken classifier must not allow
            measured.fail(FAILED, "classifier", "safety")
            return {}
        if perf_counter() - begun > self._classifier_s:
            measured.fail(LATE, "classifier", "safety")
        return labels


def verdict_on(measured: Measured, policy: Policy, model: str, begun: float) -> Verdict:
    """What `policy` makes of what was measured. `begun`: `perf_counter()` at the start, for the verdict's `ms`."""
    ruling, hits, labels = rule(policy, measured)
    return Verdict(
        outcome=ruling.outcome,
        flags=ruling.flags(),
        labels=labels,
        signals=tuple(hits),
        policy=policy.name,
        model=model,
        ms=(perf_counter() - begun) * 1000,
        reason=ruling.reason if ruling.outcome == "reject" else None,
        mask_spans=ruling.mask_spans(),
    )


def _script_language(view: View) -> str | None:
    """Guess only what the letters say: the policy's language sections need no more, and a wrong guess would cost."""
    text = view.plain.text
    if text.isascii():
        return None
    if any(char in "әғқңөұүһі" for char in text):
        return "kk"
    return "ru" if any("а" <= char <= "я" for char in text) else None
