"""The live board, and a trip that is opened for a purpose."""

from __future__ import annotations

from collections.abc import Callable

from console.api import StaffApi
from tests.console.conftest import OpenPage, elements, shown
from tests.console.world import PHONE, World


def test_a_trip_appears_with_both_parties_and_its_phase(world: World, open_page: OpenPage) -> None:
    trip = world.trip(driver_name="Olga N.")
    row = next(row for row in elements(open_page("live-trips"))["live-trips"]["rows"] if row["id"] == str(trip.id))
    assert (row["cells"]["driver"], row["cells"]["rider"]) == ("Olga N.", "Aigerim S.")
    assert row["cells"]["phase"] == "in transit"


def test_a_conversation_is_shown_after_its_purpose_was_given_and_grows(
    world: World, open_page: OpenPage, staff: Callable[[str], StaffApi]
) -> None:
    trip = world.trip()
    world.say(trip, PHONE)
    page = open_page("live-trips", trip=str(trip.id))
    assert PHONE not in shown(page)

    page.button[0].click().run()
    assert PHONE in shown(page)
    assert "masked for the reader" in shown(page)
    assert "100 ABC 02" in shown(page)
    assert "Phase: in transit" in shown(page)
    assert "Risk 0." in shown(page)
    opened = staff("lead").trip(str(trip.id), "training")
    assert opened.messages

    world.say(trip, "no, here is fine", by="customer")
    assert "no, here is fine" in shown(page.run())


def test_a_viewer_sees_the_board_and_no_words(world: World, open_page: OpenPage) -> None:
    trip = world.trip()
    world.say(trip, "I wait by the pharmacy")
    page = open_page("live-trips", role="viewer", trip=str(trip.id))
    assert str(trip.id) in str(elements(page)["live-trips"])
    assert "Viewers see the board" in shown(page)
    assert "pharmacy" not in shown(page)
