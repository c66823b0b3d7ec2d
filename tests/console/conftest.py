"""The console's pages in Streamlit's own test harness, against the real api."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from console.api import StaffApi
from console.settings import API_URL
from tests.console.world import World
from tests.factories.tokens import Tokens

OpenPage = Callable[..., AppTest]


@pytest.fixture(scope="module")
def world(api_url: str, tokens: Tokens) -> Generator[World]:
    """Makes trips, messages and emergencies through the api."""
    made = World(api_url, tokens)
    yield made
    made.close()


@pytest.fixture
def staff(api_url: str, tokens: Tokens) -> Callable[[str], StaffApi]:
    """The console's door as somebody of a role."""
    return lambda role: StaffApi(api_url, tokens.staff(role), httpx.Timeout(10))


def _script() -> None:
    import streamlit as st

    from console.app import run
    from console.pages import PAGES
    from console.session import open_desk

    desk = open_desk()
    page = next(page for page in PAGES if page.path == st.session_state["page-under-test"])
    run(lambda: page.show(desk))


@pytest.fixture
def open_page(api_url: str, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """`open_page("review", role="moderator", trip=...)`: a page as somebody of that role sees it."""
    monkeypatch.setenv(API_URL, api_url)

    def open_(path: str, role: str = "lead", who: str = "", **query: str) -> AppTest:
        page = AppTest.from_function(_script, default_timeout=20)
        page.session_state["token"] = tokens.staff(role, who or f"{role}-{uuid4().hex[:6]}")
        page.session_state["page-under-test"] = path
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return open_


def shown(page: AppTest) -> str:
    """Everything that a person can read on the page, as one text."""
    assert not page.exception, [item.value for item in page.exception]
    plain = [*page.markdown, *page.caption, *page.error, *page.info, *page.success, *page.warning, *page.subheader]
    texts = [str(item.value).replace("\\", "") for item in plain]  # Markdown escapes are not seen
    texts += [json.dumps(data, ensure_ascii=False) for data in elements(page).values()]
    return "\n".join(texts)


def elements(page: AppTest) -> dict[str, Any]:
    """What our own elements (tables, conversations) were given, by their keys."""
    protos = [item.proto for item in page.get("bidi_component")]
    return {proto.id.split("-", 2)[-1]: json.loads(proto.json) for proto in protos}
