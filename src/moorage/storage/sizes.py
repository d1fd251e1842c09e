"""How large the database is, and when it is too large: measured now and then, never per request."""

import asyncio
import shutil
from dataclasses import dataclass

import sqlalchemy as sa

from moorage.storage.database import Database, Tx
from moorage.storage.postgresql import PostgresDatabase
from moorage.storage.sqlite import SQLiteDatabase

_PAGES = sa.text(
    "SELECT (SELECT page_count FROM pragma_page_count()) AS pages, "
    "(SELECT freelist_count FROM pragma_freelist_count()) AS unused, "
    "(SELECT page_size FROM pragma_page_size()) AS page_bytes"
)
_DATABASE = sa.text("SELECT pg_database_size(current_database()) AS bytes")
# Of the budget: from here telemetry and logs are refused, and from there they are taken again.
_HIGH, _LOW = 0.95, 0.90
# Free room is asked for that much beyond the mark before they are taken again.
_FREE_AGAIN = 1.25
# A small disk is not refused for a mark that is meant for large ones.
_MOST_OF_DISK = 0.05


@dataclass(frozen=True, slots=True)
class Size:
    """What the database takes up.

    ``used_bytes`` are those in use: pages that SQLite keeps for the next rows are free. With
    ``free_bytes`` on the disk (those pages among them) and ``disk_bytes`` of the disk in all; both
    None where the disk is another machine's.
    """

    used_bytes: int
    free_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the database may take up: ``budget_bytes`` in all, None for no limit.

    ``least_free_bytes``: what it leaves free of its disk, where that can be seen.
    """

    budget_bytes: int | None = None
    least_free_bytes: int = 1024**3

    def least_free(self, size: Size) -> int:
        """Return how many bytes are to stay free on that disk."""
        if size.disk_bytes is None:
            return 0
        return min(self.least_free_bytes, int(size.disk_bytes * _MOST_OF_DISK))

    def most_bytes(self, size: Size) -> int | None:
        """Return at which size telemetry and logs are refused, None when nothing sets a limit."""
        limits = [] if self.budget_bytes is None else [int(self.budget_bytes * _HIGH)]
        if size.free_bytes is not None:
            limits.append(size.used_bytes + size.free_bytes - self.least_free(size))
        return max(min(limits), 0) if limits else None


def is_full(size: Size, limits: Limits, *, was_full: bool) -> bool:
    """Whether telemetry and logs are to be refused.

    What was full stays so until there is clearly room: a fleet must not be taken in and turned away
    by turns.
    """
    if limits.budget_bytes is not None:
        mark = _LOW if was_full else _HIGH
        if size.used_bytes >= limits.budget_bytes * mark:
            return True
    if size.free_bytes is None:
        return False
    return size.free_bytes < limits.least_free(size) * (_FREE_AGAIN if was_full else 1.0)


async def measure(db: Database) -> Size:
    """Measure a database.

    Raises:
        StorageError: it does not answer.

    """
    async with db.read() as tx:
        if isinstance(db, PostgresDatabase):
            row = await tx.row(_DATABASE)
            return Size(0 if row is None else int(row.bytes))
        used, unused = await _pages(tx)
    if not isinstance(db, SQLiteDatabase):
        return Size(used)
    disk = await asyncio.to_thread(shutil.disk_usage, db.path.parent)
    return Size(used, disk.free + unused, disk.total)


async def _pages(tx: Tx) -> tuple[int, int]:
    row = await tx.row(_PAGES)
    if row is None:
        return 0, 0
    return (row.pages - row.unused) * row.page_bytes, row.unused * row.page_bytes
