"""The alarm bar and the strip of counts under the navigation."""

from __future__ import annotations

from console.components.parts import element
from console.wire import Account


def live_bar(account: Account) -> None:
    """Mount the strip; the red bar itself follows the live feed without any rerun of Python."""
    element("live_bar", "strip")(key="live-bar", data={"name": account.name, "role": account.role})
