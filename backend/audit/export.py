"""The export: the whole log under its newest checkpoint in one text file, which anybody can verify offline.

Lines, each ended by a line feed, all JSON in one form (members in alphabetical order, no blanks):

    {"format":"tripwarden-audit-export","key":VERIFIER KEY,"origin":...,"size":N,"version":1}
    N leaves, exactly the bytes that were hashed, in the order of the tree
    {"hashes":BASE64,"index":I,"level":L}      a tile; levels and indexes rise
    {"checkpoint":NOTE}                        every checkpoint, sizes rise
    {"index":I,"private":BASE64}               on request: salt (32 bytes) and canonical private part of entry I
    {"sha256":HEX}                             of every byte before this line
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Callable
from hashlib import sha256
from typing import Any

import msgspec

from backend.audit.leaf import check_leaf
from backend.audit.merkle import HASH_BYTES
from backend.audit.note import VerifierKey
from backend.audit.private import PrivateReader
from backend.audit.subject_keys import AuditKeys
from backend.audit.tiles import HEIGHT, WIDTH
from backend.audit.verify_database import sealed_private
from backend.db import Database

FORMAT = "tripwarden-audit-export"
VERSION = 1
_FETCH = 5_000

_LEAVES = "SELECT leaf FROM audit_entry WHERE entry_index < $1 ORDER BY entry_index"
_NOTES = "SELECT note FROM audit_checkpoint WHERE tree_size <= $1 ORDER BY tree_size"
_PRIVATE = """SELECT entry_index, leaf, private_sealed, audit_key_id, trip_mac, person_mac, staff_mac FROM audit_entry
WHERE entry_index < $1 AND private_sealed IS NOT NULL ORDER BY entry_index"""

encode_line = msgspec.json.Encoder(order="sorted").encode


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """First line."""

    format: str
    key: str
    origin: str
    size: int
    version: int


class TileLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hashes: str
    index: int
    level: int


class CheckpointLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    checkpoint: str


class PrivateLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    index: int
    private: str


class EndLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str


class NothingSigned(LookupError):
    """There is no checkpoint yet, so there is nothing that could be exported."""


async def export(
    db: Database, key: VerifierKey, write: Callable[[bytes], object], *, private: AuditKeys | None = None
) -> int:
    """Write the log under its newest checkpoint; returns the number of entries. Raises `NothingSigned`.

    With `private` the opened private halves are written, too: personal data, for whoever may see it.
    """
    digest = sha256()

    def put(line: bytes) -> None:
        digest.update(line + b"\n")
        write(line + b"\n")

    async with db.pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        size = await connection.fetchval("SELECT max(tree_size) FROM audit_checkpoint")
        if size is None:
            raise NothingSigned("no checkpoint has been signed yet")
        put(encode_line(Header(FORMAT, str(key), key.name, size, VERSION)))
        async for row in _rows(connection, _LEAVES, size):
            put(row["leaf"])
        async for line in _tile_lines(connection, size):
            put(line)
        async for row in _rows(connection, _NOTES, size):
            put(encode_line(CheckpointLine(row["note"])))
        if private is not None:
            async for line in _private_lines(connection, size, private):
                put(line)
    write(encode_line(EndLine(digest.hexdigest())) + b"\n")
    return size


def _rows(connection: Any, query: str, *values: object) -> Any:
    return connection.cursor(query, *values, prefetch=_FETCH)


async def _tile_lines(connection: Any, size: int) -> AsyncGenerator[bytes]:
    """The tiles of the tree of `size` entries: what grew since is cut off."""
    async for row in _rows(connection, "SELECT level, tile_index, hashes FROM audit_tile ORDER BY level, tile_index"):
        level, index = row["level"], row["tile_index"]
        width = min((size >> (HEIGHT * level)) - index * WIDTH, WIDTH)
        if width > 0:
            hashes = base64.b64encode(row["hashes"][: width * HASH_BYTES]).decode()
            yield encode_line(TileLine(hashes, index, level))


async def _private_lines(connection: Any, size: int, keys: AuditKeys) -> AsyncGenerator[bytes]:
    reader = PrivateReader(keys)
    async for row in _rows(connection, _PRIVATE, size):
        for found in await reader.open([sealed_private(row, check_leaf(row["leaf"]))]):
            if found.state == "open":
                yield encode_line(PrivateLine(found.index, base64.b64encode(found.salted).decode()))
