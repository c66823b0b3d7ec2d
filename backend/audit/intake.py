"""Appending to the log: one row into the intake, in the transaction of the act itself. No lock, no counter row.

Two ways in. `append(session, entry)` for everything that goes through SQLAlchemy. For the send of a message, whose
one SQL function writes everything:

    prepared = await audit.prepare(entry)          # before a connection is taken
    ... SELECT send_message(..., *prepared.columns) # the function inserts them into audit_intake
    audit.settle(prepared, committed=True)         # False after a rollback, also when the outcome is unknown

A producer counts its entries; a number whose transaction rolled back is closed by a `void` entry that goes in with
the next one, or by `flush_voids`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.canonical import LARGEST, canonical
from backend.audit.entry import Entry, check_code
from backend.audit.leaf import NO_PRIVATE, SALT_BYTES, VERSION, VOID, Leaf, commit, encode_leaf, void_leaf
from backend.audit.subject_keys import AuditKey, AuditKeys
from backend.clock import Clock, rfc3339
from backend.db import Database
from backend.keys import Keyring, at_end

#: Columns of audit_intake that an appender fills, in the order of `Prepared.columns`, with their SQL types.
INTAKE_COLUMNS: tuple[tuple[str, str], ...] = (
    ("leaf", "bytea"),
    ("event", "text"),
    ("at", "timestamptz"),
    ("private_sealed", "bytea"),
    ("audit_key_id", "uuid"),
    ("trip_mac", "bytea"),
    ("person_mac", "bytea"),
    ("staff_mac", "bytea"),
)
_NAMES = ", ".join(name for name, _ in INTAKE_COLUMNS)
INSERT_SQL = (
    f"INSERT INTO audit_intake ({_NAMES}) VALUES ({', '.join(f'${n + 1}' for n in range(len(INTAKE_COLUMNS)))})"  # noqa: S608
)
_INSERT = text(
    f"INSERT INTO audit_intake ({_NAMES}) VALUES ({', '.join(':' + name for name, _ in INTAKE_COLUMNS)})"  # noqa: S608
)
#: A private part larger than this is a mistake: the log holds references, never texts.
MAX_PRIVATE_BYTES = 16 * 1024

Columns = tuple[
    bytes, str, datetime, bytes | None, UUID | None, bytes | None, bytes | None, bytes | None
]  # in the order of INTAKE_COLUMNS


class Prepared(NamedTuple):
    """A counted entry, ready for SQL. Has to be settled."""

    pseq: int
    columns: Columns


class AuditLog:
    """The producer's end of the log, one per process. `producer` names the process: api-1, sweeper-2."""

    def __init__(
        self,
        db: Database,
        keyring: Keyring,
        clock: Clock,
        producer: str,
        policy_version: str | None = None,
        *,
        origin: str,
    ) -> None:
        self._db, self._clock = db, clock
        self.keys = AuditKeys(db, keyring, clock)
        self.producer, self.boot = producer, os.urandom(8).hex()
        self._policy, self._origin = policy_version, origin
        self._taken = 0
        self._open: set[int] = set()
        self._voids: deque[int] = deque()

    def name_policy(self, version: str) -> None:
        """Entries that name no policy of their own name this one from now on."""
        self._policy = version

    async def append(self, session: AsyncSession, *entries: Entry) -> None:
        """Write `entries` in the caller's transaction: they exist exactly if the act does.

        Raises `ValueError` for an entry that the log does not take (free text as code, oversized private part).
        """
        rows = list[Prepared]()
        try:
            for entry in entries:
                rows.append(await self.prepare(entry))
        except BaseException:
            self._end(rows, committed=False)
            raise
        rows += self._take_voids()
        # From here on the numbers are taken: whatever happens to the transaction, they are settled by its end.
        at_end(session.sync_session, lambda committed: self._end(rows, committed))
        await session.execute(_INSERT, [dict(zip(_COLUMN_NAMES, row.columns, strict=True)) for row in rows])

    async def prepare(self, entry: Entry) -> Prepared:
        """Count and seal `entry` for a caller that writes it itself. Some 10 us once the subject's key is at hand.

        Call it before a connection is taken: the first entry of a subject in a month makes its key.
        Raises `ValueError` like `append`; nothing is counted then.
        """
        while (prepared := self.prepare_kept(entry)) is None:
            await self.warm(entry.key_subject())
        return prepared

    async def warm(self, subject: str) -> None:
        """Have the key of `subject` at hand, so that `prepare_kept` finds it."""
        await self.keys.ensure(subject, self._clock.now())

    def prepare_kept(self, entry: Entry) -> Prepared | None:
        """`prepare` without waiting: None, and nothing counted, when the key of the subject is not at hand."""
        moment = self._clock.now()
        check_code(entry.event)
        check_code(entry.outcome)
        counts = _counts(entry.counts)
        private = entry.private_part()
        if not private:
            return self._numbered(entry, moment, counts, NO_PRIVATE, (None, None, None, None, None))
        part = canonical(private)
        if len(part) > MAX_PRIVATE_BYTES:
            raise ValueError(f"the private part of {entry.event} is larger than {MAX_PRIVATE_BYTES} bytes")
        key = self.keys.kept(entry.key_subject(), moment)
        if key is None:
            return None
        salt = os.urandom(SALT_BYTES)
        commitment = commit(salt, part)
        return self._numbered(entry, moment, counts, commitment, self._sealed(entry, key, salt + part, commitment))

    def settle(self, prepared: Prepared, committed: bool) -> None:
        """Say how the transaction of a prepared entry ended.

        In doubt say False: a void beside an entry that did get through is no fault.
        """
        self._end([prepared], committed)

    def _end(self, rows: Sequence[Prepared], committed: bool) -> None:
        if not committed:
            self._voids.extend(row.pseq for row in rows)
        self._open.difference_update(row.pseq for row in rows)

    @property
    def closed_up_to(self) -> int:
        """Every number up to this one is committed, as itself or as a void."""
        return min((*self._open, *self._voids), default=self._taken + 1) - 1

    @property
    def all_closed(self) -> bool:
        """Whether no number is open: nothing that was prepared still waits for the end of its transaction."""
        return self.closed_up_to == self._taken

    async def flush_voids(self) -> int:
        """Close the numbers of rolled-back transactions now; returns how many. For idle processes and for the end."""
        rows = self._take_voids()
        committed = False
        try:
            if rows:
                await self._db.pool.executemany(INSERT_SQL, [row.columns for row in rows])
            committed = True
        finally:
            self._end(rows, committed)
        return len(rows)

    def _sealed(
        self, entry: Entry, key: AuditKey, salted: bytes, commitment: bytes
    ) -> tuple[bytes, UUID, bytes | None, bytes | None, bytes | None]:
        """The private columns: sealed part (bound to its leaf by the commitment), key, blind indexes."""
        mac = self.keys.mac
        return (
            key.key.seal(salted, commitment),
            key.id,
            None if entry.trip_id is None else mac(b"trip", entry.trip_id.bytes),
            None if entry.person_id is None else mac(b"person", entry.person_id.bytes),
            None if entry.staff_id is None else mac(b"staff", entry.staff_id.bytes),
        )

    def _numbered(
        self,
        entry: Entry,
        moment: datetime,
        counts: dict[str, int] | msgspec.UnsetType,
        commitment: bytes,
        private: tuple[bytes | None, UUID | None, bytes | None, bytes | None, bytes | None],
    ) -> Prepared:
        """Take the next number, last of all: nothing can fail or wait after it."""
        policy = entry.policy if entry.policy is not None else self._policy
        number = self._taken = self._taken + 1
        self._open.add(number)
        leaf = self._leaf(number, entry.event, entry.outcome, policy, counts, moment, commitment)
        return Prepared(number, (leaf, entry.event, moment, *private))

    def _take_voids(self) -> list[Prepared]:
        rows = [self._void(self._voids.popleft()) for _ in range(len(self._voids))]
        self._open.update(row.pseq for row in rows)
        return rows

    def _void(self, number: int) -> Prepared:
        moment = self._clock.now()
        leaf = void_leaf(self._origin, self.producer, self.boot, number, moment)
        return Prepared(number, (leaf, VOID, moment, None, None, None, None, None))

    def _leaf(
        self,
        number: int,
        event: str,
        outcome: str,
        policy: str | None,
        counts: dict[str, int] | msgspec.UnsetType,
        moment: datetime,
        commitment: bytes,
    ) -> bytes:
        return encode_leaf(
            Leaf(
                boot=self.boot,
                c=commitment.hex(),
                ev=event,
                log=self._origin,
                n=counts,
                out=outcome,
                pol=policy,
                prod=self.producer,
                pseq=number,
                ts=rfc3339(moment),
                v=VERSION,
            )
        )


_COLUMN_NAMES: Sequence[str] = tuple(name for name, _ in INTAKE_COLUMNS)


def _counts(counts: dict[str, int]) -> dict[str, int] | msgspec.UnsetType:
    """Counts by ASCII code. Raises `ValueError` for anything that is not a whole number."""
    if not counts:
        return msgspec.UNSET
    given: dict[str, Any] = dict(counts)
    for name, value in given.items():
        check_code(name)
        if type(value) is not int or abs(value) > LARGEST:
            raise ValueError(f"the count {name} is no whole number that JSON can hold")
    return counts
