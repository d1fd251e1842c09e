"""Watches how large the database is, and closes the door to what only adds up in time."""

import structlog

from moorage.ingest import Room
from moorage.storage import Database, partitions
from moorage.storage.sizes import Limits, Size, is_full, measure

_log = structlog.get_logger("moorage.storage")
# PostgreSQL looks at all its files for its size; SQLite reads three numbers.
_LOOK_EVERY_S, _LOOK_AT_FILES_EVERY_S = 5.0, 30.0


class RoomWatch:
    """Measures now and then; each server for itself."""

    def __init__(self, db: Database, room: Room, limits: Limits) -> None:
        """Keep the parts."""
        self._db = db
        self._room = room
        self.limits = limits
        self.size: Size | None = None
        self.every_s = _LOOK_AT_FILES_EVERY_S if partitions.is_partitioned(db) else _LOOK_EVERY_S

    async def look(self) -> None:
        """Measure, and say whether there is room.

        Raises:
            StorageError: the database does not answer; what was found last goes on to hold.

        """
        self.size = await measure(self._db)
        was_full = self._room.full
        self._room.full = is_full(self.size, self.limits, was_full=was_full)
        if self._room.full and not was_full:
            _log.error(
                "storage_nearly_full",
                used_bytes=self.size.used_bytes,
                free_bytes=self.size.free_bytes,
                budget_bytes=self.limits.budget_bytes,
                effect="telemetry and logs are refused; make room or raise the budget",
            )
        elif was_full and not self._room.full:
            _log.info("storage_has_room_again", used_bytes=self.size.used_bytes)
