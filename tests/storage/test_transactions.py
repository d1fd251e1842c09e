"""Transactions: whole or not at all, whatever happens to the one who asked."""

import asyncio
import contextlib
import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from moorage.core import devices, logs
from moorage.kit.clock import to_ms
from moorage.storage import Prepared, StorageError, UniqueViolation, metadata
from support.engines import on_postgresql, on_sqlite

turns = metadata.tables["job_turns"]
AT = datetime(2026, 11, 21, tzinfo=UTC)


async def add(tx, *jobs: str) -> None:
    for job in jobs:
        await tx.run(sa.insert(turns), {"job": job, "next_at": AT})


async def jobs_in(db) -> list[str]:
    async with db.read() as tx:
        return [row.job for row in await tx.rows(sa.select(turns.c.job).order_by(turns.c.job))]


async def test_an_exception_takes_everything_back(db):
    with contextlib.suppress(ZeroDivisionError):
        async with db.write() as tx:
            await add(tx, "a", "b")
            raise ZeroDivisionError
    assert await jobs_in(db) == []
    async with db.write() as tx:
        await add(tx, "c")
    assert await jobs_in(db) == ["c"]


_INSERT = Prepared(lambda _: sa.insert(turns))


@pytest.mark.parametrize("jobs", [["a"], ["a", "b", "c"]])
async def test_appended_rows_are_there_with_the_rest_or_not_at_all(db, jobs):
    with contextlib.suppress(ZeroDivisionError):
        async with db.write() as tx:
            for job in jobs:
                tx.append(_INSERT, {"job": job, "next_at": AT})
            raise ZeroDivisionError
    assert await jobs_in(db) == []
    async with db.write() as tx:
        for job in jobs:
            tx.append(_INSERT, {"job": job, "next_at": AT})
        await add(tx, "z")
    assert await jobs_in(db) == [*jobs, "z"]


async def test_an_appended_row_that_is_refused_takes_everything_back(db):
    async def twice() -> None:
        async with db.write() as tx:
            await add(tx, "a", "b")
            tx.append(_INSERT, {"job": "a", "next_at": AT})

    with pytest.raises(UniqueViolation):
        await twice()
    assert await jobs_in(db) == []


async def test_rows_inserted_together_may_point_at_each_other(db):
    parent, child = metadata.tables["device_tombstones"], metadata.tables["device_tombstone_keys"]
    tombstone = {"device_id": "d", "workspace_id": "w", "live": True, "retired_at": AT}
    keys = [{"digest": digest, "device_id": "d"} for digest in ("one", "two")]
    add_parent, add_child = (Prepared(lambda _, of=of: sa.insert(of)) for of in (parent, child))

    async def together(*rows) -> None:
        async with db.write() as tx:
            await tx.insert_together(rows)

    await together((add_parent, tombstone), *((add_child, key) for key in keys))
    async with db.read() as tx:
        found = await tx.rows(sa.select(child.c.digest).order_by(child.c.digest))
        assert [row.digest for row in found] == ["one", "two"]
        assert (await tx.row(sa.select(parent.c.retired_at, parent.c.live))) == (AT, True)
    with pytest.raises(UniqueViolation, match="pk_device_tombstone_keys"):
        await together((add_parent, {**tombstone, "device_id": "e"}), (add_child, keys[0]))
    async with db.read() as tx:
        assert len(await tx.rows(sa.select(parent.c.device_id))) == 1, "neither of them"


async def test_what_was_flushed_is_there_before_the_commit_and_not_twice(db):
    async with db.write() as tx:
        tx.append(_INSERT, {"job": "a", "next_at": AT})
        await tx.flush()
        assert [row.job for row in await tx.rows(sa.select(turns.c.job))] == ["a"]
        tx.append(_INSERT, {"job": "b", "next_at": AT})
    assert await jobs_in(db) == ["a", "b"]


