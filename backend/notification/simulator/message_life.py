"""What becomes of a text: sent, delivered or not, read, answered."""

from __future__ import annotations

import httpx

from backend.notification.simulator import twiml
from backend.notification.simulator.exchange import Exchange, new_sid
from backend.notification.simulator.people import reply_to
from backend.notification.simulator.resources import API_VERSION, Message, utc_now


async def live(exchange: Exchange, message: Message) -> None:
    """From `queued` to `delivered` or `undelivered`, telling the status callback each time."""
    person = exchange.person(message.to)
    await exchange.pause(exchange.random.uniform(0.05, 0.3))
    message.sent = utc_now()
    await _become(exchange, message, "sent")
    await exchange.pause(exchange.random.uniform(0.2, 0.8))
    if person.sms == "silent":
        return
    if person.sms == "undelivered":
        message.error_code = person.sms_error_code
        await _become(exchange, message, "undelivered")
        return
    exchange.note(message.to, "sms", message.body)
    await _become(exchange, message, "delivered")
    reply = reply_to(person, message.body)
    if reply is not None:
        await exchange.pause(person.reply_after_s)
        await send_in(exchange, message.to, message.sender, reply)


async def _become(exchange: Exchange, message: Message, status: str) -> None:
    message.status, message.updated = status, utc_now()
    params = {
        "AccountSid": message.account_sid,
        "ApiVersion": API_VERSION,
        "From": message.sender,
        "MessageSid": message.sid,
        "MessageStatus": status,
        "SmsSid": message.sid,
        "SmsStatus": status,
        "To": message.to,
    }
    if message.error_code is not None:
        params["ErrorCode"] = str(message.error_code)
    await exchange.webhooks.status(message.sid, message.status_callback, params, status)


async def send_in(exchange: Exchange, phone: str, to: str, body: str) -> str:
    """A text from a phone to our number: calls the inbound webhook and delivers the texts of its TwiML.

    Returns the sid of the text. A webhook that fails loses it, as at Twilio.
    """
    sid = new_sid("SM")
    text = Message(
        sid=sid,
        account_sid=exchange.config.account_sid,
        to=to,
        sender=phone,
        body=body,
        status="received",
        direction="inbound",
    )
    exchange.keep_message(text)
    exchange.note(phone, "reply", body)
    if not exchange.sms_url:
        return sid
    params = {
        "AccountSid": exchange.config.account_sid,
        "ApiVersion": API_VERSION,
        "Body": body,
        "From": phone,
        "MessageSid": sid,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "To": to,
    }
    try:
        answer = await exchange.webhooks.ask(exchange.sms_url, params)
        verbs = twiml.parse(answer) if answer.strip() else ()
    except (httpx.HTTPError, twiml.TwimlError):
        return sid
    for verb in verbs:
        if verb.name == "Message":
            exchange.note(phone, "sms", verb.text)
    return sid
