"""THE way of a message: access -> judge -> store -> audit -> case -> commit -> publish.

Everything up to the store happens at once where the trip, the keys and the templates are at hand, without a task and
without waiting. Where something has to be read first, one task a sender and trip reads it and goes on in order.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec
import structlog

from backend.accounts.caller import Caller
from backend.audit import AuditLog
from backend.clock import Clock
from backend.db import Database, new_id
from backend.errors import ProblemError
from backend.keys import Keyring
from backend.messages.access import access_message
from backend.messages.lanes import SendLanes
from backend.messages.receipts import Marks, access_marks
from backend.messages.sending import Draft, Sent, arguments
from backend.messages.templates import TemplateBook
from backend.messages.views import FRESH_S, TripViews
from backend.messages.wire import Message, Opened, encode, flat, new_frame
from backend.pipeline.content import check_content
from backend.pipeline.judging import Judge, Ruling
from backend.pipeline.limits import TokenBuckets
from backend.pipeline.storing import Parcel, Store, accepted_entry
from backend.realtime import ChatEvent, Hub, Numbered
from backend.trips.access import TripView

log = structlog.get_logger("sending")

#: Messages of one process that may wait for a trip or a key to be read.
COLD = 2_000
#: What is read once may be forgotten while the next thing is read; more often than this it is somebody's fault.
WARMINGS = 5
STOP_WITHIN_S = 5.0
_FRESH = Marks()


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to send: free text, or the key of a template."""

    content: str = ""
    template_key: str | None = None
    client_message_id: UUID | None = None
    reply_to: UUID | None = None


class Delivered(NamedTuple):
    """The message as its sender sees it, and whether it had been sent before; `body`: its JSON, where it is at hand."""

    message: Message
    repeated: bool
    body: bytes | None = None


#: Hears how a send ended. Called once, on the loop, never before `submit` has returned.
Done = Callable[[Delivered | BaseException], None]


