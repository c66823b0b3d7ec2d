"""The retention page: schedule, runs, holds and the report."""

from __future__ import annotations

from collections.abc import Callable

from console.api import StaffApi
from tests.console.conftest import OpenPage, elements, shown
from tests.console.world import World


def test_a_line_of_the_schedule_is_changed_on_the_page(open_page: OpenPage, staff: Callable[[str], StaffApi]) -> None:
    page = open_page("retention", role="compliance")
    ref = page.selectbox(key="r-line").value
    market, record_class = ref.split("/")
    days = page.number_input(key=f"r-max-{ref}").value + 1
    page.number_input(key=f"r-max-{ref}").set_value(days)
    next(button for button in page.button if button.label == "Save this line").click().run()
    saved = {(line.market, line.record_class): line.maximum_days for line in staff("compliance").schedules().items}
    assert saved[market, record_class] == days
    assert f"{days} days" in str(elements(page)["schedule"])


def test_a_dry_run_is_made_and_listed(open_page: OpenPage, staff: Callable[[str], StaffApi]) -> None:
    page = open_page("retention", role="compliance")
    page.button(key="r-dry").click().run()
    assert "dry run" in str(elements(page)["runs"])
    assert any(run.dry_run for run in staff("compliance").runs().items)


def test_a_hold_on_a_trip_is_placed_and_released(
    world: World, open_page: OpenPage, staff: Callable[[str], StaffApi]
) -> None:
    trip = world.trip()
    page = open_page("retention", role="compliance")
    page.text_input(key="h-ref").set_value(str(trip.id))
    page.text_input(key="h-reason").set_value("court 12/7")
    next(button for button in page.button if button.label == "Place the hold").click().run()
    assert "court 12/7" in str(elements(page)["holds"])
    hold = next(item for item in staff("compliance").holds().items if item.trip_id == str(trip.id))
    assert hold.released_at is None

    page.selectbox(key="h-release").set_value(hold.id)
    page.text_input(key="h-release-reason").set_value("settled")
    next(button for button in page.button if button.label == "Release").click().run()
    assert next(item for item in staff("compliance").holds().items if item.id == hold.id).released_at


def test_the_report_of_a_period_is_prepared_for_download(open_page: OpenPage) -> None:
    page = open_page("retention", role="compliance")
    page.button(key="r-make-csv").click().run()
    assert "Download retention-" in page.get("download_button")[0].proto.label
    assert not page.error


def test_a_hold_without_a_reason_is_not_placed(open_page: OpenPage) -> None:
    page = open_page("retention", role="lead")
    page.text_input(key="h-ref").set_value("default")
    next(button for button in page.button if button.label == "Place the hold").click().run()
    assert "needs what it covers and a reason" in shown(page)
