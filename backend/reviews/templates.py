"""Quick messages: draft -> published -> retired. What is out is never changed in place: a change is a new draft."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import AuditLog, Entry
from backend.clock import Clock
from backend.db import new_id
from backend.errors import ProblemError
from backend.messages.models import MessageTemplate
from moderation import Verdict

#: Sending this one is a press of the emergency button; a chat without it would lose a way to call for help.
NEVER_RETIRED = frozenset({"emergency_help"})

Audience = Literal["driver", "customer", "both"]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
Category = Annotated[str, Meta(pattern="^[a-z][a-z_]{1,31}$")]


class TemplateDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new quick message in one language."""

    template_key: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{1,63}$")]
    language_code: Annotated[str, Meta(pattern="^[a-z]{2,3}$")]
    audience: Audience
    category: Category
    message_text: Text
    reviewed_by_native: bool = False


class TemplateChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; a member that is left out stays."""

    audience: Audience | None = None
    category: Category | None = None
    message_text: Text | None = None
    reviewed_by_native: bool | None = None


class TemplateView(msgspec.Struct, frozen=True):
    """A quick message as staff see it."""

    id: UUID
    template_key: str
    language_code: str
    audience: str
    category: str
    message_text: str
    state: str
    is_active: bool
    reviewed_by_native: bool
    version: int
    created_at: datetime
    updated_at: datetime


TemplateKey = tuple[str, str, int, UUID]


class TemplateFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which templates; `after` is the `key_of_row` of the last one already listed."""

    lang: str | None = None
    audience: str | None = None
    state: str | None = None
    after: TemplateKey | None = None
    limit: int = 50


def view_of(row: MessageTemplate) -> TemplateView:
    """The row as staff see it."""
    return TemplateView(**{name: getattr(row, name) for name in TemplateView.__struct_fields__})


def key_of_row(one: TemplateView) -> TemplateKey:
    """Where a template stands in the list."""
    return one.template_key, one.language_code, one.version, one.id


async def access_templates(session: AsyncSession, wish: TemplateFilter) -> list[TemplateView]:
    """One page by key, language and version; `both` belongs to either audience."""
    row = MessageTemplate
    query = select(row)
    if wish.lang:
        query = query.where(row.language_code == wish.lang)
    if wish.audience:
        query = query.where(row.audience.in_((wish.audience, "both")))
    if wish.state:
        query = query.where(row.state == wish.state)
    place = tuple_(row.template_key, row.language_code, row.version, row.id)
    if wish.after:
        query = query.where(place > tuple_(*wish.after))
    ordered = query.order_by(row.template_key, row.language_code, row.version, row.id).limit(wish.limit)
    return [view_of(found) for found in (await session.scalars(ordered)).all()]


async def save_draft(
    session: AsyncSession, audit: AuditLog, clock: Clock, draft: TemplateDraft, *, account_id: UUID
) -> MessageTemplate:
    """Write a draft under the next version of its key and language."""
    now = clock.now()
    latest = await session.scalar(
        select(func.max(MessageTemplate.version)).where(
            MessageTemplate.template_key == draft.template_key,
            MessageTemplate.language_code == draft.language_code,
        )
    )
    row = MessageTemplate(
        id=new_id(),
        state="draft",
        is_active=False,
        version=(latest or 0) + 1,
        created_at=now,
        updated_at=now,
        **msgspec.structs.asdict(draft),
    )
    session.add(row)
    await session.flush()
    await audit.append(session, _entry("template.saved", row, account_id))
    return row


async def change(
    session: AsyncSession,
    audit: AuditLog,
    clock: Clock,
    template_id: UUID,
    wish: TemplateChange,
    *,
    account_id: UUID,
) -> MessageTemplate:
    """Change a draft. A published or retired template stays as it is: its change is a new draft, which is returned.

    Raises `template_unknown`.
    """
    row = await _locked(session, template_id)
    changes: dict[str, Any] = {name: value for name, value in msgspec.structs.asdict(wish).items() if value is not None}
    # New words were not read by whoever read the old ones, unless this change says so.
    if "message_text" in changes and changes["message_text"] != row.message_text:
        changes.setdefault("reviewed_by_native", False)
    if row.state != "draft":
        now = {name: getattr(row, name) for name in TemplateDraft.__struct_fields__}
        return await save_draft(session, audit, clock, TemplateDraft(**now | changes), account_id=account_id)
    for name, value in changes.items():
        setattr(row, name, value)
    row.updated_at = clock.now()
    await session.flush()
    await audit.append(session, _entry("template.saved", row, account_id))
    return row


async def publish(
    session: AsyncSession,
    audit: AuditLog,
    clock: Clock,
    template_id: UUID,
    *,
    account_id: UUID,
    judge: Callable[[str, str], Verdict],
) -> MessageTemplate:
    """Judge a template like any message, retire the version that is out, publish this one; repeating it is harmless.

    `judge(text, language)` is the pipeline that judges travellers. Raises `template_unknown`, `invalid_value` when the
    verdict is not `allow`, `conflict` when somebody published another version at the same moment.
    """
    row = await _locked(session, template_id)
    if row.state == "published":
        return row
    verdict = judge(row.message_text, row.language_code)
    if verdict.outcome != "allow":
        signals = [hit.code for hit in verdict.signals]
        raise ProblemError("invalid_value", "The pipeline does not let this text through.", signals=signals)
    now = clock.now()
    await session.execute(
        update(MessageTemplate)
        .where(
            MessageTemplate.template_key == row.template_key,
            MessageTemplate.language_code == row.language_code,
            MessageTemplate.state == "published",
        )
        .values(state="retired", is_active=False, updated_at=now)
    )
    row.state, row.is_active, row.updated_at = "published", True, now
    try:
        await session.flush()
    except IntegrityError as error:
        raise ProblemError("conflict") from error
    await audit.append(session, _entry("template.published", row, account_id))
    return row


async def retire(
    session: AsyncSession, audit: AuditLog, clock: Clock, template_id: UUID, *, account_id: UUID
) -> MessageTemplate:
    """Take a template out of use. Raises `template_unknown`, and `invalid_value` for those in `NEVER_RETIRED`."""
    row = await _locked(session, template_id)
    if row.template_key in NEVER_RETIRED and row.state == "published":
        raise ProblemError("invalid_value", "This one calls for help; publish another version instead.")
    if row.state != "retired":
        row.state, row.is_active, row.updated_at = "retired", False, clock.now()
        await session.flush()
        await audit.append(session, _entry("template.retired", row, account_id))
    return row


async def _locked(session: AsyncSession, template_id: UUID) -> MessageTemplate:
    row = await session.get(MessageTemplate, template_id, with_for_update=True)
    if row is None:
        raise ProblemError("template_unknown")
    return row


def _entry(event: str, row: MessageTemplate, account_id: UUID) -> Entry:
    """The words are public once published, but the log holds no text: their hash is enough to compare."""
    return Entry(
        event=event,
        staff_id=account_id,
        private={
            "template": str(row.id),
            "key": row.template_key,
            "language": row.language_code,
            "version": row.version,
            "text_sha256": hashlib.sha256(row.message_text.encode()).hexdigest(),
        },
    )
