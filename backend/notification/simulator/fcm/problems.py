"""Google's errors: `{error: {code, message, status, details}}`, as FCM v1 and its token endpoint write them."""

from __future__ import annotations

from typing import Any

#: FCM's own code -> (HTTP status, Google's status, message).
ERRORS: dict[str, tuple[int, str, str]] = {
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "UNAUTHENTICATED": (401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service"),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED", "SenderId mismatch"),
    "PERMISSION_DENIED": (403, "PERMISSION_DENIED", "Permission denied on this project."),
    "UNREGISTERED": (404, "NOT_FOUND", "Requested entity was not found."),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Messages sent'."),
    "INTERNAL": (500, "INTERNAL", "Internal error encountered."),
    "UNAVAILABLE": (503, "UNAVAILABLE", "The service is currently unavailable."),
}
#: Codes that come without FCM's own detail: they are of the layer in front of it.
PLAIN = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_TYPE = "type.googleapis.com/"


class GoogleError(Exception):
    """One of `ERRORS`; `field` names what is wrong in a message."""

    def __init__(self, code: str, message: str = "", *, field: str = "") -> None:
        self.code, self.field = code, field
        self.status, self.google_status, said = ERRORS.get(code, (500, "INTERNAL", "Unknown error."))
        self.message = message or said
        super().__init__(f"{code}: {self.message}")

    def body(self) -> dict[str, Any]:
        details: list[dict[str, Any]] = []
        if self.code not in PLAIN:
            details.append({"@type": _TYPE + "google.firebase.fcm.v1.FcmError", "errorCode": self.code})
        if self.field:
            violation = {"field": self.field, "description": self.message}
            details.append({"@type": _TYPE + "google.rpc.BadRequest", "fieldViolations": [violation]})
        error = {"code": self.status, "message": self.message, "status": self.google_status, "details": details}
        return {"error": {name: value for name, value in error.items() if value != []}}


class GrantError(Exception):
    """What the token endpoint says of a bad assertion (RFC 6749, 5.2)."""

    def __init__(self, error: str, description: str) -> None:
        self.error, self.description = error, description
        super().__init__(f"{error}: {description}")

    def body(self) -> dict[str, str]:
        return {"error": self.error, "error_description": self.description}
