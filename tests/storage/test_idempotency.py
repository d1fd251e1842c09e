"""Answers kept for 24 hours: the second request gets the first one's answer, however close."""

import asyncio
import contextlib

import pytest

from moorage.storage import idempotency
from support.engines import on_sqlite

KEY = {"owner": "key_1", "key": "k", "request_digest": "d"}


async def first(db, **changed):
    """What the request is told; one that is told nothing does its work and keeps the answer."""
    given = KEY | changed
    async with db.write() as tx:
        told = await idempotency.begin(tx, **given)
        if told is None:
            await idempotency.finish(
                tx, owner=given["owner"], key=given["key"], status=201, body={"n": changed}
            )
    return told


async def test_a_repeat_gets_the_first_answer(db):
    assert await first(db) is None
    again = await first(db)
    assert (again.same_request, again.status, again.body) == (True, 201, {"n": {}})


@on_sqlite
async def test_another_request_under_the_same_key_is_told_apart(db):
    await first(db)
    assert (await first(db, request_digest="other")).same_request is False


@on_sqlite
async def test_a_key_is_its_owners_own(db):
    await first(db)
    assert await first(db, owner="key_2") is None
    assert await first(db, key="another") is None


async def test_work_that_was_taken_back_leaves_its_key_free(db):
    with contextlib.suppress(ZeroDivisionError):
        async with db.write() as tx:
            assert await idempotency.begin(tx, **KEY) is None
            await idempotency.finish(tx, owner="key_1", key="k", status=201, body={})
            raise ZeroDivisionError
    assert await first(db) is None


async def test_of_ten_requests_at_once_one_does_the_work(db):
    told = await asyncio.gather(*(first(db) for _ in range(10)))
    assert told.count(None) == 1
    assert {answer.status for answer in told if answer} == {201}


async def test_a_second_request_does_the_work_when_the_first_one_failed_meanwhile(db):
    begun, fail = asyncio.Event(), asyncio.Event()

    async def failing() -> None:
        with contextlib.suppress(ZeroDivisionError):
            async with db.write() as tx:
                await idempotency.begin(tx, **KEY)
                begun.set()
                await fail.wait()
                raise ZeroDivisionError

    one = asyncio.create_task(failing())
    await begun.wait()
    two = asyncio.create_task(first(db))
    await asyncio.sleep(0.05)
    assert not two.done()
    fail.set()
    await one
    assert await two is None
    assert (await first(db)).status == 201, "the second one's answer is kept"


@on_sqlite
@pytest.mark.parametrize(("hours", "kept"), [(24, True), (24.01, False)])
async def test_an_answer_is_kept_for_24_hours(db, clock, hours, kept):
    await first(db)
    clock.advance(hours=hours)
    assert (await first(db) is not None) == kept


async def test_old_answers_go_in_steps_and_fresh_ones_stay(db, clock):
    for at in range(5):
        await first(db, key=f"old-{at}")
    clock.advance(hours=25)
    await first(db, key="fresh")
    gone = []
    for _ in range(4):
        async with db.write() as tx:
            gone.append(await idempotency.purge(tx, rows=2))
    assert gone == [2, 2, 1, 0]
    assert await first(db, key="fresh") is not None
