"""The machine's answer: an outcome, flags, and why; codes only, no language."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["allow", "mask", "quarantine", "reject"]
Flag = Literal["review", "urgent"]

# Worst last: the verdict takes the worst outcome that any signal or label asks for.
SEVERITY: dict[Outcome, int] = {"allow": 0, "mask": 1, "quarantine": 2, "reject": 3}
FLAGS: tuple[Flag, ...] = ("review", "urgent")

Span = tuple[int, int]


class SignalHit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measurement: a stable code, a score in 0..1, and where (code points of the original text, end exclusive)."""

    code: str
    score: float
    span: Span | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What the policy makes of all signals.

    `labels` are probabilities 0..1 by label name; `policy` is "version:digest"; `ms` is the time the judging took, in
    milliseconds; `reason` is the stable code for the sender of a rejected message.
    """

    outcome: Outcome
    flags: tuple[Flag, ...]
    labels: dict[str, float]
    signals: tuple[SignalHit, ...]
    policy: str
    model: str
    ms: float
    reason: str | None = None
    mask_spans: tuple[Span, ...] = ()

    def masked(self, text: str) -> str:
        """Return `text` (the one that was judged) with every code point of a mask span starred; the length stays."""
        if not self.mask_spans:
            return text
        letters = list(text)
        for start, end in self.mask_spans:
            start, end = max(start, 0), min(end, len(letters))
            letters[start:end] = "*" * (end - start)
        return "".join(letters)
