"""The Streamlit script: who is signed in, which pages they may use, and the alarm bar above each of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from console.api import ApiError
from console.components import live_bar
from console.frame import cannot_load, sign_in_again
from console.pages import PAGES
from console.roles import may
from console.session import open_desk


def main() -> None:
    """One run of the script for one person."""
    st.set_page_config(page_title="Tripwarden", layout="wide", initial_sidebar_state="collapsed")
    st.html(Path(__file__).parent / "components" / "page.css")
    try:
        desk = open_desk()
    except ApiError as error:
        if error.signed_out:
            sign_in_again()
        else:
            cannot_load("who you are", error)
        return
    pages = [
        st.Page(partial(page.show, desk), title=page.title, url_path=page.path, default=page.default)
        for page in PAGES
        if may(desk.account.role, page.roles)
    ]
    chosen = st.navigation(pages, position="top")
    live_bar(desk.account)
    run(chosen.run)


def run(page: Callable[[], None]) -> None:
    """Run a page; an api error that it left to us is said in a sentence."""
    try:
        page()
    except ApiError as error:
        if error.signed_out:
            sign_in_again()
        else:
            cannot_load("this page", error)


main()
