"""Connections to PostgreSQL: so many at most, each with one transaction at a time."""

import asyncio

import pytest
import sqlalchemy as sa

from moorage.storage import PostgresDatabase, StorageError
from moorage.storage.lending import Lending
from support.engines import on_postgresql

pytestmark = on_postgresql
_MINE = sa.text("SELECT pg_backend_pid() AS pid")


@pytest.fixture
async def two(database_url):
    """A database of two connections."""
    database = PostgresDatabase(database_url, connections=2)
    yield database
    await database.close()


async def test_so_many_are_open_at_most_and_are_used_again(two):
    most = inside = 0

    async def one() -> int:
        nonlocal most, inside
        async with two.write() as tx:
            inside += 1
            most = max(most, inside)
            pid = (await tx.row(_MINE)).pid
            inside -= 1
        return pid

    pids = await asyncio.gather(*(one() for _ in range(40)))
    assert most == 2
    assert len(set(pids)) == 2


async def test_who_waits_too_long_for_one_is_told(two):
    lending = Lending(two.async_engine, 1, wait_s=0.05)
    lent = await lending.take()
    with pytest.raises(TimeoutError):
        await lending.take()
    waiting = asyncio.create_task(lending.take())
    await asyncio.sleep(0)
    await lending.give_back(lent)
    assert await waiting is lent
    await lending.give_back(lent)
    await lending.close()


async def test_who_gave_up_waiting_takes_nobodys_place(two):
    lending = Lending(two.async_engine, 1, wait_s=5)
    lent = await lending.take()
    waiting = [asyncio.create_task(lending.take()) for _ in range(3)]
    await asyncio.sleep(0)
    for one in waiting[:2]:
        one.cancel()
    await lending.give_back(lent)
    assert await waiting[2] is lent
    await lending.give_back(lent)
    await lending.close()


async def test_one_that_cannot_be_opened_takes_no_place(two):
    url = two.async_engine.url.set(database="no_such_database")
    nowhere = PostgresDatabase(url.render_as_string(hide_password=False))
    lending = Lending(nowhere.async_engine, 1, wait_s=0.05)
    for _ in range(3):
        with pytest.raises(Exception, match="no_such_database"):  # not that it waited too long
            await lending.take()
    await nowhere.close()


async def test_a_transaction_that_outlives_the_closing_hangs_up_behind_it(two, postgres):
    name = two.async_engine.url.database
    async with two.read() as tx:
        await tx.row(_MINE)
        await two.close()
        await tx.row(_MINE)
    held = sa.text("SELECT count(*) AS count FROM pg_stat_activity WHERE datname = :name")
    other = PostgresDatabase(postgres.url("postgres"))
    for _ in range(500):
        async with other.read() as tx:
            left = (await tx.row(held, {"name": name})).count
        if not left:
            break
        await asyncio.sleep(0.01)
    await other.close()
    assert left == 0


async def test_a_statement_that_fails_leaves_a_connection_that_works(two):
    for _ in range(5):
        with pytest.raises(StorageError):
            async with two.write() as tx:
                await tx.rows(sa.text("SELECT 1 / 0"))
        async with two.write() as tx:
            assert (await tx.row(sa.text("SELECT 1 AS one"))).one == 1
