"""Escalation policies as they are frozen into an incident: pure, no database."""

from __future__ import annotations

import msgspec

#: Targets that a policy may name. `all`: everybody who is on call in the market; `everyone`: every verified contact
#: of the market; `everywhere`: whoever is on call in any market.
TARGETS = ("primary", "secondary", "shift", "duty_manager", "all", "everyone", "everywhere")
CHANNELS = ("sms", "call")


class PolicyLine(msgspec.Struct, frozen=True):
    """Page `targets` by `channels`, `delay_s` seconds after the trigger."""

    delay_s: int
    targets: tuple[str, ...]
    channels: tuple[str, ...]


class PolicySnapshot(msgspec.Struct, frozen=True):
    """A policy as it was at the trigger. Lines with the same delay make one step."""

    name: str
    lines: tuple[PolicyLine, ...]
    repeat_s: int = 30
    ack_lease_s: int = 120
    overt: bool = False

    def delays(self) -> tuple[int, ...]:
        """When each step comes, in seconds after the trigger."""
        return tuple(sorted({line.delay_s for line in self.lines}))

    def pages_of(self, step: int) -> tuple[PolicyLine, ...]:
        """What step number `step` sends; after the last one the roster widens with every repeat, and never stops."""
        delays = self.delays()
        if step < len(delays):
            return tuple(line for line in self.lines if line.delay_s == delays[step])
        wider = ("all", "everyone", "everywhere")[: 1 + step - len(delays)]
        return (PolicyLine(self.repeat_s, ("shift", "duty_manager", *wider), CHANNELS),)

    def gap_s(self, step: int) -> int:
        """Seconds from step number `step` to the one after it."""
        delays = self.delays()
        return delays[step + 1] - delays[step] if step + 1 < len(delays) else self.repeat_s


#: Shipped; `0005_escalation` writes it into the table for the market `default`.
DEFAULT_POLICY = PolicySnapshot(
    name="standard",
    lines=(
        PolicyLine(0, ("primary",), ("sms", "call")),
        PolicyLine(10, ("secondary",), ("sms", "call")),
        PolicyLine(10, ("all",), ("sms",)),
        PolicyLine(20, ("shift", "duty_manager"), ("sms", "call")),
    ),
)