async def test_prepared_rows_come_back_as_their_columns_say(db):
    read = Prepared(lambda _: sa.select(turns).order_by(turns.c.job))
    async with db.write() as tx:
        assert await tx.run_of(_INSERT, {"job": "a", "next_at": AT}) == 1
        (row,) = await tx.rows_of(read, {})
    assert (row.job, row.next_at) == ("a", AT)


@on_sqlite
async def test_a_refused_statement_takes_the_earlier_ones_back(db):
    with pytest.raises(Exception, match="pk_job_turns"):
        async with db.write() as tx:
            await add(tx, "a", "b", "a")
    assert await jobs_in(db) == []


async def test_a_transaction_cancelled_in_the_middle_leaves_nothing_and_the_writer_goes_on(db):
    inside = asyncio.Event()

    async def stuck() -> None:
        async with db.write() as tx:
            await add(tx, "a")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await jobs_in(db) == []
    async with db.write() as tx:
        await add(tx, "b")
    assert await jobs_in(db) == ["b"]


async def test_wherever_a_writer_is_cancelled_its_transaction_is_whole_or_absent(db):
    async def write(at: int) -> None:
        async with db.write() as tx:
            await add(tx, f"{at}-a", f"{at}-b")

    # More often than there are connections: one that leaked each time would be missed.
    for steps in range(40):
        await jobs_in(db)  # a connection is open, so that it is not opening one that is cancelled
        task = asyncio.create_task(write(steps))
        for _ in range(steps // 2):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    there = set(await jobs_in(db))
    numbers = {job.split("-")[0] for job in there}
    assert there == {f"{at}-{half}" for at in numbers for half in "ab"}
    async with db.write() as tx:
        await add(tx, "last")
    assert "last" in await jobs_in(db)


@on_sqlite
@pytest.mark.parametrize("times", [1, 3])
async def test_a_commit_that_is_given_up_is_finished_before_the_next_transaction_begins(db, times):
    """Cancelled again and again while the disk is slow, as a scope that ends does."""
    disk_is_free = threading.Event()
    announced = []

    async def first() -> None:
        async with db.write() as tx:
            await add(tx, "a")
            tx.after_commit(lambda: announced.append("a"))
            db._commit_thread.submit(disk_is_free.wait, 30)

    async def second() -> None:
        with contextlib.suppress(ZeroDivisionError):
            async with db.write() as tx:
                await add(tx, "half")
                await asyncio.sleep(0.05)
                raise ZeroDivisionError

    given_up = asyncio.create_task(first())
    await asyncio.sleep(0.05)
    next_one = asyncio.create_task(second())
    for _ in range(times):
        given_up.cancel()
        await asyncio.sleep(0.01)
    disk_is_free.set()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    await next_one
    assert await jobs_in(db) == ["a"]
    assert announced == ["a"], "it is durable, so it is announced"


@on_sqlite
async def test_a_read_that_is_given_up_leaves_its_connection_fit_for_the_next(db):
    slow = sa.text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "SELECT count(*) AS n FROM n"
    )

    async def read() -> int:
        async with db.read() as tx:
            return (await tx.row(slow)).n

    for _ in range(6):
        task = asyncio.create_task(read())
        await asyncio.sleep(0.005)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert await asyncio.gather(*(read() for _ in range(8))) == [100_000] * 8


@on_sqlite
async def test_what_is_announced_comes_after_the_commit_and_never_after_a_rollback(db):
    told = []
    async with db.write() as tx:
        tx.after_commit(lambda: told.append("kept"))
        await add(tx, "a")
        assert told == []
    assert told == ["kept"]
    with contextlib.suppress(ZeroDivisionError):
        async with db.write() as tx:
            tx.after_commit(lambda: told.append("taken back"))
            raise ZeroDivisionError
    assert told == ["kept"]


