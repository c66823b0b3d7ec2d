"""PostgreSQL: engine, sessions, the asyncpg pool of the hot path, partitions."""

from backend.db.engine import Database
from backend.db.partitions import ensure_partition
from backend.db.types import Base, UUIDv7Base, new_id, utc_column

#: The schema revision that this code needs; a test holds it against the newest migration.
SCHEMA_HEAD = "0009"

__all__ = ["SCHEMA_HEAD", "Base", "Database", "UUIDv7Base", "ensure_partition", "new_id", "utc_column"]
