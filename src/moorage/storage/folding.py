"""Folding SQLite's log back into its file from beside the writer.

A commit that finds the log long folds it back itself, and everybody who wants to write waits for
that. Whoever writes much, and has time, folds it before it is that long.
"""

import sqlalchemy as sa

from moorage.storage.database import Database
from moorage.storage.sqlite import SQLiteDatabase


async def fold(db: Database) -> None:
    """Copy what can be copied while others read and write; on PostgreSQL there is nothing to do.

    Raises:
        StorageError: the file cannot be written.

    """
    if not isinstance(db, SQLiteDatabase):
        return
    async with db.read() as tx:
        # Nothing was read in this transaction, so it is none yet: inside one it would be refused.
        await tx.rows(sa.text("PRAGMA wal_checkpoint(PASSIVE)"))
