"""What every page says in the same way: what could not be loaded, what was done, that a sign-in has ended."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from urllib.parse import quote

import streamlit as st

from console.api import ApiError
from console.format import plain
from console.wire import Party
from console.words import ERRORS

NOTICE_KEY = "notice"
MOVED_KEY = "moved"


def cannot_load(what: str, error: ApiError) -> None:
    """`Cannot load the review queue: the api cannot be reached.`"""
    st.error(f"Cannot load {what}: {reason(error)}")


def reason(error: ApiError) -> str:
    """The error in a sentence, with its code for whoever has to look it up."""
    known = ERRORS.get(error.code)
    return f"{known}." if known else f"{error.detail} ({error.code})"


def sign_in_again() -> None:
    """The token is no longer good: say so, and lead to the sign-in."""
    st.warning("Your sign-in has ended. Nothing more can be shown here.")
    st.markdown('<a href="/sign-in?why=ended" target="_self">Sign in again</a>', unsafe_allow_html=True)


@contextmanager
def loading(what: str) -> Generator[None]:
    """Everything inside that the api refuses becomes one sentence; the rest of the page goes on."""
    try:
        yield
    except ApiError as error:
        if error.signed_out:
            raise
        cannot_load(what, error)


def do(what: str, call: Callable[[], object], done: str) -> bool:
    """Ask the api to do something on a click. True when it is done; the outcome is shown by `show_notice`."""
    try:
        call()
    except ApiError as error:
        st.session_state[NOTICE_KEY] = ("error", f"Could not {what}: {reason(error)}")
        return False
    st.session_state[NOTICE_KEY] = ("done", done)
    return True


def show_notice() -> None:
    """What the last click did, once. Its place is always there: tabs and forms below would reset if they moved."""
    place = st.empty()
    notice = st.session_state.pop(NOTICE_KEY, None)
    if notice is None:
        return
    kind, text = notice
    if kind == "error":
        place.error(text)
    else:
        place.markdown(f":green[{plain(text)}]")


def moved() -> None:
    """A click inside a part that refreshes by itself concerns the whole page; see `rerun_if_moved`."""
    st.session_state[MOVED_KEY] = True


def rerun_if_moved() -> None:
    """Called inside such a part: draw the whole page again after `moved`."""
    if st.session_state.pop(MOVED_KEY, False):
        st.rerun()


def person_link(party: Party) -> str:
    """The name of a person in Markdown, leading to their record."""
    return f"**[{plain(party.name)}](/people?person={quote(party.id)})**"
