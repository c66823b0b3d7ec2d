"""Quick messages, written and published on the page."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from console.api import StaffApi
from tests.console.conftest import OpenPage, elements, shown


def test_a_draft_is_written_and_published(open_page: OpenPage, staff: Callable[[str], StaffApi]) -> None:
    key = f"gate_{uuid4().hex[:6]}"
    page = open_page("templates", template="new")
    page.text_input(key="t-key").set_value(key)
    page.text_area(key="t-text-new").set_value("I wait at the gate")
    next(button for button in page.button if button.label == "Save draft").click().run()
    assert "Saved." in shown(page)
    assert key in str(elements(page)["templates"])

    page.button(key="t-publish").click().run()
    published = next(item for item in staff("lead").templates().items if item.template_key == key)
    assert (published.state, published.message_text) == ("published", "I wait at the gate")


def test_a_viewer_reads_and_writes_nothing(open_page: OpenPage) -> None:
    page = open_page("templates", role="viewer")
    assert elements(page)["templates"]["rows"]
    assert not page.button
