"""Says where a policy file is wrong, and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from moderation.codes import LABELS, SIGNAL_CODES

_PATH = re.compile(r"^(?P<fault>.*?) - at `(?P<path>[^`]*)`$", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|missing required) field `([^`]+)`")
_TOML_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_STEP = re.compile(r"[^.\[\]$]+|\.\.\.")
_HINTS = {
    "outcome": 'one of "allow", "mask", "quarantine", "reject"',
    "flags": 'a list of "review" and "urgent"',
    "at": "a score between 0.0 and 1.0",
    "safety": '"quarantine" or "deliver_and_review"',
    "hygiene": '"quarantine" or "deliver_and_review"',
    "version": 'a text such as "2026.11-1"',
}


class PolicyError(ValueError):
    """A policy file that cannot be used. `line` and `column` (from 1) are None where they cannot be told."""

    def __init__(
        self, name: str, fault: str, line: int | None = None, key: str | None = None, column: int | None = None
    ) -> None:
        self.file, self.fault, self.line, self.key, self.column = name, fault, line, key, column
        place = ":".join(str(part) for part in (name, line, column) if part)
        super().__init__(f"{place}: {fault}")


class HasTiers(Protocol):
    """A part of the document with tiers of its own."""

    @property
    def signals(self) -> Mapping[str, object]: ...
    @property
    def labels(self) -> Mapping[str, object]: ...


def locate(name: str, text: str, message: str) -> PolicyError:
    """Turn a validation message ("... - at `$.signals.phone[0].at`") into an error with the line of that key."""
    found = _PATH.match(message)
    fault, path = (found["fault"], found["path"]) if found else (message, "$")
    steps = [int(step) if step.isdigit() else step for step in _STEP.findall(path) if step != "..."]
    keys = [step for step in steps if isinstance(step, str)]
    extra = _FIELD.search(fault)
    if extra:
        keys.append(extra[1])
        steps.append(extra[1])
    last = keys[-1] if keys else ""
    hint = f"; it should be {_HINTS[last]}" if last in _HINTS else ""
    line, column = _place(text, steps) or (None, None)
    return PolicyError(name, f"{'.'.join(keys) or 'the file'}: {fault}{hint}", line, last or None, column)


def not_toml(name: str, message: str) -> PolicyError:
    """The error for what the TOML reader says; it tells a place in words ("(at line 5, column 3)")."""
    found = _TOML_PLACE.search(message)
    line, column = (int(found[1]), int(found[2])) if found else (None, None)
    return PolicyError(name, f"is not TOML: {message}", line, None, column)


def _place(text: str, steps: list[str | int]) -> tuple[int, int] | None:
    """Line and column of the deepest of `steps`, in order, that can be seen; TOML gives us no positions of its own.

    A number is the place in a list of tables: the n-th brace from there.
    """
    best, start = None, 0
    for step in steps:
        if isinstance(step, int):
            for _ in range(step + 1):
                start = max(text.find("{", start + 1), start)
            continue
        pattern = re.compile(rf"(?:^|[\s.\[{{,\"])({re.escape(step)})(?:\"?\s*=|\"?\]|\.)", re.MULTILINE)
        found = pattern.search(text, start)
        if found:
            best = start = found.start(1)
    if best is None:
        return None
    return text.count("\n", 0, best) + 1, best - text.rfind("\n", 0, best)


def unknown_names(
    signals: Mapping[str, object], labels: Mapping[str, object], parts: Iterable[tuple[str, HasTiers]]
) -> tuple[str, str, tuple[str, ...]] | None:
    """Return (section, key, known names) of the first code that does not exist: a typo must not switch a rule off."""
    everything: list[tuple[Mapping[str, object], Mapping[str, object]]] = [(signals, labels)]
    everything.extend((part.signals, part.labels) for _, part in parts)
    for some_signals, some_labels in everything:
        for key in some_signals:
            if key not in SIGNAL_CODES:
                return "signals", key, SIGNAL_CODES
        for key in some_labels:
            if key not in LABELS:
                return "labels", key, LABELS
    return None
