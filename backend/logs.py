"""Structured logs on stderr: one object a line, never what people wrote, never a secret.

Everything goes through one handler: our own `structlog` loggers, uvicorn's and every library's.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, cast

import structlog

#: Fields that may hold words, places, numbers or keys of people. They are dropped whoever logs them.
# fmt: off
NEVER_LOGGED = frozenset({
    "content", "text", "body", "masked_body", "original", "message", "note", "rationale", "detail_text", "payload",
    "frame", "data", "location", "lat", "lon", "phone", "phones", "number", "to", "from_", "email", "display_name",
    "driver_name", "customer_name", "token", "ticket", "password", "secret", "authorization", "cookie", "parameters",
    "params",
})
# fmt: on

#: The first line of an exception's message says what happened; later lines quote rows and parameters.
EXCEPTION_MESSAGE_CHARS = 200
EXCEPTION_FRAMES = 12

#: They tell of every start and stop in many lines, or log addresses, numbers and frames.
QUIET = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "dramatiq",
    "httpx",
    "httpcore",
    "twilio.http_client",
    "websockets",
)

EventDict = MutableMapping[str, Any]


def configure(process: str, *, level: str = "info", json: bool = True) -> None:
    """Send all logs of this process to stderr. Call once, at the start of a process."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _namer(process),
        drop_private,
        shorten_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    _take_over(handler, level)


def _take_over(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "dramatiq", "litestar"):
        library = logging.getLogger(name)
        library.handlers[:] = []
        library.propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _namer(process: str) -> Any:
    def name(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return name


def drop_private(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Drop every field of `NEVER_LOGGED`, also inside of objects and lists."""
    return cast("EventDict", _without_private(dict(event), 0))


def _without_private(value: Any, depth: int) -> Any:
    if depth > 4:
        return "..."
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value)
        return {key: _kept(key, item, depth) for key, item in pairs.items() if str(key).lower() not in NEVER_LOGGED}
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        return [_without_private(item, depth + 1) for item in items]
    return value


def _kept(key: Any, item: Any, depth: int) -> Any:
    return item if str(key) in ("exc_info", "_record") else _without_private(item, depth + 1)


def shorten_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Turn an exception into its type, the first line of its message and where it came from."""
    given = event.pop("exc_info", None)
    if not given:
        return event
    error: Any = given if isinstance(given, BaseException) else sys.exc_info()[1]
    if isinstance(given, tuple):
        error = cast("tuple[Any, Any, Any]", given)[1]
    if isinstance(error, BaseException):
        message = (str(error).splitlines() or [""])[0]
        event["error"] = type(error).__name__
        event["error_message"] = message[:EXCEPTION_MESSAGE_CHARS]
        event["at"] = _frames(error.__traceback__)
    return event


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-EXCEPTION_FRAMES:]
    return [f"{frame.filename.rsplit('/site-packages/')[-1]}:{frame.lineno} {frame.name}" for frame in frames]


def get_logger(name: str) -> Any:
    """A structlog logger: `get_logger(__name__).info("trip.closed", trip_id=...)`."""
    return structlog.get_logger(name)