@on_sqlite
async def test_a_waiter_is_woken_once_the_change_is_there_to_be_read(db):
    with db.announcements.subscribed("topic") as woken:
        async with db.write() as tx:
            await add(tx, "a")
            tx.announce("topic")
            assert not woken.is_set()
        assert woken.is_set()
    assert await jobs_in(db) == ["a"]


async def test_nobody_reads_what_is_not_committed(db):
    async with db.write() as tx:
        await add(tx, "a")
        assert await jobs_in(db) == []
    assert await jobs_in(db) == ["a"]


@on_sqlite
async def test_a_transaction_has_one_present(db, clock):
    async with db.write() as tx:
        before = tx.now
        clock.advance(seconds=5)
        assert tx.now == before
    async with db.write() as tx:
        assert (tx.now - before).total_seconds() == 5


@on_sqlite
async def test_a_reader_keeps_its_snapshot_while_others_write(db):
    async with db.read() as reading:
        count = sa.text("SELECT count(*) AS n FROM job_turns")
        assert (await reading.row(count)).n == 0
        async with db.write() as tx:
            await add(tx, "a")
        assert (await reading.row(count)).n == 0
    assert await jobs_in(db) == ["a"]


@on_sqlite
async def test_a_commit_is_on_disk_before_it_is_answered(db):
    async with db.write() as tx:
        synchronous = await tx.row(sa.text("PRAGMA synchronous"))
        journal = await tx.row(sa.text("PRAGMA journal_mode"))
        enforced = await tx.row(sa.text("PRAGMA foreign_keys"))
    # 2 is FULL: https://www.sqlite.org/pragma.html#pragma_synchronous
    assert (synchronous[0], journal[0], enforced[0]) == (2, "wal", 1)


async def test_fifty_writers_at_once_lose_no_change(db):
    async with db.write() as tx:
        await add(tx, "a")

    async def one_more() -> None:
        async with db.write() as tx:
            await tx.run(sa.text("UPDATE job_turns SET next_at = next_at + 1"))

    await asyncio.gather(*(one_more() for _ in range(50)))
    async with db.read() as tx:
        row = await tx.row(sa.text("SELECT next_at FROM job_turns"))
    assert row.next_at == AT.timestamp() * 1000 + 50


@on_postgresql
async def test_connections_that_broke_while_they_lay_there_fail_no_transaction(db, postgres):
    await asyncio.gather(*(jobs_in(db) for _ in range(5)))
    postgres.run_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'moorage'"
    )
    assert await asyncio.gather(*(jobs_in(db) for _ in range(5))) == [[]] * 5
    for at in range(10):
        async with db.write() as tx:
            await add(tx, f"job {at}")
    assert len(await jobs_in(db)) == 10


@on_postgresql
async def test_a_commit_that_undoes_everything_is_not_taken_for_one(db):
    """After a failed statement PostgreSQL answers COMMIT with ROLLBACK, and no error."""

    async def go_on_after_a_failure() -> None:
        async with db.write() as tx:
            await add(tx, "a")
            with contextlib.suppress(UniqueViolation):
                await add(tx, "a")

    with pytest.raises(StorageError, match="rolled the transaction back"):
        await go_on_after_a_failure()
    assert await jobs_in(db) == []


_SAMPLES = metadata.tables["telemetry_samples"]
_ROWS = Prepared(
    lambda _: sa.insert(_SAMPLES),
    order=[column.name for column in reversed(list(_SAMPLES.columns))],
)
_MOVED = Prepared(
    lambda _: (
        sa.update(turns)
        .where(turns.c.job == sa.bindparam("_job"))
        .values(next_at=sa.bindparam("_at"))
    ),
    order=("_job", "_at"),
)


