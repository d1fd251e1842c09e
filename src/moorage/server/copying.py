"""Moving a server's database into another, of either engine."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

from moorage.server.opening import SetupError
from moorage.storage import PostgresDatabase, SQLiteDatabase, alive, open_database
from moorage.storage.archive.copying import Copied, Told
from moorage.storage.archive.copying import copy as copy_rows

# A mark older than that is no running server's, whatever its clock says.
_SURELY_GONE = timedelta(hours=1)
_WATCH = 2 * alive.PERIOD + timedelta(seconds=1)
_LOOK_EVERY_S = 0.5


async def copy(source: str, target: str, *, told: Told) -> list[Copied]:
    """Copy the database at one address to another; run again, it goes on where it was.

    Raises:
        SetupError: an address is wrong, or a server runs on the source.
        StorageError: the source is of another release, the target is not empty, or they differ.

    """
    if source == target:
        raise SetupError("source and target are the same database")
    from_, to = _opened("--from", source), _opened("--to", target)
    try:
        if isinstance(from_, SQLiteDatabase) and not from_.path.exists():
            raise SetupError(f"there is no database {from_.path} to copy")
        await _check_quiet(from_)
        if isinstance(to, SQLiteDatabase):
            _make_file(to)
        return await copy_rows(from_, to, told=told)
    finally:
        await from_.close()
        await to.close()


def _opened(option: str, address: str) -> SQLiteDatabase | PostgresDatabase:
    try:
        return open_database(address, patient=True)
    except ValueError as error:
        raise SetupError(f"{option} is wrong: {error}") from None


def _make_file(db: SQLiteDatabase) -> None:
    """Make the file owner-only before anything is in it."""
    try:
        db.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(db.path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        raise SetupError(f"{db.path} cannot be made: {error.strerror}") from None


async def _check_quiet(db: SQLiteDatabase | PostgresDatabase) -> None:
    """Raise SetupError while a server runs on the database: it renews its mark all the time."""
    first = await _mark(db)
    if first is None or datetime.now(UTC) - first > _SURELY_GONE:
        return
    deadline = asyncio.get_running_loop().time() + _WATCH.total_seconds()
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(_LOOK_EVERY_S)
        if await _mark(db) != first:
            raise SetupError(
                "a server runs on the source, and what it takes meanwhile would be left behind; "
                "stop it (all of them), then copy. Devices keep what they have until then"
            )


async def _mark(db: SQLiteDatabase | PostgresDatabase) -> datetime | None:
    async with db.snapshot() as tx:
        return await alive.last_mark(tx)
