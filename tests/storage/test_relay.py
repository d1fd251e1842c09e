"""What is announced on one server wakes who waits on another, whatever is cut in between."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from moorage.storage import EVERYTHING, open_database, relayed
from moorage.storage.announcements import MOST_TOPICS, purge
from moorage.storage.relay import payloads
from support.engines import on_postgresql

WITHIN_S = 30
RELAYS = "FROM pg_stat_activity WHERE application_name = 'moorage-announcements'"


@asynccontextmanager
async def server(url, clock, *, listens=True):
    db = open_database(url, clock=clock)
    try:
        if not listens:
            yield db
            return
        async with relayed(db):
            await until(lambda: db.announcements.hears_others(within_s=1))
            yield db
    finally:
        await db.close()


async def announce(db, *topics, sure=True):
    async with db.write() as tx:
        for topic in topics:
            tx.announce(topic, sure=sure)


async def until(condition):
    for _ in range(WITHIN_S * 50):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to that")


async def woken_in_time(woken):
    async with asyncio.timeout(WITHIN_S):
        await woken.wait()


@on_postgresql
@pytest.mark.parametrize("sure", [True, False])
async def test_who_waits_on_another_server_is_woken(database_url, clock, sure):
    async with server(database_url, clock) as here, server(database_url, clock) as there:
        with (
            there.announcements.subscribed("a") as a,
            there.announcements.subscribed("b") as b,
            here.announcements.subscribed("a") as own,
        ):
            await announce(here, "a", sure=sure)
            assert own.is_set()
            await woken_in_time(a)
            assert not b.is_set()


@on_postgresql
async def test_what_a_server_had_no_time_to_tell_is_found_all_the_same(database_url, clock):
    """It died between the commit and the call: nothing but its row is there."""
    async with (
        server(database_url, clock, listens=False) as dying,
        server(database_url, clock) as other,
    ):
        with other.announcements.subscribed("a") as woken:
            await announce(dying, "a")
            await woken_in_time(woken)


@on_postgresql
async def test_nothing_is_told_of_what_was_taken_back(database_url, clock):
    async with server(database_url, clock) as here, server(database_url, clock) as there:
        with there.announcements.subscribed("a") as a, there.announcements.subscribed("b") as b:
            with contextlib.suppress(ZeroDivisionError):
                async with here.write() as tx:
                    tx.announce("a")
                    raise ZeroDivisionError
            await announce(here, "b")
            await woken_in_time(b)
            assert not a.is_set()


@on_postgresql
async def test_one_wake_up_comes_once(database_url, clock):
    """By the call and in the table, and many looks at it: who has looked is left in peace."""
    async with server(database_url, clock) as here, server(database_url, clock) as there:
        heard = []
        there.announcements.hear(heard.append)
        await announce(here, "a")
        await until(lambda: heard)
        before = there.announcements.heard_until()
        await until(lambda: there.announcements.heard_until() > before + 1.5)
        assert heard in (["a"], ["a", "a"]), "once by the call, once by the table"


@on_postgresql
async def test_while_its_connection_is_cut_again_and_again_a_server_hears_by_the_table(
    database_url, clock, postgres
):
    database = database_url.rsplit("/", 1)[1]
    async with server(database_url, clock) as here, server(database_url, clock) as there:
        cut = 0

        async def cutting():
            nonlocal cut
            while True:
                async with here.read() as tx:
                    ended = await tx.rows(
                        sa.text(f"SELECT pg_terminate_backend(pid) {RELAYS} AND datname = :name"),
                        {"name": database},
                    )
                cut += len(ended)
                await asyncio.sleep(0.02)

        task = asyncio.create_task(cutting())
        try:
            for number in range(5):
                with there.announcements.subscribed(f"a{number}") as woken:
                    await announce(here, f"a{number}")
                    await woken_in_time(woken)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert cut > 0
        counted = f"SELECT count(*) {RELAYS} AND datname = '{database}'"
        await until(lambda: int(postgres.run_sql(counted)) == 2)  # back when they are let be


@on_postgresql
async def test_too_many_topics_at_once_are_all_there_are(database_url, clock):
    async with (
        server(database_url, clock, listens=False) as here,
        server(database_url, clock) as there,
    ):
        with there.announcements.subscribed("unnamed") as woken:
            await announce(here, *(f"topic-{number}" for number in range(MOST_TOPICS + 1)))
            await woken_in_time(woken)


@on_postgresql
async def test_what_nobody_looks_up_any_more_is_cleared_out(database_url, clock):
    async with server(database_url, clock, listens=False) as db:
        for number in range(5):
            await announce(db, f"a{number}")
        async with db.write() as tx:
            await tx.run(sa.text("UPDATE announcements SET at = 0 WHERE topics <> '[\"a4\"]'"))
        async with db.write() as tx:
            assert [await purge(tx, rows=3), await purge(tx, rows=3)] == [3, 1]
        async with db.read() as tx:
            left = await tx.rows(sa.text("SELECT topics FROM announcements"))
        assert [row.topics for row in left] == ['["a4"]']


async def test_where_nobody_else_can_write_nothing_is_written_down(db, engine):
    await announce(db, "a")
    async with db.read() as tx:
        rows = await tx.rows(sa.text("SELECT 1 FROM announcements"))
    assert len(rows) == (1 if engine == "postgresql" else 0)


@pytest.mark.parametrize("topics", [1, 200, 1_000])
def test_no_call_is_longer_than_postgresql_takes(topics):
    names = {f"device:dev_{number:020}" for number in range(topics)}
    made = payloads("me", names)
    assert all(len(one.encode()) < 8_000 for one in made)
    told = [one.split("\n") for one in made]
    assert {one[0] for one in told} == {"me"}
    assert {topic for one in told for topic in one[1:]} == names
    assert sum(len(one) - 1 for one in told) == topics


@pytest.mark.parametrize("names", [{"x" * 8_000}, {f"{number:0100}" for number in range(2_000)}])
def test_what_is_too_much_to_tell_is_told_as_everything(names):
    assert payloads("me", names) == [f"me\n{EVERYTHING}"]


def test_nothing_to_tell_is_no_call():
    assert payloads("me", []) == []
