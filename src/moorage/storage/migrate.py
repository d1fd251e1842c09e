"""Bringing a database to this release's schema, or saying politely why not."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from moorage.storage.archive.file import partial, put_in_place
from moorage.storage.archive.snapshot import check_whole, copy_sqlite
from moorage.storage.errors import NewerDatabase, StorageUnavailable, Unfinished
from moorage.storage.postgresql import PostgresDatabase
from moorage.storage.sqlite import SQLiteDatabase, sqlite_engine

_LOCK_WAIT_S = 30
# What stands before the version of a database that a copy is not done with: no release takes it.
UNFINISHED = "unfinished:"
_LOCK = 6_077_001  # any number that is ours alone within the database
_SCRIPTS = Path(__file__).parent.parent / "migrations"


def newest_version() -> str:
    """Return the schema version this release works with."""
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    if head is None:
        raise RuntimeError("this installation has no migrations; install it anew")
    return head


def _config(connection: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def _version(connection: sa.Connection) -> str | None:
    version: str | None = MigrationContext.configure(connection).get_current_revision()
    return version


async def current_version(db: SQLiteDatabase | PostgresDatabase) -> str | None:
    """Return the database's schema version; None for an empty one."""
    version: str | None = await _with_connection(db, _version)
    return version


async def check_version(db: SQLiteDatabase | PostgresDatabase) -> bool:
    """Whether the database is at this release's version.

    Raises:
        NewerDatabase: it was migrated by a newer release.

    """
    version = await current_version(db)
    if version is None:
        return False
    check_known(version)
    return version == newest_version()


def check_known(version: str) -> None:
    """Raise unless this release knows the way from a schema version to its own.

    Raises:
        NewerDatabase: it is of a newer release.
        Unfinished: it stands for a copy that was not finished.

    """
    if version.startswith(UNFINISHED):
        raise Unfinished(
            "this database is being copied into, or was: the copy was not finished. Run the same "
            "'moorage copy' again, and it goes on where it was"
        )
    try:
        ScriptDirectory.from_config(_config(None)).get_revision(version)
    except CommandError:
        raise NewerDatabase(
            f"this database has schema version {version}, which this release does not know: a "
            "newer release of Moorage migrated it. Start that release, or restore a backup from "
            "before."
        ) from None


async def migrate(db: SQLiteDatabase | PostgresDatabase, *, copy: bool = True) -> Path | None:
    """Bring the database to this release's version; return the copy made of an SQLite file, if any.

    ``copy``: make one of an older file. All steps are one transaction: whoever is killed has
    changed nothing, and does it again.

    Raises:
        NewerDatabase: it was migrated by a newer release.
        StorageError: the copy cannot be made, or the file is damaged.

    """
    if await check_version(db):
        return None

    def work(connection: sa.Connection) -> Path | None:
        version = _version(connection)
        if version == newest_version():
            return None  # another server did it while this one waited for the lock
        made = None
        if copy and version is not None and isinstance(db, SQLiteDatabase):
            made = _copy_file(db.path, version)
        upgrade(connection)
        return made

    made: Path | None = await _with_connection(db, work)
    return made


def upgrade(connection: sa.Connection, version: str = "head") -> None:
    """Run the history up to a version, in the caller's transaction."""
    command.upgrade(_config(connection), version)


def _copy_file(path: Path, version: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = path.with_name(f"{path.name}.before-migration-from-{version}-{stamp}")
    with partial(target) as file:
        copy_sqlite(path, file)
        check_whole(file)
        put_in_place(file, target)
    return target


async def _with_connection(
    db: SQLiteDatabase | PostgresDatabase, function: Callable[[sa.Connection], Any]
) -> Any:
    if isinstance(db, PostgresDatabase):
        try:
            by_sqlalchemy = db.async_engine.execution_options(isolation_level="READ COMMITTED")
            async with by_sqlalchemy.begin() as connection:
                # Two servers starting at once: the second waits, then finds the work done.
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                return await connection.run_sync(function)
        except OSError as error:
            raise StorageUnavailable(f"PostgreSQL cannot be reached: {error}") from None
    try:
        return await asyncio.to_thread(_on_sqlite, db, function)
    except DBAPIError as error:
        raise db.engine.translate(error) from None


def _on_sqlite(db: SQLiteDatabase, function: Callable[[sa.Connection], Any]) -> Any:
    # Two processes starting at once: the second waits, then finds the work done.
    engine = sqlite_engine(db.path, lock_wait_s=_LOCK_WAIT_S)
    with engine.connect() as connection:
        # DDL of several tables is one transaction here, too: a migration happens whole or not.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        result = function(connection)
        connection.commit()
        return result
