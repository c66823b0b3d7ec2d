"""The frame around the pages: who sees which, and what is said when the api does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import console.app
from console.pages import PAGES
from console.roles import ROLES, may
from console.settings import API_URL
from tests.console.conftest import elements, shown
from tests.factories.tokens import Tokens

APP = str(Path(console.app.__file__))
SEEN = {
    "viewer": ["live-trips", "emergencies", "templates"],
    "moderator": ["live-trips", "emergencies", "review", "templates", "people"],
    "lead": ["live-trips", "emergencies", "review", "templates", "people", "audit", "retention"],
    "compliance": ["live-trips", "emergencies", "templates", "people", "audit", "retention"],
    "admin": ["live-trips", "emergencies", "review", "templates", "people", "audit", "retention", "staff"],
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_the_pages_that_it_may_use(role: str) -> None:
    assert [page.path for page in PAGES if may(role, page.roles)] == SEEN[role]


def app(api_url: str, token: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(API_URL, api_url)
    page = AppTest.from_file(APP, default_timeout=20)
    page.session_state["token"] = token
    return page.run()


def test_the_first_page_is_the_live_board_under_the_alarm_bar(
    api_url: str, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = app(api_url, tokens.staff("moderator"), monkeypatch)
    assert "Live trips" in shown(page)
    assert elements(page)["live-bar"] == {"name": "moderator", "role": "moderator"}


def test_a_token_that_ended_leads_to_the_sign_in_and_shows_nothing(
    api_url: str, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = app(api_url, tokens.staff("lead", ttl_s=-5), monkeypatch)
    assert "Your sign-in has ended" in shown(page)
    assert not elements(page)


def test_an_api_that_is_away_is_named_as_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    page = app("http://127.0.0.1:9", "any", monkeypatch)
    assert "Cannot load who you are: the api cannot be reached." in shown(page)
