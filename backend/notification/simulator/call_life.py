"""What becomes of a call: queue, ring, answer, TwiML, digits, the end. Every step tells the status callback."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from backend.notification.simulator import twiml
from backend.notification.simulator.exchange import Exchange
from backend.notification.simulator.people import Person
from backend.notification.simulator.resources import API_VERSION, Call, rfc2822, utc_now

#: A voicemail box takes the call after this many seconds of ringing, and listens this long.
VOICEMAIL_AFTER_S, VOICEMAIL_LISTENS_S = 15.0, 20.0
#: TwiML that redirects for ever ends here.
REDIRECTS_MAX = 20
_EVENT_OF = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}


async def live(exchange: Exchange, call: Call) -> None:
    """From `queued` to one of the ends. A hang-up by API ends it at any moment."""
    await exchange.take_call_slot()
    person = exchange.person(call.to)
    if call.over.is_set():
        return
    await become(exchange, call, "initiated")
    if await exchange.pause_in_call(call, exchange.random.uniform(0.1, 0.4)):
        return
    if exchange.is_engaged(call.to, call) or person.call == "busy":
        exchange.note(call.to, "busy", "somebody called while the line was busy")
        await become(exchange, call, "busy")
    elif person.call == "fails":
        await become(exchange, call, "failed")
    else:
        await _ring(exchange, call, person)


async def _ring(exchange: Exchange, call: Call, person: Person) -> None:
    exchange.note(call.to, "ringing", f"call from {call.sender}")
    await become(exchange, call, "ringing")
    answers_after = {"answers": person.answer_after_s, "voicemail": VOICEMAIL_AFTER_S}.get(person.call)
    if answers_after is None or answers_after > call.ring_timeout_s:
        if not await exchange.pause_in_call(call, call.ring_timeout_s):
            exchange.note(call.to, "missed", "rang out")
            await become(exchange, call, "no-answer")
        return
    if await exchange.pause_in_call(call, answers_after):
        return
    call.started = utc_now()
    exchange.note(call.to, "answered", "voicemail" if person.call == "voicemail" else "picked up")
    await become(exchange, call, "in-progress")
    await Conversation(exchange, call, person).hold()
    if call.status == "in-progress":
        exchange.note(call.to, "hung_up", "the call ended")
        await become(exchange, call, "completed")


async def hang_up(exchange: Exchange, call: Call, status: str) -> None:
    """End a call by API: `canceled` works until it is answered, `completed` always."""
    if status == "canceled" and call.status == "in-progress":
        return
    answered = call.status == "in-progress"
    exchange.note(call.to, "hung_up", "the caller hung up")
    await become(exchange, call, "completed" if answered else "canceled")


async def become(exchange: Exchange, call: Call, status: str) -> None:
    """Change the status and tell it, if its event was asked for."""
    call.status, call.updated = status, utc_now()
    event = _EVENT_OF.get(status, "completed")
    if event == "completed":
        call.ended = utc_now()
        call.over.set()
    params = {**call_params(call), "Timestamp": rfc2822(datetime.now(UTC)) or ""}
    params |= {"CallbackSource": "call-progress-events", "SequenceNumber": str(call.sequence)}
    if status == "completed":
        params |= {"CallDuration": str(call.seconds()), "Duration": str(-(-call.seconds() // 60))}
    call.sequence += 1
    if event in call.events:
        await exchange.webhooks.status(call.sid, call.status_callback, params, status)


def call_params(call: Call) -> dict[str, str]:
    """The fields that every voice webhook gets."""
    return {
        "AccountSid": call.account_sid,
        "ApiVersion": API_VERSION,
        "CallSid": call.sid,
        "CallStatus": call.status,
        "Called": call.to,
        "Caller": call.sender,
        "Direction": "outbound-api",
        "From": call.sender,
        "To": call.to,
    }


class Conversation:
    """A connected call: follows the TwiML until it ends, somebody hangs up, or a document cannot be had."""

    def __init__(self, exchange: Exchange, call: Call, person: Person) -> None:
        self._exchange, self._call, self._person = exchange, call, person
        self._digits = list(person.digits) if person.call == "answers" else []
        patience = VOICEMAIL_LISTENS_S if person.call == "voicemail" else person.hangs_up_after_s
        loop_now = datetime.now(UTC).timestamp()
        self._leaves_at = None if patience is None else loop_now + patience / exchange.speed

    async def hold(self) -> None:
        call = self._call
        try:
            document = call.twiml or await self._fetch(call.url, call.method, {})
            await self._follow(document)
        except (httpx.HTTPError, twiml.TwimlError):
            self._exchange.note(call.to, "heard", "We are sorry, an application error has occurred. Goodbye.")

    async def _fetch(self, url: str, method: str, extra: dict[str, str]) -> str:
        return await self._exchange.webhooks.ask(url, {**call_params(self._call), **extra}, method)

    async def _follow(self, document: str) -> None:
        next_document: str | None = document
        for _ in range(REDIRECTS_MAX):
            if next_document is None:
                return
            next_document = await self._perform(twiml.parse(next_document))

    async def _perform(self, verbs: tuple[twiml.Verb, ...]) -> str | None:
        """Perform the verbs; the next document when one leads elsewhere, None when the call is over."""
        for verb in verbs:
            if verb.name == "Hangup":
                return None
            if verb.name == "Redirect":
                target = str(httpx.URL(self._call.url or verb.text).join(verb.text))
                return await self._fetch(target, verb.attributes.get("method", "POST"), {})
            if verb.name == "Gather":
                digits = await self._gather(verb)
                if digits and not self._call.over.is_set():
                    target = str(httpx.URL(self._call.url).join(verb.attributes.get("action", "")))
                    return await self._fetch(target, verb.attributes.get("method", "POST"), {"Digits": digits})
            else:
                await self._listen(verb)
            if self._call.over.is_set() or self._left():
                return None
        return None

    async def _listen(self, verb: twiml.Verb) -> None:
        if verb.text:
            self._exchange.note(self._call.to, "heard", verb.text)
        await self._wait(verb.lasts_s())

    async def _gather(self, verb: twiml.Verb) -> str:
        """Say what is inside and wait for digits; a person may press while the voice still speaks."""
        wanted = int(verb.attributes.get("numDigits", "1"))
        spoken = sum(inner.lasts_s() for inner in verb.inside)
        for inner in verb.inside:
            if inner.text:
                self._exchange.note(self._call.to, "heard", inner.text)
        timeout = spoken + float(verb.attributes.get("timeout", "5"))
        if not self._digits or self._person.press_after_s > timeout:
            await self._wait(timeout)
            return ""
        await self._wait(self._person.press_after_s)
        if self._call.over.is_set() or self._left():
            return ""
        digits = self._digits.pop(0)[:wanted]
        self._exchange.note(self._call.to, "pressed", digits)
        return digits

    def _left(self) -> bool:
        return self._leaves_at is not None and datetime.now(UTC).timestamp() >= self._leaves_at

    async def _wait(self, seconds: float) -> None:
        """Wait, but no longer than the person stays on the line."""
        if self._leaves_at is not None:
            left = (self._leaves_at - datetime.now(UTC).timestamp()) * self._exchange.speed
            seconds = min(seconds, max(0.0, left))
        await self._exchange.pause_in_call(self._call, seconds)
