"""Every error that leaves the api: `application/problem+json` (RFC 9457) with a stable code, never a stack trace."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from backend.errors import ProblemError
from backend.keys import KeyDestroyed

log = structlog.get_logger()

_BY_STATUS = {
    400: "invalid_body", 401: "not_authenticated", 403: "forbidden", 404: "not_found",
    405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type", 429: "rate_limited",
}  # fmt: skip
#: The last is what asyncpg says of a connection whose end it has read and not yet understood.
_UNREACHABLE = (OSError, TimeoutError, OperationalError, RedisError, asyncpg.PostgresConnectionError,
                asyncpg.InterfaceError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError,
                asyncpg.InternalClientError)  # fmt: skip


def problem_of(error: Exception) -> ProblemError:
    """The problem that an exception is to its caller."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ValidationException):
        return ProblemError("invalid_body", _what_is_wrong(error))
    if isinstance(error, HTTPException):
        return ProblemError(_BY_STATUS.get(error.status_code, "bad_request"))
    if isinstance(error, RecursionError | SerializationException | UnicodeDecodeError):
        # Brackets nested thousands deep, or bytes that are no JSON: the decoder gives up, and so do we.
        return ProblemError("invalid_body")
    if isinstance(error, KeyDestroyed):
        return ProblemError("not_found", "The key of this conversation was destroyed.")
    if isinstance(error, _UNREACHABLE) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return ProblemError("unavailable", retry_after_s=1.0)
    return _problem_with_data(error.orig if isinstance(error, StatementError) else error)


def _problem_with_data(error: BaseException | None) -> ProblemError:
    """By PostgreSQL's five characters (its manual, appendix A), where it was PostgreSQL."""
    sqlstate = str(getattr(error, "sqlstate", None) or "")
    if isinstance(error, OverflowError):
        # A moment or a number that exists in JSON and in no calendar.
        return ProblemError("invalid_value")
    if sqlstate.startswith("22"):
        # Data that JSON may hold and PostgreSQL may not, such as U+0000.
        return ProblemError("invalid_value")
    if sqlstate[:2] in ("40", "53", "55", "57"):
        # Rolled back for the sake of others, out of connections, a lock or a statement that took too long.
        return ProblemError("unavailable", retry_after_s=1.0)
    return ProblemError("internal_error")


def _what_is_wrong(error: ValidationException) -> str:
    """The field and its fault; never the value that was sent."""
    extra: Any = error.extra
    if isinstance(extra, list) and extra:
        first: Any = extra[0]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(first, dict):
            found: dict[str, Any] = first  # pyright: ignore[reportUnknownVariableType]
            return f"{found.get('key', 'body')}: {str(found.get('message', 'is not right'))[:200]}"
    return str(error.detail)[:200]


class Answer(NamedTuple):
    """An answer as it leaves: `body` in UTF-8 JSON, `headers` beside its type and length."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def answer_of(error: Exception, path: str) -> Answer:
    """What the caller of `path` gets for an exception. A fault of ours is written to the log, with nobody's words."""
    problem = problem_of(error)
    if problem.status >= 500 and problem.code != "not_available":
        log.error("request.failed", code=problem.code, error=type(error).__name__, path=path, exc_info=error)
    headers: list[tuple[str, str]] = []
    if problem.retry_after_s is not None:
        headers.append(("retry-after", str(max(1, math.ceil(problem.retry_after_s)))))
    if problem.status == 401:
        headers.append(("www-authenticate", "Bearer"))
    return Answer(problem.status, msgspec.json.encode(problem.body()), "application/problem+json", tuple(headers))


def response_of(answer: Answer) -> Response[bytes]:
    """The answer in Litestar's form."""
    return Response(
        content=answer.body,
        status_code=answer.status,
        media_type=answer.media_type,
        headers=dict(answer.headers),
    )


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    return response_of(answer_of(error, request.scope["path"]))
