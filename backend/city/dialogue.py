"""Dialogues: what the people of the city say, and when their trips move.

One JSON object a line in `dialogues/*.jsonl`: `{id, lang, market, tags, turns}`. A turn is one of a text
(`{who, text, pause_s}`), a quick message (`{who, template, pause_s}`), a press of the emergency button
(`{who, press: true, pause_s}`) or a new status of the trip (`{status, pause_s}`). `pause_s` is the time before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Literal

import msgspec

Role = Literal["driver", "customer"]
Status = Literal["accepted", "pickup", "arriving", "in_transit", "completed", "cancelled"]

#: The order in which a trip goes; `cancelled` may come after any of them.
WAY: tuple[Status, ...] = ("accepted", "pickup", "arriving", "in_transit", "completed")
#: Before a status that the dialogue skipped, in seconds.
SKIPPED_PAUSE_S = 5.0
#: A trip whose dialogue leaves it open ends this long after the last word, in seconds.
TAIL_S = 45.0


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One step of a dialogue; exactly one of `text`, `template`, `press`, `status` is given."""

    pause_s: float
    who: Role | None = None
    text: str | None = None
    template: str | None = None
    press: bool = False
    status: Status | None = None

    def __post_init__(self) -> None:
        given = [self.text is not None, self.template is not None, self.press, self.status is not None]
        if sum(given) != 1:
            raise ValueError("a turn is exactly one of text, template, press, status")
        if (self.who is None) != (self.status is not None):
            raise ValueError("a turn has a speaker, unless it is a status of the trip")
        if not 0 <= self.pause_s <= 300:
            raise ValueError("pause_s is from 0 to 300 seconds")


class Dialogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole conversation of one trip."""

    id: str
    lang: str
    market: str
    tags: tuple[str, ...]
    turns: tuple[Turn, ...]

    @property
    def presses(self) -> bool:
        """Whether somebody presses the emergency button in it."""
        return any(turn.press for turn in self.turns)


def read_dialogues(lines: str) -> list[Dialogue]:
    """The dialogues of JSON lines. Raises `msgspec.ValidationError` (its message says where in the object)."""
    return [msgspec.json.decode(line, type=Dialogue) for line in lines.splitlines() if line.strip()]


def shipped_dialogues() -> list[Dialogue]:
    """Every dialogue that ships with the product, in the order of the files."""
    folder = resources.files("backend.city") / "dialogues"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".jsonl")), key=lambda f: f.name)
    return [dialogue for f in files for dialogue in read_dialogues(f.read_text("utf-8"))]


def first_status(dialogue: Dialogue) -> Status:
    """The status in which the trip of a dialogue is made: one step before the first it names."""
    first = dialogue.turns[0].status if dialogue.turns else None
    if first is None or first == "cancelled":
        return "accepted"
    return WAY[max(0, WAY.index(first) - 1)]


def whole_way(dialogue: Dialogue) -> Iterator[Turn]:
    """The turns with every status of the way: those that the dialogue skips come just before, the end after it."""
    at = WAY.index(first_status(dialogue))
    for turn in dialogue.turns:
        if turn.status in WAY:
            goal = WAY.index(turn.status)
            for skipped in WAY[at + 1 : goal]:
                yield Turn(pause_s=SKIPPED_PAUSE_S, status=skipped)
            at = max(at, goal)
        elif turn.status == "cancelled":
            at = len(WAY)
        yield turn
    for rest in WAY[at + 1 :]:
        yield Turn(pause_s=TAIL_S if rest == "completed" else SKIPPED_PAUSE_S, status=rest)
