"""What may be sent at all, before anybody judges it."""

from __future__ import annotations

from backend.errors import ProblemError

#: C0 and C1 control characters except tab, line feed and carriage return: no keyboard makes them, terminals obey them.
_CONTROL = {*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A, 0x0D}
#: What leaves no trace on a screen: spaces, zero-width and joining marks, direction marks, blank letters.
_UNSEEN = "".join(map(chr, (
    *range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0xAD, 0x034F, 0x115F, 0x1160, 0x1680, 0x180E, *range(0x2000, 0x2010),
    *range(0x2028, 0x2030), *range(0x205F, 0x2070), 0x2800, 0x3000, 0x3164, 0xFE0E, 0xFE0F, 0xFEFF, 0xFFA0,
)))  # fmt: skip


def check_content(content: str, max_chars: int) -> None:
    """Raise `content_empty`, `content_too_long` or `content_control_characters`."""
    if len(content) > max_chars:
        raise ProblemError("content_too_long", f"The message is longer than {max_chars:,} characters.")
    if not content.strip(_UNSEEN):
        raise ProblemError("content_empty")
    if not content.isprintable() and not _CONTROL.isdisjoint(map(ord, content)):
        raise ProblemError("content_control_characters")
