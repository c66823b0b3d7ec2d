"""Policies to install: the shipped one with small changes."""

from __future__ import annotations

import re
from importlib import resources

SHIPPED = resources.files("moderation").joinpath("data/policy.toml").read_text(encoding="utf-8")


def policy(version: str, *changes: tuple[str, str]) -> bytes:
    """The shipped policy under another version, with these texts replaced; each has to occur."""
    text = re.sub(r'^version = ".*"$', f'version = "{version}"', SHIPPED, count=1, flags=re.MULTILINE)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


#: Telephone numbers are refused instead of starred out.
STRICT = ('phone = [{ at = 0.6, outcome = "mask" }]', 'phone = [{ at = 0.6, outcome = "reject" }]')
