"""Every stable code that a verdict can carry, in one place; the README explains each."""

from __future__ import annotations

HEADS: tuple[str, ...] = (
    "toxicity",
    "severe_toxicity",
    "obscene",
    "threat",
    "insult",
    "identity_attack",
    "sexual_explicit",
)
OWN_LABELS: tuple[str, ...] = ("distress", "self_harm", "solicitation", "scam")
LABELS: tuple[str, ...] = HEADS + OWN_LABELS

# What a bank of known photos can say of an entry; each is a signal of its own, `photo_known_<label>`.
KNOWN_PHOTO_LABELS: tuple[str, ...] = (
    "child_abuse",
    "intimate",
    "terror",
    "violence",
    "hate",
    "fraud",
    "advert",
    "other",
)

SIGNAL_CODES: tuple[str, ...] = (
    "phone",
    "phone_spelled",
    "email",
    "handle",
    "messenger_link",
    "link",
    "link_malicious",
    "off_platform_payment",
    "keyword_slur",
    "keyword_insult",
    "keyword_profanity",
    "threat",
    "distress",
    "self_harm",
    "solicitation",
    "scam",
    "codeword",
    "flood",
    "repeat",
    "stop_request",
    "insult_series",
    "threat_unanswered",
    "stop_ignored",
    "same_text",
    "photo_nsfw",
    *(f"photo_known_{label}" for label in KNOWN_PHOTO_LABELS),
)

# A signal that raised or was late leaves a hit "failed.<its name>" or "late.<its name>".
FAILED, LATE = "failed", "late"

#: The codes of the signals that a policy sets up, by the signal's name.
CODES_OF: dict[str, tuple[str, ...]] = {
    "flood": ("flood", "repeat"),
    "phone": ("phone",),
    "link": ("link", "link_malicious"),
    "codeword": ("codeword",),
}
