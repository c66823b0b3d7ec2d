"""Whatever the trips, holds and rules: a plan destroys nothing that it must not, and forgets nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.holds import SCOPES, Covered, HoldBook, LegalHold
from retention.planning import Candidate, decide, forecast, plan_day
from retention.schedule import RetentionRule

TODAY = date(2027, 3, 1)
NOW = datetime.combine(TODAY, time(12), UTC)
MARKETS = ("kz", "es")

ids = st.integers(0, 7).map(lambda number: UUID(int=number))
groups = st.frozensets(ids, max_size=3)
covered = st.builds(Covered, trip_id=ids, market=st.sampled_from(MARKETS) | st.none(), people=groups, cases=groups)
days = st.dates(TODAY - timedelta(days=200), TODAY)
candidates = st.lists(
    st.builds(Candidate, covered=covered, counted_from=days | st.none(), rows=st.integers(1, 9)),
    max_size=8,
    unique_by=lambda candidate: candidate.covered.trip_id,
)
moments = st.integers(-180 * 24, 60 * 24).map(lambda hours: NOW + timedelta(hours=hours))
targets = ids.map(str) | st.sampled_from(MARKETS)
holds = st.lists(
    st.builds(
        LegalHold,
        id=st.uuids(),
        scope=st.sampled_from(SCOPES),
        target=targets,
        basis=st.just("court"),
        placed_at=moments,
        released_at=moments | st.none(),
    ),
    max_size=5,
)
minimums = st.fixed_dictionaries({market: st.integers(0, 120) for market in MARKETS})


def rules_of(minimum: dict[str, int]):
    return lambda market: RetentionRule("text", minimum[market], 10_000, "x")


def covers(hold: LegalHold, of: Covered) -> bool:
    """Written again, plainly: the oracle of `HoldBook`."""
    on = {
        "trip": [str(of.trip_id)],
        "market": [of.market],
        "person": [str(person) for person in of.people],
        "case": [str(case) for case in of.cases],
    }
    return hold.in_force(NOW) and hold.target in on[hold.scope]


@given(candidates, holds, minimums)
def test_what_is_destroyed_is_known_old_enough_and_under_no_hold(
    found: list[Candidate], placed: list[LegalHold], minimum: dict[str, int]
) -> None:
    book = HoldBook(placed, NOW)
    plan = plan_day("text", TODAY, found, today=TODAY, rule_of=rules_of(minimum), book=book)
    for candidate in found:
        of = candidate.covered
        must_stay = any(covers(hold, of) for hold in placed) or of.market is None or candidate.counted_from is None
        if not must_stay and of.market is not None and candidate.counted_from is not None:
            earliest = candidate.counted_from + timedelta(days=minimum[of.market])
            assert (of.trip_id in plan.dispose) == (earliest <= TODAY)
            if earliest > TODAY:
                assert of.trip_id in plan.early[earliest]
        else:
            assert of.trip_id not in plan.dispose
            assert of.trip_id in plan.held


@given(candidates, holds, minimums)
def test_every_row_is_accounted_for_once(
    found: list[Candidate], placed: list[LegalHold], minimum: dict[str, int]
) -> None:
    plan = plan_day("text", TODAY, found, today=TODAY, rule_of=rules_of(minimum), book=HoldBook(placed, NOW))
    counts = plan.counts()
    assert counts["due"] + counts["held"] + counts["early"] == sum(candidate.rows for candidate in found)
    assert counts["trips"] + counts["held_trips"] + counts["early_trips"] == len(found)
    assert sum(plan.by_market.values()) == counts["due"]


@given(candidates, holds, minimums, st.uuids())
def test_another_hold_never_destroys_more(
    found: list[Candidate], placed: list[LegalHold], minimum: dict[str, int], hold_id: UUID
) -> None:
    def disposed(among: list[LegalHold]) -> frozenset[UUID]:
        book = HoldBook(among, NOW)
        return plan_day("text", TODAY, found, today=TODAY, rule_of=rules_of(minimum), book=book).dispose

    more = [*placed, LegalHold(hold_id, "market", "kz", "court", NOW - timedelta(days=1))]
    assert disposed(more) <= disposed(placed)


@given(candidates, minimums)
def test_a_plan_made_twice_is_the_same(found: list[Candidate], minimum: dict[str, int]) -> None:
    book = HoldBook([], NOW)
    first, second = (
        plan_day("text", TODAY, found, today=TODAY, rule_of=rules_of(minimum), book=book) for _ in range(2)
    )
    assert first == second


def test_a_day_to_come_is_not_planned() -> None:
    with pytest.raises(ValueError, match="not due"):
        plan_day("text", TODAY + timedelta(days=1), [], today=TODAY, rule_of=rules_of({}), book=HoldBook([], NOW))


def test_a_hold_whose_review_day_has_passed_still_holds() -> None:
    trip = UUID(int=1)
    hold = LegalHold(UUID(int=9), "trip", str(trip), "court", NOW - timedelta(days=400), review_on=date(2026, 1, 1))
    candidate = Candidate(Covered(trip, "kz"), TODAY - timedelta(days=500))
    fate = decide(candidate, TODAY, rules_of({"kz": 0}), HoldBook([hold], NOW))
    assert (fate.reason, fate.hold_id) == ("hold", hold.id)


def test_a_hold_ends_at_its_release_and_not_before() -> None:
    hold = LegalHold(UUID(int=9), "trip", "x", "court", NOW, released_at=NOW + timedelta(hours=1))
    assert not hold.in_force(NOW - timedelta(seconds=1))
    assert hold.in_force(NOW)
    assert not hold.in_force(NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("due", "count", "history", "approved"),
    [
        (1_000_000, 1, [], True),  # nothing to compare with yet
        (1_000_000, 1, [10] * 6, True),
        (100, 1, [100] * 28, True),
        (150, 1, [100] * 28, True),
        (151, 1, [100] * 28, False),
        (50, 1, [100] * 28, True),
        (49, 1, [100] * 28, False),
        (300, 3, [100] * 28, True),  # three days that nobody looked
        (0, 1, [0] * 28, True),
        (1, 1, [0] * 28, False),
        (0, 0, [100] * 28, True),
        (100, 1, [1] * 50 + [100] * 28, True),  # only the last four weeks count
    ],
)
def test_a_run_goes_by_itself_within_half_of_the_usual(
    due: int, count: int, history: list[int], approved: bool
) -> None:
    assert forecast(due, count, history).approved is approved
