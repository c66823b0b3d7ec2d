"""Messages and calls as this exchange keeps them, and in the shape in which Twilio's API shows them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

API_VERSION = "2010-04-01"
CALL_OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


def rfc2822(moment: datetime | None) -> str | None:
    """`Sun, 22 Nov 2026 12:00:00 +0000`, the form of all dates of the 2010 API."""
    return None if moment is None else format_datetime(moment)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Message:
    """One text, to or from a phone."""

    sid: str
    account_sid: str
    to: str
    sender: str
    body: str
    status: str = "queued"
    direction: str = "outbound-api"
    status_callback: str = ""
    error_code: int | None = None
    created: datetime = field(default_factory=utc_now)
    updated: datetime = field(default_factory=utc_now)
    sent: datetime | None = None

    def resource(self) -> dict[str, Any]:
        uri = f"/{API_VERSION}/Accounts/{self.account_sid}/Messages/{self.sid}"
        return {
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": rfc2822(self.created),
            "date_sent": rfc2822(self.sent),
            "date_updated": rfc2822(self.updated),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": None if self.error_code is None else "The text could not be delivered",
            "from": self.sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": str(1 + (len(self.body) - 1) // 153 if len(self.body) > 160 else 1),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }


@dataclass(kw_only=True)
class Call:
    """One call that we place; `over` is set when either side ended it."""

    sid: str
    account_sid: str
    to: str
    sender: str
    url: str = ""
    method: str = "POST"
    twiml: str = ""
    fallback_url: str = ""
    status_callback: str = ""
    events: frozenset[str] = frozenset({"completed"})
    ring_timeout_s: int = 60
    status: str = "queued"
    sequence: int = 0
    created: datetime = field(default_factory=utc_now)
    updated: datetime = field(default_factory=utc_now)
    started: datetime | None = None
    ended: datetime | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def seconds(self) -> int:
        """Length of the conversation; 0 while it goes on or when it never began."""
        return round((self.ended - self.started).total_seconds()) if self.started and self.ended else 0

    def resource(self) -> dict[str, Any]:
        uri = f"/{API_VERSION}/Accounts/{self.account_sid}/Calls/{self.sid}"
        shown = "queued" if self.status == "initiated" else self.status
        return {
            "account_sid": self.account_sid,
            "annotation": None,
            "answered_by": None,
            "api_version": API_VERSION,
            "caller_name": None,
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.updated),
            "direction": "outbound-api",
            "duration": str(self.seconds()) if self.ended else None,
            "end_time": rfc2822(self.ended),
            "forwarded_from": None,
            "from": self.sender,
            "from_formatted": self.sender,
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "sid": self.sid,
            "start_time": rfc2822(self.started),
            "status": shown,
            "subresource_uris": {"notifications": f"{uri}/Notifications.json"},
            "to": self.to,
            "to_formatted": self.to,
            "trunk_sid": None,
            "uri": f"{uri}.json",
        }


def page(kind: str, rows: list[dict[str, Any]], account_sid: str, size: int) -> dict[str, Any]:
    """The first page of a list; this exchange never keeps more than its users ask for at once."""
    resource = kind.capitalize()
    uri = f"/{API_VERSION}/Accounts/{account_sid}/{resource}.json?PageSize={size}&Page=0"
    return {
        kind: rows[:size],
        "first_page_uri": uri,
        "next_page_uri": None,
        "previous_page_uri": None,
        "page": 0,
        "page_size": size,
        "start": 0,
        "end": max(0, min(len(rows), size) - 1),
        "uri": uri,
    }
