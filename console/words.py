"""Codes of the api in words. A code without words here is shown as it is, with its underscores opened."""

from __future__ import annotations

PHASES = {
    "accepted": "accepted",
    "pickup": "at pickup",
    "arriving": "arriving",
    "in_transit": "in transit",
    "completed": "completed",
    "cancelled": "cancelled",
}
PURPOSES = {
    "safety_review": "Safety review",
    "emergency": "Emergency",
    "complaint": "Complaint",
    "dispute": "Dispute",
    "training": "Training",
}
LEVELS = {
    0: "0 - false alarm",
    1: "1 - discomfort, no danger",
    2: "2 - conflict, no injury",
    3: "3 - serious, help was needed",
    4: "4 - life in danger",
}
ERRORS = {
    "unreachable": "the api cannot be reached",
    "timeout": "the api did not answer in time",
    "purpose_required": "a purpose is needed",
}


def code_words(code: str) -> str:
    """`off_platform_payment` -> `off platform payment`."""
    return code.replace("_", " ").replace(".", " ").strip()


def phase(status: str) -> str:
    """A trip's phase in words."""
    return PHASES.get(status, code_words(status))


def side(role: str) -> str:
    """A party of a trip in the words of the street: `customer` is a rider."""
    return {"customer": "rider", "driver": "driver"}.get(role, code_words(role))


def list_words(codes: list[str], most: int = 3) -> str:
    """The first few codes in words, and how many more there are."""
    shown = ", ".join(code_words(code) for code in codes[:most])
    return shown if len(codes) <= most else f"{shown} +{len(codes) - most}"