class _Sending:
    """One message on its way to the store."""

    __slots__ = ("admitted", "caller", "done", "outgoing", "peer_sees", "trip_id")

    def __init__(self, caller: Caller, trip_id: UUID, outgoing: Outgoing, done: Done, peer_sees: bool) -> None:
        self.caller, self.trip_id, self.outgoing = caller, trip_id, outgoing
        self.done, self.peer_sees = done, peer_sees
        self.admitted = False


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
        lanes: SendLanes,
    ) -> None:
        self._db, self._keyring, self._audit, self._hub, self._clock = db, keyring, audit, hub, clock
        self._judge, self._views, self._templates = judge, views, templates
        self._limits, self._trip_limits, self._max_chars = limits, trip_limits, max_chars
        self._store = Store(db, audit, clock, lanes)
        self._cold: dict[tuple[UUID, UUID], deque[_Sending]] = {}
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        #: Messages by what became of them, since this process started.
        self.counts: Counter[str] = Counter()

    async def send(self, caller: Caller, trip_id: UUID, outgoing: Outgoing, *, peer_sees: bool = True) -> Delivered:
        """Send one message; durable, and told to both sides, when it returns.

        `peer_sees=False` keeps an allowed message from the other side (a covert call for help). Raises ProblemError:
        `rate_limited`, `content_*`, `trip_not_found`, `message_rejected`, `unavailable` and what `chat_send` refuses.
        """
        answer: asyncio.Future[Delivered] = asyncio.get_running_loop().create_future()
        self.submit(caller, trip_id, outgoing, lambda result: _settle(answer, result), peer_sees=peer_sees)
        return await answer

    def submit(self, caller: Caller, trip_id: UUID, outgoing: Outgoing, done: Done, *, peer_sees: bool = True) -> None:
        """Send one message and say how it ended: `done` is called once, on the loop, after commit and announcement.

        Never waits and never raises. What was begun is finished even if nobody waits for it any more: a commit that
        nobody tells of is a lost message. Messages of one sender in one trip keep their order.
        """
        sending = _Sending(caller, trip_id, outgoing, done, peer_sees)
        try:
            self._limits.take(caller.id)
            if (trip_id, caller.id) in self._cold or not self._go(sending):
                self._wait(sending)
        except Exception as error:  # noqa: BLE001  (whatever it is, its sender hears of it)
            asyncio.get_running_loop().call_soon(done, error)

    @property
    def batches(self) -> Counter[int]:
        """Commits of the send lanes by how many messages they held."""
        return self._store.lanes.batches

    async def stop(self) -> None:
        """Finish what was begun: what waits is stored and told. Call it before the hub and the database are closed."""
        await self._until_idle()
        await self._store.stop()
        # Whoever was answered by the store may have had a repeat to look up.
        await self._until_idle()

    async def _until_idle(self) -> None:
        """A database that says nothing any more must not keep a process from ending."""
        until = asyncio.get_running_loop().time() + STOP_WITHIN_S
        while self._tasks and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)

    # -- up to the store -------------------------------------------------------------------------------------------

    def _go(self, sending: _Sending) -> bool:
        """Everything up to the store; False, with nothing done, where something has to be read first."""
        caller, outgoing = sending.caller, sending.outgoing
        view = self._views.access_kept(caller, sending.trip_id, fresh_s=FRESH_S)
        key = self._keyring.kept(sending.trip_id, caller.id)
        if view is None or key is None:
            return False
        texts = self._kept_texts(caller, view, outgoing)
        if texts is None:
            return False
        if not sending.admitted:
            # Not before access is known: a stranger must not use up the share of somebody else's trip.
            self._trip_limits.take(sending.trip_id)
            sending.admitted = True
        draft, ruling = self._judged(caller, view, outgoing, texts, sending.peer_sees)
        prepared = self._audit.prepare_kept(accepted_entry(caller, view, draft))
        if prepared is None:
            return False
        try:
            values = arguments(view, caller, key, draft, prepared)
        except BaseException:
            self._audit.settle(prepared, committed=False)
            raise
        parcel = Parcel(caller, view, draft, ruling, prepared, values)
        self._store.submit(parcel, lambda sent: self._stored(parcel, sending.done, sent))
        return True

    def _kept_texts(self, caller: Caller, view: TripView, outgoing: Outgoing) -> tuple[str, str | None] | None:
        """(own text, reader's text where it differs)."""
        if outgoing.template_key is None:
            check_content(outgoing.content, self._max_chars)
            return outgoing.content, None
        texts = self._templates.kept_texts(outgoing.template_key, caller.role, _locales(caller, view))
        return texts if texts is None or texts[0] != texts[1] else (texts[0], None)

    def _judged(
        self, caller: Caller, view: TripView, outgoing: Outgoing, texts: tuple[str, str | None], peer_sees: bool
    ) -> tuple[Draft, Ruling]:
        now, template = self._clock.now(), outgoing.template_key is not None
        ruling = self._judge.judge(
            texts[0], view.locale_of(caller.role), view, caller.id, caller.role, now.timestamp(), template
        )
        draft = Draft(
            new_id(), outgoing.client_message_id, "quick" if template else "text", texts[0],
            ruling.reader_text if ruling.reader_text is not None else texts[1],
            outgoing.template_key, outgoing.reply_to, ruling.status, ruling.reason,
            ruling.peer_sees and peer_sees, ruling.judged, now,
        )  # fmt: skip
        return draft, ruling

    # -- where something has to be read first ----------------------------------------------------------------------

    def _wait(self, sending: _Sending) -> None:
        if self._waiting >= COLD:
            raise ProblemError("unavailable", "Too many messages wait; try again.", retry_after_s=1.0)
        self._waiting += 1
        owner = (sending.trip_id, sending.caller.id)
        queue = self._cold.get(owner)
        if queue is not None:
            queue.append(sending)
        else:
            self._cold[owner] = deque([sending])
            self._spawn(self._warm(owner))

    async def _warm(self, owner: tuple[UUID, UUID]) -> None:
        queue = self._cold[owner]
        while queue:
            sending = queue[0]
            try:
                await self._read_and_go(sending)
            except Exception as error:  # noqa: BLE001  (whatever it is, its sender hears of it)
                _tell_how(sending.done, error)
            queue.popleft()
            self._waiting -= 1
        del self._cold[owner]

    async def _read_and_go(self, sending: _Sending) -> None:
        caller, outgoing, pool = sending.caller, sending.outgoing, self._db.pool
        for _ in range(WARMINGS):
            if self._go(sending):
                return
            view = await self._views.access_own(pool, caller, sending.trip_id, fresh_s=FRESH_S)
            if outgoing.template_key is not None:
                await self._templates.access_texts(pool, outgoing.template_key, caller.role, _locales(caller, view))
            await self._keyring.get(view.trip_id, caller.id)
            await self._audit.warm(str(caller.id))
        raise ProblemError("unavailable", retry_after_s=1.0)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- after the commit ------------------------------------------------------------------------------------------

    def _stored(self, parcel: Parcel, done: Done, sent: Sent | BaseException) -> None:
        if isinstance(sent, BaseException):
            _tell_how(done, sent)
        elif sent.code == "ok":
            _tell_how(done, self._told(parcel, sent))
        elif sent.code == "repeat":
            self._spawn(self._repeated(parcel, cast("UUID", sent.earlier_id), done))
        else:
            self._views.forget(parcel.view.trip_id)
            _tell_how(done, ProblemError(sent.code))

    def _told(self, parcel: Parcel, sent: Sent) -> Delivered | Exception:
        try:
            return self._tell(parcel, sent)
        except Exception as error:
            # It is stored. Who tries again hears that; the other side reads it at the next look at the rows.
            log.error("send.telling_failed", error=type(error).__name__, exc_info=error)
            return error

    def _tell(self, parcel: Parcel, sent: Sent) -> Delivered | ProblemError:
        """Tell both sides, and say what its sender is answered."""
        caller, view, draft, ruling = parcel.caller, parcel.view, parcel.draft, parcel.ruling
        self._judge.note(view.trip_id, caller.id, draft.text, draft.at.timestamp())
        message = _as_opened(caller, view, draft, sent)
        own = flat(message, caller.role, view, _FRESH)
        body = encode(own)
        driver, customer = sent.seq_driver, sent.seq_customer
        if driver is not None or customer is not None:
            mine = new_frame(body)
            both = driver == customer and draft.reader_text is None
            theirs = mine if both else new_frame(encode(flat(message, _peer_of(caller), view, _FRESH)))
            frames = (mine, theirs) if caller.role == "driver" else (theirs, mine)
            self._hub.announce(
                ChatEvent(
                    view.trip_id,
                    None if driver is None else Numbered(driver, frames[0]),
                    None if customer is None else Numbered(customer, frames[1]),
                )
            )
        self.counts[draft.status] += 1
        if ruling.case_kind is not None:
            self._hub.ring_staff("review")
        if draft.status == "rejected":
            return _rejection(draft.reason, draft.client_message_id)
        return Delivered(own, False, body)

    async def _repeated(self, parcel: Parcel, earlier_id: UUID, done: Done) -> None:
        """Answer a repeat as the first time was answered."""
        view = parcel.view
        try:
            earlier = await access_message(self._db.pool, self._keyring, view, earlier_id)
            if earlier.status == "rejected":
                raise _rejection(earlier.reason, parcel.draft.client_message_id)
            marks = await access_marks(self._db.pool, view)
        except Exception as error:  # noqa: BLE001  (whatever it is, its sender hears of it)
            _tell_how(done, error)
            return
        _tell_how(done, Delivered(flat(earlier, parcel.caller.role, view, marks), repeated=True))


