"""Quick messages: draft, publish, retire."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from litestar import Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from backend.accounts.caller import Caller
from backend.api.staff.paging import MAX_LIMIT, Cursor, Limit, Page, cursor_of, key_of
from backend.api.staff.roles import staff_may_decide, staff_may_publish, staff_may_watch
from backend.pipeline.services import Services
from backend.reviews import templates
from backend.reviews.templates import TemplateChange, TemplateDraft, TemplateFilter, TemplateKey, TemplateView, view_of
from moderation import Content, Verdict


@get("/templates", guards=[staff_may_watch])
async def list_templates(
    services: NamedDependency[Services],
    lang: FromQuery[str | None] = None,
    audience: FromQuery[Literal["driver", "customer", "both"] | None] = None,
    template_state: Annotated[Literal["draft", "published", "retired"] | None, QueryParameter(name="state")] = None,
    cursor: Cursor = None,
    limit: Limit = MAX_LIMIT,
) -> Page[TemplateView]:
    """Templates in every state by key, language and version."""
    after = key_of(cursor, TemplateKey)
    wish = TemplateFilter(lang=lang, audience=audience, state=template_state, after=after, limit=limit + 1)
    async with services.db.session() as session:
        found = await templates.access_templates(session, wish)
    page = found[:limit]
    return Page(page, cursor_of(templates.key_of_row(page[-1])) if len(found) > limit else None)


@post("/templates", guards=[staff_may_decide], status_code=201)
async def draft_template(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[TemplateDraft]
) -> TemplateView:
    """A new draft; nobody outside sees it."""
    async with services.db.session() as session:
        row = await templates.save_draft(session, services.audit, services.clock, data, account_id=caller.id)
        view = view_of(row)
        await session.commit()
    return view


@put("/templates/{template_id:uuid}", guards=[staff_may_decide])
async def change_template(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    template_id: FromPath[UUID],
    data: JSONBody[TemplateChange],
) -> TemplateView:
    """Change a draft; of a published or retired one a new draft is made and answered, under an id of its own."""
    async with services.db.session() as session:
        row = await templates.change(session, services.audit, services.clock, template_id, data, account_id=caller.id)
        view = view_of(row)
        await session.commit()
    return view


@post("/templates/{template_id:uuid}/publish", guards=[staff_may_publish], status_code=200)
async def publish_template(
    services: NamedDependency[Services], caller: NamedDependency[Caller], template_id: FromPath[UUID]
) -> TemplateView:
    """Judge it by the same pipeline as travellers' words, then give it to every phone within seconds."""

    def judge(text: str, lang: str) -> Verdict:
        return services.moderation.judge(Content(text, lang))

    async with services.db.session() as session:
        row = await templates.publish(
            session, services.audit, services.clock, template_id, account_id=caller.id, judge=judge
        )
        view = view_of(row)
        await session.commit()
    services.hub.control("templates_changed")
    return view


@post("/templates/{template_id:uuid}/retire", guards=[staff_may_publish], status_code=200)
async def retire_template(
    services: NamedDependency[Services], caller: NamedDependency[Caller], template_id: FromPath[UUID]
) -> TemplateView:
    """Take it off every phone."""
    async with services.db.session() as session:
        row = await templates.retire(session, services.audit, services.clock, template_id, account_id=caller.id)
        view = view_of(row)
        await session.commit()
    services.hub.control("templates_changed")
    return view


router = Router(
    path="/api/staff",
    route_handlers=[list_templates, draft_template, change_template, publish_template, retire_template],
    tags=["staff: templates"],
)
