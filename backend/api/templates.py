"""Quick messages for phones."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from backend.accounts.caller import Caller
from backend.api.guards import participants_only, participants_whom_the_send_checks
from backend.api.messages import answer
from backend.i18n import LANGUAGES, language_of
from backend.messages.wire import Message
from backend.pipeline.quick import send_quick
from backend.pipeline.services import Services

_LOCALE = "SELECT locale FROM app_user WHERE id = $1"
Word = Annotated[str | None, QueryParameter(max_length=40)]


class TemplateView(msgspec.Struct, kw_only=True):
    """A template as a phone gets it."""

    id: UUID
    template_key: str
    message_text: str
    category: str
    language_code: str
    audience: str
    is_active: bool = True


class UseBody(msgspec.Struct, rename="camel", kw_only=True):
    """A template to send into a trip."""

    trip_id: UUID
    template_key: Annotated[str, msgspec.Meta(max_length=100)]
    client_message_id: UUID | None = None


@get("/", guards=[participants_only])
async def list_templates(
    services: NamedDependency[Services], caller: NamedDependency[Caller], category: Word = None, lang: Word = None
) -> list[TemplateView]:
    """The templates of the caller's role, in `lang`, else in the caller's own language."""
    if lang is None or language_of(lang) not in LANGUAGES:
        lang = await services.pool.fetchval(_LOCALE, caller.id)
    found = await services.templates.access_for(services.pool, caller.role, category=category, lang=language_of(lang))
    return [
        TemplateView(
            id=template.id,
            template_key=template.template_key,
            message_text=template.message_text,
            category=template.category,
            language_code=template.language_code,
            audience=template.audience,
        )
        for template in found
    ]


@post("/use", guards=[participants_whom_the_send_checks])
async def use_template(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[UseBody]
) -> Response[Message]:
    """Send a template; the same as `quick` on the trip."""
    return answer(await send_quick(services, caller, data.trip_id, data.template_key, data.client_message_id))


router = Router("/api/messages/templates", route_handlers=[list_templates, use_template], tags=["templates"])
