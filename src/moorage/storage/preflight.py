"""What would stop a migration half-way, looked for before it begins."""

import os
import shutil
from pathlib import Path

import sqlalchemy as sa

from moorage.storage.database import Tx
from moorage.storage.postgresql import PostgresDatabase
from moorage.storage.sqlite import SQLiteDatabase

# Below that, days of large tables cannot be detached without standing in the way of reports.
_LEAST_POSTGRESQL = 14
_VERSION = sa.text("SELECT current_setting('server_version_num')::int AS number")
_MAY_CREATE = sa.text(
    "SELECT current_schema() AS name, current_user AS role, "
    "has_schema_privilege(current_schema(), 'CREATE') AS allowed"
)
_FOREIGN = sa.text(
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
    "AND NOT pg_has_role(current_user, tableowner, 'USAGE') ORDER BY tablename LIMIT 1"
)
_SIZE = sa.text("SELECT pg_database_size(current_database()) AS bytes")
# Room to work in beside a copy: indexes that are made anew, the log.
_MARGIN_BYTES = 64 * 1024 * 1024
_OTHERWISE = ", or have the backup written elsewhere (--backup) or not at all (--no-backup)"


async def problems(db: SQLiteDatabase | PostgresDatabase, backup_in: Path | None) -> list[str]:
    """Return what is wrong, each as a sentence that says what would be right.

    ``backup_in`` is the folder that a backup is written to first, None when none is made.
    """
    if isinstance(db, PostgresDatabase):
        async with db.read() as tx:
            found = await _of_postgresql(tx)
            if backup_in is not None:
                found += _no_room(backup_in, await _bytes_of(tx), "a backup", _OTHERWISE)
            return found
    return [*_of_sqlite(db.path), *_sqlite_room(db.path, backup_in)]


def _files_of(path: Path) -> list[Path]:
    return [file for file in (path, path.with_name(f"{path.name}-wal")) if file.exists()]


def _of_sqlite(path: Path) -> list[str]:
    blocked = [file for file in (path.parent, *_files_of(path)) if not os.access(file, os.W_OK)]
    return [
        f"{file} cannot be written by this user; run it as the user the server runs as"
        for file in blocked
    ]


def _sqlite_room(path: Path, backup_in: Path | None) -> list[str]:
    """Say which disk is too full: the database's to work on, the backup's to write it to."""
    size = sum(file.stat().st_size for file in _files_of(path))
    # SQLite writes what it changes into the log first: as much again, at worst.
    work = size
    if backup_in is None:
        return _no_room(path.parent, work, "the work")
    # A backup file is written from a copy beside it, which is gone before the work begins.
    backup = 2 * size
    if _device_of(backup_in) == _device_of(path.parent):
        needed = max(backup, size + work)
        return _no_room(path.parent, needed, "a backup and the work", _OTHERWISE)
    return [
        *_no_room(path.parent, work, "the work"),
        *_no_room(backup_in, backup, "a backup", _OTHERWISE),
    ]


async def _of_postgresql(tx: Tx) -> list[str]:
    found = []
    version = await tx.row(_VERSION)
    if version is not None and version.number < _LEAST_POSTGRESQL * 10_000:
        found.append(
            f"PostgreSQL is version {version.number // 10_000}, and Moorage needs "
            f"{_LEAST_POSTGRESQL} or newer; upgrade PostgreSQL first"
        )
    right = await tx.row(_MAY_CREATE)
    if right is not None and not right.allowed:
        found.append(
            f"the role {right.role} may not create tables in the schema {right.name}; let it own "
            "the database (ALTER DATABASE … OWNER TO …) or grant it CREATE"
        )
    foreign = await tx.row(_FOREIGN)
    if foreign is not None:
        found.append(
            f"the table {foreign.tablename} belongs to another role, and only its owner can change "
            "it; run it as that role, or REASSIGN OWNED"
        )
    return found


async def _bytes_of(tx: Tx) -> int:
    row = await tx.row(_SIZE)
    return 0 if row is None else int(row.bytes)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    return existing


def _device_of(folder: Path) -> int:
    return _existing(folder).stat().st_dev


def _no_room(folder: Path, needed: int, what: str, otherwise: str = "") -> list[str]:
    existing = _existing(folder)
    free = shutil.disk_usage(existing).free
    if free >= needed + _MARGIN_BYTES:
        return []
    missing = (needed + _MARGIN_BYTES - free) // 2**20 + 1
    lacking = f"{free // 2**20} MiB free, {missing} MiB too few for {what}"
    return [f"{existing} has {lacking}; make room{otherwise}"]
