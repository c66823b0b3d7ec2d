"""What a run leaves behind: what was said, tried, answered and heard, and the rows that are left in PostgreSQL.

Times are seconds since the run began; ids are text; a trip, a person or a device is known by one string everywhere.
"""

from __future__ import annotations

from pathlib import Path

import msgspec


class Said(msgspec.Struct):
    """A message that somebody meant to send. `word` stands in no other message of the run."""

    client_id: str
    trip: str
    person: str
    role: str
    kind: str
    text: str
    word: str


class Try(msgspec.Struct):
    """One time that it was put on a wire; `via` is `socket` or `rest`."""

    at: float
    client_id: str
    device: str
    via: str


class Answer(msgspec.Struct):
    """What came back: an acknowledgement (`id`, `seq`, `status`), or the `code` of a refusal for good."""

    at: float
    client_id: str
    device: str
    via: str
    id: str | None = None
    seq: int | None = None
    status: str | None = None
    code: str | None = None


class Imposture(msgspec.Struct):
    """Other words under a `clientMessageId` that had been answered: how that was answered."""

    at: float
    client_id: str
    word: str
    status: int
    code: str


class Frame(msgspec.Struct):
    """Something that was heard, as it was on the wire."""

    at: float
    raw: str


class Connection(msgspec.Struct):
    """A socket from `auth` to its end. `since` and `epoch` are what the client resumed with."""

    opened_at: float
    since: int | None = None
    epoch: str | None = None
    frames: list[Frame] = []
    ended_at: float | None = None
    code: int | None = None


class Device(msgspec.Struct):
    """A phone: its sockets in order, and the pages of history that it asked for by REST."""

    name: str
    trip: str
    person: str
    role: str
    connections: list[Connection] = []
    pages: list[Frame] = []


class MessageRow(msgspec.Struct):
    """A row of `trip_message`, with the machine's answer on it (`allow`, `mask`, `quarantine`, `reject`)."""

    id: str
    trip: str
    sender: str
    sender_type: str
    client_id: str | None
    status: str
    outcome: str | None
    seq_driver: int | None
    seq_customer: int | None

    def seq_of(self, role: str) -> int | None:
        """Its first number for an audience."""
        return self.seq_driver if role == "driver" else self.seq_customer


class EventRow(msgspec.Struct):
    """A row of `trip_event`."""

    trip: str
    seq_staff: int
    seq_driver: int | None
    seq_customer: int | None
    kind: str
    message_id: str | None

    def seq_of(self, role: str) -> int | None:
        """Its number for an audience; None where it is not theirs to see."""
        return self.seq_driver if role == "driver" else self.seq_customer


class ReceiptRow(msgspec.Struct):
    """A row of `trip_receipt`; `at` in seconds of any clock."""

    trip: str
    person: str
    kind: str
    up_to_seq: int
    at: float


class Rows(msgspec.Struct):
    """What is stored. `last`: trip -> role -> last number. `audited`: event code -> message ids of its entries."""

    messages: list[MessageRow] = []
    events: list[EventRow] = []
    receipts: list[ReceiptRow] = []
    last: dict[str, dict[str, int]] = {}
    audited: dict[str, list[str]] = {}
    audit_faults: list[str] = []


class History(msgspec.Struct):
    """A whole run."""

    seed: int = 0
    said: list[Said] = []
    tries: list[Try] = []
    answers: list[Answer] = []
    impostures: list[Imposture] = []
    devices: list[Device] = []
    #: Made-up words that were seen in plain on the wires of Valkey.
    overheard: list[str] = []
    rows: Rows = msgspec.field(default_factory=Rows)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_bytes(msgspec.json.encode(self))

    @staticmethod
    def load(path: Path) -> History:
        """Read what `save` wrote."""
        return msgspec.json.decode(path.read_bytes(), type=History)
