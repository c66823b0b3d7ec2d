"""The judge, as the send needs it: a verdict in stored form, and what it makes of a message."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog

from backend.messages.sending import Judged
from backend.policies.in_force import PoliciesInForce
from backend.policies.remembering import Memory, marks_left
from backend.policies.shadowing import ShadowRecorder, difference
from backend.trips.access import TripView
from moderation import Content, SignalHit, Verdict

log = structlog.get_logger()

_STATUS = {"allow": "delivered", "mask": "masked", "quarantine": "quarantined", "reject": "rejected"}
_HIGH = ("threat", "severe_toxicity", "self_harm", "sexual_explicit", "identity_attack")
_encode = msgspec.json.Encoder().encode


class Ruling(NamedTuple):
    """What the verdict means for the message."""

    status: str
    reason: str | None
    reader_text: str | None
    peer_sees: bool
    judged: Judged
    reasons: tuple[str, ...]
    case_kind: str | None
    severity: str


class Judge:
    """Judges on the api's own loop: the rules and the linear model take some 100 us."""

    def __init__(self, policies: PoliciesInForce, shadows: ShadowRecorder) -> None:
        self._policies, self._shadows = policies, shadows
        self._memory = Memory()

    def judge(
        self, text: str, lang: str, view: TripView, sender_id: UUID, role: Any, now: float, template: bool
    ) -> Ruling:
        """Judge one message. A judge that fails withholds: never a silent allow."""
        try:
            return self._judge(text, lang, view, sender_id, role, now, template)
        except Exception as error:  # noqa: BLE001  (whatever breaks in a judge, the message waits for a person)
            log.error("judge.failed", error=type(error).__name__)
            verdict = Verdict(
                outcome="quarantine", flags=("review",), labels={}, signals=(SignalHit("judge_failed", 1.0),),
                policy="none", model="none", ms=0.0,
            )  # fmt: skip
            return _ruling(verdict, text)

    def _judge(
        self, text: str, lang: str, view: TripView, sender_id: UUID, role: Any, now: float, template: bool
    ) -> Ruling:
        # One reading for the whole message: the next one may be judged by another policy.
        pipeline, shadow = self._policies.now
        letters = pipeline.policy.document.conversation.same_text_letters
        judging = self._memory.judging(text, view, sender_id, role, now, template, letters)
        content, found = Content(text, lang), None
        if shadow is None:
            verdict = pipeline.judge(content, judging.context)
        else:
            verdict, other = shadow.judge_both(content, judging.context)
            self._shadows.counts["judged"] += 1
            days = view.text_expire_on, view.verdict_expire_on
            found = difference(verdict, other, view.trip_id, sender_id, now, days)
        self._memory.judged(judging, marks_left(verdict, pipeline.policy, template=template), found)
        return _ruling(verdict, text)

    def note(self, trip_id: UUID, sender_id: UUID, text: str, now: float) -> None:
        """Remember a message that was really sent; a repeat of the same id is no flood and never gets here."""
        found = self._memory.sent(trip_id, sender_id, text, now)
        if found is not None:
            self._shadows.take(found)


def _ruling(verdict: Verdict, text: str) -> Ruling:
    if verdict.outcome == "allow" and not verdict.flags:
        # Nearly every message: nothing is masked, no case is opened, and nobody asks why.
        return Ruling("delivered", None, None, True, _stored_form(verdict), (), None, "medium")
    status = _STATUS[verdict.outcome]
    reasons = tuple(dict.fromkeys(hit.code for hit in verdict.signals))
    urgent, review = "urgent" in verdict.flags, "review" in verdict.flags or verdict.outcome == "quarantine"
    severe = any(verdict.labels.get(label, 0.0) >= 0.5 for label in _HIGH)
    severity = "critical" if urgent else "high" if severe or status == "quarantined" else "medium"
    return Ruling(
        status=status,
        reason=verdict.reason,
        reader_text=verdict.masked(text) if status == "masked" else None,
        peer_sees=status in ("delivered", "masked"),
        judged=_stored_form(verdict),
        reasons=reasons or tuple(name for name, score in verdict.labels.items() if score >= 0.5),
        case_kind="urgent" if urgent else "message" if review and status != "rejected" else None,
        severity=severity,
    )


def _stored_form(verdict: Verdict) -> Judged:
    hits = [{"code": hit.code, "score": hit.score, "span": hit.span} for hit in verdict.signals]
    return Judged(
        outcome=verdict.outcome,
        flags=tuple(verdict.flags),
        labels=_encode({name: round(score, 4) for name, score in verdict.labels.items()}),
        signals=_encode(hits) if hits else b"[]",
        policy=verdict.policy,
        model=verdict.model,
    )
