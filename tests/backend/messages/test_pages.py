"""Whoever pages on by number gets everything that happened to the messages they may see, each once, and arrives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from backend.errors import ProblemError
from backend.messages.access import access_changes
from backend.pipeline.services import Services
from backend.realtime import Audience, ChatEvent
from backend.trips.access import access_view
from tests.factories.chat import Chat

SIDES: tuple[Audience, ...] = ("driver", "customer")
#: What happens next, and to which message it happens: counted from the newest.
acts = st.tuples(
    st.sampled_from(["say", "say", "say", "insult", "line", "status", "release", "mask", "remove", "swap"]),
    st.integers(0, 7),
)
Change = Callable[[AsyncSession, UUID, UUID], Awaitable[ChatEvent]]


class Story:
    """A trip in which things happen, and what each side has read of it."""

    def __init__(self, services: Services, chat: Chat) -> None:
        self.services, self.chat = services, chat
        self.messages: list[UUID] = []
        self.read: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
        self.at: dict[str, int] = dict.fromkeys(SIDES, 0)

    async def happen(self, act: str, which: int) -> None:
        """One thing more; what cannot be done now is left."""
        changes: dict[str, Change] = {
            "release": self.services.chat.release, "mask": self.services.chat.mask,
            "remove": lambda session, trip, message: self.services.chat.remove(session, trip, message, "rude"),
        }  # fmt: skip
        if act in ("say", "insult"):
            words = "you stupid idiot, I will kill you" if act == "insult" else f"line {len(self.messages)}"
            answer = await self.chat.say(SIDES[which % 2], words)
            if answer.status_code == 201:
                self.messages.append(UUID(answer.json()["id"]))
        elif act == "swap":
            await self.chat.begin(driver=uuid4())
            self.read["driver"], self.at["driver"] = [], 0
        elif act == "status":
            await self.chat.move(("pickup", "arriving", "in_transit")[which % 3])
        elif act == "line" or self.messages:
            await self._change(
                changes.get(act), self.messages[-1 - which % len(self.messages)] if self.messages else None
            )

    async def _change(self, change: Change | None, message_id: UUID | None) -> None:
        async with self.services.db.session() as session:
            try:
                if change is None or message_id is None:
                    await self.services.chat.post_system_line(session, self.chat.trip_id, "safety_notice")
                else:
                    await change(session, self.chat.trip_id, message_id)
            except ProblemError:
                return
            await session.commit()

    async def turn_page(self, side: str, limit: int) -> bool:
        """Read on; False when there is nothing more."""
        page = await self.chat.history(side, after_seq=self.at[side], limit=limit)
        items = page["items"]
        assert len(items) <= limit
        assert all(item["seq"] <= page["lastSeq"] for item in items)
        assert page["lastSeq"] >= self.at[side]
        self.read[side] += items
        self.at[side] = page["lastSeq"]
        return bool(items)


async def told(story: Story, side: str) -> list[tuple[int, str, str]]:
    """Number, kind and message of every event about a message that this side may see, as they are stored."""
    view = await access_view(story.services.pool, story.chat.trip_id)
    column = f"seq_{side}"
    rows = await story.services.pool.fetch(
        f"SELECT e.{column} AS number, e.kind, m.id AS message_id"
        f" FROM trip_event e JOIN trip_message m ON m.id = e.message_id"
        f" WHERE e.trip_id = $1 AND e.{column} > $2 AND m.{column} > $2 ORDER BY 1",
        view.trip_id, view.from_seq(side),
    )  # fmt: skip
    return [(row["number"], row["kind"], str(row["message_id"])) for row in rows]


def heard(items: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """The same of what was read."""
    return [(item["seq"], item.get("change", "new"), item["id"]) for item in items]


@pytest.fixture
async def chat(client: httpx.AsyncClient, tokens: Any) -> Chat:
    """What a trip is begun with."""
    return Chat(client, tokens)


@with_settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(happened=st.lists(acts, max_size=24), limit=st.integers(1, 4), every=st.integers(1, 5))
async def test_pages_hold_every_event_once_whatever_happens_between_them(
    services: Services, chat: Chat, happened: list[tuple[str, int]], limit: int, every: int
) -> None:
    story = Story(services, Chat(chat.client, chat.tokens))
    await story.chat.begin()
    for number, (act, which) in enumerate(happened):
        await story.happen(act, which)
        if number % every == 0:
            await story.turn_page(SIDES[which % 2], limit)
    for side in SIDES:
        for _ in range(2 * len(happened) + 3):
            if not await story.turn_page(side, limit):
                break
        else:
            pytest.fail("the pages have no end")
        assert heard(story.read[side]) == await told(story, side)


async def test_many_changes_of_old_messages_do_not_hide_a_new_one(services: Services, chat: Chat) -> None:
    await chat.begin()
    story = Story(services, chat)
    for _ in range(5):
        await story.happen("say", 0)
    before = (await chat.history("customer"))["lastSeq"]
    for number in range(5):
        await story.happen("remove", number)
    await chat.say("driver", "and this is new")
    page = await chat.history("customer", after_seq=before, limit=3)
    assert [item["change"] for item in page["items"]] == ["removed"] * 3
    assert page["lastSeq"] == page["items"][-1]["seq"] == before + 3
    page = await chat.history("customer", after_seq=page["lastSeq"], limit=3)
    assert [item.get("content") for item in page["items"]] == [None, None, "and this is new"]
    assert [item.get("message_seq") for item in page["items"]] == [2, 1, None]


async def test_staff_reads_on_in_the_same_way(services: Services, chat: Chat) -> None:
    await chat.begin()
    story = Story(services, chat)
    for number in range(4):
        await story.happen("say", number)
    for number in range(4):
        await story.happen("remove", number)
    view = await access_view(services.pool, chat.trip_id)
    at, kinds = 0, list[str]()
    while rows := await access_changes(services.pool, view, "staff", at, limit=3):
        at, kinds = rows[-1]["number"], kinds + [row["kind"] for row in rows]
    assert kinds == ["new"] * 4 + ["removed"] * 4
