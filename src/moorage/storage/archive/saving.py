"""A database into a backup file: one moment of it, whatever is written meanwhile."""

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from moorage.kit.clock import rfc3339
from moorage.storage import identity
from moorage.storage.archive.file import FORMAT, Manifest, writing
from moorage.storage.archive.snapshot import one_moment
from moorage.storage.archive.tables import chunks, tables_of
from moorage.storage.postgresql import PostgresDatabase
from moorage.storage.sqlite import SQLiteDatabase


async def save(  # noqa: PLR0913 - the parts of a backup
    db: SQLiteDatabase | PostgresDatabase,
    file: Path,
    *,
    room: Path,
    schema: str,
    made_by: str,
    sealed_keys: bytes | None,
) -> None:
    """Write every table into ``file``; ``room`` is a file to work in, gone afterwards.

    Raises:
        StorageError: the database does not answer, or there is no room.

    """
    made_at = rfc3339(datetime.now(UTC))
    async with one_moment(db, room) as tx:
        key_checks = await identity.check_values(tx)

        def write(connection: sa.Connection) -> None:
            with writing(file) as writer:
                for table in tables_of(connection):
                    writer.add(table, chunks(connection, table))
                if sealed_keys is not None:
                    writer.add_keys(sealed_keys)
                parts = tuple(writer.parts)
                writer.finish(
                    Manifest(FORMAT, made_at, made_by, db.engine.name, schema, key_checks, parts)
                )

        await tx.on_connection(write)
