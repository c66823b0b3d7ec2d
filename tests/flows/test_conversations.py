"""What several messages say together is looked at by a person, over trips and people; nothing is withheld for it."""

from __future__ import annotations

import httpx
import pytest

from backend.pipeline.services import Services
from tests.factories.chat import Chat
from tests.factories.tokens import Tokens


async def signals_of(services: Services, chat: Chat) -> list[str]:
    """The codes of the newest message of a trip."""
    signals = await services.pool.fetchval(
        """SELECT v.signals FROM trip_verdict v JOIN trip_message m ON m.id = v.message_id
        WHERE m.trip_id = $1 ORDER BY m.seq_staff DESC LIMIT 1""",
        chat.trip_id,
    )
    return [signal.split('"')[0] for signal in signals.replace(" ", "").split('"code":"')[1:]]


async def cases(services: Services, chat: Chat) -> int:
    count: int = await services.pool.fetchval("SELECT count(*) FROM review_case WHERE trip_id = $1", chat.trip_id)
    return count


async def test_who_ignores_a_wish_to_be_left_alone_is_looked_at(chat: Chat, services: Services) -> None:
    await chat.say("customer", "please stop writing to me")
    for text in ("why so angry", "come on, talk to me"):
        await chat.say("driver", text)
    assert await cases(services, chat) == 0
    answer = await chat.say("driver", "I only want to be nice")
    assert answer.json()["status"] == "delivered"
    assert (await signals_of(services, chat), await cases(services, chat)) == (["stop_ignored"], 1)


async def test_an_answer_ends_it(chat: Chat, services: Services) -> None:
    await chat.say("customer", "please stop writing to me")
    for role, text in (("driver", "why"), ("customer", "I am in a meeting"), ("driver", "sorry"), ("driver", "I wait")):
        await chat.say(role, text)
    assert await cases(services, chat) == 0


async def test_the_same_text_in_many_trips_is_looked_at(
    chat: Chat, client: httpx.AsyncClient, tokens: Tokens, services: Services
) -> None:
    trips = [chat]
    for _ in range(5):
        other = Chat(client, tokens)
        await other.begin(driver=chat.driver_id)
        trips.append(other)
    for trip in trips[:4]:
        await trip.say("driver", "My cousin sells the best carpets")
        await trip.say("driver", "I am here")
    assert [await cases(services, trip) for trip in trips[:4]] == [0, 0, 0, 0]
    await trips[4].say("driver", "my cousin sells the best carpets!")
    assert (await signals_of(services, trips[4]), await cases(services, trips[4])) == (["same_text"], 1)
    await trips[5].say("driver", "I am here")
    assert await cases(services, trips[5]) == 0


@pytest.mark.parametrize("same", [True, False])
async def test_insult_after_insult_also_over_two_trips_of_the_pair(
    chat: Chat, client: httpx.AsyncClient, tokens: Tokens, services: Services, same: bool
) -> None:
    second = Chat(client, tokens)
    if same:
        second.customer_id = chat.customer_id
    await second.begin(driver=chat.driver_id)
    for trip, text in (
        (chat, "what a loser you are"),
        (chat, "you are an idiot"),
        (second, "still a loser, you moron"),
    ):
        await trip.say("driver", text)
    assert ("insult_series" in await signals_of(services, second)) is same
