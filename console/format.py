"""Numbers and times as people read them. All functions are pure; times come in UTC and leave in the reader's zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

SEVERITY_TONE = {"critical": "loud", "high": "bad", "medium": "warn", "low": "soft"}


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


def clock(at: datetime | None, zone: tzinfo) -> str:
    """`14:03:09`, with the day in front where it is not today."""
    if at is None:
        return ""
    local = at.astimezone(zone)
    if local.date() == now().astimezone(zone).date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%d %b %H:%M:%S")


def moment(at: datetime | None, zone: tzinfo) -> str:
    """`22 Nov 2026 14:03:09`: the full time, for records."""
    return "" if at is None else at.astimezone(zone).strftime("%d %b %Y %H:%M:%S")


def span(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`, `4 days`."""
    whole = int(abs(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} days"


def ago(at: datetime | None) -> str:
    """`12 s ago`."""
    return "" if at is None else f"{span((now() - at).total_seconds())} ago"


def due(at: datetime | None) -> str:
    """`in 40 s` or `2 min 10 s late`."""
    if at is None:
        return ""
    left = (at - now()).total_seconds()
    return f"in {span(left)}" if left >= 0 else f"{span(left)} late"


def short(ref: str | None) -> str:
    """The last six characters of an id: what people say to each other on the phone."""
    return (ref or "")[-6:]


def position(lat: float, lon: float, accuracy_m: float | None) -> str:
    """`43.23890, 76.88970 (8 m)`."""
    exact = "" if accuracy_m is None else f" ({accuracy_m:.0f} m)"
    return f"{lat:.5f}, {lon:.5f}{exact}"


def plain(text: str) -> str:
    """What a person typed, safe inside Markdown: no links, images, colours or HTML of theirs take effect."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+-.!|~:$" else char for char in " ".join(text.split()))
