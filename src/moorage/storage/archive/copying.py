"""Moving a database into another one, of either engine, in steps that can be killed.

Each step puts some rows in and notes how far it got, in one transaction of the target. What was
copied by an earlier run is compared with the source at the end like all the rest, so that a source
that changed in between is found out.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from moorage.storage import alive
from moorage.storage.archive.errors import ArchiveError
from moorage.storage.archive.loading import insert
from moorage.storage.archive.tables import (
    PROGRESS_TABLE,
    VERSION_TABLE,
    Sum,
    Table,
    Values,
    is_empty,
    plain_rows,
    sum_of,
    tables_of,
)
from moorage.storage.database import Tx
from moorage.storage.migrate import UNFINISHED, current_version, newest_version, upgrade
from moorage.storage.postgresql import PostgresDatabase
from moorage.storage.sqlite import SQLiteDatabase

Database: TypeAlias = SQLiteDatabase | PostgresDatabase
# Table, rows of it that are there by now, and whether it is done.
Told: TypeAlias = Callable[[str, int, bool], None]

_ROWS_AT_ONCE = 2_000
_progress = sa.Table(
    PROGRESS_TABLE,
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    # Base64 of MessagePack: the primary key of the last row, None before the first.
    sa.Column("last", sa.Text),
    sa.Column("done", sa.Boolean, nullable=False),
)
_version = sa.table(VERSION_TABLE, sa.column("version_num"))


@dataclass(frozen=True)
class Copied:
    """A table as both sides have it."""

    name: str
    rows: int
    checksum: str


@dataclass
class _Place:
    """How far a table is."""

    rows: int
    last: list[Any] | None
    done: bool


async def copy(source: Database, target: Database, *, told: Told) -> list[Copied]:
    """Copy every row, or go on where an earlier run was stopped; then compare both sides.

    Raises:
        ArchiveError: the source is not of this release or was written to, or the target holds
            something else.

    """
    await _check_source(source)
    async with target.write() as tx:
        await tx.on_connection(_make_ready)
    async with source.snapshot() as reading:
        mark = await alive.last_mark(reading)
        tables = await reading.on_connection(tables_of)
        for table in tables:
            await _copy_table(reading, target, table, told)
        copied = [await _compared(reading, target, table) for table in tables]
    if await _mark_of(source) != mark:
        raise ArchiveError(
            "a server ran on the source while it was copied, so it has rows now that the copy "
            "lacks; stop it, empty the target and copy again"
        )
    async with target.write() as tx:
        await tx.on_connection(_finish)
    return copied


async def _check_source(source: Database) -> None:
    version = await current_version(source)
    if version != newest_version():
        raise ArchiveError(
            f"the source has schema version {version or 'none'}, and this release copies "
            f"{newest_version()}; run 'moorage migrate' on it first, or copy with the release that "
            "served it"
        )


async def _mark_of(db: Database) -> datetime | None:
    async with db.snapshot() as tx:
        return await alive.last_mark(tx)


def _make_ready(connection: sa.Connection) -> None:
    """Make the schema in an empty target; in one that a copy was not done with, nothing."""
    if is_empty(connection):
        upgrade(connection)
        # From here on no server takes it for a database of its own, until all is there.
        unfinished = f"{UNFINISHED}{newest_version()}"
        connection.execute(sa.update(_version).values(version_num=unfinished))
        _progress.create(connection)
        return
    if not sa.inspect(connection).has_table(PROGRESS_TABLE):
        raise ArchiveError(
            "the target is not empty, and a database is copied into an empty one only: make a new "
            "one, or drop this one and create it again"
        )
    found = connection.execute(sa.select(_version)).scalar_one()
    if found != f"{UNFINISHED}{newest_version()}":
        raise ArchiveError(
            f"the copy into the target was begun by another release (its version is {found}); "
            "finish it with that one, or empty the target and begin anew"
        )


async def _copy_table(reading: Tx, target: Database, table: Table, told: Told) -> None:
    if not table.key:
        raise ArchiveError(f"table {table.name} has no primary key to copy it by")
    async with target.write() as tx:
        place = await tx.on_connection(lambda connection: _place_of(connection, table))
    while not place.done:
        rows = await reading.on_connection(_reader(table, place.last))
        place = _after(table, place, rows)
        async with target.write() as tx:
            await tx.on_connection(_step(table, rows, place))
        told(table.name, place.rows, place.done)


def _place_of(connection: sa.Connection, table: Table) -> _Place:
    chosen = sa.select(_progress).where(_progress.c.name == table.name)
    row = connection.execute(chosen).one_or_none()
    if row is None:
        values = {"name": table.name, "rows": 0, "last": None, "done": False}
        connection.execute(sa.insert(_progress), values)
        return _Place(0, None, done=False)
    last = None if row.last is None else msgspec.msgpack.decode(base64.b64decode(row.last))
    return _Place(row.rows, last, done=row.done)


def _reader(table: Table, last: Sequence[Any] | None) -> Callable[[sa.Connection], list[Values]]:
    """Return what reads the rows after a primary key, in the source's own order of it."""
    clause = table.clause()
    key = [clause.c[name] for name in table.key]
    chosen = sa.select(clause).order_by(*key).limit(_ROWS_AT_ONCE)
    if last is not None:
        values = (sa.literal(value, column.type) for value, column in zip(last, key, strict=True))
        chosen = chosen.where(sa.tuple_(*key) > sa.tuple_(*values))
    plain = plain_rows(table)
    return lambda connection: plain(connection.execute(chosen).all())


def _after(table: Table, place: _Place, rows: list[Values]) -> _Place:
    if not rows:
        return _Place(place.rows, place.last, done=True)
    at = {column.name: number for number, column in enumerate(table.columns)}
    last = [rows[-1][at[name]] for name in table.key]
    return _Place(place.rows + len(rows), last, done=len(rows) < _ROWS_AT_ONCE)


def _step(table: Table, rows: list[Values], place: _Place) -> Callable[[sa.Connection], None]:
    last = None if place.last is None else base64.b64encode(msgspec.msgpack.encode(place.last))

    def write(connection: sa.Connection) -> None:
        insert(connection, table, rows)
        connection.execute(
            sa.update(_progress)
            .where(_progress.c.name == table.name)
            .values(rows=place.rows, last=last and last.decode(), done=place.done)
        )

    return write


async def _compared(reading: Tx, target: Database, table: Table) -> Copied:
    def total(connection: sa.Connection) -> Sum:
        return sum_of(connection, table)

    there = await reading.on_connection(total)
    async with target.snapshot() as tx:
        here = await tx.on_connection(total)
    if (there.rows, there.checksum) != (here.rows, here.checksum):
        raise ArchiveError(
            f"{table.name} has {there.rows} rows of checksum {there.checksum} in the source and "
            f"{here.rows} of {here.checksum} in the target: the source was changed between two "
            "runs; empty the target and copy again"
        )
    return Copied(table.name, here.rows, here.checksum)


def _finish(connection: sa.Connection) -> None:
    _progress.drop(connection)
    connection.execute(sa.update(_version).values(version_num=newest_version()))
