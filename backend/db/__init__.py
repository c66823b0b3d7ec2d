"""PostgreSQL: engine, sessions, the asyncpg pool of the hot path, partitions."""

from backend.db.engine import Database
from backend.db.partitions import ensure_partition
from backend.db.types import Base, UUIDv7Base, new_id, utc_column

__all__ = ["Base", "Database", "UUIDv7Base", "ensure_partition", "new_id", "utc_column"]
