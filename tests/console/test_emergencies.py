"""The board of emergencies, and what a responder does there."""

from __future__ import annotations

from collections.abc import Callable

from console.api import StaffApi
from tests.console.conftest import OpenPage, elements, shown
from tests.console.world import World


def test_a_press_is_acknowledged_noted_and_resolved_from_the_page(
    world: World, open_page: OpenPage, staff: Callable[[str], StaffApi]
) -> None:
    trip = world.trip()
    world.press(trip, note="he does not stop")
    incident = next(item for item in staff("lead").incidents("triggered").items if item.trip_id == str(trip.id))
    page = open_page("emergencies", incident=incident.id)
    assert "Waiting for an answer" in shown(page)
    assert "he does not stop" in page.text[0].value
    assert "100 ABC 02" in shown(page)
    assert incident.id in str(elements(page)["incidents"])

    page.button(key="acknowledge").click().run()
    assert "Acknowledged" in shown(page)
    assert staff("lead").incident(incident.id).status == "acknowledged"

    page.text_input(key="incident-note").set_value("She answers, the car stands")
    next(button for button in page.button if button.label == "Add note").click().run()
    assert "She answers, the car stands" in shown(page)

    page.text_area(key="resolve-reason").set_value("A flat tyre, both are well")
    resolve = next(button for button in page.button if button.label == "Resolve this emergency")
    resolve.click().run()
    assert "only after a callback was tried" in shown(page)
    page.checkbox(key="resolve-callback").check()
    next(button for button in page.button if button.label == "Resolve this emergency").click().run()
    assert staff("lead").incident(incident.id).status == "resolved"


def test_a_viewer_sees_an_emergency_without_a_button(
    world: World, open_page: OpenPage, staff: Callable[[str], StaffApi]
) -> None:
    trip = world.trip()
    world.press(trip)
    page = open_page("emergencies", role="viewer")
    assert "Waiting for an answer" in shown(page)
    assert not [button for button in page.button if button.key == "acknowledge"]
