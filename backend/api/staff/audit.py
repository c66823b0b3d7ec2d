"""The audit log for its readers: search, one entry with its proof, the newest checkpoint."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from backend.accounts.caller import Caller
from backend.api.staff.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of, key_of
from backend.api.staff.roles import staff_may_audit
from backend.audit import Entry
from backend.audit.canonical import Json
from backend.audit.checkpoints import latest
from backend.audit.leaf import leaf_hash
from backend.audit.proofs import EntryProof, inclusion
from backend.audit.search import Filters, FoundEntry, access_entries, access_entry
from backend.errors import ProblemError
from backend.pipeline.services import Services

MAX_INDEX = 2**53
EventCode = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*\.?$", max_length=64, description="A code, or its beginning: `case.`"
    ),
]
Since = Annotated[datetime | None, QueryParameter(name="from")]
Until = Annotated[datetime | None, QueryParameter(name="to")]


class EntryView(msgspec.Struct, frozen=True):
    """One entry. `private` is its opened half, `erased` or `broken` when it cannot be opened, null when it has none."""

    index: int
    ts: str
    event: str
    outcome: str
    policy: str | None
    producer: str
    counts: dict[str, int]
    private: dict[str, Any] | Literal["erased", "broken"] | None


def _view(found: FoundEntry) -> EntryView:
    return EntryView(**msgspec.structs.asdict(found))


class Proof(msgspec.Struct, frozen=True):
    """RFC 6962: the path leads from the leaf's hash (hex) to the root (base64) that the checkpoint signs."""

    index: int
    tree_size: int
    leaf_hash: str
    path: list[str]
    root_hash: str
    checkpoint: str


class ProvenEntry(msgspec.Struct, frozen=True):
    """An entry and all that shows it to be in the log; `proof` is null until a checkpoint covers it."""

    entry: EntryView
    leaf: str | None
    proof: Proof | None


@get("/audit", guards=[staff_may_audit])
async def search_audit(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    trip_id: FromQuery[UUID | None] = None,
    person_id: FromQuery[UUID | None] = None,
    staff_id: FromQuery[UUID | None] = None,
    event: EventCode = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[EntryView]:
    """Entries that fit, newest first, with their private half opened. Searching is itself an entry."""
    after = key_of(cursor, tuple[Annotated[int, msgspec.Meta(ge=0, le=MAX_INDEX)]])
    _check_aware(since, until)
    filters = Filters(
        trip_id=trip_id,
        person_id=person_id,
        staff_id=staff_id,
        event=event,
        since=since,
        until=until,
        cursor=after[0] if after else None,
        limit=limit,
    )
    async with services.db.session() as session:
        page = await access_entries(session, services.audit.keys, filters)
        await services.audit.append(session, _searched(filters, caller, len(page.items)))
        await session.commit()
    return Page([_view(item) for item in page.items], cursor_of((page.cursor,)) if page.cursor is not None else None)


def _check_aware(*moments: datetime | None) -> None:
    if any(moment is not None and moment.tzinfo is None for moment in moments):
        raise ProblemError("invalid_value", "A moment needs its offset from UTC, as in 2026-01-31T00:00:00Z.")


def _searched(filters: Filters, caller: Caller, found: int) -> Entry:
    private: dict[str, Json] = {"event": filters.event} if filters.event else {}
    return Entry(
        event="audit.searched",
        counts={"entries": found},
        trip_id=filters.trip_id,
        person_id=filters.person_id,
        staff_id=caller.id,
        private=private,
    )


@get("/audit/{index:int}", guards=[staff_may_audit])
async def one_entry(services: NamedDependency[Services], index: FromPath[int]) -> ProvenEntry:
    """One entry with its inclusion proof against the newest checkpoint."""
    if not 0 <= index <= MAX_INDEX:
        raise ProblemError("not_found")
    async with services.db.session() as session:
        entry = await access_entry(session, services.audit.keys, index)
    if entry is None:
        raise ProblemError("not_found")
    found = await inclusion(services.db, index)
    return ProvenEntry(_view(entry), found.leaf if found else None, _proof(found) if found else None)


def _proof(found: EntryProof) -> Proof:
    # Third line of a checkpoint: its root (https://c2sp.org/tlog-checkpoint).
    root = found.checkpoint.split("\n")[2]
    return Proof(found.index, found.tree_size, leaf_hash(found.leaf.encode()).hex(), found.path, root, found.checkpoint)


@get("/audit/checkpoint", guards=[staff_may_audit])
async def checkpoint(services: NamedDependency[Services]) -> Response[str]:
    """The newest checkpoint as a C2SP signed note."""
    async with services.db.pool.acquire() as connection:
        note = await latest(connection)
    if note is None:
        raise ProblemError("not_found", "The log has no checkpoint yet.")
    return Response(note, media_type="text/plain; charset=utf-8")


router = Router(path="/api/staff", route_handlers=[search_audit, one_entry, checkpoint], tags=["staff: audit"])
