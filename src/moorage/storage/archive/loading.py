"""Putting rows into tables that are there and empty, on either engine."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from moorage.storage.archive.errors import ArchiveError
from moorage.storage.archive.file import Reader
from moorage.storage.archive.tables import Table, Values, sum_of, tables_of
from moorage.storage.partitions import make_room


def load(connection: sa.Connection, archive: Reader) -> None:
    """Fill the tables from a backup, then read them back and compare.

    Part of the caller's transaction: what fails leaves nothing.

    Raises:
        ArchiveError: the backup is damaged, or a table of its is not here.

    """
    here = {table.name for table in tables_of(connection)}
    for part in archive.manifest.tables:
        if part.table.name not in here:
            if part.rows:
                raise ArchiveError(
                    f"the backup has rows of a table {part.table.name}, which schema version "
                    f"{archive.manifest.schema} does not have on this engine"
                )
            continue
        for rows in archive.chunks(part.table):
            insert(connection, part.table, rows)
        archive.compare(part, sum_of(connection, part.table))


def insert(connection: sa.Connection, table: Table, rows: list[Values]) -> None:
    """Insert rows. Raises ArchiveError naming the table when the engine cannot hold one."""
    if not rows:
        return
    try:
        if connection.dialect.name == "postgresql":
            _copy_in(connection, table, rows)
        else:
            names = ", ".join(f'"{column.name}"' for column in table.columns)
            marks = ", ".join("?" for _ in table.columns)
            sql = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608 - our names
            connection.exec_driver_sql(sql, [tuple(row) for row in rows])
    except DBAPIError as error:
        raise ArchiveError(f"rows of {table.name} cannot be put in: {error.orig}") from None


def _copy_in(connection: sa.Connection, table: Table, rows: list[Values]) -> None:
    """COPY: ten times as fast as INSERT here, and inside the same transaction."""
    connection.exec_driver_sql("SELECT 1")  # the driver begins the transaction with a statement
    columns = [column.name for column in table.columns]
    if "at" in columns:
        make_room(connection, table.name, max(row[columns.index("at")] for row in rows))

    async def copy(driver: Any) -> None:
        await driver.copy_records_to_table(table.name, records=rows, columns=columns)

    adapted: Any = connection.connection.dbapi_connection
    try:
        adapted.run_async(copy)
    except Exception as error:  # noqa: BLE001
        # asyncpg's own errors come untranslated from here; their text may quote a value.
        raise ArchiveError(
            f"rows of {table.name} cannot be put in: {type(error).__name__}"
        ) from None
