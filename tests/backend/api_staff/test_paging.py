"""Cursors come back as they went out, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.api.staff.paging import cursor_of, key_of
from backend.errors import ProblemError

DueKey = tuple[datetime, UUID]


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_of_a_moment_and_an_id_comes_back_whole(moment: datetime, one: UUID) -> None:
    assert key_of(cursor_of((moment, one)), DueKey) == (moment, one)


@given(st.floats(allow_nan=False, allow_infinity=False), st.uuids())
def test_a_cursor_of_a_risk_and_an_id_comes_back_to_the_last_bit(risk: float, one: UUID) -> None:
    assert key_of(cursor_of((risk, one)), tuple[float, UUID]) == (risk, one)


@given(st.text(max_size=80))
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(ProblemError, match="invalid_cursor"):
        key_of(text, DueKey)


@given(st.floats(allow_nan=False, allow_infinity=False), st.uuids())
def test_a_cursor_of_another_list_is_refused(risk: float, one: UUID) -> None:
    with pytest.raises(ProblemError, match="invalid_cursor"):
        key_of(cursor_of((risk, one)), tuple[str, str, int, UUID])


def test_no_cursor_is_the_first_page() -> None:
    assert key_of(None, DueKey) is None
