"""THE way of a message: access -> judge -> store -> audit -> case -> commit -> publish."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec

from backend.accounts.caller import Caller
from backend.audit import AuditLog, Entry, Prepared
from backend.clock import Clock
from backend.db import Database, new_id
from backend.errors import ProblemError
from backend.keys import Keyring
from backend.messages.access import access_message
from backend.messages.receipts import Marks, access_marks
from backend.messages.sending import Draft, Sent, arguments, send_in_session, send_plain
from backend.messages.templates import TemplateBook
from backend.messages.views import FRESH_S, TripViews
from backend.messages.wire import Message, Opened, flat, message_frame
from backend.pipeline.judging import Judge, Ruling
from backend.pipeline.limits import TokenBuckets
from backend.realtime import AUDIENCES, ChatEvent, Hub
from backend.reviews.service import open_case
from backend.reviews.severity import CaseKind, Severity
from backend.trips.access import TripView

#: C0 and C1 control characters except tab, line feed and carriage return: no keyboard makes them, terminals obey them.
_CONTROL = {*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A, 0x0D}
#: What leaves no trace on a screen: spaces, zero-width and joining marks, direction marks, blank letters.
_UNSEEN = "".join(map(chr, (
    *range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0xAD, 0x034F, 0x115F, 0x1160, 0x1680, 0x180E, *range(0x2000, 0x2010),
    *range(0x2028, 0x2030), *range(0x205F, 0x2070), 0x2800, 0x3000, 0x3164, 0xFE0E, 0xFE0F, 0xFEFF, 0xFFA0,
)))  # fmt: skip


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to send: free text, or the key of a template."""

    content: str = ""
    template_key: str | None = None
    client_message_id: UUID | None = None
    reply_to: UUID | None = None


class Delivered(NamedTuple):
    """The message as its sender sees it, and whether it had been sent before."""

    message: Message
    repeated: bool


#: Hears how a send ended. Called once, on the loop; must not raise.
Done = Callable[[Delivered | BaseException], None]


