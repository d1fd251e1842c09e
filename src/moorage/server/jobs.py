"""What the server does by itself: its alive-mark, and clearing out what is past its time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from moorage.core import (
    audit,
    commands,
    devices,
    events,
    logs,
    provisioning,
    reports,
    streams,
    telemetry,
)
from moorage.ingest import Retention
from moorage.storage import Database, StorageError, Tx, alive, announcements, claims, idempotency

_log = structlog.get_logger("moorage.jobs")
_PURGE_EVERY = timedelta(hours=1)
_LOOK_EVERY_S = 60.0
# One step's rows: small enough that reports do not wait for it noticeably.
_STEP_ROWS = 500
_STEP_DEVICES = 50
_PAUSE_S = 0.05


class Jobs:
    """The loop; every server runs it, claims decide who acts."""

    def __init__(self, db: Database, retention: Retention) -> None:
        """Keep the parts."""
        self._db = db
        self._retention = retention
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        period = alive.PERIOD.total_seconds()
        self._tasks = [
            asyncio.create_task(self._forever(self._mark_alive, period), name="alive-mark"),
            asyncio.create_task(self._forever(self._expire_commands, 5.0), name="expire"),
            asyncio.create_task(self._forever(self._purge_if_due, _LOOK_EVERY_S), name="purge"),
        ]

    async def stop(self) -> None:
        """End, after the step that runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forever(self, job: Callable[[], Awaitable[None]], every_s: float) -> None:
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
        async with self._db.write() as tx:
            await alive.mark(tx)

    async def _expire_commands(self) -> None:
        async with self._db.write() as tx:
            await commands.expire(tx)

    async def _purge_if_due(self) -> None:
        async with self._db.write() as tx:
            due = await claims.claim(tx, "purge", every=_PURGE_EVERY)
        if due:
            await self.purge()

    async def purge(self) -> None:
        """Clear out everything past its time, a small step at a time."""
        await self._repeat(lambda tx: announcements.purge(tx, rows=_STEP_ROWS))
        await self._repeat(lambda tx: idempotency.purge(tx, rows=_STEP_ROWS))
        await self._repeat(lambda tx: provisioning.purge_tokens(tx, _STEP_ROWS))
        await self._repeat(lambda tx: provisioning.purge_attempts(tx, _STEP_ROWS))
        await self._repeat(lambda tx: streams.purge_snapshots(tx, _STEP_ROWS))
        await self._repeat(lambda tx: reports.purge_ledger(tx, _STEP_ROWS))
        audit_kept = self._retention.audit
        await self._repeat(lambda tx: audit.purge(tx, tx.now - audit_kept, _STEP_ROWS))
        await self._purge_remains()
        after = ""
        while True:
            async with self._db.read() as tx:
                device_ids = await devices.ids_after(tx, after, _STEP_DEVICES)
            if not device_ids:
                return
            await self._purge_devices(list(device_ids))
            after = device_ids[-1]

    async def _purge_devices(self, device_ids: list[str]) -> None:
        kept = self._retention
        for purge, age in (
            (telemetry.purge, kept.telemetry),
            (streams.purge, kept.telemetry),
            (logs.purge, kept.logs),
            (events.purge, kept.events),
        ):

            async def step(tx: Tx, purge: _Purge = purge, age: timedelta = age) -> int:
                return await purge(tx, device_ids, before=tx.now - age, rows=_STEP_ROWS)

            await self._repeat(step)
        async with self._db.write() as tx:
            await reports.purge(tx, device_ids, checkpoints_before=tx.now - kept.telemetry)

    async def _purge_remains(self) -> None:
        """Delete the append-only rows of retired devices."""
        while True:
            async with self._db.read() as tx:
                device_ids = list(await devices.unpurged_remains(tx, _STEP_DEVICES))
            if not device_ids:
                return
            await self._purge_remains_of(device_ids)

    async def _purge_remains_of(self, device_ids: list[str]) -> None:
        for purge in (telemetry.purge, streams.purge, logs.purge, events.purge):

            async def step(tx: Tx, purge: _Purge = purge) -> int:
                return await purge(tx, device_ids, before=None, rows=_STEP_ROWS)

            await self._repeat(step)
        async with self._db.write() as tx:
            await devices.purge_tombstones(tx, device_ids)

    async def _repeat(self, step: Callable[[Tx], Awaitable[int]]) -> None:
        while True:
            async with self._db.write() as tx:
                gone = await step(tx)
            if gone < _STEP_ROWS:
                return
            await asyncio.sleep(_PAUSE_S)


_Purge = Callable[..., Awaitable[int]]