def _settle(answer: asyncio.Future[Delivered], result: Delivered | BaseException) -> None:
    """Hand the result to whoever still waits; a refusal whose client has gone is nobody's unhandled error."""
    if answer.done():
        return
    if isinstance(result, BaseException):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def _tell_how(done: Done, result: Delivered | BaseException) -> None:
    try:
        done(result)
    except Exception as error:
        # The message is stored and told; a listener that fails changes nothing of that.
        log.error("send.listener_failed", error=type(error).__name__, exc_info=error)


def _peer_of(caller: Caller) -> str:
    return "customer" if caller.role == "driver" else "driver"


def _locales(caller: Caller, view: TripView) -> tuple[str, str]:
    """(sender's, reader's)."""
    return view.locale_of(caller.role), view.locale_of(_peer_of(caller))


def _rejection(reason: str | None, client_message_id: UUID | None) -> ProblemError:
    return ProblemError("message_rejected", reason=reason or "policy", clientMessageId=client_message_id)


def _as_opened(caller: Caller, view: TripView, draft: Draft, sent: Sent) -> Opened:
    return Opened(
        draft.id, view.trip_id, caller.id, caller.role, draft.message_type, draft.text, draft.reader_text,
        draft.template_key, None, draft.client_message_id, draft.reply_to, draft.status, draft.reason,
        sent.seq_driver, sent.seq_customer, cast("int", sent.seq_staff), draft.at,
    )  # fmt: skip


__all__ = ["Delivered", "Done", "Outgoing", "SendPipeline"]
