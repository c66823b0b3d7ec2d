"""Holds a run against what Tripwarden promises. A pure function: a history in, findings out; nothing found is good.

The rules are those of the chat's contract: what is acknowledged is stored exactly once; each device hears every event
of its audience in order; what is withheld is on no wire of the other side; receipts never go back; each act is in the
audit log once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

import msgspec

from tests.chaos.content import check_content
from tests.chaos.hearing import Heard, read_all
from tests.chaos.histories import Connection, Device, History, MessageRow, Said

#: What a refusal for good leaves in the rows: a judged message is stored as rejected, the others leave nothing.
STORED_REFUSAL = "message_rejected"


#: The receipts inside a message object are those of the moment at which it was made: so much behind it may be.
OBJECT_LAG_S = 2.0


class Finding(msgspec.Struct, order=True):
    """A promise that was not kept: which rule, where (a device or a trip), and what happened."""

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}"


def check(history: History) -> list[Finding]:
    """Everything that is wrong with a run, in a stable order."""
    return sorted(finding for rule in RULES for finding in rule(history))


# -- storing -----------------------------------------------------------------------------------------------------------


def check_stored(history: History) -> Iterator[Finding]:
    """Acked: stored exactly once, as acknowledged. Not acked: at most once. Stored: somebody said it."""
    said = {one.client_id: one for one in history.said}
    stored: dict[str, list[MessageRow]] = defaultdict(list)
    for row in history.rows.messages:
        if row.sender_type == "system":
            continue
        if row.client_id is None or row.client_id not in said:
            yield Finding("stored", row.trip, f"message {row.id} was stored, but nobody said it")
        else:
            stored[row.client_id].append(row)
            yield from _fits(said[row.client_id], row)
    for client_id, rows in stored.items():
        if len(rows) > 1:
            yield Finding("stored", rows[0].trip, f"{client_id} is stored {len(rows)} times")
    for answer in history.answers:
        where, rows = answer.device, stored.get(answer.client_id, [])
        if answer.code is not None and answer.code != STORED_REFUSAL:
            if rows:
                yield Finding("stored", where, f"{answer.client_id} was refused ({answer.code}), and is stored")
            continue
        if not rows:
            yield Finding("stored", where, f"{answer.client_id} was answered at {answer.at:.2f} s and is not stored")
            continue
        row = rows[0]
        if (answer.code == STORED_REFUSAL) != (row.status == "rejected"):
            yield Finding("stored", where, f"{answer.client_id} is {row.status}, answered {answer.code or 'ack'}")
        elif answer.id is not None:
            seq = row.seq_of(said[answer.client_id].role)
            if (answer.id, answer.seq) != (row.id, seq):
                told = f"({answer.id}, {answer.seq})"
                yield Finding("stored", where, f"{answer.client_id} was acked as {told}, is ({row.id}, {seq})")


def check_impostures(history: History) -> Iterator[Finding]:
    """Other words under a used id are refused as what they are."""
    for one in history.impostures:
        if one.code != "client_message_id_reused":
            yield Finding("stored", one.client_id, f"other words under its id were answered {one.status} {one.code}")


def _fits(said: Said, row: MessageRow) -> Iterator[Finding]:
    if (said.trip, said.person) != (row.trip, row.sender):
        yield Finding("stored", row.trip, f"{said.client_id} is stored for another trip or person")


def check_answered(history: History) -> Iterator[Finding]:
    """After everything was healed, nobody still waits."""
    answered = {answer.client_id for answer in history.answers}
    tried = Counter(one.client_id for one in history.tries)
    for said in history.said:
        if said.client_id not in answered and tried[said.client_id]:
            tries = tried[said.client_id]
            yield Finding("answered", said.trip, f"{said.client_id} has no answer after {tries} tries")


def check_numbers(history: History) -> Iterator[Finding]:
    """Each audience counts for itself, from 1, without a gap."""
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in history.rows.events:
        for role in ("driver", "customer"):
            seq = event.seq_of(role)
            if seq is not None:
                taken[event.trip, role].append(seq)
    for trip, lasts in history.rows.last.items():
        for role, last in lasts.items():
            if sorted(taken[trip, role]) != list(range(1, last + 1)):
                yield Finding("numbers", trip, f"the {role}'s events are not numbered 1 to {last}")


# -- hearing -----------------------------------------------------------------------------------------------------------


def check_order(history: History) -> Iterator[Finding]:
    """On each socket every number follows the one before; over all its sockets a device hears everything."""
    for device in history.devices:
        reached = 0
        for number, connection in enumerate(device.connections):
            walk = _Walk(device, number, connection)
            yield from walk.findings()
            reached = max(reached, walk.reached)
        last = history.rows.last.get(device.trip, {}).get(device.role, 0)
        if reached != last:
            yield Finding("order", device.name, f"it got to {reached}, the last event is {last}")


class _Walk:
    """One socket, frame by frame."""

    def __init__(self, device: Device, number: int, connection: Connection) -> None:
        self._where = f"{device.name} socket {number}"
        self._connection = connection
        self._started = self._owed_a_reset = False
        self.reached = connection.since or 0

    def findings(self) -> Iterator[Finding]:
        """Walk it."""
        for heard in read_all(self._connection):
            if heard.event == "joined":
                self._started = True
                if self._connection.since is None:
                    self.reached = heard.data["lastSeq"]
                self._owed_a_reset = self._connection.epoch not in (None, heard.data["epoch"])
            elif heard.event == "reset":
                self.reached, self._owed_a_reset = heard.data["lastSeq"], False
            elif heard.seq is not None:
                yield from self._next(heard, heard.seq)

    def _next(self, heard: Heard, seq: int) -> Iterator[Finding]:
        at = f"at {heard.at:.2f} s"
        if not self._started:
            yield Finding("order", self._where, f"{heard.event} {seq} {at} before `joined`")
        if self._owed_a_reset:
            yield Finding("order", self._where, f"{heard.event} {seq} {at} to numbers of another database, no `reset`")
        if seq <= self.reached:
            yield Finding("order", self._where, f"{heard.event} {seq} {at} after {self.reached}: not the next")
        elif seq > self.reached + 1:
            yield Finding("order", self._where, f"{heard.event} {seq} {at} after {self.reached}: a gap")
        self.reached = max(self.reached, seq)


# -- receipts ----------------------------------------------------------------------------------------------------------


def check_receipts(history: History) -> Iterator[Finding]:
    """Receipts only go forward, in the numbers of whoever gives them, and what they say of a message stays said.

    (In the numbers of the other side they need not: a message that is released late has a late number only for its
    reader.)
    """
    roles = {device.person: device.role for device in history.devices}
    messages = {row.id: row for row in history.rows.messages}
    for device in history.devices:
        for number, connection in enumerate(device.connections):
            marks = _marks(read_all(connection), roles, messages)
            yield from _forward(f"{device.name} socket {number}", marks)
        yield from _stays_said(device)
    for row in history.rows.receipts:
        if row.up_to_seq > history.rows.last.get(row.trip, {}).get(roles.get(row.person, ""), 0):
            yield Finding("receipts", row.trip, f"{row.kind} up to {row.up_to_seq}, which there is not")


def _marks(
    frames: Iterable[Heard], roles: dict[str, str], messages: dict[str, MessageRow]
) -> Iterator[tuple[str, str, int, float]]:
    for heard in frames:
        if heard.event not in ("message-read", "message-delivered"):
            continue
        kind, by = ("read", "readBy") if heard.event == "message-read" else ("delivered", "deliveredTo")
        person, row = heard.data[by], messages.get(heard.data["messageId"])
        seq = row.seq_of(roles.get(person, "")) if row is not None else None
        yield kind, person, seq or heard.data["seq"], heard.at


def _forward(where: str, marks: Iterable[tuple[str, str, int, float]]) -> Iterator[Finding]:
    reached: dict[tuple[str, str], int] = {}
    for kind, person, seq, at in marks:
        before = reached.get((kind, person), 0)
        if seq < before:
            yield Finding("receipts", where, f"{kind} of {person} went back from {before} to {seq} at {at:.2f} s")
        reached[kind, person] = max(before, seq)


def _stays_said(device: Device) -> Iterator[Finding]:
    """A message that was shown as delivered or read at some time stays so, and not at a later time."""
    shown: dict[tuple[str, str], tuple[str, float]] = {}
    for number, connection in enumerate(device.connections):
        for heard in read_all(connection):
            for message in heard.messages:
                for name in ("delivered_at", "read_at"):
                    (before, at), now = shown.get((message["id"], name), (None, 0.0)), message.get(name)
                    if before is not None and (now is None or now > before) and heard.at - at > OBJECT_LAG_S:
                        what = f"{heard.event} {heard.seq} at {heard.at:.2f} s: {name} of {message['id']} was {before}"
                        yield Finding("receipts", f"{device.name} socket {number}", f"{what}, is {now}")
                    if now is not None and now != before:
                        shown[message["id"], name] = now, heard.at


# -- the log -----------------------------------------------------------------------------------------------------------


def check_audit(history: History) -> Iterator[Finding]:
    """Each act on a message has one entry, each entry is of an act, and the log as a whole verifies."""
    for fault in history.rows.audit_faults:
        yield Finding("audit", "log", fault)
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for row in history.rows.messages:
        if row.sender_type != "system":
            expected["message.rejected" if row.status == "rejected" else "message.accepted"][row.id] += 1
    for event in history.rows.events:
        if event.kind in ("masked", "removed", "released") and event.message_id is not None:
            expected[f"message.{event.kind}"][event.message_id] += 1
    for code in sorted(expected.keys() | history.rows.audited.keys()):
        found = Counter(history.rows.audited.get(code, []))
        for message in sorted(expected[code].keys() | found.keys()):
            if found[message] != expected[code][message]:
                counts = f"{found[message]} entries for {expected[code][message]} acts"
                yield Finding("audit", message, f"{code}: {counts}")


RULES: tuple[Callable[[History], Iterator[Finding]], ...] = (
    check_stored,
    check_answered,
    check_impostures,
    check_numbers,
    check_order,
    lambda history: (Finding(*found) for found in check_content(history)),
    check_receipts,
    check_audit,
)
