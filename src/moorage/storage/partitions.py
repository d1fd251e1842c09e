"""Partitions by day: on PostgreSQL a day of a large table is a table of its own, dropped whole.

Only maintenance is here; statements go to the parent, and PostgreSQL finds the days by their time
column. Nothing done here waits while it stands in the way of readers or writers. SQLite has no
partitions: there every function has nothing to do.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from moorage.kit.clock import from_ms, to_ms
from moorage.storage.database import Database, Tx
from moorage.storage.errors import StorageRefusesRow
from moorage.storage.postgresql import PostgresDatabase, translated

DAY = timedelta(days=1)
_DAY_MS = 86_400_000
# Days made ahead: so long may making them fail before rows find no place.
AHEAD_DAYS = 7
# One at a time, whichever server is at it. Any numbers that are ours alone within the database.
_MAKING, _DROPPING = 6_077_002, 6_077_003
# So far ahead of all others no device's clock is believed.
_MOST_DAYS_AT_ONCE = 400
_BOUNDS = re.compile(r"FROM \((MINVALUE|'-?\d+')\) TO \((MAXVALUE|'-?\d+')\)")
_LISTED = sa.text(
    "SELECT c.relname AS name, i.inhdetachpending AS leaving, "
    "pg_get_expr(c.relpartbound, c.oid) AS bounds "
    "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = to_regclass(CAST(:parent AS text)) ORDER BY c.relname"
)
# Detached and then left standing, because a server died in between.
_STRANDED = sa.text(
    "SELECT c.relname AS name FROM pg_class c "
    "WHERE c.relkind = 'r' AND c.relname ~ CAST(:pattern AS text) "
    "AND c.relnamespace = current_schema()::regnamespace "
    "AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid) ORDER BY c.relname"
)


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows from ``start_ms`` (included) to ``end_ms`` (not), None for no end on that side.

    ``leaving``: a detaching of it was begun and not finished.
    """

    name: str
    start_ms: int | None
    end_ms: int | None
    leaving: bool = False


def is_partitioned(db: Database) -> bool:
    """Whether tables by day exist on this database."""
    return isinstance(db, PostgresDatabase)


async def list_partitions(tx: Tx, table: str) -> list[Partition]:
    """Return the partitions of a table on PostgreSQL, oldest first."""
    found = [_partition(row) for row in await tx.rows(_LISTED, {"parent": table})]
    return sorted(found, key=lambda one: (one.start_ms is not None, one.start_ms or 0))


def _partition(row: sa.Row[tuple[str, bool, str | None]]) -> Partition:
    bounds = _BOUNDS.search(row.bounds or "")
    if bounds is None:
        # One that is leaving has no bounds any more.
        return Partition(row.name, None, None, leaving=True)
    start, end = (None if one.endswith("VALUE") else int(one.strip("'")) for one in bounds.groups())
    return Partition(row.name, start, end, leaving=row.leaving)


