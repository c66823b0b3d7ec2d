"""When which step pages whom."""

from __future__ import annotations

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from backend.escalation.policy import CHANNELS, DEFAULT_POLICY, TARGETS, PolicyLine, PolicySnapshot
from backend.escalation.roster import Contact, chosen

lines = st.lists(
    st.builds(
        PolicyLine,
        st.integers(0, 3600),
        st.lists(st.sampled_from(TARGETS), min_size=1, max_size=3).map(tuple),
        st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=2, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=8,
)


def test_the_default_pages_the_primary_at_once_then_the_secondary_then_the_whole_shift() -> None:
    assert DEFAULT_POLICY.delays() == (0, 10, 20)
    assert [line.targets for line in DEFAULT_POLICY.pages_of(0)] == [("primary",)]
    assert [(line.targets, line.channels) for line in DEFAULT_POLICY.pages_of(1)] == [
        (("secondary",), ("sms", "call")),
        (("all",), ("sms",)),
    ]
    assert DEFAULT_POLICY.pages_of(2)[0].targets == ("shift", "duty_manager")
    assert [DEFAULT_POLICY.gap_s(step) for step in range(5)] == [10, 10, 30, 30, 30]


@given(lines, st.integers(0, 50))
def test_every_step_pages_somebody_and_is_followed_by_another(given_lines: list[PolicyLine], step: int) -> None:
    policy = PolicySnapshot("p", tuple(given_lines))
    assert policy.pages_of(step)
    assert policy.gap_s(step) > 0
    later = {target for line in policy.pages_of(len(policy.delays()) + 3) for target in line.targets}
    assert "everywhere" in later


@given(lines)
def test_no_line_of_a_policy_is_ever_left_out(given_lines: list[PolicyLine]) -> None:
    policy = PolicySnapshot("p", tuple(given_lines))
    taken = [line for step in range(len(policy.delays())) for line in policy.pages_of(step)]
    assert sorted(map(repr, taken)) == sorted(map(repr, given_lines))


def a_contact(role: str, market: str = "kz", method: UUID | None = None) -> Contact:
    return Contact(method or uuid4(), uuid4(), role, market)


def test_a_telephone_is_paged_once_however_many_targets_name_it() -> None:
    phone = uuid4()
    both = [a_contact("primary", method=phone), a_contact("duty_manager", method=phone)]
    assert len(chosen(both, "kz", ("primary", "duty_manager", "all", "everywhere"))) == 1


def test_a_market_without_people_is_served_by_the_default_one_and_then_by_any() -> None:
    here, default, away = a_contact("primary"), a_contact("primary", "default"), a_contact("primary", "us")
    assert chosen([here, default, away], "kz", ("primary",)) == [here]
    assert chosen([default, away], "kz", ("primary",)) == [default]
    assert chosen([away], "kz", ("primary",)) == [away]
    assert chosen([], "kz", ("primary",)) == []


def test_the_roster_widens_to_reserves_and_then_to_every_market() -> None:
    people = [a_contact("shift"), a_contact("reserve"), a_contact("primary", "us")]
    found = [len(chosen(people, "kz", (target,))) for target in ("shift", "all", "everyone", "everywhere")]
    assert found == [1, 1, 2, 3]
