"""Why a socket closes, as a number that a client can act on. All are documented in backend/README.md."""

from __future__ import annotations

from enum import IntEnum

from backend.errors import ProblemError


class Close(IntEnum):
    """Close codes: 1012 "service restart" and 1013 "try again later" are the registered ones, the rest is ours."""

    RESTART = 1012
    TRY_LATER = 1013
    BAD_FRAMES = 4400
    NOT_AUTHENTICATED = 4401
    SUSPENDED = 4403
    NOT_YOURS = 4404
    AUTH_TIMEOUT = 4408
    RESUME = 4410
    SLOW_CONSUMER = 4413
    TOO_MANY = 4429
    INTERNAL = 4500


_BY_CODE = {
    "not_authenticated": Close.NOT_AUTHENTICATED,
    "token_expired": Close.NOT_AUTHENTICATED,
    "token_revoked": Close.NOT_AUTHENTICATED,
    "ticket_invalid": Close.NOT_AUTHENTICATED,
    "forbidden": Close.NOT_YOURS,
    "suspended": Close.SUSPENDED,
    "trip_not_found": Close.NOT_YOURS,
    "auth_timeout": Close.AUTH_TIMEOUT,
    "too_many_sockets": Close.TOO_MANY,
    "rate_limited": Close.TOO_MANY,
    "unavailable": Close.TRY_LATER,
    "invalid_frame": Close.BAD_FRAMES,
    "invalid_body": Close.BAD_FRAMES,
    "unknown_event": Close.BAD_FRAMES,
}


def close_for(problem: ProblemError) -> Close:
    """The close code for a problem that ends a socket."""
    return _BY_CODE.get(problem.code, Close.INTERNAL)
