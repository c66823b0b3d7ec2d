"""Quick messages. One of them is a call for help, and that one is a press of the emergency button too."""

from __future__ import annotations

from uuid import UUID

import msgspec

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.i18n import system_line
from backend.keys import SYSTEM_SENDER
from backend.messages.access import access_history
from backend.messages.receipts import Marks
from backend.messages.templates import EMERGENCY_KEY
from backend.messages.wire import Message, Opened, flat
from backend.pipeline.pressing import LINE, PressRequest, PressView, press
from backend.pipeline.sending import Delivered, Outgoing
from backend.pipeline.services import Services

#: The notice of a press is among the newest lines of whoever pressed.
NEWEST = 20


async def send_quick(
    services: Services, caller: Caller, trip_id: UUID, template_key: str, client_message_id: UUID | None
) -> Delivered:
    """Send a template. Raises what `SendPipeline.send` raises, and `template_unknown`."""
    outgoing = Outgoing(template_key=template_key, client_message_id=client_message_id)
    if template_key != EMERGENCY_KEY:
        return await services.sender.send(caller, trip_id, outgoing)
    # First the press: it is accepted where a message may not be. The words themselves stay between the person and
    # the safety team, because the other side may be the danger.
    pressed = await press(services, caller, trip_id, PressRequest(client_request_id=client_message_id))
    try:
        return await services.sender.send(caller, trip_id, outgoing, peer_sees=False)
    except ProblemError as refused:
        # Whatever keeps the words out of the chat (a mute, a limit, an id used before): the call for help counts, and
        # must not look refused. Where it is our own fault the client tries again, and it is the same incident.
        if refused.status >= 500:
            raise
    notice = await _notice(services, caller, trip_id, pressed.view)
    # Under the id that the client waits for, or it would repeat itself for ever.
    return Delivered(msgspec.structs.replace(notice, client_message_id=client_message_id), repeated=False)


async def _notice(services: Services, caller: Caller, trip_id: UUID, pressed: PressView) -> Message:
    """The line that tells the presser that help was called; where the chat could not take it, one like it."""
    view = await services.views.access_own(services.pool, caller, trip_id)
    text = system_line(LINE, view.locale_of(caller.role))
    for line in await access_history(services.pool, services.keyring, view, caller.role, limit=NEWEST):
        if line.message_type == "system" and line.content == text:
            return line
    made = Opened(
        pressed.id, trip_id, SYSTEM_SENDER, "system", "system", text, text, None, None, None, None,
        "delivered", None, None, None, 0, pressed.triggered_at,
    )  # fmt: skip
    return flat(made, caller.role, view, Marks())
