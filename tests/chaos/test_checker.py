"""Each rule of the checker, shown to be able to fail: a small history that is whole, and one change that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker import check
from tests.chaos.histories import (
    Answer,
    Connection,
    Device,
    EventRow,
    Frame,
    History,
    Imposture,
    MessageRow,
    ReceiptRow,
    Rows,
    Said,
    Try,
)

TRIP, OTHER, DRIVER, RIDER = "trip-a", "trip-b", "person-d", "person-r"
WORDS = {name: f"zq{letters * 10}qz" for name, letters in (("m1", "b"), ("m2", "c"), ("m3", "d"), ("m4", "f"))}
STRANGE = f"zq{'g' * 10}qz"


def text_of(message: str) -> str:
    return f"hello {WORDS[message]}"


def flat(message: str, seq: int, content: str | None, sender: str = DRIVER, **more: Any) -> dict[str, Any]:
    return {
        "id": message, "trip_id": TRIP, "sender_id": sender, "content": content, "seq": seq,
        "client_message_id": f"c-{message}", **more,
    }  # fmt: skip


def frame(event: str, data: Any, at: float = 1.0) -> Frame:
    return Frame(at, json.dumps({"event": event, "data": data}))


def joined(last: int) -> Frame:
    return frame("joined", {"epoch": "e", "lastSeq": last})


def new(message: str, seq: int) -> Frame:
    return frame("new-message", flat(message, seq, text_of(message)))


def updated(message: str, seq: int, change: str, content: str | None) -> Frame:
    return frame("message-updated", flat(message, seq, content, change=change))


def mark(message: str, seq: int) -> Frame:
    return frame("message-read", {"readBy": RIDER, "seq": seq, "messageId": message})


def row(message: str, status: str, outcome: str, driver: int | None, rider: int | None) -> MessageRow:
    return MessageRow(message, TRIP, DRIVER, "driver", f"c-{message}", status, outcome, driver, rider)


def whole() -> History:
    """The driver says m1 (delivered), m2 (withheld, then released), m3 (rejected), m4 (delivered, then starred out)."""
    events = [
        EventRow(TRIP, 1, 1, 1, "new", "m1"),
        EventRow(TRIP, 2, 2, None, "new", "m2"),
        EventRow(TRIP, 3, None, None, "new", "m3"),
        EventRow(TRIP, 4, 3, 2, "new", "m4"),
        EventRow(TRIP, 5, 4, 3, "masked", "m4"),
        EventRow(TRIP, 6, 5, 4, "released", "m2"),
    ]
    messages = [
        row("m1", "delivered", "allow", 1, 1),
        row("m2", "delivered", "quarantine", 2, 4),
        row("m3", "rejected", "reject", None, None),
        row("m4", "masked", "allow", 3, 2),
    ]
    starred = "*" * len(text_of("m4"))
    driver_frames = [
        joined(0), frame("messages-history", []), new("m1", 1), new("m2", 2), new("m4", 3), mark("m4", 3),
        updated("m4", 4, "masked", text_of("m4")), updated("m2", 5, "released", text_of("m2")), mark("m2", 2),
    ]  # fmt: skip
    rider = Device(
        "rider-1", TRIP, RIDER, "customer",
        [
            Connection(0.0, frames=[joined(0), frame("messages-history", []), new("m1", 1)]),
            Connection(5.0, 1, "e", [joined(2), new("m4", 2), updated("m4", 3, "masked", starred)]),
            Connection(9.0, 3, "e", [joined(4), updated("m2", 4, "released", text_of("m2"))]),
        ],
    )  # fmt: skip
    late = Device(
        "rider-2", TRIP, RIDER, "customer",
        [Connection(7.0, frames=[
            joined(3),
            frame("messages-history", [flat("m4", 2, starred), flat("m1", 1, text_of("m1"))]),
            updated("m2", 4, "released", text_of("m2")),
        ])],
    )  # fmt: skip
    return History(
        said=[Said(f"c-{one}", TRIP, DRIVER, "driver", "plain", text_of(one), WORDS[one]) for one in WORDS],
        tries=[Try(1.0, f"c-{one}", "driver-1", "socket") for one in WORDS],
        answers=[
            Answer(1.1, "c-m1", "driver-1", "socket", "m1", 1, "delivered"),
            Answer(1.2, "c-m2", "driver-1", "socket", "m2", 2, "quarantined"),
            Answer(1.2, "c-m3", "driver-1", "socket", code="message_rejected"),
            Answer(1.3, "c-m4", "driver-1", "rest", "m4", 3, "delivered"),
        ],
        devices=[Device("driver-1", TRIP, DRIVER, "driver", [Connection(0.0, frames=driver_frames)]), rider, late],
        rows=Rows(
            messages, events, [ReceiptRow(TRIP, RIDER, "read", 1, 1.0), ReceiptRow(TRIP, RIDER, "read", 3, 2.0)],
            {TRIP: {"driver": 5, "customer": 4}},
            {
                "message.accepted": ["m1", "m2", "m4"], "message.rejected": ["m3"], "message.masked": ["m4"],
                "message.released": ["m2"],
            },
        ),
    )  # fmt: skip


def frames_of(history: History, device: int, connection: int = -1) -> list[Frame]:
    return history.devices[device].connections[connection].frames


def test_a_whole_history_has_no_findings() -> None:
    assert check(whole()) == []


def test_a_history_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    whole().save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json") == whole()


Change = Callable[[History], object]


def leak(history: History, at: Frame) -> None:
    """`at` comes to the rider before m2 was released."""
    frames_of(history, 1, 1).append(at)


def later(history: History, device: int) -> None:
    """The last frame comes long after the one before."""
    frames_of(history, device)[-1].at += 10.0


def unreleased(history: History) -> None:
    """The release of m2 reached the rider, and never took place."""
    history.rows.events.pop()


def stranger(seq: int) -> Frame:
    """A message that nobody stored."""
    return frame("new-message", flat("m8", seq, STRANGE))


def stored_also(history: History, client_id: str) -> None:
    """One more row."""
    history.rows.messages.append(row("m9", "delivered", "allow", 6, 5))
    history.rows.messages[-1].client_id = client_id


CHANGES: dict[str, tuple[str, Change]] = {
    "an acknowledged message is not stored": ("stored", lambda h: h.rows.messages.pop(0)),
    "a message is stored twice": ("stored", lambda h: stored_also(h, "c-m1")),
    "a message is stored that nobody said": ("stored", lambda h: stored_also(h, "c-m9")),
    "an acknowledgement names another number": ("stored", lambda h: setattr(h.answers[0], "seq", 7)),
    "a repeat is acknowledged under another id": (
        "stored", lambda h: h.answers.append(Answer(2.0, "c-m1", "driver-1", "rest", "m7", 1, "delivered"))),
    "a message is stored that was rejected": ("stored", lambda h: setattr(h.rows.messages[2], "status", "delivered")),
    "a message is stored for somebody else": ("stored", lambda h: setattr(h.rows.messages[0], "sender", RIDER)),
    "nobody ever answers": ("answered", lambda h: h.answers.pop()),
    "a number is missing": ("numbers", lambda h: setattr(h.rows.events[3], "seq_customer", 9)),
    "an event is lost on the way": ("order", lambda h: frames_of(h, 0).pop(3)),
    "the last event is lost": ("order", lambda h: frames_of(h, 1).pop()),
    "an event comes twice": ("order", lambda h: frames_of(h, 0).insert(4, new("m2", 2))),
    "two events change places": ("order", lambda h: frames_of(h, 0).insert(2, frames_of(h, 0).pop(3))),
    "a resume leaves something out": ("order", lambda h: frames_of(h, 1, 1).pop(1)),
    "numbers of another database go on without a reset": (
        "order", lambda h: setattr(h.devices[1].connections[1], "epoch", "another")),
    "an event comes before joined": ("order", lambda h: frames_of(h, 0).insert(0, new("m1", 1))),
    "a reset snapshot is not whole": (
        "told", lambda h: frames_of(h, 2).append(
            frame("reset", {"epoch": "e", "lastSeq": 4, "messages": [flat("m2", 4, text_of("m2"))]}))),
    "a history leaves a message out": ("told", lambda h: frames_of(h, 2).__setitem__(1, frame("messages-history", []))),
    "an event is told as another one": (
        "told", lambda h: frames_of(h, 1).__setitem__(1, updated("m2", 4, "masked", text_of("m2")))),
    "a message is told of that is not stored": ("told", lambda h: frames_of(h, 0).append(stranger(6))),
    "a text arrives altered": (
        "told", lambda h: frames_of(h, 0).__setitem__(2, frame("new-message", flat("m1", 1, "hello")))),
    "a withheld text arrives as an event that never was": ("withheld", unreleased),
    "a withheld text arrives before its release": (
        "withheld", lambda h: leak(h, frame("typing", {"userId": DRIVER, "draft": WORDS["m2"]}))),
    "a rejected text arrives": ("withheld", lambda h: leak(h, frame("error", {"message": text_of("m3")}))),
    "a starred text is whole in a later history": (
        "withheld", lambda h: frames_of(h, 2).__setitem__(
            1, frame("messages-history", [flat("m4", 2, text_of("m4")), flat("m1", 1, text_of("m1"))]))),
    "a starred text is whole in a page by REST": (
        "withheld", lambda h: h.devices[1].pages.append(
            Frame(9.0, json.dumps({"lastSeq": 4, "items": [flat("m4", 2, text_of("m4"))]})))),
    "words of another trip arrive": (
        "withheld", lambda h: setattr(h.said[0], "trip", OTHER)),
    "a receipt goes back on a socket": ("receipts", lambda h: frames_of(h, 0).append(Frame(9.0, mark("m1", 1).raw))),
    "a receipt covers what there is not": (
        "receipts", lambda h: h.rows.receipts.append(ReceiptRow(TRIP, RIDER, "read", 9, 3.0))),
    "a message that was read is unread again": (
        "receipts", lambda h: frames_of(h, 0).extend(
            frame("message-updated", flat("m4", seq, text_of("m4"), change="masked", read_at=at))
            for seq, at in ((6, "2026-01-01T10:00:00Z"), (7, None))) or later(h, 0)),
    "a message was read later than it was": (
        "receipts", lambda h: frames_of(h, 0).extend(
            frame("message-updated", flat("m4", seq, text_of("m4"), change="masked", read_at=at))
            for seq, at in ((6, "2026-01-01T10:00:00Z"), (7, "2026-01-01T10:00:02Z"))) or later(h, 0)),
    "a receipt is overtaken by another at the join": (
        "receipts", lambda h: frames_of(h, 0).append(mark("m1", 1))),
    "other words are taken under a used id": (
        "stored", lambda h: h.impostures.append(Imposture(2.0, "c-m1", STRANGE, 201, ""))),
    "other words under a used id arrive": (
        "withheld", lambda h: leak(h, frame("typing", {"draft": STRANGE}))),
    "words pass through Valkey in plain": ("withheld", lambda h: h.overheard.append(WORDS["m1"])),
    "an act is not in the log": ("audit", lambda h: h.rows.audited["message.accepted"].remove("m2")),
    "an act is in the log twice": ("audit", lambda h: h.rows.audited["message.released"].append("m2")),
    "an entry is of no act": ("audit", lambda h: h.rows.audited["message.rejected"].append("m1")),
    "the log does not verify": ("audit", lambda h: h.rows.audit_faults.append("tampered: entry 3")),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_wrong_is_found(name: str) -> None:
    rule, change = CHANGES[name]
    history = whole()
    change(history)
    found = check(history)
    assert rule in {finding.rule for finding in found}, [str(finding) for finding in found]
