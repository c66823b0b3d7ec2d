"""Who is signed in, and the door that person's pages use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
import streamlit as st

from console import settings as console_settings
from console.api import StaffApi
from console.settings import ConsoleSettings
from console.wire import Account

TOKEN_KEY = "token"  # noqa: S105 - the name of a slot in the session, no secret
API_KEY = "api"
ACCOUNT_KEY = "account"


@dataclass(frozen=True)
class Desk:
    """What every page gets: the door to the api, whose it is, and the zone that person reads clocks in."""

    api: StaffApi
    account: Account
    zone: tzinfo


def api_timeout(settings: ConsoleSettings) -> httpx.Timeout:
    """Seconds to connect and to read; the api's own long poll of 2 s fits in."""
    return httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s)


def token() -> str:
    """The person's token: from the cookie of this socket's handshake, kept with the Streamlit session."""
    if TOKEN_KEY not in st.session_state:
        cookies = st.context.cookies
        st.session_state[TOKEN_KEY] = cookies.get(console_settings.load().cookie, "")
    return cast("str", st.session_state[TOKEN_KEY])


def open_desk() -> Desk:
    """The signed-in person's desk. Raises `ApiError` where the api does not know the token or cannot be reached.

    The account is asked for on each full run of a page, so that a changed role or an ended sign-in shows at once.
    """
    api = cast("StaffApi | None", st.session_state.get(API_KEY))
    if api is None:
        settings = console_settings.load()
        api = StaffApi(settings.api_url, token(), api_timeout(settings))
        st.session_state[API_KEY] = api
    return Desk(api, api.me(), _zone())


def _zone() -> tzinfo:
    name = st.context.timezone
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
