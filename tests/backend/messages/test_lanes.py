"""Sends by a lane: in order, each exactly once, whatever happens to the connection, the row or the neighbours."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from backend.bootstrap import build
from backend.db import new_id
from backend.errors import ProblemError
from backend.messages import lanes
from backend.messages.lanes import Job, SendLanes
from backend.messages.sending import SEND, Draft, Judged, Sent, arguments
from backend.pipeline.sending import Delivered
from backend.pipeline.services import Services
from backend.pipeline.storing import accepted_entry
from backend.settings import Settings
from tests.backend.messages.conftest import THREAT, Talk

ALLOWED = Judged("allow", (), b"{}", b"[]", "policy", "model")
TERMINATE = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'tripwarden-lane' AND datname = current_database()"""


async def _values(talk: Talk, *, message_type: str = "text", client_message_id: UUID | None = None) -> tuple[Any, ...]:
    """The arguments of a send of this talk, made by hand."""
    services = talk.services
    view = await services.views.access_own(services.pool, talk.caller, talk.trip_id)
    key = await services.keyring.get(talk.trip_id, talk.caller.id)
    draft = Draft(
        new_id(), client_message_id, message_type, "by hand", None, None, None, "delivered", None, True, ALLOWED,
        services.clock.now(),
    )  # fmt: skip
    prepared = await services.audit.prepare(accepted_entry(talk.caller, view, draft))
    services.audit.settle(prepared, committed=True)
    return arguments(view, talk.caller, key, draft, prepared)


def _job(values: tuple[Any, ...]) -> tuple[Job, asyncio.Future[Sent]]:
    answer: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()

    def ended(result: Sent | BaseException) -> None:
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    return Job(values[6], values, ended), answer


async def test_what_comes_at_once_shares_commits_and_keeps_its_order(talk: Talk) -> None:
    await talk.say("first, so that the lane is there")
    answers = [talk.submit(f"number {number}") for number in range(60)]
    delivered = await asyncio.gather(*answers)
    stored = await talk.stored()
    assert [row["id"] for row in stored[1:]] == [one.message.id for one in delivered]
    assert [one.message.seq for one in delivered] == list(range(2, 62))
    assert len({row["by"] for row in stored[1:]}) <= 4


async def test_what_has_to_be_read_first_does_not_change_the_order(talk: Talk) -> None:
    talk.services.views.forget()
    talk.services.keyring.clear()
    early = [talk.submit(f"cold {number}") for number in range(5)]
    await asyncio.sleep(0)
    late = [talk.submit(f"warmer {number}") for number in range(5)]
    delivered = await asyncio.gather(*early, *late)
    assert [row["id"] for row in await talk.stored()] == [one.message.id for one in delivered]


async def test_a_message_that_opens_a_case_keeps_its_place(talk: Talk) -> None:
    await talk.say("hello")
    answers = [talk.submit(text) for text in ("before", THREAT, "after", THREAT, "last")]
    done = await asyncio.gather(*answers, return_exceptions=True)
    assert [isinstance(one, Delivered) for one in done].count(True) >= 3
    ids = [one.message.id for one in done if isinstance(one, Delivered)]
    assert [row["id"] for row in await talk.stored() if row["id"] in set(ids)] == ids
    statuses = await talk.services.pool.fetch(
        "SELECT status FROM trip_message WHERE trip_id = $1 ORDER BY seq_staff", talk.trip_id
    )
    kinds = [row["status"] == "delivered" for row in statuses]
    assert kinds == [True, True, False, True, False, True]


async def test_one_that_fails_does_not_take_its_neighbours_along(house: Services) -> None:
    talks = [await Talk.begin(house) for _ in range(5)]
    jobs = [_job(await _values(talk, message_type="text" if n != 2 else "nonsense")) for n, talk in enumerate(talks)]
    line = SendLanes(house.db.connect_lane, lambda: house.pool, lanes=1, gather_s=0.0)
    for job, _ in jobs:
        line.submit(job)
    ended = await asyncio.gather(*(answer for _, answer in jobs), return_exceptions=True)
    await line.stop()
    assert [isinstance(one, Sent) and one.code for one in ended] == ["ok", "ok", False, "ok", "ok"]
    assert isinstance(ended[2], asyncpg.CheckViolationError)
    assert [len(await talk.stored()) for talk in talks] == [1, 1, 0, 1, 1]


