"""A run, told: a table for people, JSON for machines."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.chaos.run import Outcome


def summary(outcome: Outcome) -> dict[str, Any]:
    """The figures of a run."""
    history, counts = outcome.history, outcome.counts
    answers = {answer.client_id for answer in history.answers}
    codes = {answer.client_id for answer in history.answers if answer.code is not None}
    recoveries = _recoveries(outcome)
    return {
        "seed": outcome.course.seed,
        "seconds": outcome.course.seconds,
        "pairs": outcome.course.pairs,
        "acts": len(outcome.acts),
        "said": len(history.said),
        "tries": len(history.tries),
        "acked": len(answers - codes),
        "rejected": len(codes),
        "resent": counts.get("resent", 0),
        "stored": sum(row.sender_type != "system" for row in history.rows.messages),
        "duplicates_refused": len(history.tries) - len({one.client_id for one in history.tries}),
        "impostures_refused": len(history.impostures),
        "commands_overheard": outcome.overheard,
        "events_heard": sum(len(line.frames) for device in history.devices for line in device.connections),
        "sockets": sum(len(device.connections) for device in history.devices),
        "closed": _closed(outcome),
        "decisions": outcome.decided,
        "errors": {name: number for name, number in counts.items() if name.startswith("error")},
        "logged_errors": _logged(outcome.log),
        "died_by_themselves": outcome.deaths,
        "quiet_after_s": round(outcome.quiet_after_s, 2),
        "answered_in_s": _spread(outcome.answered_in),
        "recovery_s": {kind: _spread(times) for kind, times in sorted(recoveries.items())},
        "findings": [str(finding) for finding in outcome.findings],
    }


def _logged(log: str) -> dict[str, int]:
    """What the processes logged as an error that is not the expected "try again": by event and kind of error."""
    found: Counter[str] = Counter()
    for line in log.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue  # the engines' own lines
        if told.get("level") in ("error", "critical") and told.get("code") != "unavailable":
            found[f"{str(told.get('event')).splitlines()[0][:60]} {told.get('error', '')}".strip()] += 1
    return dict(found)


def _closed(outcome: Outcome) -> dict[str, int]:
    """Sockets by the code with which they ended; 1006: without one."""
    lines = [line for device in outcome.history.devices for line in device.connections]
    return dict(sorted(Counter(str(line.code) for line in lines).items()))


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "p50": round(statistics.median(ordered), 3),
        "p99": round(ordered[int(len(ordered) * 0.99)], 3),
        "max": round(ordered[-1], 3),
    }


def _recoveries(outcome: Outcome) -> dict[str, list[float]]:
    """By kind of act: seconds from its healing to the next event that reached who suffered it."""
    heard: dict[str, list[float]] = defaultdict(list)
    for device in outcome.history.devices:
        for line in device.connections:
            times = [frame.at for frame in line.frames if '"event":"new-message"' in frame.raw[:30]]
            heard[device.name] += times
            heard[""] += times
    for times in heard.values():
        times.sort()
    found: dict[str, list[float]] = defaultdict(list)
    for act in outcome.acts:
        if act.healed_at is not None and not act.fault:
            times = heard[act.target] if act.target in heard else heard[""]
            after = next((at for at in times if at >= act.healed_at), None)
            if after is not None:
                found[act.kind].append(after - act.healed_at)
    return found


def table(outcome: Outcome) -> str:
    """The same for people."""
    told = summary(outcome)
    lines = [
        f"seed {told['seed']}: {told['seconds']:.0f} s, {told['pairs']} pairs, {told['sockets']} sockets,"
        f" {told['acts']} acts",
        f"  said {told['said']}, acked {told['acked']}, rejected {told['rejected']}, tries {told['tries']},"
        f" duplicates refused {told['duplicates_refused']}, stored {told['stored']}",
        f"  frames heard {told['events_heard']}, decisions {told['decisions']}, errors {told['errors']}",
        f"  words under a used id refused {told['impostures_refused']},"
        f" commands to Valkey overheard {told['commands_overheard']}",
        f"  sockets closed with {told['closed']}",
        f"  errors logged {told['logged_errors']}",
        f"  quiet {told['quiet_after_s']} s after everything was healed;"
        f" died by themselves: {told['died_by_themselves']}",
        f"  answered in {told['answered_in_s']}",
        "  from healing to the next event heard, in seconds:",
    ]
    for kind, spread in told["recovery_s"].items():
        lines.append(f"    {kind:<22} {spread['count']:>4} x  p50 {spread['p50']:>7.3f}  max {spread['max']:>7.3f}")
    lines.append(f"  findings: {len(told['findings'])}")
    lines += [f"    {finding}" for finding in told["findings"][:40]]
    return "\n".join(lines)


def keep(outcome: Outcome, directory: Path) -> Path:
    """Write figures, and the whole history with the processes' log where something was found."""
    directory.mkdir(parents=True, exist_ok=True)
    name = f"seed-{outcome.course.seed}"
    figures = directory / f"{name}.json"
    figures.write_text(json.dumps(summary(outcome), indent=1) + "\n")
    if outcome.findings:
        outcome.history.save(directory / f"{name}-history.json")
        (directory / f"{name}-processes.log").write_text(outcome.log)
    return figures
