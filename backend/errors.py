"""The one error of the product: a stable code, a sentence a person understands, the right status.

Routes turn a `ProblemError` into `application/problem+json` (RFC 9457), sockets into an `error` frame, the
command line into one line on stderr.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Problem(NamedTuple):
    status: int
    sentence: str


#: Every code that leaves the product. A test keeps this table and `backend/README.md` in step.
CODES: dict[str, Problem] = {
    "bad_request": Problem(400, "The request could not be understood."),
    "invalid_body": Problem(400, "The body does not have the form that this call needs."),
    "invalid_cursor": Problem(400, "The cursor is not one that this list gave out."),
    "invalid_frame": Problem(400, "The frame is not a JSON object with an event and its data."),
    "unknown_event": Problem(400, "There is no such event."),
    "not_authenticated": Problem(401, "A valid token is needed."),
    "token_expired": Problem(401, "The token has expired."),
    "token_revoked": Problem(401, "The token has been revoked."),
    "ticket_invalid": Problem(401, "The ticket is unknown, used or older than 30 seconds."),
    "sign_in_failed": Problem(401, "The e-mail address or the password is wrong."),
    "auth_timeout": Problem(401, "The first frame has to be auth and has to come within 3 seconds."),
    "forbidden": Problem(403, "Your role does not allow this."),
    "suspended": Problem(403, "Chat is suspended for this account."),
    "muted": Problem(403, "You cannot write in this chat for now."),
    "not_found": Problem(404, "There is no such thing, or it is not yours."),
    "trip_not_found": Problem(404, "There is no such trip, or it is not yours."),
    "message_not_found": Problem(404, "There is no such message, or it is not yours."),
    "template_unknown": Problem(404, "There is no such template for you."),
    "method_not_allowed": Problem(405, "This address does not take that method."),
    "conflict": Problem(409, "This was changed by somebody else in the meantime."),
    "client_message_id_reused": Problem(409, "This clientMessageId was already used for other content."),
    "chat_closed": Problem(409, "This trip has ended, writing is closed."),
    "case_taken": Problem(409, "Somebody else has this case."),
    "case_not_claimed": Problem(409, "Claim this case first."),
    "case_closed": Problem(409, "This case has already been decided."),
    "incident_resolved": Problem(409, "This incident is already resolved."),
    "already_running": Problem(409, "It is already running."),
    "body_too_large": Problem(413, "The body is larger than this call takes."),
    "unsupported_media_type": Problem(415, "This call takes application/json."),
    "message_rejected": Problem(422, "The message was not sent."),
    "content_empty": Problem(422, "The message has no text."),
    "content_too_long": Problem(422, "The message is longer than 2,000 characters."),
    "content_control_characters": Problem(422, "The message holds control characters."),
    "purpose_required": Problem(422, "Say for which purpose you open this conversation."),
    "rationale_required": Problem(422, "A decision of this severity needs a rationale."),
    "invalid_value": Problem(422, "A value is outside of what is allowed."),
    "rate_limited": Problem(429, "Too many requests; try again a little later."),
    "too_many_sockets": Problem(429, "Too many open connections of one user."),
    "internal_error": Problem(500, "Something went wrong on our side; nothing was stored."),
    "not_available": Problem(501, "This is not available here yet."),
    "unavailable": Problem(503, "A part that this needs is not reachable; try again."),
    "setting_invalid": Problem(500, "A setting is wrong."),
}


class ProblemError(Exception):
    """An error with one of `CODES`.

    `detail` is the sentence for this occurrence (default: the code's own); `extra` members travel in the problem
    object beside it; `retry_after_s` becomes `Retry-After`.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        retry_after_s: float | None = None,
        **extra: Any,
    ) -> None:
        problem = CODES[code]
        self.code = code
        self.status = problem.status
        self.detail = detail or problem.sentence
        self.retry_after_s = retry_after_s
        self.extra = extra
        super().__init__(f"{code}: {self.detail}")

    def body(self) -> dict[str, Any]:
        """The problem object: `{type, title, status, code, detail, ...extra}`."""
        return {
            "type": "about:blank",
            "title": CODES[self.code].sentence,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }
