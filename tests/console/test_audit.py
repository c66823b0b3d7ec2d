"""The audit page: search, and an entry with its proof."""

from __future__ import annotations

from collections.abc import Callable

from backend.audit.note import Signer
from backend.audit.sequencing import run_once
from backend.pipeline.services import Services
from console.api import StaffApi
from tests.console.conftest import OpenPage, elements, shown
from tests.console.world import World


async def sequence(services: Services) -> None:
    signer = Signer.load(services.settings.data.dir, "", "tripwarden.test/audit")
    await run_once(services.db, services.clock, signer)


async def test_an_opened_trip_is_found_and_its_entry_is_proven_in_the_log(
    world: World, open_page: OpenPage, staff: Callable[[str], StaffApi], services: Services
) -> None:
    trip = world.trip()
    staff("lead").trip(str(trip.id), "dispute")
    await sequence(services)

    page = open_page("audit", role="compliance")
    page.text_input(key="audit-trip").set_value(str(trip.id)).run()
    rows = elements(page)["audit-entries"]["rows"]
    assert "trip.opened" in {row["cells"]["event"] for row in rows}
    assert "dispute" in str(rows)

    opening = next(row["id"] for row in rows if row["cells"]["event"] == "trip.opened")
    page = open_page("audit", role="compliance", entry=opening)
    assert "checked here against the root" in shown(page)
    assert "tripwarden.test/audit" in page.code[0].value
