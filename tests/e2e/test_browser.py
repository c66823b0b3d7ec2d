"""A person at the console: signs in, decides a case, and the rider reads the message that was withheld."""

from __future__ import annotations

import json
from collections.abc import Generator
from time import monotonic
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from websockets.sync.client import ClientConnection, connect

from console.api import StaffApi
from tests.console.world import THREAT, MadeTrip, World
from tests.e2e.console_process import BROWSER_FLAGS, browser_path, console
from tests.factories.tokens import Tokens

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def console_url(api_url: str) -> Generator[str]:
    with console(api_url) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    path = browser_path()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def world(api_url: str, tokens: Tokens) -> Generator[World]:
    made = World(api_url, tokens)
    yield made
    made.close()


@pytest.fixture
def lead_email(api_url: str, tokens: Tokens) -> str:
    email = f"{uuid4().hex[:8]}@tripwarden.local"
    admin = StaffApi(api_url, tokens.staff("admin"), httpx.Timeout(10))
    admin.create_account(email=email, name="Lena Lead", role="lead", password=PASSWORD)
    return email


@pytest.fixture
def page(browser: Browser, console_url: str, lead_email: str) -> Generator[Page]:
    """Signed in, on the page that was asked for before the sign-in."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    opened.goto(f"{console_url}/review")
    opened.fill("#email", lead_email)
    opened.fill("#password", PASSWORD)
    opened.get_by_role("button", name="Sign in").click()
    expect(opened.get_by_role("button", name="Claim the next case")).to_be_visible()
    yield opened
    context.close()


def rider_socket(world: World, trip: MadeTrip) -> ClientConnection:
    socket = connect(f"{world.api_url.replace('http', 'ws', 1)}/ws/trips/{trip.id}/chat", open_timeout=10)
    token = world.tokens.customer(trip.customer, trip=trip.id)
    socket.send(json.dumps({"event": "auth", "data": {"token": token}}))
    assert heard(socket, "joined")
    return socket


def heard(socket: ClientConnection, event: str, within_s: float = 10) -> dict[str, object]:
    """The next frame of this event; what comes before it is passed over."""
    end, passed = monotonic() + within_s, []
    while (left := end - monotonic()) > 0:
        try:
            frame = json.loads(socket.recv(timeout=left))
        except TimeoutError:
            break
        if frame["event"] == event:
            return frame["data"]
        passed.append(frame["event"])
    raise AssertionError(f"no {event} within {within_s} s, only {passed}")


def test_a_released_message_reaches_the_riders_socket(world: World, page: Page) -> None:
    trip = world.trip()
    with rider_socket(world, trip) as socket:
        assert world.say(trip, THREAT)["status"] == "quarantined"
        page.get_by_role("button", name="Claim the next case").click()
        flagged = page.locator(".line.flagged")
        expect(flagged).to_contain_text(THREAT)

        page.get_by_role("textbox", name="Rationale").fill("A line from a film; both laugh about it.")
        page.get_by_role("textbox", name="Rationale").blur()
        page.keyboard.press("l")
        expect(page.get_by_text("Decided case")).to_be_visible()
        update = heard(socket, "message-updated")
        assert (update["content"], update["change"]) == (THREAT, "released")


def test_a_reload_keeps_the_sign_in_and_no_script_can_read_the_token(page: Page, console_url: str) -> None:
    page.reload()
    expect(page.get_by_role("button", name="Claim the next case")).to_be_visible()
    cookie = next(item for item in page.context.cookies() if item["name"].startswith("tripwarden_session"))
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert cookie["value"] not in page.evaluate("document.cookie")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto(f"{console_url}/review")
    expect(page.locator("#password")).to_be_visible()


def test_the_first_page_answers_to_its_name_and_a_row_opens_its_trip(
    world: World, page: Page, console_url: str
) -> None:
    trip = world.trip()
    world.say(trip, "I wait by the pharmacy", by="customer")
    page.goto(f"{console_url}/live-trips?trip={trip.id}")
    page.get_by_role("button", name="Open the conversation").click()
    expect(page.get_by_text("I wait by the pharmacy")).to_be_visible()
    world.say(trip, "one minute", by="driver")
    expect(page.get_by_text("one minute")).to_be_visible(timeout=5_000)

    other = world.trip()
    page.locator(f'tr[data-id="{other.id}"]').click()
    expect(page).to_have_url(f"{console_url}/?trip={other.id}")
    expect(page.get_by_role("button", name="Open the conversation")).to_be_visible()


def test_an_emergency_reaches_a_hidden_tab_within_two_seconds(world: World, page: Page) -> None:
    expect(page.get_by_text("Emergencies: 0 open, 0 waiting")).to_be_visible()
    front = page.context.new_page()
    front.goto("about:blank")
    front.bring_to_front()
    world.press(world.trip())
    expect(page.locator("#tripwarden-alarm strong")).to_have_text("1 emergency waits for an answer", timeout=2_000)
    assert page.title().startswith("(1!) ")
    page.get_by_role("link", name="Open emergencies").click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#tripwarden-alarm")).to_be_hidden(timeout=3_000)
