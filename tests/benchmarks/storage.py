"""What a message or a trip takes on the disk: tables with their indexes, and the write-ahead log."""

from __future__ import annotations

import re
from typing import Any

import msgspec

#: A day's partition counts for its table.
_DAY = re.compile(r"_\d{8}$")
_SIZES = """
SELECT c.relname AS name, pg_table_size(c.oid) AS heap, pg_indexes_size(c.oid) AS indexes
FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace IN (
    SELECT oid FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'peer'))
"""
_WAITING = "SELECT EXISTS (SELECT FROM audit_intake)"


class Storage(msgspec.Struct, kw_only=True):
    """Bytes each of `count` messages or trips took.

    `heap` (with TOAST) and `indexes`: of the tables that grew by at least one byte each, days taken together.
    `wal`: all that PostgreSQL wrote meanwhile, full page images included."""

    count: int
    heap: dict[str, float]
    indexes: dict[str, float]
    total: float
    wal: float


class Sizes:
    """A look at the disk, to be compared with a later one."""

    def __init__(self, tables: dict[str, tuple[int, int]], wal: int) -> None:
        self._tables, self._wal = tables, wal

    @classmethod
    async def read(cls, connection: Any) -> Sizes:
        """`connection`: asyncpg's. Pages that only memory holds count as well."""
        tables: dict[str, tuple[int, int]] = {}
        for row in await connection.fetch(_SIZES):
            name = _DAY.sub("", row["name"])
            heap, indexes = tables.get(name, (0, 0))
            tables[name] = (heap + row["heap"], indexes + row["indexes"])
        wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        return cls(tables, int(wal))

    def grown_by(self, count: int, later: Sizes) -> Storage:
        """Divide the difference by how many made it."""
        heap, indexes = dict[str, float](), dict[str, float]()
        for name, sizes in later._tables.items():
            before = self._tables.get(name, (0, 0))
            per = [(after - then) / count for after, then in zip(sizes, before, strict=True)]
            if sum(per) >= 1:
                heap[name], indexes[name] = round(per[0], 1), round(per[1], 1)
        return Storage(
            count=count,
            heap=heap,
            indexes=indexes,
            total=round(sum(heap.values()) + sum(indexes.values()), 1),
            wal=round((later._wal - self._wal) / count, 1),
        )


async def log_is_in_order(connection: Any) -> bool:
    """Whether every entry of the audit log has got its place."""
    return not await connection.fetchval(_WAITING)