@pytest.mark.parametrize("count", [1, 2, 700])
@pytest.mark.parametrize("begun", [False, True])
async def test_rows_in_an_order_of_their_own_arrive_as_they_are_and_none_twice(
    db, owner, count, begun
):
    async with db.write() as tx:
        device = await devices.create(tx, owner, name="meter")
    now = to_ms(datetime.now(UTC))
    rows = [
        {
            "device_id": device.id,
            "at": now + number,
            "id": number,
            "device_at": None if number % 2 else now,
            "received_at": now,
            "cpu_percent": 12.5 if number % 3 else None,
            "temperature_c": -40,
        }
        for number in range(count)
    ]
    given = [tuple(row.get(c.name) for c in reversed(list(_SAMPLES.columns))) for row in rows]
    async with db.write() as tx:
        if begun:
            await tx.rows(sa.select(turns.c.job))
        await tx.run_rows(_ROWS, given)
    async with db.read() as tx:
        found = await tx.rows(sa.select(_SAMPLES).order_by(_SAMPLES.c.id))
    names = ("id", "device_at", "cpu_percent", "temperature_c")
    assert [
        (row.id, row.device_at and to_ms(row.device_at), row.cpu_percent, row.temperature_c)
        for row in found
    ] == [tuple(row[name] for name in names) for row in rows]


@pytest.mark.parametrize("count", [1, 2])
async def test_what_stands_in_rows_comes_back_as_it_was(db, owner, count):
    async with db.write() as tx:
        device = await devices.create(tx, owner, name="meter")
    now = to_ms(datetime.now(UTC))
    texts = [
        '"quoted" \\ and \\"both\\", [], {}, $1, %s, :name, \'; --',
        "null",
        "",
        "1e5",
        "\x01\x1f\x7f \t\r\n \u2028 \ufeff \ufffd é 测 😀",
    ]
    numbers = [5e-324, 1.7976931348623157e308, -1e-300, 0.1 + 0.2, 1 / 3]
    least, most = -(2**63), 2**63 - 1
    names = [column.name for column in reversed(list(_SAMPLES.columns))]
    for text, number in zip(texts, numbers, strict=True):
        ids = [most - at for at in range(count)]
        lines = [logs.LogRow(device.id, now, one, least, now, text, "info", text) for one in ids]
        samples = []
        for one in ids:
            told = {"device_id": device.id, "at": now, "id": one, "device_at": None}
            samples.append(tuple({"received_at": now, **told}.get(name, number) for name in names))
        async with db.write() as tx:
            await logs.append(tx, lines)
            await tx.run_rows(_ROWS, samples)
        async with db.read() as tx:
            found = await tx.rows(sa.text("SELECT device_at, service, message FROM log_lines"))
            assert [tuple(row) for row in found] == [(least, text, text)] * count
            found = await tx.rows(sa.select(_SAMPLES.c.temperature_c, _SAMPLES.c.device_at))
            assert [tuple(row) for row in found] == [(number, None)] * count
        async with db.write() as tx:
            await tx.run(sa.text("DELETE FROM log_lines"))
            await tx.run(sa.delete(_SAMPLES))


async def test_updates_for_rows_touch_those_they_name(db):
    async with db.write() as tx:
        await add(tx, "a", "b", "c")
        later = to_ms(AT) + 1_000
        await tx.run_rows(_MOVED, [("a", later), ("c", later + 1)])
    async with db.read() as tx:
        found = await tx.rows(sa.select(turns).order_by(turns.c.job))
    assert [to_ms(row.next_at) - to_ms(AT) for row in found] == [1_000, 0, 1_001]


async def test_a_row_among_many_that_is_refused_takes_all_back(db, owner):
    async with db.write() as tx:
        device = await devices.create(tx, owner, name="meter")
    now = to_ms(datetime.now(UTC))
    row = {"device_id": device.id, "at": now, "id": 7, "received_at": now}
    given = tuple(row.get(c.name) for c in reversed(list(_SAMPLES.columns)))
    with pytest.raises(UniqueViolation):
        async with db.write() as tx:
            await tx.run_rows(_ROWS, [given, given])
    async with db.read() as tx:
        assert await tx.rows(sa.select(_SAMPLES.c.id)) == []
