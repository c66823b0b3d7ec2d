"""A person's record, and the accounts of the staff."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from console.api import StaffApi
from tests.console.conftest import OpenPage, elements, shown
from tests.console.world import THREAT, World


def test_a_person_is_found_with_the_cases_about_them(world: World, open_page: OpenPage) -> None:
    trip = world.trip(driver_name="Ivan P.")
    world.say(trip, THREAT)
    page = open_page("people", role="moderator")
    assert "Give the id" in shown(page)
    page.text_input(key="person-id").set_value(str(trip.driver)).run()
    assert "Ivan" in shown(page)
    assert len(elements(page)["person-cases"]["rows"]) == 1
    assert [row["id"] for row in elements(page)["person-trips"]["rows"]] == [str(trip.id)]


def test_a_person_who_is_nobody_is_said_to_be_unknown(open_page: OpenPage) -> None:
    page = open_page("people", role="moderator", person=str(uuid4()))
    assert "Cannot load this person" in shown(page)


def test_an_admin_adds_an_account(open_page: OpenPage, staff: Callable[[str], StaffApi]) -> None:
    email = f"{uuid4().hex[:8]}@tripwarden.local"
    page = open_page("staff", role="admin")
    page.text_input(key="a-name").set_value("Marat")
    page.text_input(key="a-email").set_value(email)
    page.text_input(key="a-password").set_value("correct horse battery")
    page.button[0].click().run()
    assert email in str(elements(page)["accounts"])
    assert email in {account.email for account in staff("admin").accounts().items}
