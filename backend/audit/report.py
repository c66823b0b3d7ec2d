"""What a verifier found, and the exit code that follows from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Grade = Literal["tampered", "incomplete", "note"]

OK, TAMPERED, INCOMPLETE, USAGE = 0, 1, 2, 3
#: Findings of one kind that are told one by one; the rest is counted.
SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """One finding. `index` names the entry, where it is about one."""

    grade: Grade
    code: str
    text: str
    index: int | None = None


@dataclass
class Report:
    """All findings about one log."""

    findings: list[Finding] = field(default_factory=list[Finding])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """Figures of what was checked: entries, checkpoints, producers, ..."""
    _seen: Counter[str] = field(default_factory=Counter[str])

    def add(self, grade: Grade, code: str, text: str, index: int | None = None) -> None:
        """Keep a finding; beyond `SHOWN` of one code only their number."""
        self._seen[code] += 1
        if self._seen[code] <= SHOWN:
            self.findings.append(Finding(grade, code, text, index))
        elif self._seen[code] == SHOWN + 1:
            self.findings.append(Finding(grade, code, "more of this kind follow"))

    def number(self, code: str) -> int:
        """How many findings of this code there are, the untold ones included."""
        return self._seen[code]

    @property
    def exit_code(self) -> int:
        """0 ok, 1 tampered, 2 incomplete."""
        grades = {finding.grade for finding in self.findings}
        if "tampered" in grades:
            return TAMPERED
        return INCOMPLETE if "incomplete" in grades else OK

    def lines(self) -> list[str]:
        """For people: findings first, the verdict last."""
        told = [f"{finding.grade}: {finding.text}" for finding in self.findings]
        hidden = [f"({code}: {number} in all)" for code, number in self._seen.items() if number > SHOWN]
        figures = ", ".join(f"{number:,} {name}" for name, number in self.counts.items())
        verdict = {OK: "ok", TAMPERED: "TAMPERED", INCOMPLETE: "INCOMPLETE"}[self.exit_code]
        return [*told, *hidden, f"{verdict}: {figures}"]
