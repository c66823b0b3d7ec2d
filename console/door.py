"""How the console asks: one HTTP client of one person, with errors as one type."""

from __future__ import annotations

from typing import TypeVar, cast

import httpx
import msgspec

T = TypeVar("T")
MAX_BODY_BYTES = 32 * 1024 * 1024


class ApiError(Exception):
    """The api refused, failed or could not be reached.

    `code` is the api's own, or `unreachable`, `timeout`, `unreadable`; `detail` is a sentence for a person;
    `status` is the HTTP status, 0 when there was no answer.
    """

    def __init__(self, code: str, detail: str, status: int = 0) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.status = code, detail, status

    @property
    def signed_out(self) -> bool:
        """True when the token is no longer good for anything."""
        return self.status == 401


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str | None = None
    title: str | None = None


class Door:
    """Asks the staff api with one person's token. Raises `ApiError` and nothing else."""

    def __init__(
        self,
        base_url: str,
        token: str,
        timeout: httpx.Timeout,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=f"{base_url}/api/staff",
            headers=headers,
            timeout=timeout,
            transport=transport,
            verify=base_url.startswith("https"),  # loading certificates costs 20 ms, plain HTTP needs none
            trust_env=False,  # a proxy of the machine must not see tokens on their way to our own api
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def ask(self, answer: type[T], method: str, path: str, body: object = None, **query: str | int) -> T:
        """Call and read the answer as `answer`."""
        return _read(answer, self._send(method, path, body, query))

    def ask_or_none(self, answer: type[T], method: str, path: str, body: object = None) -> T | None:
        """Like `ask`, with None for 204."""
        response = self._send(method, path, body, {})
        return None if response.status_code == 204 else _read(answer, response)

    def tell(self, method: str, path: str, body: object = None) -> None:
        """Call where the answer says nothing more."""
        self._send(method, path, body, {})

    def fetch(self, path: str, **query: str) -> bytes:
        """Read a document as it is."""
        return self._send("GET", path, None, cast("dict[str, str | int]", query)).content

    def _send(self, method: str, path: str, body: object, query: dict[str, str | int]) -> httpx.Response:
        params = {name: value for name, value in query.items() if value != ""}
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            response = self._http.request(method, path, params=params, content=content, headers=headers)
        except httpx.TimeoutException as error:
            raise ApiError("timeout", "The api did not answer in time.") from error
        except httpx.HTTPError as error:
            raise ApiError("unreachable", "The api cannot be reached.") from error
        if response.is_success:
            return response
        raise _problem(response)


def _read(answer: type[T], response: httpx.Response) -> T:
    if len(response.content) > MAX_BODY_BYTES:
        raise ApiError("unreadable", "The answer of the api is too large.", response.status_code)
    try:
        return msgspec.json.decode(response.content, type=answer, strict=False)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ApiError(
            "unreadable", f"The console cannot read the answer of the api ({error}).", response.status_code
        ) from error


def _problem(response: httpx.Response) -> ApiError:
    """RFC 9457 problem, or whatever a proxy in between made of it."""
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except (msgspec.MsgspecError, ValueError):
        problem = _Problem()
    fallback = f"The api answered {response.status_code}."
    return ApiError(
        problem.code or f"http_{response.status_code}",
        problem.detail or problem.title or fallback,
        response.status_code,
    )
