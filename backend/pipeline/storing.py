"""The store of a judged message: by a lane, alone or together with the case that it opens; one commit either way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec

from backend.accounts.caller import Caller
from backend.audit import AuditLog, Entry, Prepared
from backend.clock import Clock
from backend.db import Database
from backend.messages.lanes import Job, SendLanes
from backend.messages.sending import Draft, Sent, send_in_session
from backend.pipeline.judging import Ruling
from backend.reviews.service import open_case
from backend.reviews.severity import CaseKind, Severity
from backend.trips.access import TripView


class Parcel(NamedTuple):
    """A judged and sealed message, ready to be stored."""

    caller: Caller
    view: TripView
    draft: Draft
    ruling: Ruling
    prepared: Prepared
    values: tuple[Any, ...]


class Store:
    """Stores parcels, each exactly once, and settles what the audit log was promised."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock, lanes: SendLanes) -> None:
        self._db, self._audit, self._clock, self.lanes = db, audit, clock, lanes

    def submit(self, parcel: Parcel, ended: Callable[[Sent | BaseException], None]) -> None:
        """Store `parcel`; `ended` hears of it once. Raises `unavailable` when too many messages are waiting."""

        def settled(result: Sent | BaseException) -> None:
            self._audit.settle(parcel.prepared, isinstance(result, Sent) and result.code == "ok")
            ended(result)

        plain = parcel.ruling.judged.outcome == "allow" and parcel.ruling.case_kind is None
        slow = None if plain else lambda: self._with_case(parcel)
        try:
            self.lanes.submit(Job(parcel.draft.id, parcel.values, settled, slow))
        except BaseException:
            self._audit.settle(parcel.prepared, committed=False)
            raise

    async def stop(self) -> None:
        """Store what waits, and let the lanes go."""
        await self.lanes.stop()

    async def _with_case(self, parcel: Parcel) -> Sent:
        ruling, draft = parcel.ruling, parcel.draft
        async with self._db.session() as session:
            sent = await send_in_session(session, parcel.values)
            if sent.code != "ok":
                return sent
            await self._audit.append(session, _verdict_entry(parcel))
            if ruling.case_kind is not None:
                await open_case(
                    session,
                    self._audit,
                    self._clock,
                    trip_id=parcel.view.trip_id,
                    kind=cast("CaseKind", ruling.case_kind),
                    severity=cast("Severity", ruling.severity),
                    reasons=ruling.reasons,
                    message_id=draft.id,
                    about_user_id=parcel.caller.id,
                    verdict={"outcome": ruling.judged.outcome, "labels": msgspec.json.decode(ruling.judged.labels)},
                )
            await session.commit()
        return sent


def accepted_entry(caller: Caller, view: TripView, draft: Draft) -> Entry:
    """What the log says of every message that was taken in."""
    return Entry(
        event="message.accepted" if draft.status != "rejected" else "message.rejected",
        outcome=draft.status,
        policy=draft.judged.policy,
        trip_id=view.trip_id,
        person_id=caller.id,
        private={"message_id": draft.id},
    )


def _verdict_entry(parcel: Parcel) -> Entry:
    """What the log says besides of a message that the judge did not simply allow."""
    ruling = parcel.ruling
    return Entry(
        event="message.verdict",
        outcome=ruling.judged.outcome,
        policy=ruling.judged.policy,
        counts={"signals": len(ruling.reasons)},
        trip_id=parcel.view.trip_id,
        person_id=parcel.caller.id,
        private={
            "message_id": str(parcel.draft.id),
            "flags": list(ruling.judged.flags),
            "reasons": list(ruling.reasons),
        },
    )
