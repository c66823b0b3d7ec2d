"""Counting: every number of every life of every producer is used exactly once; how many keys the log saw destroyed."""

from __future__ import annotations

import msgspec

from backend.audit.leaf import LOST, VOID, Leaf
from backend.audit.report import Report


class _Life:
    """One boot of one producer."""

    __slots__ = ("ahead", "next", "voids")

    def __init__(self) -> None:
        self.next = 1
        self.ahead: dict[int, str] = {}
        """Numbers beyond `next` that were seen, with their times."""
        self.voids: set[int] = set()


class ProducerCounts:
    """Takes leaves in any order; `finish` tells what is missing or doubled."""

    def __init__(self) -> None:
        self._lives: dict[tuple[str, str], _Life] = {}
        self.keys_destroyed = 0
        """Audit keys that entries say were destroyed."""
        self.lost = 0
        """Numbers of producers that died, closed by the sequencer."""
        self._doubled: list[tuple[Leaf, int | None]] = []

    def __len__(self) -> int:
        return len(self._lives)

    def add(self, leaf: Leaf, index: int | None) -> None:
        """Count a leaf; `index` is its place, None while it waits in the intake."""
        if leaf.ev == "key.destroyed" and leaf.n is not msgspec.UNSET:
            self.keys_destroyed += leaf.n.get("audit_keys", 0)
        name = (leaf.prod, leaf.boot)
        life = self._lives.get(name)
        if life is None:
            life = self._lives[name] = _Life()
        number = leaf.pseq
        if leaf.ev == VOID:
            life.voids.add(number)
            self.lost += leaf.out == LOST
        if number == life.next:
            life.next += 1
            while life.ahead and life.next in life.ahead:
                del life.ahead[life.next]
                life.next += 1
        elif number > life.next and number not in life.ahead:
            life.ahead[number] = leaf.ts
        elif number not in life.voids:
            # A void for a number whose commit was in doubt is no fault; an act that stands twice is.
            self._doubled.append((leaf, index))

    def finish(self, report: Report, settled_before: str) -> None:
        """Report gaps and doubles. A gap before an entry later than `settled_before` (RFC 3339) may still be closed."""
        for leaf, index in self._doubled:
            text = f"entry {index} uses number {leaf.pseq} of {leaf.prod} (boot {leaf.boot}) a second time"
            report.add("tampered", "number_doubled", text, index)
        for (prod, boot), life in self._lives.items():
            number = life.next
            for later in sorted(life.ahead):
                if later > number:
                    self._gap(report, f"{prod} (boot {boot})", (number, later - 1), life.ahead[later] < settled_before)
                number = later + 1

    def _gap(self, report: Report, who: str, numbers: tuple[int, int], settled: bool) -> None:
        first, last = numbers
        which = f"number {first}" if first == last else f"numbers {first} to {last}"
        if settled:
            report.add("incomplete", "number_missing", f"{which} of {who} never arrived")
        else:
            report.add("note", "number_open", f"{which} of {who} may still be on the way")
