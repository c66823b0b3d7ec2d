"""The review page: what a withheld message looks like there, and what one key does to it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from console.api import StaffApi
from console.app_pages.case_desk import NOT_BEFORE
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


def test_a_weighty_decision_without_a_reason_is_not_sent(world: World, open_page: OpenPage) -> None:
    trip = world.trip()
    world.say(trip, THREAT)
    page = open_page("review", role="lead")
    page.button(key="claim-next").click().run()
    page.button(key="person-suspend").click().run()
    page.button(key="outcome-remove").click().run()
    assert "Write a sentence of rationale first." in shown(page)


def test_the_case_that_follows_starts_empty_and_takes_no_key_before_it_was_seen(
    world: World, open_page: OpenPage, staff: Callable[[str], StaffApi]
) -> None:
    for _ in range(2):
        world.say(world.trip(), THREAT)
    page = open_page("review", role="admin")
    page.button(key="claim-next").click().run()
    page.text_area[0].set_value("A plain threat.").run()
    page.button(key="outcome-remove").click().run()
    assert "Decided case" in shown(page)
    assert page.text_area[0].value == ""

    waiting = staff("admin").cases().total
    page.text_area[0].set_value("Struck twice.").run()
    page.session_state[NOT_BEFORE] = monotonic() + 60
    page.button(key="outcome-remove").click().run()
    assert "before this case was on the screen" in shown(page)
    assert staff("admin").cases().total == waiting


def test_a_skipped_case_is_back_in_the_queue(
    world: World, open_page: OpenPage, staff: Callable[[str], StaffApi]
) -> None:
    world.say(world.trip(), THREAT)
    page = open_page("review", role="lead")
    page.button(key="claim-next").click().run()
    claimed = page.session_state["claimed-case"].case.id
    next(button for button in page.button if button.label == "Put it back").click().run()
    assert "back in the queue" in shown(page)
    assert staff("lead").case(claimed).case.state == "open"


def test_a_reload_brings_the_claimed_case_back(world: World, open_page: OpenPage) -> None:
    world.say(world.trip(), THREAT)
    page = open_page("review", role="lead", who="reloader")
    page.button(key="claim-next").click().run()
    claimed = page.session_state["claimed-case"].case.id
    again = open_page("review", role="lead", who="reloader")
    assert again.session_state["claimed-case"].case.id == claimed


def test_the_keyboard_map_is_on_the_screen(world: World, open_page: OpenPage) -> None:
    world.say(world.trip(), THREAT)
    page = open_page("review", role="lead")
    page.button(key="claim-next").click().run()
    keys = [button.proto.shortcut for button in page.button if button.proto.shortcut]
    assert len(keys) == len(set(keys)) == 7
    assert not {"c", "r", "?"} & {key.lower() for key in keys}
    said = next(caption.value for caption in page.caption if caption.value.startswith("Keys:"))
    assert all(f"**{key.upper()}**" in said for key in keys)
