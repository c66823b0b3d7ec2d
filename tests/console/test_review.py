"""The review page: what a withheld message looks like there, and what one key does to it."""

from __future__ import annotations

from tests.console.conftest import OpenPage, elements, shown
from tests.console.world import THREAT, World


def test_a_withheld_message_waits_in_the_queue_and_reaches_the_rider_once_released(
    world: World, open_page: OpenPage
) -> None:
    trip = world.trip()
    assert world.say(trip, THREAT)["status"] == "quarantined"
    page = open_page("review", role="moderator")
    assert str(trip.id) in str(elements(page)["queue"])

    page.button(key="claim-next").click().run()
    assert THREAT in shown(page)
    assert THREAT not in str(world.history(trip, "customer"))

    page.text_area[0].set_value("Quoted from a film, both laugh.").run()
    page.button(key="outcome-release").click().run()
    assert "Decided case" in shown(page)
    assert THREAT in str(world.history(trip, "customer"))