async def test_a_row_that_somebody_keeps_holds_up_nobody_else(house: Services) -> None:
    kept, free = await Talk.begin(house), await Talk.begin(house)
    await asyncio.gather(kept.say("hello"), free.say("hello"))
    async with house.pool.acquire() as other, other.transaction():
        await other.execute("SELECT 1 FROM trip_chat WHERE trip_id = $1 FOR UPDATE", kept.trip_id)
        waiting = [kept.submit("one"), kept.submit("two")]
        passing = [free.submit("goes by") for _ in range(3)]
        await asyncio.wait_for(asyncio.gather(*passing), 2)
        late = kept.submit("three")
        await asyncio.wait_for(free.say("and again"), 2)
        assert not any(one.done() for one in waiting)
    delivered = await asyncio.wait_for(asyncio.gather(*waiting, late), 5)
    assert [one.message.seq for one in delivered] == [2, 3, 4]


async def test_a_repeat_among_what_goes_out_together_is_a_repeat(talk: Talk) -> None:
    await talk.say("hello")
    client_id = uuid4()
    first, again, other = (
        talk.submit("twice", client_id),
        talk.submit("twice", client_id),
        talk.submit("else", client_id),
    )
    delivered = await asyncio.gather(first, again)
    assert [one.repeated for one in delivered] == [False, True]
    assert len({one.message.id for one in delivered}) == 1
    with pytest.raises(ProblemError, match="client_message_id_reused"):
        await other
    numbers = [row["seq_staff"] for row in await talk.stored()]
    assert numbers == [1, 2]
    assert (await talk.say("goes on")).message.seq == 3


@pytest.mark.parametrize("client_message_id", [None, uuid4()])
async def test_a_commit_that_nobody_heard_of_is_found_and_not_repeated(
    talk: Talk, client_message_id: UUID | None
) -> None:
    values = await _values(talk, client_message_id=client_message_id)
    first = Sent(*await talk.services.pool.fetchrow(SEND, *values))
    line = SendLanes(talk.services.db.connect_lane, lambda: talk.services.pool, lanes=1, gather_s=0.0)
    job, answer = _job(values)
    job.tried = True
    line.submit(job)
    assert await answer == first
    assert len(await talk.stored()) == 1
    await line.stop()


async def test_a_commit_that_nobody_heard_of_counts_also_when_writing_was_closed_since(talk: Talk) -> None:
    values = await _values(talk)
    first = Sent(*await talk.services.pool.fetchrow(SEND, *values))
    await talk.services.pool.execute(
        "UPDATE trip_chat SET closes_at = now() - interval '1 hour' WHERE trip_id = $1", talk.trip_id
    )
    line = SendLanes(talk.services.db.connect_lane, lambda: talk.services.pool, lanes=1, gather_s=0.0)
    job, answer = _job(values)
    job.tried = True
    line.submit(job)
    assert await answer == first
    await line.stop()


@pytest.mark.parametrize("seed", range(6))
async def test_connections_cut_at_any_moment_lose_and_double_nothing(house: Services, seed: int) -> None:
    chance = random.Random(seed)
    talks = [await Talk.begin(house) for _ in range(6)]
    await asyncio.gather(*(talk.say("hello") for talk in talks))
    cuts: list[int] = []
    cutting = asyncio.create_task(_cut(house, chance, cuts))
    answers: list[asyncio.Future[Delivered]] = []
    said: list[Talk] = []
    for number in range(150):
        talk = chance.choice(talks)
        said.append(talk)
        answers.append(talk.submit(f"message {number}", uuid4() if chance.random() < 0.5 else None))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.01)
    done = await asyncio.wait_for(asyncio.gather(*answers), 30)
    cutting.cancel()
    await asyncio.gather(cutting, return_exceptions=True)
    assert sum(cuts) >= 3
    for talk in talks:
        acked = [one.message.id for one, whose in zip(done, said, strict=True) if whose is talk]
        stored = await talk.stored()
        assert [row["id"] for row in stored[1:]] == acked, "acked = stored exactly once, in the order of the sender"
        assert [row["seq_driver"] for row in stored] == list(range(1, len(stored) + 1))


async def _cut(house: Services, chance: random.Random, cuts: list[int]) -> None:
    """End the lanes' connections again and again, at moments that have nothing to do with theirs."""
    driver: Any = asyncpg
    connection = await driver.connect(house.settings.database.url)
    try:
        while True:
            cuts.append(await connection.fetchval(TERMINATE))
            await asyncio.sleep(0.01 + chance.random() * 0.05)
    finally:
        await connection.close()


async def test_one_act_is_one_entry_of_the_log_also_after_cuts(house: Services) -> None:
    talk = await Talk.begin(house)
    await talk.say("hello")
    before = await _accepted(house)
    cutting = asyncio.create_task(_cut(house, random.Random(99), []))
    delivered = await asyncio.gather(*(talk.submit(f"m {number}") for number in range(40)))
    cutting.cancel()
    await asyncio.gather(cutting, return_exceptions=True)
    assert await _accepted(house) - before == len(delivered) == 40


