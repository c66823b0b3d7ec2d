"""A conversation as staff see it: both sides, what is flagged and why, severe words behind a click."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import tzinfo

from console.components.parts import element
from console.format import clock
from console.wire import Message, Verdict
from console.words import code_words, side

SEVERE = frozenset({"severe_toxicity", "threat", "sexual_explicit", "identity_attack", "identity_hate", "obscene"})
SEVERE_FROM = 0.5
STATUS = {
    "masked": ("masked for the reader", "warn"),
    "quarantined": ("withheld", "bad"),
    "rejected": ("rejected, never sent", "bad"),
    "removed": ("removed", "bad"),
}


def conversation(
    key: str,
    messages: Sequence[Message],
    *,
    of: str,
    zone: tzinfo,
    flagged: Collection[str] = (),
    height: int = 460,
) -> None:
    """Show `messages`; `of` names what they belong to, so that another conversation starts afresh."""
    data = {
        "of": of,
        "height": height,
        "empty": "Nothing was said yet. Messages appear here as they are sent.",
        "messages": [line(message, zone, message.id in flagged) for message in messages],
    }
    element("conversation", "conversation")(key=key, data=data)


def line(message: Message, zone: tzinfo, flagged: bool) -> dict[str, object]:
    """One message in the words and marks of the screen."""
    chips = [{"text": "flagged", "tone": "bad"}] if flagged else []
    if message.status in STATUS:
        text, tone = STATUS[message.status]
        chips.append({"text": text, "tone": tone})
    if message.quick_message_template:
        chips.append({"text": "quick message", "tone": "soft"})
    return {
        "id": message.id,
        "side": message.sender_type,
        "name": _name(message),
        "time": clock(message.created_at, zone),
        "text": message.content,
        "absent": _absent(message),
        "chips": chips,
        "flagged": flagged,
        "blurred": is_severe(message.verdict),
        "spans": _spans(message.verdict),
        "why": _why(message.verdict),
    }


def _absent(message: Message) -> str:
    if message.content is not None:
        return ""
    return "Removed." if message.status == "removed" else "Erased: the key of this text was destroyed."


def is_severe(verdict: Verdict | None) -> bool:
    """True where a reader should choose to see the words."""
    if verdict is None:
        return False
    labels = any(verdict.labels.get(label, 0.0) >= SEVERE_FROM for label in SEVERE)
    return labels or any(signal.code in SEVERE for signal in verdict.signals)


def _name(message: Message) -> str:
    role = side(message.sender_type)
    return f"{message.sender_name} ({role})" if message.sender_name and role != "system" else role.capitalize()


def _spans(verdict: Verdict | None) -> list[tuple[int, int]]:
    return [] if verdict is None else sorted({span for signal in verdict.signals for span in signal.spans})


def _why(verdict: Verdict | None) -> str:
    if verdict is None or verdict.outcome in {"", "allow", "allowed"}:
        return ""
    found = [code_words(signal.code) for signal in verdict.signals] or [code_words(flag) for flag in verdict.flags]
    return ", ".join(dict.fromkeys(found))
