"""Clearing out what is past its time: whole days where the engine has them, else small steps.

A step never keeps the writer for long: how many rows it takes follows from how long the last one
took. Where days are tables of their own, they are made here ahead of time, too.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from moorage.core import (
    accounts,
    audit,
    devices,
    events,
    logs,
    provisioning,
    reports,
    rollups,
    streams,
    telemetry,
    timeline,
)
from moorage.ingest import Kept, Retention
from moorage.storage import Database, StorageError, Tx, announcements, idempotency, partitions
from moorage.storage.folding import fold

_log = structlog.get_logger("moorage.jobs")
# What a step aims at, and what it is never to take: reports wait that long at most.
_AIM_S = 0.02
_AIM_ALONE_S = 0.2
LONGEST_S = 0.05
_FIRST_ROWS = 100
_FEWEST_ROWS, _MOST_ROWS = 5, 2_000
_STEP_DEVICES = 50
_PAUSE_S = 0.02
_FOLD_EVERY_STEPS = 8


@dataclass(frozen=True)
class _Kind:
    """Rows of devices that go by age: their table, how long they are kept, who deletes them."""

    table: str
    age: Callable[[Retention], timedelta]
    purge: Callable[..., Awaitable[int]]


def _fine(kept: Retention) -> timedelta:
    return max(kept.telemetry_5min, kept.telemetry)


def _hourly(kept: Retention) -> timedelta:
    return max(kept.telemetry_hourly, kept.telemetry)


_KINDS = (
    _Kind("telemetry_samples", lambda kept: kept.telemetry, telemetry.purge),
    _Kind("stream_samples", lambda kept: kept.telemetry, streams.purge),
    *(
        _Kind(table, age, partial(purge, width=width))
        for table, purge in (
            ("telemetry_rollups", telemetry.purge_rollups),
            ("stream_rollups", streams.purge_rollups),
        )
        for age, width in ((_fine, rollups.FINE), (_hourly, rollups.HOUR))
    ),
    _Kind("log_lines", lambda kept: kept.logs, logs.purge),
    _Kind("events", lambda kept: kept.events, events.purge),
)
# What is not summed up yet stays; row by row their own ``purge`` sees to it.
_SUMMED_UP = frozenset({"telemetry_samples", "stream_samples"})
_BY_DAY = tuple(kind for kind in _KINDS if kind.table in timeline.BY_DAY)


def _by_rows(purge: Callable[..., Awaitable[int]]) -> Callable[[Tx, int], Awaitable[int]]:
    """Take a function whose ``rows`` go by name as a step."""
    return lambda tx, rows: purge(tx, rows=rows)


@dataclass
class Stride:
    """How many rows a step takes: as many as go in the time aimed at."""

    rows: int = field(default_factory=lambda: _FIRST_ROWS)
    aim_s: float = _AIM_S

    def note(self, gone: int, seconds: float) -> None:
        """Learn from a step that deleted ``gone`` rows in so many seconds, commit included."""
        if seconds > self.aim_s:
            # At once, and by as much as it was too long; but a single slow disk is not believed.
            wanted = int(self.rows * max(self.aim_s / seconds, 0.2))
        elif gone >= self.rows and seconds < self.aim_s / 2:
            wanted = self.rows * 2
        else:
            return
        self.rows = min(max(wanted, _FEWEST_ROWS), _MOST_ROWS)


@dataclass
class Cleared:
    """What clearing out has done since the server began: for the log and for metrics."""

    rows: int = 0
    days: int = 0
    steps: int = 0
    longest_s: float = 0.0

    def note(self, gone: int, seconds: float) -> None:
        """Count a step."""
        self.rows += gone
        self.steps += 1
        self.longest_s = max(self.longest_s, seconds)


class Clearing:
    """One server's share of the work; that only one is at it is for its caller to see to."""

    def __init__(self, db: Database, kept: Kept) -> None:
        """Keep the parts."""
        self._db = db
        self._kept = kept
        self._strides: dict[str, Stride] = {}
        # On PostgreSQL nobody waits for a step; it is short only so that its locks are.
        self._waited_for = not partitions.is_partitioned(db)
        self._aim_s = _AIM_S if self._waited_for else _AIM_ALONE_S
        self.cleared = Cleared()

    async def cover(self) -> None:
        """See to it that every row that may come has a partition to go to."""
        now = await self._now()
        longest = self._kept.longest()
        for kind in _BY_DAY:
            since = now - kind.age(longest) - partitions.DAY
            made = await partitions.cover(self._db, kind.table, since=since)
            if made:
                _log.info("partitions_made", table=kind.table, count=len(made), last=made[-1])

    async def run(self) -> None:
        """Clear out everything past its time."""
        await self._drop_days()
        await self._repeat("announcements", _by_rows(announcements.purge))
        await self._repeat("idempotent_answers", _by_rows(idempotency.purge))
        await self._repeat("install_tokens", provisioning.purge_tokens)
        await self._repeat("install_attempts", provisioning.purge_attempts)
        await self._repeat("account_sessions", accounts.purge)
        await self._repeat("stream_snapshots", streams.purge_snapshots)
        await self._repeat("report_ledger", reports.purge_ledger)
        await self._clear_audit()
        await self._clear_remains()
        await self._clear_devices()

    # --- whole days

    async def _drop_days(self) -> None:
        """Drop what everybody's time is past; a workspace with less time has its rows deleted."""
        now = await self._now()
        longest = self._kept.longest()
        for kind in _BY_DAY:
            try:
                before = now - kind.age(longest)
                if kind.table in _SUMMED_UP:
                    async with self._db.read() as tx:
                        before = await rollups.kept_until(tx, before)
                gone = await partitions.drop_before(self._db, kind.table, before)
            except StorageError as error:
                # Somebody reads for very long, perhaps; what is left goes with the next turn.
                _log.warning("partitions_not_dropped", table=kind.table, error=str(error))
                continue
            if gone:
                self.cleared.days += len(gone)
                _log.info("partitions_dropped", table=kind.table, names=gone)

    async def _whole_since(self) -> dict[str, datetime | None]:
        return {
            kind.table: await partitions.whole_since(self._db, kind.table)
            if kind in _BY_DAY
            else None
            for kind in _KINDS
        }

    # --- row by row

    async def _clear_audit(self) -> None:
        own = self._kept.by_workspace()

        async def rest(tx: Tx, rows: int) -> int:
            before = tx.now - self._kept.default.audit
            return await audit.purge(tx, before, rows, but=list(own))

        await self._repeat("audit_entries", rest)
        for workspace_id, kept in own.items():

            async def its(
                tx: Tx, rows: int, workspace_id: str = workspace_id, kept: Retention = kept
            ) -> int:
                return await audit.purge(tx, tx.now - kept.audit, rows, of=workspace_id)

            await self._repeat("audit_entries", its)

    async def _clear_devices(self) -> None:
        since = await self._whole_since()
        after = ""
        while True:
            async with self._db.read() as tx:
                found = await devices.owned_after(tx, after, _STEP_DEVICES)
            if not found:
                return
            groups: dict[Retention, list[str]] = {}
            for device_id, workspace_id in found:
                groups.setdefault(self._kept.of(workspace_id), []).append(device_id)
            for kept, device_ids in groups.items():
                await self._clear_some(device_ids, kept, since)
            after = found[-1][0]

    async def _clear_some(
        self, device_ids: list[str], kept: Retention, since: dict[str, datetime | None]
    ) -> None:
        now = await self._now()
        for kind in _KINDS:
            oldest, age = since[kind.table], kind.age(kept)
            if oldest is not None and oldest >= now - age - partitions.DAY:
                continue  # what is left of the day that is running out goes with the day

            async def step(tx: Tx, rows: int, kind: _Kind = kind, age: timedelta = age) -> int:
                return await kind.purge(tx, device_ids, before=tx.now - age, rows=rows)

            await self._repeat(kind.table, step)
        async with self._db.write() as tx:
            await reports.purge(tx, device_ids, checkpoints_before=tx.now - kept.telemetry)

    async def _clear_remains(self) -> None:
        """Delete the append-only rows of retired devices."""
        while True:
            async with self._db.read() as tx:
                device_ids = list(await devices.unpurged_remains(tx, _STEP_DEVICES))
            if not device_ids:
                return
            await self._clear_remains_of(device_ids)

    async def _clear_remains_of(self, device_ids: Sequence[str]) -> None:
        for kind in _KINDS:

            async def step(tx: Tx, rows: int, kind: _Kind = kind) -> int:
                return await kind.purge(tx, device_ids, before=None, rows=rows)

            await self._repeat(kind.table, step)
        async with self._db.write() as tx:
            await devices.purge_tombstones(tx, device_ids)

    async def _repeat(self, table: str, step: Callable[[Tx, int], Awaitable[int]]) -> None:
        """Take step after step until one finds less than it could take."""
        stride = self._strides.setdefault(table, Stride(aim_s=self._aim_s))
        while True:
            rows = stride.rows
            async with self._db.write() as tx:
                began = time.perf_counter()
                gone = await step(tx, rows)
            took = time.perf_counter() - began
            self.cleared.note(gone, took)
            if took > LONGEST_S and self._waited_for:
                _log.warning(
                    "clearing_step_long", table=table, rows=gone, took_ms=round(took * 1000)
                )
            stride.note(gone, took)
            if gone < rows:
                return
            if self.cleared.steps % _FOLD_EVERY_STEPS == 0:
                await fold(self._db)
            # No more than half of the writer's time is for this.
            await asyncio.sleep(max(_PAUSE_S, took))

    async def _now(self) -> datetime:
        async with self._db.read() as tx:
            return tx.now
