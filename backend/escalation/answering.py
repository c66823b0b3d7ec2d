"""Conversations with responders: the call that reads the page out, the digit, the text with the code."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.escalation.acknowledging import Answer, Via, acknowledge
from backend.escalation.callbacks import Event, store
from backend.escalation.hanging_up import notify_others
from backend.escalation.models import ACKNOWLEDGED, RESOLVED, Attempt, ContactMethod, Incident
from backend.escalation.parts import Parts, phone_key
from backend.escalation.wording import holder_name, page_text
from backend.notification import texts

TAKE_DIGIT = "1"
#: A call reads the page so many times before it gives up on the person.
READINGS = 2
_CODE = re.compile(r"(?<!\d)(\d{5})(?!\d)")


async def take_call(parts: Parts, event: Event, path: str, reading: int) -> str | None:
    """The TwiML of a call that was answered; None when there is no such attempt.

    `path` is the webhook's own address, `reading` counts from 1.
    """
    async with parts.db.session() as session:
        known = await _attempt(session, event.attempt_id)
        if known is None:
            return None
        await store(parts, session, event)
        incident, method = known
        language = method.language
        if incident.status != "triggered":
            document = texts.twiml(texts.say(await _who_has_it(session, incident, language), language), "<Hangup/>")
        else:
            page = await page_text(session, parts, incident, "voice", language)
            document = _question(page if reading == 1 else _again(language, page), language, path, reading)
        await session.commit()
    return document


def _again(language: str, page: str) -> str:
    return f"{texts.filled('voice_again', language)} {page}"


def _question(page: str, language: str, path: str, reading: int) -> str:
    action = path.split("?", 1)[0].replace("/voice/", "/gather/")
    verbs = [texts.gather(action, texts.say(page, language))]
    if reading < READINGS:
        again = f"{path.split('?', 1)[0]}?reading={reading + 1}"
        verbs.append(f'<Redirect method="POST">{again}</Redirect>')
    else:
        verbs += [texts.say(texts.filled("goodbye", language), language), "<Hangup/>"]
    return texts.twiml(*verbs)


async def take_digit(parts: Parts, event: Event, path: str) -> str | None:
    """The TwiML after a digit: `1` takes the incident, anything else asks again. None: no such attempt."""
    async with parts.db.session() as session:
        known = await _attempt(session, event.attempt_id)
        if known is None or event.attempt_id is None:
            return None
        await store(parts, session, event)
        incident, method = known
        language, answer = method.language, None
        if event.fields.get("Digits", "").strip() != TAKE_DIGIT:
            wrong = texts.say(texts.filled("voice_wrong", language), language)
            document = texts.twiml(texts.gather(path, wrong), "<Hangup/>")
        else:
            answer = await _acknowledge(parts, session, incident.id, method.account_id, "dtmf", event.attempt_id)
            said = _said(answer, incident.short_code, language)
            document = texts.twiml(texts.say(said, language), "<Hangup/>")
        await session.commit()
    await _announce(parts, answer)
    return document


async def take_text(parts: Parts, event: Event) -> str:
    """The TwiML answer to a text. Only a code from a verified telephone counts; strangers hear nothing at all."""
    async with parts.db.session() as session:
        fresh = await store(parts, session, event)
        method = await _sender(parts, session, event.fields.get("From", ""))
        found = _CODE.search(event.fields.get("Body", ""))
        if not fresh or method is None or found is None:
            await session.commit()
            return texts.twiml()
        incident = await _by_code(session, found.group(1))
        if incident is None:
            await session.commit()
            return texts.twiml(texts.message(texts.filled("code_unknown", method.language)))
        attempt_id = await _attempt_of(session, incident.id, method.id)
        answer = await _acknowledge(parts, session, incident.id, method.account_id, "sms", attempt_id)
        await session.commit()
    await _announce(parts, answer)
    return texts.twiml(texts.message(_said(answer, incident.short_code, method.language)))


async def _acknowledge(
    parts: Parts, session: AsyncSession, incident_id: UUID, account_id: UUID, via: Via, attempt_id: UUID | None
) -> Answer | None:
    return await acknowledge(parts, session, incident_id, account_id, via, attempt_id)


async def _announce(parts: Parts, answer: Answer | None) -> None:
    if answer is None:
        return
    parts.hub.ring_staff("incidents")
    await notify_others(parts, list(answer.hang_up))


def _said(answer: Answer | None, code: str, language: str) -> str:
    """What the responder is told: theirs, somebody else's, or over."""
    if answer is None:
        return texts.filled("code_unknown", language)
    if answer.won:
        return texts.filled("won", language, {"code": code})
    if answer.status == RESOLVED:
        return texts.filled("resolved", language, {"code": code})
    return texts.filled("late", language, {"code": code, "holder": answer.holder})


async def _who_has_it(session: AsyncSession, incident: Incident, language: str) -> str:
    if incident.status == ACKNOWLEDGED:
        holder = await holder_name(session, incident)
        return texts.filled("late", language, {"code": incident.short_code, "holder": holder})
    return texts.filled("resolved", language, {"code": incident.short_code})


async def _attempt(session: AsyncSession, attempt_id: UUID | None) -> tuple[Incident, ContactMethod] | None:
    rows = await session.execute(
        select(Incident, ContactMethod)
        .join(Attempt, Attempt.incident_id == Incident.id)
        .join(ContactMethod, ContactMethod.id == Attempt.contact_method_id)
        .where(Attempt.id == attempt_id)
    )
    row = rows.first()
    return (row[0], row[1]) if row is not None else None


async def _sender(parts: Parts, session: AsyncSession, phone: str) -> ContactMethod | None:
    mac = phone_key(parts).mac(phone.encode())
    found = await session.scalars(
        select(ContactMethod).where(ContactMethod.phone_mac == mac, ContactMethod.verified_at.is_not(None))
    )
    return found.one_or_none()


async def _by_code(session: AsyncSession, code: str) -> Incident | None:
    """The unresolved incident with this code, else the last one that had it (its responder hears that it is over)."""
    found = await session.scalars(
        select(Incident)
        .where(Incident.short_code == code)
        .order_by(Incident.status == RESOLVED, Incident.triggered_at.desc())
        .limit(1)
    )
    return found.first()


async def _attempt_of(session: AsyncSession, incident_id: UUID, method_id: UUID) -> UUID | None:
    found = await session.scalars(
        select(Attempt.id)
        .where(Attempt.incident_id == incident_id, Attempt.contact_method_id == method_id, Attempt.channel == "sms")
        .order_by(Attempt.created_at.desc())
    )
    return found.first()
