"""`python -m tests.benchmarks.report RESULT.json ...`: the Markdown tables of results that were kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks import table
from tests.benchmarks.audit import Audit
from tests.benchmarks.bell import Bell
from tests.benchmarks.chat import Chat
from tests.benchmarks.idle import Idle
from tests.benchmarks.scale import Scale
from tests.benchmarks.verdict import Verdicts

#: Part -> its type in the JSON, and its table. The order is that of the report.
PARTS: dict[str, tuple[Any, Callable[[Any], str]]] = {
    "chat": (Chat, table.chat),
    "verdict": (list[Verdicts], table.verdict),
    "audit": (Audit, table.audit),
    "idle": (Idle, table.idle),
    "bell": (Bell, table.bell),
    "scale": (Scale, table.scale),
}


def rendered(report: dict[str, Any]) -> str:
    """Every part that the report has. Raises msgspec.ValidationError for one that another version has written."""
    where = report["machine"]
    said = [
        f"{report['measured_at']}, commit {where['commit']}: {where['cores']} cores ({where['cpu']}), "
        f"{where['system']}, Python {where['python']}, Node.js {where['node']}; "
        f"load average {where['load_average']} before, {report.get('load_average_after')} after"
    ]
    for part, (kind, shown) in PARTS.items():
        if part in report:
            said.append(f"### {part.capitalize()}\n\n{shown(msgspec.convert(report[part], kind))}")
    return "\n\n".join(said)


def main(paths: Sequence[str]) -> int:
    """The command line."""
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    for path in paths:
        print(rendered(msgspec.json.decode(Path(path).read_bytes())), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
