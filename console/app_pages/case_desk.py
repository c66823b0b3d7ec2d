"""The one case on a person's desk, between runs of the page. It ends with the session; the claim ends by itself."""

from __future__ import annotations

from time import monotonic
from typing import cast

import streamlit as st

from console.wire import ClaimedCase

CLAIMED = "claimed-case"
DECIDED = "last-decided"
NOT_BEFORE = "decide-not-before"
LOOK_S = 1.2  # a key that is held or struck twice must not decide the case that follows, which nobody has read


def take(case: ClaimedCase, *, unasked: bool = False) -> None:
    """Put a case on this person's desk; `unasked` when it came by itself after a decision."""
    put_down()
    st.session_state[CLAIMED] = case
    st.session_state[NOT_BEFORE] = monotonic() + (LOOK_S if unasked else 0.0)


def current() -> ClaimedCase | None:
    """The case on this person's desk."""
    return cast("ClaimedCase | None", st.session_state.get(CLAIMED))


def put_down() -> None:
    """Clear the desk, with every choice that was made on it."""
    for key in [str(key) for key in st.session_state]:
        if key == CLAIMED or key.startswith("decide-"):
            del st.session_state[key]


def was_seen() -> bool:
    """False in the first moment of a case that came unasked."""
    return monotonic() >= cast("float", st.session_state.get(NOT_BEFORE, 0.0))


def remember_decided(case_id: str) -> None:
    """So that it can be undone."""
    st.session_state[DECIDED] = case_id


def last_decided() -> str:
    """The case that this person decided last, or nothing."""
    return cast("str", st.session_state.get(DECIDED, ""))


def forget_decided() -> None:
    """It is undone; there is nothing to undo any more."""
    st.session_state.pop(DECIDED, None)
