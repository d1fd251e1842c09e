"""Transactions that share a commit: each whole or not at all, and told when it is on disk."""

import asyncio
import contextlib
import random
import sqlite3
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from moorage.storage import StorageError, StorageUnavailable, UniqueViolation, metadata
from support.engines import on_sqlite

turns = metadata.tables["job_turns"]
AT = datetime(2026, 11, 21, tzinfo=UTC)


async def add(tx, job: str) -> None:
    await tx.run(sa.insert(turns), {"job": job, "next_at": AT})


def on_disk(db) -> set[str]:
    """Look at what others see, on a connection of our own."""
    with contextlib.closing(sqlite3.connect(db.path)) as other:
        return {job for (job,) in other.execute("SELECT job FROM job_turns")}


@contextlib.asynccontextmanager
async def held(db):
    """Keep all others waiting for their turn until the block ends."""
    async with db.write():
        yield
        await asyncio.sleep(0)


async def begun(*tasks) -> list[asyncio.Task]:
    made = [asyncio.create_task(task) for task in tasks]
    await asyncio.sleep(0)
    return made


@pytest.fixture
def commits(db, monkeypatch):
    """What was committed on SQLite, a line each."""
    said = []
    commit = type(db)._commit

    async def noted(self, connection):
        said.append("COMMIT")
        return await commit(self, connection)

    monkeypatch.setattr(type(db), "_commit", noted)
    return said


async def brief(db, job: str, *, fail: type[BaseException] | None = None) -> str:
    async with db.write(brief=True) as tx:
        await add(tx, f"{job} one")
        await add(tx, f"{job} two")
        if fail is not None:
            raise fail
    return job


def both(*jobs: str) -> set[str]:
    return {f"{job} {part}" for job in jobs for part in ("one", "two")}


async def test_what_is_written_at_once_is_there_when_each_is_told(db):
    assert await asyncio.gather(*(brief(db, str(at)) for at in range(50))) == list(
        map(str, range(50))
    )
    async with db.read() as tx:
        assert len(await tx.rows(sa.select(turns.c.job))) == 100


@on_sqlite
async def test_brief_ones_that_wait_share_a_commit_and_are_told_after_it(db, commits):
    async def seen(job: str) -> bool:
        await brief(db, job)
        return both(job) <= on_disk(db)

    async with held(db):
        tasks = await begun(*(seen(str(at)) for at in range(20)))
    assert await asyncio.gather(*tasks) == [True] * 20
    assert len(commits) < 20


@on_sqlite
async def test_one_that_takes_long_follows_nobody_and_nobody_follows_it(db, commits):
    async def long(job: str) -> None:
        async with db.write() as tx:
            assert on_disk(db) == both(*"ab")
            await add(tx, job)

    async with held(db):
        first = await begun(brief(db, "a"), brief(db, "b"))
        middle = await begun(long("long"))
        last = await begun(brief(db, "c"))
    await asyncio.gather(*first, *middle, *last)
    assert on_disk(db) == both(*"abc") | {"long"}
    assert 4 <= len(commits) <= 5  # the holder's, of a and b, the long one's, and c's


@on_sqlite
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_that_fails_takes_back_its_own_and_nothing_else(db, place):
    async with held(db):
        tasks = await begun(
            *(
                brief(db, str(at), fail=ZeroDivisionError if at == place else None)
                for at in (0, 1, 2)
            )
        )
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes].count(ZeroDivisionError) == 1
    assert on_disk(db) == both(*({"0", "1", "2"} - {str(place)}))


@on_sqlite
async def test_a_row_that_is_refused_to_one_leaves_the_others(db):
    async with held(db):
        tasks = await begun(brief(db, "a"), brief(db, "a"), brief(db, "b"))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [str, UniqueViolation, str]
    assert on_disk(db) == both("a", "b")


@on_sqlite
async def test_a_commit_that_fails_is_told_to_all_who_shared_it(db, monkeypatch):
    async def fails(self, connection):
        raise StorageUnavailable("disk I/O error")

    async with held(db):
        tasks = await begun(*(brief(db, job) for job in "abc"))
        commit = type(db)._commit
        calls = 0

        async def first_only(self, connection):
            nonlocal calls
            calls += 1
            return await (commit if calls == 1 else fails)(self, connection)

        monkeypatch.setattr(type(db), "_commit", first_only)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [StorageUnavailable] * 3
    assert on_disk(db) == set()
    monkeypatch.setattr(type(db), "_commit", commit)
    await brief(db, "d")
    assert on_disk(db) == both("d")


@on_sqlite
async def test_a_disk_that_fails_under_one_is_told_to_those_before_it(db):
    """Nothing the connection remembers is relied on, so their rows are gone with it."""

    async def broken() -> None:
        async with db.write(brief=True) as tx:
            await add(tx, "broken")
            raise StorageUnavailable("disk I/O error")

    async with held(db):
        tasks = await begun(brief(db, "a"), brief(db, "b"), broken(), brief(db, "c"))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [StorageUnavailable] * 3 + [str]
    assert on_disk(db) == both("c")


@on_sqlite
async def test_the_engine_undoing_all_by_itself_is_told_to_those_before(db):
    """As it does when a disk is full in the middle of a statement."""

    async def undone() -> None:
        async with db.write(brief=True) as tx:
            await tx.on_connection(lambda connection: connection.exec_driver_sql("ROLLBACK"))
            raise ZeroDivisionError

    async with held(db):
        tasks = await begun(brief(db, "a"), undone(), brief(db, "b"))
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, StorageError)
    assert isinstance(second, ZeroDivisionError)
    assert third == "b"
    assert on_disk(db) == both("b")


@on_sqlite
@pytest.mark.parametrize("when", ["waiting", "as its turn comes", "after its statements"])
async def test_who_is_cancelled_leaves_the_turn_to_others(db, when):
    async with held(db):
        tasks = await begun(*(brief(db, job) for job in "abcd"))
        if when == "waiting":
            tasks[1].cancel()
    if when == "as its turn comes":
        tasks[0].cancel()
        tasks[1].cancel()
    elif when == "after its statements":
        await asyncio.sleep(0)
        tasks[0].cancel()
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    told = {one for one in outcomes if isinstance(one, str)}
    assert both(*told) <= on_disk(db)
    assert {"c", "d"} <= told
    await asyncio.wait_for(brief(db, "e"), 10)


@on_sqlite
@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_each_is_whole_or_not_there_and_who_was_told_is(db, seed):
    chance = random.Random(seed)
    told: set[str] = set()

    async def one(job: str, fate: float) -> None:
        if fate < 0.3:
            await asyncio.sleep(chance.random() * 0.02)
        async with db.write(brief=fate < 0.8) as tx:
            await add(tx, f"{job} one")
            if fate < 0.2:
                await asyncio.sleep(0)
            await add(tx, f"{job} two")
            if 0.4 < fate < 0.5:
                raise ZeroDivisionError
        told.add(job)

    tasks = [asyncio.create_task(one(str(at), chance.random())) for at in range(200)]
    for _ in range(60):
        await asyncio.sleep(chance.random() * 0.003)
        chance.choice(tasks).cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
    found = on_disk(db)
    assert both(*told) <= found
    whole = {job.split()[0] for job in found}
    assert found == both(*whole)
    failed = {
        str(at)
        for at, task in enumerate(tasks)
        if not task.cancelled() and isinstance(task.exception(), ZeroDivisionError)
    }
    assert not failed & whole
    assert len(told) > 50
    await asyncio.wait_for(brief(db, "last"), 10)
