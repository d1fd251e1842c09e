"""One moment of a database, to read at leisure while its servers go on."""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from moorage.storage.archive.errors import ArchiveError
from moorage.storage.database import Tx
from moorage.storage.postgresql import PostgresDatabase
from moorage.storage.sqlite import SQLiteDatabase


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy an SQLite file, its log included, into one that only its owner may read.

    All pages are copied in one step: writers go on beside it, and never make it begin anew.

    Raises:
        ArchiveError: the copy cannot be made, most often for want of room.

    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600))
    try:
        with closing(sqlite3.connect(source)) as from_, closing(sqlite3.connect(target)) as to:
            from_.backup(to)
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise ArchiveError(f"{source} cannot be copied to {target}: {error}") from None


def check_whole(file: Path) -> None:
    """Look through a copy. Raises ArchiveError when its pages do not hold together."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as copied:
        try:
            said = copied.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            said = str(error)
    if said != "ok":
        raise ArchiveError(
            f"the database is damaged ({said}); restore a backup from before, nothing was changed"
        )


@asynccontextmanager
async def one_moment(db: SQLiteDatabase | PostgresDatabase, room: Path) -> AsyncIterator[Tx]:
    """Yield a transaction that sees one moment of the database.

    SQLite's file is copied to the file ``room`` first: a transaction that stayed open as long as a
    backup takes would keep the log of a busy server from being folded back. PostgreSQL reads one
    REPEATABLE READ snapshot.
    """
    if isinstance(db, PostgresDatabase):
        async with db.snapshot() as tx:
            yield tx
        return
    copy_sqlite(db.path, room)
    copied = SQLiteDatabase(room)
    try:
        async with copied.snapshot() as tx:
            yield tx
    finally:
        await copied.close()
        for name in (room.name, f"{room.name}-wal", f"{room.name}-shm"):
            room.with_name(name).unlink(missing_ok=True)
