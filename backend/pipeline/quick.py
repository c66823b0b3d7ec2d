"""Quick messages. One of them is a call for help, and that one is a press of the emergency button too."""

from __future__ import annotations

from uuid import UUID

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.messages.access import access_history
from backend.messages.templates import EMERGENCY_KEY
from backend.pipeline.pressing import PressRequest, press
from backend.pipeline.sending import Delivered, Outgoing
from backend.pipeline.services import Services

#: What may keep a message out of a chat, but never a call for help out of the hands of the safety team.
_REFUSALS = {"muted", "suspended", "chat_closed", "rate_limited"}


async def send_quick(
    services: Services, caller: Caller, trip_id: UUID, template_key: str, client_message_id: UUID | None
) -> Delivered:
    """Send a template. Raises what `SendPipeline.send` raises, and `template_unknown`."""
    outgoing = Outgoing(template_key=template_key, client_message_id=client_message_id)
    if template_key != EMERGENCY_KEY:
        return await services.sender.send(caller, trip_id, outgoing)
    # First the press: it is accepted where a message may not be. The words themselves stay between the person and
    # the safety team, because the other side may be the danger.
    await press(services, caller, trip_id, PressRequest(client_request_id=client_message_id))
    try:
        return await services.sender.send(caller, trip_id, outgoing, peer_sees=False)
    except ProblemError as refused:
        if refused.code not in _REFUSALS:
            raise
    view = await services.views.access_own(services.pool, caller, trip_id)
    notice = await access_history(services.pool, services.keyring, view, caller.role, limit=1)
    return Delivered(notice[0], repeated=False)
