"""From hits and labels to an outcome, by the tiers of the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moderation.panel import Measured
from moderation.policy import FailureOutcome, Policy, Rules, Tier, Tiers
from moderation.verdict import FLAGS, SEVERITY, Flag, Outcome, SignalHit, Span

# Hits that speak for a label: the label is the larger of what the model and the signal say.
LABEL_OF: dict[str, str] = {
    "threat": "threat",
    "distress": "distress",
    "self_harm": "self_harm",
    "solicitation": "solicitation",
    "scam": "scam",
}


class Ruling:
    """The verdict in the making: it only ever gets worse."""

    __slots__ = ("_flags", "_masks", "outcome", "reason")

    def __init__(self) -> None:
        self.outcome: Outcome = "allow"
        self.reason: str | None = None
        self._flags: set[Flag] = set()
        self._masks: list[Span] = []

    def worsen(self, tier: Tier, code: str, span: Span | None) -> None:
        """Take in one tier that was reached."""
        self._flags.update(tier.flags)
        if tier.outcome == "mask" and span is not None:
            self._masks.append(span)
        if SEVERITY[tier.outcome] > SEVERITY[self.outcome]:
            self.outcome = tier.outcome
            self.reason = tier.reason or code

    def fail(self, outcome: FailureOutcome) -> None:
        """Take in a failure: a person has to look, and if the policy says so the reader waits."""
        self._flags.add("review")
        if outcome == "quarantine":
            self.worsen(Tier(outcome="quarantine"), "failed", None)

    def flags(self) -> tuple[Flag, ...]:
        """Return the flags in their fixed order."""
        return tuple(flag for flag in FLAGS if flag in self._flags) if self._flags else ()

    def mask_spans(self) -> tuple[Span, ...]:
        """Return the spans to star out, sorted, overlapping ones joined."""
        joined: list[Span] = []
        for start, end in sorted(self._masks):
            if joined and start <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((start, end))
        return tuple(joined)


def rule(policy: Policy, measured: Measured) -> tuple[Ruling, list[SignalHit], dict[str, float]]:
    """What a policy makes of what was measured, with the hits and labels that it goes by; `measured` stays as it is."""
    ruling = Ruling()
    for _, failure in measured.failures:
        ruling.fail(getattr(policy.document.failure, failure))
    hits, labels = measured.hits, dict(measured.labels)
    if measured.view is not None:
        hits = worst_hits(hits) if len(hits) > 1 else hits
        merge_labels(labels, hits)
        apply_tiers(ruling, hits, labels, policy.rules(measured.context.market, measured.lang))
    return ruling, hits, labels


def apply_tiers(ruling: Ruling, hits: Sequence[SignalHit], labels: Mapping[str, float], rules: Rules) -> None:
    """Let every hit and every label reach its highest tier."""
    for hit in hits:
        tiers = rules.signals.get(hit.code)
        if tiers:
            _reach(ruling, tiers, hit.score, hit.code, hit.span)
    for label, tiers in rules.labels.items():
        score = labels.get(label)
        if score is not None:
            _reach(ruling, tiers, score, label, None)


def _reach(ruling: Ruling, tiers: Tiers, score: float, code: str, span: Span | None) -> None:
    for tier in tiers:  # the highest first
        if score >= tier.at:
            ruling.worsen(tier, code, span)
            return


def worst_hits(hits: Sequence[SignalHit]) -> list[SignalHit]:
    """Keep the highest score of each code and span: the readings of one text often find the same thing twice."""
    best: dict[tuple[str, Span | None], SignalHit] = {}
    for hit in hits:
        key = hit.code, hit.span
        if key not in best or best[key].score < hit.score:
            best[key] = hit
    return list(best.values())


def merge_labels(labels: dict[str, float], hits: Sequence[SignalHit]) -> None:
    """Raise the labels that hits speak for."""
    for hit in hits:
        label = LABEL_OF.get(hit.code)
        if label and labels.get(label, 0.0) < hit.score:
            labels[label] = hit.score
