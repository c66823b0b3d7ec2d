"""Twilio through its own synchronous library, in threads of our own.

The library's asynchronous client ignores its timeout and its `max_retries` posts again: one page became three real
calls. So: synchronous, explicit timeouts, no retries; whoever sends decides what a failure means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

from requests import Session
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from backend.notification.failures import WIRE_ERRORS, from_rest, from_wire
from backend.notification.interface import Failure, Order, SendError, Sent
from backend.settings import TwilioSettings

#: Seconds to connect, and then to answer a send or a look into the list.
CONNECT_S, SEND_S, LIST_S = 1.5, 3.0, 2.0
#: Sends at once. A hanging provider must not stand in the way of the next page.
THREADS = 24
RING_S = 25
SMS_MAX_CHARS = 1_600
Answer = TypeVar("Answer")


class TwilioHttp(TwilioHttpClient):
    """The library's HTTP client, with the host of `api_base` and the time limits of a page.

    It remembers the `Retry-After` of the last answer of its thread's request through `last_retry_after`.
    """

    def __init__(self, api_base: str) -> None:
        super().__init__(timeout=SEND_S)
        self._base = urlsplit(api_base) if api_base else None
        session = Session()
        session.trust_env = False  # a proxy from the environment must not see or delay a page
        adapter = HTTPAdapter(pool_maxsize=THREADS, max_retries=0)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self.session: Session = session

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        if self._base is not None:
            url = urlunsplit(urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc))
        read_s = LIST_S if method.upper() == "GET" else SEND_S
        kwargs["timeout"] = (CONNECT_S, read_s)
        return self._sent_once(method, url, *args, **kwargs)

    def _sent_once(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: Any = None,
        allow_redirects: bool = False,
    ) -> Response:
        answer = self.session.request(
            method, url, params=cast("Any", params), data=data, headers=headers, auth=auth, timeout=timeout,
            allow_redirects=allow_redirects,
        )  # fmt: skip
        if answer.status_code >= 400:
            error = TwilioRestException(answer.status_code, url, "refused", _code(answer), method)
            raise _RefusedError(error, answer.headers.get("Retry-After"))
        return Response(answer.status_code, answer.text, answer.headers)


class _RefusedError(Exception):
    """An answer of 4xx or 5xx together with its `Retry-After`, which the library's own error drops."""

    def __init__(self, error: TwilioRestException, retry_after: str | None) -> None:
        self.error, self.retry_after = error, retry_after
        super().__init__(str(error.status))


def _code(answer: Any) -> int | None:
    try:
        code = answer.json()["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None


class TwilioNotifier:
    """`Notifier` over a Twilio account. `public_url` is where Twilio reaches our webhooks."""

    def __init__(self, settings: TwilioSettings, public_url: str) -> None:
        self._from = settings.from_number
        self._hooks = public_url.rstrip("/") + "/api/twilio"
        self._client = Client(settings.account_sid, settings.auth_token, http_client=TwilioHttp(settings.api_base))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="twilio")

    async def send_sms(self, order: Order) -> Sent:
        return await self._in_thread(lambda: self._create_message(order))

    async def place_call(self, order: Order) -> Sent:
        return await self._in_thread(lambda: self._create_call(order))

    async def hang_up(self, sid: str) -> None:
        try:
            await self._in_thread(lambda: self._client.calls(sid).update(status="completed"))
        except SendError as error:
            if error.failure is not Failure.REFUSED:
                raise  # refused: it is over already, or unknown there; nothing rings

    async def find_by_attempt(self, channel: str, order: Order, within_s: float, known: frozenset[str]) -> Sent | None:
        # The provider's moments are real ones, in whole seconds; ours may be moved.
        since = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=within_s + 2)
        if channel == "sms":
            rows = await self._in_thread(
                lambda: self._client.messages.list(to=order.to, date_sent_after=since, limit=20)
            )
            rows = [row for row in rows if (order.mark or order.body) in (row.body or "")]
        else:
            rows = await self._in_thread(lambda: self._client.calls.list(to=order.to, limit=20))
        for row in rows:
            if row.sid not in known and row.date_created is not None and row.date_created >= since:
                return Sent(str(row.sid), str(row.status))
        return None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _create_message(self, order: Order) -> Sent:
        row = self._client.messages.create(
            to=order.to,
            from_=self._from,
            body=order.body[:SMS_MAX_CHARS],
            status_callback=f"{self._hooks}/status/{order.attempt_id}",
        )
        return _sent(row)

    def _create_call(self, order: Order) -> Sent:
        row = self._client.calls.create(
            to=order.to,
            from_=self._from,
            url=f"{self._hooks}/voice/{order.attempt_id}",
            method="POST",
            status_callback=f"{self._hooks}/status/{order.attempt_id}",
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            timeout=RING_S,
        )
        return _sent(row)

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except _RefusedError as error:
            raise from_rest(error.error, error.retry_after) from error
        except WIRE_ERRORS as error:
            raise from_wire(error) from error


def _sent(row: Any) -> Sent:
    """A 201 without a sid is no receipt: the page may have left or not."""
    if not row.sid:
        raise SendError(Failure.UNKNOWN, None, "no sid in the answer")
    return Sent(str(row.sid), str(row.status))
