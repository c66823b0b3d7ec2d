"""Twilio's errors: `{code, message, more_info, status}`, as https://www.twilio.com/docs/api/errors lists them."""

from __future__ import annotations

from typing import Any

#: Code -> (HTTP status, message).
ERRORS: dict[int, tuple[int, str]] = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    21201: (400, "No 'To' number specified"),
    21205: (400, "Url parameter is required."),
    21210: (400, "The source phone number provided is not yet verified for your account."),
    21211: (400, "Invalid 'To' Phone Number"),
    21212: (400, "Invalid 'From' Phone Number"),
    21213: (400, "'From' phone number is required to perform this request."),
    21214: (400, "'To' phone number cannot be reached"),
    21215: (400, "Account not authorized to call this number. Check your geo permissions."),
    21216: (400, "Account not allowed to call this number."),
    21217: (400, "Phone number does not appear to be valid"),
    21218: (400, "Invalid ApplicationSid, Url or Twiml"),
    21220: (400, "Call is not in-progress. Cannot redirect or end it."),
    21408: (400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number provided is not a valid, message-capable phone number."),
    21609: (400, "The 'StatusCallback' URL is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (400, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "The 'To' phone number is not currently reachable using the 'From' phone number."),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit."),
    21626: (400, "Invalid status callback URL or event"),
    21705: (400, "A parameter is outside of its range"),
}


class TwilioError(Exception):
    """One of `ERRORS`, or an unlisted `code` with its own status."""

    def __init__(self, code: int, *, status: int | None = None, message: str | None = None) -> None:
        listed = ERRORS.get(code, (400, "An error that is not in the list"))
        self.code = code
        self.status = status or listed[0]
        self.message = message or listed[1]
        super().__init__(f"{code}: {self.message}")

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
