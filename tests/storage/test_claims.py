"""Turns of jobs: whoever asks first has it, and it comes round again."""

import asyncio
from datetime import timedelta

import pytest

from moorage.storage import claims, open_database
from support.engines import on_sqlite

EVERY = timedelta(hours=1)


async def claim(db, job: str = "purge") -> bool:
    async with db.write() as tx:
        return await claims.claim(tx, job, every=EVERY)


async def test_of_two_servers_at_once_one_has_the_turn(db, clock, database_url):
    other = open_database(database_url, clock=clock)
    for _ in range(5):
        won = await asyncio.gather(*(claim(one) for one in (db, other, db, other)))
        assert sorted(won) == [False, False, False, True]
        clock.advance(hours=1)
    await other.close()


@on_sqlite
@pytest.mark.parametrize(("minutes", "due"), [(59, False), (60, True), (300, True)])
async def test_a_turn_comes_round_when_it_is_due(db, clock, minutes, due):
    assert await claim(db)
    clock.advance(minutes=minutes)
    assert await claim(db) is due
    assert not await claim(db)


@on_sqlite
async def test_jobs_do_not_take_each_others_turns(db):
    assert await claim(db, "a")
    assert await claim(db, "b")


@on_sqlite
async def test_a_turn_whose_transaction_failed_is_still_to_be_had(db):
    async def failing() -> None:
        async with db.write() as tx:
            assert await claims.claim(tx, "purge", every=EVERY)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert await claim(db)


@on_sqlite
async def test_a_clock_set_back_costs_no_more_than_a_turn(db, clock):
    clock.advance(hours=2)
    assert await claim(db)
    clock.advance(hours=-2)
    assert await claim(db), "it would be three hours until the turn that was set"
    assert not await claim(db)
    clock.advance(minutes=60)
    assert await claim(db)


@on_sqlite
async def test_servers_whose_clocks_differ_a_little_do_not_share_a_turn(db, clock):
    clock.advance(seconds=50)
    assert await claim(db)
    clock.advance(seconds=-50)
    assert not await claim(db)