class SendPipeline:
    """Sends messages for travellers. Everything it needs is handed in by bootstrap."""

    def __init__(
        self,
        *,
        db: Database,
        keyring: Keyring,
        audit: AuditLog,
        hub: Hub,
        clock: Clock,
        judge: Judge,
        views: TripViews,
        templates: TemplateBook,
        limits: TokenBuckets,
        trip_limits: TokenBuckets,
        max_chars: int,
    ) -> None:
        self._db, self._keyring, self._audit, self._hub, self._clock = db, keyring, audit, hub, clock
        self._judge, self._views, self._templates = judge, views, templates
        self._limits, self._trip_limits, self._max_chars = limits, trip_limits, max_chars
        #: Messages by what became of them, since this process started.
        self.counts: Counter[str] = Counter()
        self._working: set[asyncio.Task[Delivered]] = set()

    async def send(self, caller: Caller, trip_id: UUID, outgoing: Outgoing, *, peer_sees: bool = True) -> Delivered:
        """Send one message; durable, and told to both sides, when it returns.

        `peer_sees=False` keeps an allowed message from the other side (a covert call for help). Raises ProblemError:
        `rate_limited`, `content_*`, `trip_not_found`, `message_rejected` and what `chat_send` refuses.
        """
        answer: asyncio.Future[Delivered] = asyncio.get_running_loop().create_future()
        self.submit(caller, trip_id, outgoing, lambda result: _settle(answer, result), peer_sees=peer_sees)
        return await answer

    def submit(self, caller: Caller, trip_id: UUID, outgoing: Outgoing, done: Done, *, peer_sees: bool = True) -> None:
        """Send one message and say how it ended: `done` is called once, on the loop, after commit and announcement.

        Never waits and never raises. What was begun is finished even if nobody waits for it any more: a commit that
        nobody tells of is a lost message.
        """
        work = asyncio.get_running_loop().create_task(self._send(caller, trip_id, outgoing, peer_sees))
        self._working.add(work)

        def tell(finished: asyncio.Task[Delivered]) -> None:
            self._working.discard(finished)
            if finished.cancelled():
                done(ProblemError("unavailable"))
            else:
                done(finished.exception() or finished.result())

        work.add_done_callback(tell)

    async def _send(self, caller: Caller, trip_id: UUID, outgoing: Outgoing, peer_sees: bool) -> Delivered:
        self._limits.take(caller.id)
        view = await self._views.access_own(self._db.pool, caller, trip_id, fresh_s=FRESH_S)
        # Not before access is known: a stranger must not use up the share of somebody else's trip.
        self._trip_limits.take(trip_id)
        text, reader_text = await self._texts(caller, view, outgoing)
        now = self._clock.now()
        ruling = self._judge.judge(
            text,
            view.locale_of(caller.role),
            view,
            caller.id,
            caller.role,
            now.timestamp(),
            outgoing.template_key is not None,
        )
        draft = Draft(
            id=new_id(),
            client_message_id=outgoing.client_message_id,
            message_type="quick" if outgoing.template_key else "text",
            text=text,
            reader_text=ruling.reader_text if ruling.reader_text is not None else reader_text,
            template_key=outgoing.template_key,
            reply_to=outgoing.reply_to,
            status=ruling.status,
            reason=ruling.reason,
            peer_sees=ruling.peer_sees and peer_sees,
            judged=ruling.judged,
            at=now,
        )
        return await self._store_and_tell(caller, view, draft, ruling)

    async def _texts(self, caller: Caller, view: TripView, outgoing: Outgoing) -> tuple[str, str | None]:
        if outgoing.template_key is None:
            check_content(outgoing.content, self._max_chars)
            return outgoing.content, None
        peer = "customer" if caller.role == "driver" else "driver"
        locales = (view.locale_of(caller.role), view.locale_of(peer))
        own, theirs = await self._templates.access_texts(self._db.pool, outgoing.template_key, caller.role, locales)
        return own, theirs if theirs != own else None

    async def _store_and_tell(self, caller: Caller, view: TripView, draft: Draft, ruling: Ruling) -> Delivered:
        key = await self._keyring.get(view.trip_id, caller.id)
        prepared = await self._audit.prepare(
            Entry(
                event="message.accepted" if draft.status != "rejected" else "message.rejected",
                outcome=draft.status,
                policy=ruling.judged.policy,
                trip_id=view.trip_id,
                person_id=caller.id,
                private={"message_id": str(draft.id)},
            )
        )
        values = arguments(view, caller, key, draft, prepared)
        sent = await self._store(caller, view, draft, ruling, values, prepared)
        if sent.code == "repeat":
            return await self._repeated(caller, view, cast("UUID", sent.earlier_id), draft)
        if sent.code != "ok":
            self._views.forget(view.trip_id)
            raise ProblemError(sent.code)
        self._judge.note(view.trip_id, caller.id, draft.text, draft.at.timestamp())
        return self._tell(caller, view, draft, ruling, sent)

    async def _store(
        self, caller: Caller, view: TripView, draft: Draft, ruling: Ruling, values: tuple[Any, ...], prepared: Prepared
    ) -> Sent:
        """One commit: the bare send, or the send together with the case that it opens."""
        done = False
        try:
            if ruling.judged.outcome == "allow" and ruling.case_kind is None:
                sent = await send_plain(self._db.pool, values)
            else:
                sent = await self._store_with_case(caller, view, draft, ruling, values)
            done = sent.code == "ok"
            return sent
        finally:
            self._audit.settle(prepared, done)

    async def _store_with_case(
        self, caller: Caller, view: TripView, draft: Draft, ruling: Ruling, values: tuple[Any, ...]
    ) -> Sent:
        async with self._db.session() as session:
            sent = await send_in_session(session, values)
            if sent.code != "ok":
                return sent
            await self._audit.append(
                session,
                Entry(
                    event="message.verdict",
                    outcome=ruling.judged.outcome,
                    policy=ruling.judged.policy,
                    counts={"signals": len(ruling.reasons)},
                    trip_id=view.trip_id,
                    person_id=caller.id,
                    private={
                        "message_id": str(draft.id),
                        "flags": list(ruling.judged.flags),
                        "reasons": list(ruling.reasons),
                    },
                ),
            )
            if ruling.case_kind is not None:
                await open_case(
                    session,
                    self._audit,
                    self._clock,
                    trip_id=view.trip_id,
                    kind=cast("CaseKind", ruling.case_kind),
                    severity=cast("Severity", ruling.severity),
                    reasons=ruling.reasons,
                    message_id=draft.id,
                    about_user_id=caller.id,
                    verdict={"outcome": ruling.judged.outcome, "labels": msgspec.json.decode(ruling.judged.labels)},
                )
            await session.commit()
        return sent

    def _tell(self, caller: Caller, view: TripView, draft: Draft, ruling: Ruling, sent: Sent) -> Delivered:
        message = _as_opened(caller, view, draft, sent)
        parts = [
            message_frame("new", message, side, view, Marks(), seq) if seq is not None else None
            for side, seq in zip(AUDIENCES, (sent.seq_driver, sent.seq_customer), strict=True)
        ]
        if any(parts):
            self._hub.announce(ChatEvent(view.trip_id, *parts))
        self.counts[draft.status] += 1
        if ruling.case_kind is not None:
            self._hub.ring_staff("review")
        if draft.status == "rejected":
            raise _rejection(draft.reason, draft.client_message_id)
        return Delivered(flat(message, caller.role, view, Marks()), repeated=False)

    async def _repeated(self, caller: Caller, view: TripView, earlier_id: UUID, draft: Draft) -> Delivered:
        """Answer a repeat as the first time was answered."""
        earlier = await access_message(self._db.pool, self._keyring, view, earlier_id)
        if earlier.status == "rejected":
            raise _rejection(earlier.reason, draft.client_message_id)
        marks = await access_marks(self._db.pool, view)
        return Delivered(flat(earlier, caller.role, view, marks), repeated=True)


def _settle(answer: asyncio.Future[Delivered], result: Delivered | BaseException) -> None:
    """Hand the result to whoever still waits; a refusal whose client has gone is nobody's unhandled error."""
    if answer.done():
        return
    if isinstance(result, BaseException):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def check_content(content: str, max_chars: int) -> None:
    """Raise `content_empty`, `content_too_long` or `content_control_characters`."""
    if len(content) > max_chars:
        raise ProblemError("content_too_long", f"The message is longer than {max_chars:,} characters.")
    if not content.strip(_UNSEEN):
        raise ProblemError("content_empty")
    if not _CONTROL.isdisjoint(map(ord, content)):
        raise ProblemError("content_control_characters")


def _rejection(reason: str | None, client_message_id: UUID | None) -> ProblemError:
    return ProblemError("message_rejected", reason=reason or "policy", clientMessageId=client_message_id)


def _as_opened(caller: Caller, view: TripView, draft: Draft, sent: Sent) -> Opened:
    return Opened(
        draft.id, view.trip_id, caller.id, caller.role, draft.message_type, draft.text, draft.reader_text,
        draft.template_key, None, draft.client_message_id, draft.reply_to, draft.status, draft.reason,
        sent.seq_driver, sent.seq_customer, cast("int", sent.seq_staff), draft.at,
    )  # fmt: skip


__all__ = ["Delivered", "Done", "Outgoing", "SendPipeline", "check_content"]
