"""Empty databases of either engine, to restore and copy into."""

import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moorage.server import load_settings
from moorage.server.settings import Settings
from moorage.storage import open_database
from moorage.storage.archive.tables import chunks, tables_of
from support.postgres import PostgresServer

_numbers = itertools.count(1)


@contextmanager
def empty_place(
    engine: str, folder: Path, server: PostgresServer | None, keys: Path | None = None
) -> Iterator[Settings]:
    """Settings of a server whose database holds nothing yet. ``server`` is for PostgreSQL."""
    keys = keys or folder / "keys"
    if server is None or engine == "sqlite":
        yield load_settings(data=folder / "data", keys_dir=keys)
        return
    name = f"place_{next(_numbers)}"
    server.run_sql(f"CREATE DATABASE {name}")
    try:
        yield load_settings(data=folder / "data", database=server.url(name), keys_dir=keys)
    finally:
        server.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


async def contents(url: str) -> dict[str, Counter[tuple[Any, ...]]]:
    """Every row of every table."""
    db = open_database(url)

    def read(connection: Any) -> dict[str, Counter[tuple[Any, ...]]]:
        return {
            table.name: Counter(tuple(row) for rows in chunks(connection, table) for row in rows)
            for table in tables_of(connection)
        }

    try:
        async with db.snapshot() as tx:
            return await tx.on_connection(read)
    finally:
        await db.close()


def tables_in(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [name for (name,) in found]
