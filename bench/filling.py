"""A large database in minutes: rows made by the engine itself out of numbers, nothing sent to it.

What is in it at scale 1: a workspace of 10,000 devices with a day of samples every 30 s each
(28.8 million), rolled up; one of them with 14 days of samples, 5 million log lines and 5 million
events; and a workspace of 100,000 devices. ``BENCH_SCALE=0.05`` makes a twentieth of all but the
10,000 devices, and at least so many lines and events that there is a thousandth page;
``BENCH_LARGE=100000`` leaves the large workspace as it is.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sizes import size

from moorage.core import rollups, telemetry
from moorage.core.timeline import BY_DAY
from moorage.kit.clock import from_ms
from moorage.storage import Database, Tx, metadata, partitions

SCALE = float(os.environ.get("BENCH_SCALE", size("1", "0.0001")))
DEVICES = size(10_000, 500)
LARGE = int(os.environ.get("BENCH_LARGE", "0")) or max(int(100_000 * SCALE), 5_000)
LINES = max(int(5_000_000 * SCALE), 110_000)  # a thousand pages of a hundred are to be there
DAY_MS = 86_400_000
EVERY_MS = 30_000
DAYS = 14
_A_DAY = DAY_MS // EVERY_MS
_DEVICES_A_STEP = 200
_ROWS_A_STEP = 250_000


@dataclass(frozen=True)
class Filled:
    """How many rows there are, and how long it took to make and to roll up so many samples."""

    samples: int
    lines: int
    events: int
    seconds: float
    rolled_up: int
    rolling_s: float


class Words:
    """What has to be said differently to each engine."""

    def __init__(self, engine: str) -> None:
        self.sqlite = engine == "sqlite"

    def series(self, name: str, first: int, last: int) -> str:
        if self.sqlite:
            rest = f"UNION ALL SELECT n + 1 FROM {name} WHERE n < {last}"
            return f"{name}(n) AS (SELECT {first} {rest})"
        return f"{name}(n) AS (SELECT generate_series(CAST({first} AS bigint), {last}))"

    def device_id(self, number: str) -> str:
        if self.sqlite:
            return f"printf('dev_%024x', {number})"
        return f"'dev_' || lpad(to_hex({number}), 24, '0')"


async def fill(db: Database, device_id: str, model_of_large: str) -> Filled:
    """Fill a migrated database in which these two devices were made, one in each workspace."""
    words = Words(db.engine.name)
    for table in BY_DAY:
        await _cover(db, words, table)
    began = time.perf_counter()
    async with db.write() as tx:
        now = int(tx.now.timestamp() * 1000)
        await _copy_devices(tx, words, device_id, 1, DEVICES - 1)
        await _copy_devices(tx, words, model_of_large, DEVICES, DEVICES + LARGE - 2)
        await _heard_of(tx, words, now)
    others = max(int(DEVICES * SCALE), 20) - 1
    for first in range(1, others + 1, _DEVICES_A_STEP):
        last = min(first + _DEVICES_A_STEP - 1, others)
        async with db.write() as tx:
            await _samples(tx, words, (first, last), None, now - DAY_MS, _A_DAY)
    async with db.write() as tx:
        await _samples(tx, words, None, device_id, now - DAYS * DAY_MS, DAYS * _A_DAY)
    for first in range(0, LINES, _ROWS_A_STEP):
        last = min(first + _ROWS_A_STEP, LINES) - 1
        async with db.write() as tx:
            await _lines(tx, words, device_id, now, (first, last))
            await _events(tx, words, device_id, now, (first, last))
    took = time.perf_counter() - began
    began = time.perf_counter()
    rolled = await _roll_up(db, device_id, others, now)
    if not words.sqlite:
        async with db.write() as tx:
            await _run(tx, "ANALYZE")
    samples = others * _A_DAY + DAYS * _A_DAY
    return Filled(samples, LINES, LINES, took, rolled, time.perf_counter() - began)


async def fill_devices(db: Database, device_id: str, count: int) -> None:
    """Make a workspace's one device ``count`` of them, and nothing else."""
    words = Words(db.engine.name)
    async with db.write() as tx:
        await _copy_devices(tx, words, device_id, 1, count - 1)
        await _heard_of(tx, words, int(tx.now.timestamp() * 1000))
    if not words.sqlite:
        async with db.write() as tx:
            await _run(tx, "ANALYZE")


async def _heard_of(tx: Tx, words: Words, now: int) -> None:
    """Most of a fleet is there; of the others some are late, some gone, some never came."""
    await _run(
        tx,
        f"UPDATE device_presence SET last_heartbeat_at = CASE abs({_digits(words)}) % 20 "
        f"WHEN 0 THEN NULL WHEN 1 THEN {now - 3_600_000} WHEN 2 THEN {now - 60_000} "
        f"ELSE {now} - abs({_digits(words)}) % 20000 END",
    )


