"""What the server does by itself: its alive-mark, and clearing out what is past its time."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import structlog

from moorage.core import commands, workspaces
from moorage.core.workspaces import KeptDays
from moorage.ingest import Kept, Retention
from moorage.server.clearing import Clearing
from moorage.server.jumps import Jumps
from moorage.server.rolling import EVERY as ROLL_EVERY
from moorage.server.rolling import Rolling
from moorage.server.room import RoomWatch
from moorage.storage import Database, StorageError, alive, claims

_log = structlog.get_logger("moorage.jobs")
_PURGE_EVERY = timedelta(hours=1)
_COVER_EVERY = timedelta(minutes=1)
_LOOK_EVERY_S = 60.0
_LEARN_EVERY_S = 30.0


class Jobs:
    """The loop; every server runs it, claims decide who acts."""

    def __init__(
        self,
        db: Database,
        retention: Retention | Kept,
        watch: RoomWatch | None = None,
        bounds: Mapping[str, KeptDays] | None = None,
        jumps: Jumps | None = None,
    ) -> None:
        """Keep the parts."""
        self._bounds = bounds or {}
        self._watch = watch
        self._db = db
        self._kept = retention if isinstance(retention, Kept) else Kept(retention)
        self._clearing = Clearing(db, self._kept)
        self.cleared = self._clearing.cleared
        self._rolling = Rolling(db)
        self._tasks: list[asyncio.Task[None]] = []
        self._jumps = jumps or Jumps()
        self.takes_writes = True

    def start(self) -> None:
        """Begin; what ``prepare`` and opening did already is due a period later."""
        first, again = self._forever, functools.partial(self._forever, at_once=False)
        alive_s, roll_s = alive.PERIOD.total_seconds(), ROLL_EVERY.total_seconds()
        turns = {
            "alive-mark": again(self._mark_alive, alive_s),
            "expire": first(self._expire_commands, 5.0),
            "purge": first(self._purge_if_due, _LOOK_EVERY_S),
            "retention": again(self.learn, _LEARN_EVERY_S),
            "cover": again(self._cover_if_due, _LOOK_EVERY_S),
            "rollups": first(self._rolling.run_if_due, roll_s),
        }
        if self._watch is not None:
            turns["room"] = again(self._watch.look, self._watch.every_s)
        self._tasks = [asyncio.create_task(turn, name=name) for name, turn in turns.items()]

    async def stop(self) -> None:
        """End, after the step that runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forever(
        self, job: Callable[[], Awaitable[None]], every_s: float, *, at_once: bool = True
    ) -> None:
        if not at_once:
            await asyncio.sleep(every_s)
        while True:
            try:
                await job()
            except StorageError as error:
                _log.warning("job_failed", job=job.__name__, error=str(error))
            except Exception as error:  # noqa: BLE001
                # A job that dies would be missed weeks later; log it and go on.
                _log.error("job_failed", job=job.__name__, exc_info=error)
            await asyncio.sleep(every_s)

    async def _mark_alive(self) -> None:
        try:
            async with self._db.write() as tx:
                await alive.mark(tx)
        except StorageError:
            self.takes_writes = False
            raise
        self.takes_writes = True

    async def _expire_commands(self) -> None:
        async with self._db.write() as tx:
            await commands.expire(tx)

    async def _cover_if_due(self) -> None:
        if await claims.take_turn(self._db, "cover", every=_COVER_EVERY):
            await self.cover()

    async def _purge_if_due(self) -> None:
        async with self._db.read() as tx:
            held_back = self._jumps.hold_back(tx.now)
        if not held_back and await claims.take_turn(self._db, "purge", every=_PURGE_EVERY):
            await self.purge()

    async def purge(self) -> None:
        """Clear out everything past its time, a small step at a time."""
        await self.learn()
        await self._rolling.run()  # samples that are not summed up yet are not cleared out
        await self._clearing.run()

    async def learn(self) -> None:
        """Learn how long workspaces want their rows kept."""
        async with self._db.read() as tx:
            chosen = await workspaces.retentions(tx)
        self._kept.choose(
            {
                workspace_id: replace(
                    self._kept.default,
                    **{
                        name.removesuffix("_days"): timedelta(days=days.of(its.get(name)))
                        for name, days in self._bounds.items()
                    },
                )
                for workspace_id, its in chosen.items()
            }
        )

    async def prepare(self) -> None:
        """Do what comes before any row is taken in: a place for it, and whether there is room."""
        await self.learn()
        await self.cover()
        if self._watch is not None:
            await self._watch.look()

    async def cover(self) -> None:
        """Make the partitions that rows may need soon.

        What cannot be made now is tried again every minute; until then its rows are refused.
        """
        try:
            await self._clearing.cover()
        except StorageError as error:
            _log.warning("partitions_not_made", error=str(error))