def wanted(
    table: str, existing: Sequence[Partition], *, since: datetime, now: datetime
) -> list[Partition]:
    """Return the partitions to make, so that every row from ``since`` to days ahead has a place.

    One partition holds all that is older than the first day there is: what devices bring that
    kept it for longer than this database exists. The rest is one a day (UTC).
    """
    today = to_ms(now) // _DAY_MS * _DAY_MS
    oldest = to_ms(since)
    if not existing:
        made = [_before(table, today)]
    else:
        first = existing[0].start_ms
        made = [] if first is None or first <= oldest else [_before(table, first)]
    there = [*existing, *made]
    last = today + AHEAD_DAYS * _DAY_MS
    day = min(oldest // _DAY_MS * _DAY_MS, today)
    while day <= last:
        if not any(_meets(one, day) for one in there):
            name = f"{table}_{from_ms(day):%Y%m%d}"
            made.append(Partition(name, day, day + _DAY_MS))
        day += _DAY_MS
    return made


def _before(table: str, end_ms: int) -> Partition:
    return Partition(f"{table}_before_{from_ms(end_ms):%Y%m%d}", None, end_ms)


def _meets(one: Partition, day: int) -> bool:
    starts_later = one.start_ms is not None and one.start_ms >= day + _DAY_MS
    ends_earlier = one.end_ms is not None and one.end_ms <= day
    return not starts_later and not ends_earlier


async def cover(db: Database, table: str, *, since: datetime) -> list[str]:
    """Make the partitions that are missing between ``since`` and some days ahead; return them.

    Attaching takes a lock that neither reads nor writes of the table wait for.

    Raises:
        StorageError: as any transaction; what was not made then is made by the next call.

    """
    if not isinstance(db, PostgresDatabase):
        return []
    async with db.read() as tx:
        if not wanted(table, await _standing(tx, table), since=since, now=tx.now):
            return []
    async with db.write() as tx:
        await tx.run(sa.text("SET LOCAL lock_timeout = '5s'"))
        await tx.rows(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
        missing = wanted(table, await _standing(tx, table), since=since, now=tx.now)
        for one in missing:
            await _attach(tx, table, one)
    return [one.name for one in missing]


async def _standing(tx: Tx, table: str) -> list[Partition]:
    return [one for one in await list_partitions(tx, table) if not one.leaving]


async def _attach(tx: Tx, table: str, one: Partition) -> None:
    start = "MINVALUE" if one.start_ms is None else str(one.start_ms)
    end = "MAXVALUE" if one.end_ms is None else str(one.end_ms)
    # Made beside the parent and then attached: made as its partition it would lock the parent.
    await tx.run(sa.text(f"DROP TABLE IF EXISTS {one.name}"))
    await tx.run(sa.text(f"CREATE TABLE {one.name} (LIKE {table} INCLUDING DEFAULTS)"))
    attach = f"ATTACH PARTITION {one.name} FOR VALUES FROM ({start}) TO ({end})"
    await tx.run(sa.text(f"ALTER TABLE {table} {attach}"))


async def drop_before(db: Database, table: str, before: datetime) -> list[str]:
    """Drop the partitions whose rows are all older; return their names.

    They are detached concurrently: that waits for whoever uses the table, and nobody waits for it.
    What a server that died left half-way is finished here. While another server is at it, nothing
    is done.

    Raises:
        StorageError: it took too long, or the database went away; the next call goes on.

    """
    if not isinstance(db, PostgresDatabase):
        return []
    dropped = []
    async with _alone(db) as connection:
        if connection is None:
            return []
        async with db.read() as tx:
            there = await list_partitions(tx, table)
        limit = to_ms(before)
        for one in there:
            if one.leaving:
                await _run(connection, f"ALTER TABLE {table} DETACH PARTITION {one.name} FINALIZE")
            elif one.end_ms is not None and one.end_ms <= limit:
                detach = f"ALTER TABLE {table} DETACH PARTITION {one.name} CONCURRENTLY"
                await _run(connection, detach)
        async with db.read() as tx:
            pattern = f"^{table}_(before_)?[0-9]{{8}}$"
            stranded = await tx.rows(_STRANDED, {"pattern": pattern})
        for row in stranded:
            await _run(connection, f"DROP TABLE IF EXISTS {row.name}")
            dropped.append(row.name)
    return dropped


@asynccontextmanager
async def _alone(db: PostgresDatabase) -> AsyncIterator[AsyncConnection | None]:
    """Give a connection without transactions, or None while another server has the turn."""
    with translated(db.engine):
        async with db.async_engine.connect() as connection:
            lock = sa.select(sa.func.pg_try_advisory_lock(_DROPPING))
            if not await connection.scalar(lock):
                yield None
                return
            try:
                yield connection
            except BaseException:
                await connection.invalidate()  # the lock goes with it
                raise
            await connection.execute(sa.select(sa.func.pg_advisory_unlock(_DROPPING)))


async def _run(connection: AsyncConnection, sql: str) -> None:
    await connection.execute(sa.text(sql))


async def whole_since(db: Database, table: str) -> datetime | None:
    """Return the time before which no row can be, None where the engine or a partition sets none.

    What is older than a bound within a day of this needs no deleting row by row.
    """
    if not isinstance(db, PostgresDatabase):
        return None
    async with db.read() as tx:
        there = await _standing(tx, table)
    if not there or there[0].start_ms is None:
        return None
    return from_ms(there[0].start_ms)


def make_room(connection: sa.Connection, table: str, latest_ms: int) -> None:
    """Make the days that are missing up to a row's time, in the caller's transaction.

    For rows that are put in by the million where no server serves yet: a restored database, a copy.
    """
    rows = connection.execute(_LISTED, {"parent": table}).all()
    ends = [one.end_ms for one in map(_partition, rows) if one.end_ms is not None]
    if not ends or latest_ms < max(ends):
        return
    start = max(ends)
    if latest_ms - start > _MOST_DAYS_AT_ONCE * _DAY_MS:
        raise StorageRefusesRow(f"{table} has a row of {from_ms(latest_ms):%Y-%m-%d}, years ahead")
    while start <= latest_ms:
        name = f"{table}_{from_ms(start):%Y%m%d}"
        bounds = f"FROM ({start}) TO ({start + _DAY_MS})"
        connection.exec_driver_sql(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES {bounds}")
        start += _DAY_MS