async def _accepted(house: Services) -> int:
    query = """SELECT (SELECT count(*) FROM audit_intake WHERE event = 'message.accepted')
                    + (SELECT count(*) FROM audit_entry WHERE event = 'message.accepted')"""
    return int(await house.pool.fetchval(query))


async def test_a_lane_takes_only_so_much_and_gives_back_what_it_cannot_send(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "WAITING", 10)
    monkeypatch.setattr(lanes, "PATIENCE_S", 0.2)
    values = await _values(talk)

    async def refused() -> Any:
        raise ConnectionRefusedError

    line = SendLanes(refused, lambda: talk.services.pool, lanes=1, gather_s=0.0)
    jobs = [_job(values) for _ in range(11)]
    for job, _ in jobs[:10]:
        line.submit(job)
    with pytest.raises(ProblemError, match="unavailable") as full:
        line.submit(jobs[10][0])
    assert full.value.retry_after_s
    ended = await asyncio.wait_for(asyncio.gather(*(answer for _, answer in jobs[:10]), return_exceptions=True), 5)
    assert Counter(one.code for one in ended if isinstance(one, ProblemError)) == {"unavailable": 10}
    await line.stop()


async def test_a_process_that_stops_sends_what_waits_first(talkative: Settings) -> None:
    async with build(talkative, producer="stops") as services:
        talk = await Talk.begin(services)
        answers = [talk.submit(f"number {number}") for number in range(50)]
        answers.append(talk.submit(THREAT))
    ended = await asyncio.wait_for(asyncio.gather(*answers, return_exceptions=True), 1)
    assert sum(isinstance(one, Delivered) for one in ended) >= 50
    assert all(isinstance(one, Delivered) or one.code == "message_rejected" for one in ended)  # type: ignore[union-attr]


async def test_after_the_stop_nothing_is_taken(talkative: Settings) -> None:
    async with build(talkative, producer="stopped") as services:
        talk = await Talk.begin(services)
        await talk.say("hello")
        await services.sender.stop()
        with pytest.raises(ProblemError, match="unavailable"):
            await talk.say("too late")
        assert len(await talk.stored()) == 1


async def test_a_sender_who_goes_away_has_sent_all_the_same(talk: Talk) -> None:
    await talk.say("hello")
    sending = asyncio.create_task(talk.say("and gone"))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert sending.cancelled()
    # Behind it in the same lane, so that it is stored by now as well.
    await talk.say("is it there?")
    assert len(await talk.stored()) == 3


async def test_nobody_is_answered_before_submit_returns(talk: Talk) -> None:
    await talk.say("hello")
    for text in ("fine", ""):
        answer = talk.submit(text)
        assert not answer.done()
        await asyncio.gather(answer, return_exceptions=True)
    assert [type(one) for one in talk.results] == [Delivered, ProblemError]


async def test_who_sent_is_answered_also_when_telling_the_others_fails(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await talk.say("hello")
    name = uuid4()

    def fail(_: object) -> None:
        raise LookupError("a fault of ours")

    with monkeypatch.context() as broken:
        broken.setattr(talk.services.hub, "announce", fail)
        with pytest.raises(LookupError):
            await asyncio.wait_for(talk.submit("is it said?", name), 3)
    # It is stored, and the next try says so.
    assert (await talk.say("is it said?", name)).repeated


async def test_what_cannot_be_sealed_leaves_no_open_number_in_the_log(talk: Talk) -> None:
    await talk.say("hello")
    with pytest.raises(UnicodeEncodeError):
        await talk.submit("half a letter: \ud83d")
    await talk.services.audit.flush_voids()
    assert talk.services.audit.all_closed


@pytest.mark.parametrize("count", [1, 3])
async def test_an_answer_that_nobody_understands_is_an_answer(
    house: Services, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    # As after an upgrade of the function that this code does not know yet.
    talks = [await Talk.begin(house) for _ in range(count)]
    jobs = [_job(await _values(talk)) for talk in talks]
    monkeypatch.setattr(lanes, "SEND", SEND.replace("SELECT *", "SELECT *, 1 AS more"))
    line = SendLanes(house.db.connect_lane, lambda: house.pool, lanes=1, gather_s=0.0)
    for job, _ in jobs:
        line.submit(job)
    ended = await asyncio.wait_for(asyncio.gather(*(answer for _, answer in jobs), return_exceptions=True), 3)
    await line.stop()
    assert len(ended) == count
    assert [len(await talk.stored()) for talk in talks] == [1] * count
