"""What may be read where: every message object that a device got, and every other byte that reached it.

What a reader may see of a message changes with its events. `Showing` is that story for one message and one reader: from
the number of each event on, the text is shown whole (`full`), starred out (`starred`) or not at all (`none`).

An object may be newer than the number it came under (a resume is read from the rows as they are now), never older. So
a text is in order where the story still has a place for it at or after that number; everywhere else it is a finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.chaos.hearing import Heard, read_all, read_page
from tests.chaos.histories import Device, EventRow, History, MessageRow, Said

#: How many messages a snapshot holds at most.
SNAPSHOT = 50

Found = tuple[str, str, str]


class Showing(msgspec.Struct):
    """(number, level) in order. `policy_starred`: the machine starred it out, so the word itself is hidden too."""

    steps: list[tuple[int, str]]
    policy_starred: bool

    def levels(self, seq: int) -> set[str]:
        """Every level in force at `seq` or later."""
        before = [level for number, level in self.steps if number <= seq]
        return {level for number, level in self.steps if number > seq} | {before[-1] if before else "none"}


class _World:
    """The rows of a run, ready to be asked."""

    def __init__(self, history: History) -> None:
        self.said = {one.client_id: one for one in history.said}
        self.rows = {row.id: row for row in history.rows.messages}
        self.stored = {row.client_id: row for row in history.rows.messages if row.client_id}
        self._changes: dict[str, list[EventRow]] = defaultdict(list)
        self.events: dict[tuple[str, str, int], EventRow] = {}
        self._numbered: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        for event in sorted(history.rows.events, key=lambda event: event.seq_staff):
            if event.message_id is not None:
                self._changes[event.message_id].append(event)
            for role in ("driver", "customer"):
                if (seq := event.seq_of(role)) is not None:
                    self.events[event.trip, role, seq] = event
        for row in history.rows.messages:
            for role in ("driver", "customer"):
                if (seq := row.seq_of(role)) is not None:
                    self._numbered[row.trip, role].append((seq, row.id))
        self._showings: dict[tuple[str, str], Showing] = {}

    def showing(self, row: MessageRow, role: str) -> Showing:
        """The story of a message for a reader."""
        key = (row.id, role)
        if key not in self._showings:
            self._showings[key] = self._tell(row, role)
        return self._showings[key]

    def _tell(self, row: MessageRow, role: str) -> Showing:
        own = row.sender_type == role
        steps: list[tuple[int, str]] = []
        starred = row.outcome == "mask"
        for event in self._changes[row.id]:
            if event.kind == "masked":
                starred = True
            seq = event.seq_of(role)
            if seq is not None:
                shown = "full" if own or not starred else "starred"
                steps.append((seq, "none" if event.kind == "removed" else shown))
        return Showing(steps, row.outcome == "mask")

    def newest(self, trip: str, role: str, last: int) -> list[str]:
        """Ids of what a snapshot for `last` holds, newest first."""
        seen = sorted((pair for pair in self._numbered[trip, role] if pair[0] <= last), reverse=True)
        return [message_id for _, message_id in seen[:SNAPSHOT]]


def check_content(history: History) -> Iterator[Found]:
    """Each event is the one that is stored, with the text it may have; nothing else carries anybody's words."""
    world = _World(history)
    for device in history.devices:
        for number, connection in enumerate(device.connections):
            where = f"{device.name} socket {number}"
            for heard in read_all(connection):
                yield from _check_frame(world, device, where, heard)
        for page in device.pages:
            yield from _check_frame(world, device, f"{device.name} REST", read_page(page))
    yield from _check_raw(history, world)


def _check_frame(world: _World, device: Device, where: str, heard: Heard) -> Iterator[Found]:
    place = heard.seq if heard.seq is not None else heard.last
    if heard.last is not None and heard.event != "page":
        ids = [message["id"] for message in heard.messages]
        if ids != world.newest(device.trip, device.role, heard.last):
            yield "told", where, f"the snapshot up to {heard.last} does not hold the newest messages up to there"
    if heard.seq is not None:
        yield from _check_event(world, device, where, heard)
    for message in heard.messages:
        row = world.rows.get(message["id"])
        if row is None or message["trip_id"] != device.trip:
            yield "told", where, f"{heard.event} tells of message {message['id']}, which this trip does not hold"
        elif place is not None:
            yield from _check_text(world, device, where, message, row, place)


def _check_event(world: _World, device: Device, where: str, heard: Heard) -> Iterator[Found]:
    event = world.events.get((device.trip, device.role, heard.seq or 0))
    if event is None:
        yield "told", where, f"{heard.event} {heard.seq} is not stored"
    elif event.message_id is not None:
        name = "new-message" if event.kind == "new" else "message-updated"
        told = (heard.event, heard.data.get("id"), heard.data.get("change", "new"))
        if told != (name, event.message_id, event.kind):
            yield "told", where, f"event {heard.seq} is {event.kind} of {event.message_id}, and was told as {told}"


def _check_text(
    world: _World, device: Device, where: str, message: dict[str, Any], row: MessageRow, place: int
) -> Iterator[Found]:
    said = world.said.get(row.client_id or "")
    if said is None:
        return
    content, levels = message["content"], world.showing(row, device.role).levels(place)
    if content is None:
        level = "none"
    elif content == said.text:
        level = "full"
    else:
        level = "starred" if _is_starred(content, said.text) else "altered"
    if level not in levels:
        rule = "withheld" if level == "full" else "told"
        yield rule, where, f"message {row.id} at {place} is {level}, and should be {' or '.join(sorted(levels))}"


def _is_starred(content: str, text: str) -> bool:
    return "*" in content and len(content) == len(text) and all(a in (b, "*") for a, b in zip(content, text))  # noqa: B905


def _check_raw(history: History, world: _World) -> Iterator[Found]:
    """Words that the other side may not have (or not everywhere), searched for in every byte that reached it."""
    words: dict[str, dict[str, Said]] = defaultdict(dict)
    for said in history.said:
        words[said.trip][said.word] = said
    for word in history.overheard:
        yield "withheld", "Valkey", f"{word} passed in plain"
    for device in history.devices:
        here = words[device.trip]
        for number, connection in enumerate(device.connections):
            where = f"{device.name} socket {number}"
            for heard in read_all(connection):
                yield from _search(world, device, where, heard, here)
        for page in device.pages:
            yield from _search(world, device, f"{device.name} REST", read_page(page), here)


def _search(world: _World, device: Device, where: str, heard: Heard, here: dict[str, Said]) -> Iterator[Found]:
    place = heard.seq if heard.seq is not None else heard.last
    known = {message["client_message_id"] for message in heard.messages}
    for word in words_of(heard.raw):
        said = here.get(word)
        if said is None:
            yield "withheld", where, f"{heard.event} at {heard.at:.2f} s holds {word}, which nobody said in this trip"
            continue
        if said.person == device.person:
            continue
        row = world.stored.get(said.client_id)
        showing = world.showing(row, device.role) if row is not None else Showing([], policy_starred=False)
        readable = {"full"} if showing.policy_starred else {"full", "starred"}
        allowed = place is not None and said.client_id in known and readable & showing.levels(place)
        if not allowed:
            state = row.status if row is not None else "not stored"
            told = f"{heard.event} {place} at {heard.at:.2f} s"
            yield "withheld", where, f"{told} holds words of {said.client_id} ({state})"


def words_of(raw: str) -> set[str]:
    """The made-up words in some bytes: see `tests.chaos.words`."""
    from tests.chaos.words import WORD

    return set(WORD.findall(raw))