async def _cover(db: Database, words: Words, table: str) -> None:
    """Make a table for each day, as if the server had been running all the while."""
    async with db.write() as tx:
        day = int(tx.now.timestamp() * 1000) // DAY_MS * DAY_MS - (DAYS + 1) * DAY_MS
        for one in [] if words.sqlite else await partitions.list_partitions(tx, table):
            if one.start_ms is None:
                await _run(tx, f"DROP TABLE {one.name}")
                await _run(
                    tx,
                    f"CREATE TABLE {table}_{from_ms(day):%Y%m%d} PARTITION OF {table} "
                    f"FOR VALUES FROM ({day}) TO ({day + DAY_MS})",
                )
    await partitions.cover(db, table, since=from_ms(day))


async def _run(tx: Tx, sql: str) -> None:
    await tx.run(sa.text(sql.replace(":", r"\:")))


def _digits(words: Words) -> str:
    """A number that differs from device to device."""
    if words.sqlite:
        return "unicode(substr(device_id, -1)) * 31 + unicode(substr(device_id, -2)) * 17"
    return "ascii(right(device_id, 1)) * 31 + ascii(right(device_id, 2)) * 17"


async def _copy_devices(tx: Tx, words: Words, model: str, first: int, last: int) -> None:
    """Copy a device's rows, as the server made them."""
    for table in ("devices", "device_presence", "device_tags"):
        columns = [column.name for column in metadata.tables[table].columns]
        key = "id" if table == "devices" else "device_id"
        chosen = {key: words.device_id("s.n")}
        if table == "devices":
            chosen["name"] = "'device ' || (s.n * 7919 % 1000003)"
            chosen["hostname"] = "'host-' || s.n"
        parts = ", ".join(chosen.get(column, f"t.{column}") for column in columns)
        await _run(
            tx,
            f"WITH RECURSIVE {words.series('s', first, last)} "
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {parts} "
            f"FROM s CROSS JOIN {table} t WHERE t.{key} = '{model}'",
        )


async def _samples(  # noqa: PLR0913 - whose, since when, how many
    tx: Tx,
    words: Words,
    numbers: tuple[int, int] | None,
    device_id: str | None,
    since: int,
    count: int,
) -> None:
    device = f"'{device_id}'" if numbers is None else words.device_id("d.n")
    series = [words.series("s", 0, count - 1)]
    source = "s"
    if numbers is not None:
        series.insert(0, words.series("d", *numbers))
        source = "d CROSS JOIN s"
    wave = "10.5 + s.n * 37 % 800 / 10.0"
    await _run(
        tx,
        f"WITH RECURSIVE {', '.join(series)} INSERT INTO telemetry_samples (device_id, at, id, "
        "received_at, cpu_percent, memory_percent, disk_percent, temperature_c, "
        "network_upload_bytes_per_sec, network_download_bytes_per_sec) "
        f"SELECT {device}, {since} + s.n * {EVERY_MS}, s.n, {since} + s.n * {EVERY_MS}, "
        f"{wave}, 41.5, 63.25, 51.5 + s.n % 7, 1200.0 + s.n % 500, 5300.0 FROM {source}",
    )


async def _lines(tx: Tx, words: Words, device_id: str, now: int, numbers: tuple[int, int]) -> None:
    every = 6 * DAY_MS // LINES
    await _run(
        tx,
        f"WITH RECURSIVE {words.series('s', *numbers)} INSERT INTO log_lines (device_id, at, id, "
        f"received_at, service, severity, message) SELECT '{device_id}', {now} - s.n * {every}, "
        f"s.n, {now} - s.n * {every}, 'inference', 'info', "
        "'frame ' || s.n || ' of a day of work, in 31 ms' FROM s",
    )


async def _events(tx: Tx, words: Words, device_id: str, now: int, numbers: tuple[int, int]) -> None:
    every = 80 * DAY_MS // LINES
    await _run(
        tx,
        f"WITH RECURSIVE {words.series('s', *numbers)} INSERT INTO events (device_id, at, id, "
        "received_at, workspace_id, live, event_id, event, entity_type, entity_id, metadata) "
        f"SELECT d.id, {now} - s.n * {every}, {LINES} - s.n, {now} - s.n * {every}, "
        "d.workspace_id, d.live, 'evt_' || s.n, 'part.counted', 'device', d.id, '{}' "
        f"FROM s CROSS JOIN devices d WHERE d.id = '{device_id}'",
    )


async def _roll_up(db: Database, device_id: str, others: int, now: int) -> int:
    """Roll everything up by the job's own statements; return how many samples that were."""
    async with db.write() as tx:
        await rollups.note_late(tx, [])  # where it begins: the hour that is
        rows = await tx.rows(
            sa.text(f"SELECT id FROM devices WHERE id <= '{_last_id(others)}' ORDER BY id")
        )
    hour = rollups.hour_of(from_ms(now))
    spans = [(row.id, hour - timedelta(days=1, hours=1), hour) for row in rows]
    for at in range(0, len(spans), 20):
        await _roll_up_some(db, spans[at : at + 20])
    for day in range(DAYS + 1):
        end = hour - timedelta(days=day)
        await _roll_up_some(db, [(device_id, end - timedelta(days=1), end)])
    return len(rows) * _A_DAY + DAYS * _A_DAY


async def _roll_up_some(db: Database, spans: Sequence[rollups.Span]) -> None:
    async with db.write() as tx:
        await telemetry.roll_up(tx, spans)


def _last_id(number: int) -> str:
    return f"dev_{number:024x}"
