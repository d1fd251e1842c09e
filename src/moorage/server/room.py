"""Watches how large the database is, and closes the door to what only adds up in time."""

import time
from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry, Gauge

from moorage.ingest import Room
from moorage.server.clearing import Cleared
from moorage.storage import Database, claims, growth, partitions
from moorage.storage.growth import Forecast
from moorage.storage.sizes import Limits, Size, is_full, measure

_log = structlog.get_logger("moorage.storage")
# PostgreSQL looks at all its files for its size; SQLite reads three numbers.
_LOOK_EVERY_S, _LOOK_AT_FILES_EVERY_S = 5.0, 30.0
_NOTE_EVERY = timedelta(hours=1)
_FORECAST_EVERY_S = 600.0
_UNKNOWN = float("nan")


class RoomWatch:
    """Measures now and then; each server for itself."""

    def __init__(self, db: Database, room: Room, limits: Limits) -> None:
        """Keep the parts."""
        self._db = db
        self._room = room
        self.limits = limits
        self.size: Size | None = None
        self.forecast = Forecast(0)
        self._forecast_at = float("-inf")
        self.every_s = _LOOK_AT_FILES_EVERY_S if partitions.is_partitioned(db) else _LOOK_EVERY_S

    async def look(self) -> None:
        """Measure, and say whether there is room; now and then also look ahead.

        Raises:
            StorageError: the database does not answer; what was found last goes on to hold.

        """
        self.size = await measure(self._db)
        self._decide(self.size)
        # Last, because it writes: on a full disk it fails, and there the door must close.
        if time.monotonic() - self._forecast_at >= _FORECAST_EVERY_S:
            await self._look_ahead(self.size)
            self._forecast_at = time.monotonic()

    def _decide(self, size: Size) -> None:
        was_full = self._room.full
        self._room.full = is_full(size, self.limits, was_full=was_full)
        if self._room.full and not was_full:
            _log.error(
                "storage_nearly_full",
                used_bytes=size.used_bytes,
                free_bytes=size.free_bytes,
                budget_bytes=self.limits.budget_bytes,
                effect="telemetry and logs are refused; make room or raise the budget",
            )
        elif was_full and not self._room.full:
            _log.info("storage_has_room_again", used_bytes=size.used_bytes)

    async def _look_ahead(self, size: Size) -> None:
        """Keep today's size, if it is this server's turn, and see what the last days say."""
        async with self._db.write() as tx:
            if await claims.claim(tx, "sizes", every=_NOTE_EVERY):
                await growth.note(tx, size.used_bytes)
        async with self._db.read() as tx:
            past = await growth.measured(tx)
        most = self.limits.most_bytes(size)
        self.forecast = growth.forecast(past, used_bytes=size.used_bytes, most_bytes=most)

    def add_to(self, registry: CollectorRegistry, cleared: Cleared) -> None:
        """Offer what is known as metrics; what is not known is NaN."""

        def bytes_of(name: str) -> float:
            found = None if self.size is None else getattr(self.size, name)
            return _UNKNOWN if found is None else float(found)

        def most() -> float:
            found = None if self.size is None else self.limits.most_bytes(self.size)
            return _UNKNOWN if found is None else float(found)

        def told(name: str) -> float:
            found = getattr(self.forecast, name)
            return _UNKNOWN if found is None else float(found)

        for name, text, read in (
            ("used_bytes", "Bytes the database uses", lambda: bytes_of("used_bytes")),
            ("free_bytes", "Bytes free on its disk", lambda: bytes_of("free_bytes")),
            ("most_bytes", "Bytes at which telemetry and logs are refused", most),
            ("refusing", "1 while telemetry and logs are refused", lambda: float(self._room.full)),
            ("refused_total", "Reports refused for want of room", lambda: self._room.refused),
            ("growth_bytes_per_day", "How fast it grows", lambda: told("bytes_per_day")),
            ("full_in_days", "Days until it is full at that pace", lambda: told("full_in_days")),
            ("cleared_rows_total", "Rows deleted because of their age", lambda: cleared.rows),
            ("cleared_partitions_total", "Days dropped whole", lambda: cleared.days),
            (
                "clearing_longest_seconds",
                "Longest step of clearing out",
                lambda: cleared.longest_s,
            ),
        ):
            Gauge(f"moorage_storage_{name}", text, registry=registry).set_function(read)
