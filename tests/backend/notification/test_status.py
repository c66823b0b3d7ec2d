"""Callbacks in any order, any number of times, end where the provider's own history ends."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from backend.notification import status

HISTORIES = {
    "call": [
        ["queued", "initiated", "ringing", "in-progress", "completed"],
        ["queued", "initiated", "ringing", "no-answer"],
        ["queued", "initiated", "busy"],
    ],
    "sms": [["queued", "sent", "delivered"], ["queued", "sent", "undelivered"], ["accepted", "queued", "failed"]],
}


def applied(channel: str, start: str, told: list[str]) -> str:
    for one in told:
        start = status.advanced(channel, start, one) or start
    return start


@given(st.sampled_from(["call", "sms"]), st.integers(0, 2), st.randoms(use_true_random=False), st.integers(1, 3))
def test_any_order_and_any_doubling_ends_the_same(channel: str, which: int, shuffle: random.Random, times: int) -> None:
    history = HISTORIES[channel][which]
    told = history * times
    shuffle.shuffle(told)
    assert applied(channel, status.SENDING, told) == status.normal(history[-1])


@given(st.sampled_from(["call", "sms"]), st.text(max_size=20))
def test_an_unknown_status_changes_nothing(channel: str, told: str) -> None:
    known = status.normal(told) in {status.normal(one) for row in HISTORIES[channel] for one in row}
    if not known and not status.is_known(channel, told):
        assert status.advanced(channel, "queued", told) is None


def test_nothing_follows_an_end_or_a_skip() -> None:
    for end in ("completed", "busy", "no_answer", "failed", "canceled", status.REFUSED, status.SKIPPED):
        assert status.advanced("call", end, "in-progress") is None
    assert status.advanced("sms", "delivered", "undelivered") is None
    assert status.advanced("console", "rung", "completed") is None


def test_a_callback_proves_a_send_that_we_gave_up_for_unknown() -> None:
    assert status.advanced("call", status.UNKNOWN, "ringing") == "ringing"
    assert status.advanced("call", status.RETRY, "no-answer") == "no_answer"
