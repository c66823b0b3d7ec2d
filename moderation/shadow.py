"""A second policy that judges beside the one in force, without effect: what was measured once is decided twice."""

from __future__ import annotations

from time import perf_counter

from moderation.assembly import policy_signals
from moderation.codes import CODES_OF, FAILED, LATE
from moderation.content import Content, Context
from moderation.conversation.panel import CONVERSATION_CODES, ask_conversation
from moderation.panel import Measured, Panel
from moderation.pipeline import Pipeline, verdict_on
from moderation.policy import Policy
from moderation.verdict import Verdict


class Shadow:
    """Judges by the pipeline's policy and by another one. Thread-safe: nothing changes after construction.

    Reading, signals and labels are paid once. Only a signal that the two policies set up differently (other limits of
    a flood, other links, codewords, telephone regions, another patience with a conversation) is asked a second time.
    """

    def __init__(self, pipeline: Pipeline, policy: Policy) -> None:
        self.policy = policy
        self._pipeline = pipeline
        own, others = settings_of(policy), settings_of(pipeline.policy)
        signals = [signal for signal in policy_signals(policy) if own[signal.name] != others[signal.name]]
        self._names = names = {signal.name for signal in signals}
        self._not_its_own = {f"{how}.{name}" for how in (FAILED, LATE) for name in names}
        self._not_its_own.update(code for name in names for code in CODES_OF[name])
        self._panel = Panel(signals, policy.document.budget_ms.signal / 1000) if signals else None
        self._limits = policy.document.conversation
        self._talks = self._limits != pipeline.policy.document.conversation
        if self._talks:
            names.update(CONVERSATION_CODES)
            self._not_its_own.update(CONVERSATION_CODES, (f"{FAILED}.{code}" for code in CONVERSATION_CODES))

    def judge_both(self, content: Content, context: Context) -> tuple[Verdict, Verdict]:
        """Return the verdict of the policy in force, and this one's. Never raises, like `Pipeline.judge`."""
        begun = perf_counter()
        measured, model = self._pipeline.measure(content, context), self._pipeline.model
        verdict = verdict_on(measured, self._pipeline.policy, model, begun)
        return verdict, verdict_on(self._as_its_own(measured), self.policy, model, perf_counter())

    def _as_its_own(self, measured: Measured) -> Measured:
        """What this policy's own signals would have measured."""
        if measured.view is None or (self._panel is None and not self._talks):
            return measured
        own = Measured(measured.context)
        own.view, own.lang, own.labels = measured.view, measured.lang, measured.labels
        own.hits = [hit for hit in measured.hits if hit.code not in self._not_its_own]
        own.failures = [failure for failure in measured.failures if failure[0] not in self._names]
        if self._panel is not None:
            self._panel.ask(measured.view, self._panel.scan(measured.view), own)
        if self._talks:
            ask_conversation(own, self._limits)
        return own


def settings_of(policy: Policy) -> dict[str, object]:
    """What each signal of `policy_signals` takes from a policy, by the signal's name."""
    document = policy.document
    regions = {market: override.phone_regions for market, override in policy.markets.items()}
    return {
        "flood": document.flood,
        "phone": (document.phone_regions, {market: own for market, own in regions.items() if own is not None}),
        "link": document.links,
        "codeword": document.codewords,
    }
