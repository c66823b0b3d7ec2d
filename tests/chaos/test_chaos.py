"""A short storm over real processes, and two faults that the checker has to find; `make chaos` is the long one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.chaos.nemesis import KINDS, Act, plan
from tests.chaos.report import keep, table
from tests.chaos.run import Course, Outcome, run

KEPT = Path(__file__).parents[2] / ".cache" / "chaos"

pytestmark = pytest.mark.timeout(180)


def lived_through(course: Course) -> Outcome:
    """The run of a course, in a loop of its own. What was found is kept as `make chaos` keeps it."""
    loop = asyncio.new_event_loop()
    try:
        outcome = loop.run_until_complete(run(course))
    finally:
        loop.close()
    if outcome.findings and not course.command:
        keep(outcome, KEPT)
    return outcome


def test_nothing_is_lost_doubled_or_shown_while_everything_breaks() -> None:
    acts = (
        Act(1.0, "api killed", "api-1", 0.3),
        Act(3.0, "postgres restarted", "postgres", 0.0),
        Act(5.5, "valkey killed", "valkey", 0.5),
        Act(6.5, "backends terminated", "postgres", 0.0),
        Act(7.0, "api frozen", "api-2", 1.5),
        Act(9.0, "all lines reset", "everybody", 0.0),
        Act(9.5, "valkey flushed", "valkey", 0.0),
    )
    outcome = lived_through(Course(seed=7, seconds=10.0, pairs=4, rate=16.0, acts=acts, quiet_within_s=20.0))
    assert outcome.findings == [], table(outcome)
    assert outcome.overheard > 100
    assert [act.fault for act in outcome.acts] == [""] * len(acts)
    assert len({answer.client_id for answer in outcome.history.answers}) == len(outcome.history.said) > 60
    assert {"release", "mask"} & outcome.decided.keys()


def faulty(fault: str, **more: object) -> Outcome:
    """A short run of one api process with `fault` in it."""
    command = (sys.executable, "-P", "-m", "tests.chaos.faulty", fault)
    course = {"seconds": 4.0, "pairs": 3, "rate": 18.0, "apis": 1, "sweepers": 0, "acts": (), "quiet_within_s": 2.0}
    return lived_through(Course(seed=3, command=command, **(course | more)))


def test_an_event_that_is_swallowed_is_found() -> None:
    outcome = faulty("swallow-an-event")
    gaps = [finding for finding in outcome.findings if finding.rule == "order"]
    assert gaps, table(outcome)
    assert all("10" in finding.what and "after 8: a gap" in finding.what for finding in gaps), table(outcome)


def test_an_acknowledgement_before_the_commit_is_found() -> None:
    outcome = faulty("ack-too-early", acts=(Act(2.5, "postgres restarted", "postgres", 0.0),))
    lost = [finding for finding in outcome.findings if finding.rule == "stored" and "is not stored" in finding.what]
    assert lost, table(outcome)


def test_a_seed_is_a_schedule() -> None:
    phones = ["a-driver-1", "a-customer-1", "b-driver-1"]
    first, again, other = plan(7, 120, phones, 2), plan(7, 120, phones, 2), plan(8, 120, phones, 2)
    assert first == again
    assert first != other
    assert {act.kind for act in first} == set(KINDS)
