"""Scenario: telemetry that was kept back and comes in bulk, durable when it is acknowledged.

Devices that were without a network send reports of as many samples as one may hold. A point is one
sample: a row with its time and six measures; values are those six. Beside it the raw limit: as many
rows of the same shape in as large transactions, by the plain driver over one connection, with no
validation and nothing beside the rows. SQLite by ``executemany`` with ``synchronous=FULL``;
PostgreSQL by ``executemany`` and by COPY with ``fsync``.
"""

import asyncio
import contextlib
import sqlite3
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import engines
import fleets
from generator import measured, median_of
from overload import Fleet
from sizes import size

RUNS = size(5, 1)
CONNECTIONS = size(16, 2)
REPORTS = size(12, 2)
SAMPLES = 1_000  # the most that a report may hold
MEASURES = (
    *("cpu_percent", "memory_percent", "disk_percent", "temperature_c"),
    *("network_upload_bytes_per_sec", "network_download_bytes_per_sec"),
)
_VALUES = (12.5, 41.0, 63.2, 51.5, 1200.0, 5300.0)
_COLUMNS = ("device_id", "at", "id", "received_at", *MEASURES)


class Backlog:
    """Samples of one device, a second apart, that end now; none comes twice."""

    def __init__(self) -> None:
        left = (RUNS * REPORTS + 1) * SAMPLES
        self.next = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=left)

    def __call__(self, _now: str) -> dict[str, Any]:
        first, self.next = self.next, self.next + timedelta(seconds=SAMPLES)
        times = (first + timedelta(seconds=at) for at in range(SAMPLES))
        measures = dict(zip(MEASURES, _VALUES, strict=True))
        return {
            "telemetry": [{"at": f"{at:%Y-%m-%dT%H:%M:%S}.000Z", **measures} for at in times],
            "backfill": True,
        }


def run(start_server: Any, postgres: Any) -> dict[str, Any]:
    def on(server: Any, folder: Path) -> dict[str, Any]:
        return _measured(server, folder, postgres)

    return {
        "connections": CONNECTIONS,
        "samples_per_report": SAMPLES,
        "points_per_run": CONNECTIONS * REPORTS * SAMPLES,
        "runs": RUNS,
        "figures": engines.on_each(start_server, on),
    }


def _measured(server: Any, folder: Path, postgres: Any) -> dict[str, Any]:
    fleet = Fleet(server, "points", CONNECTIONS)
    backlogs = [Backlog() for _ in fleet.devices]
    runs: list[dict[str, Any]] = []
    limits: dict[str, list[float]] = {}
    for turn in range(RUNS):
        requests = [
            [device.request(backlog) for _ in range(REPORTS)]
            for device, backlog in zip(fleet.devices, backlogs, strict=True)
        ]
        found = measured(
            server.pid, server.port, requests, folder, database_pid=server.database_pid
        )
        runs.append(found)
        for name, rate in _raw(server, folder, postgres, turn).items():
            limits.setdefault(name, []).append(rate)
    middle = median_of(runs)
    return {
        "sent": RUNS * CONNECTIONS * REPORTS * SAMPLES,
        "stored": _stored(server, postgres),
        "points_per_second": middle["per_second"] * SAMPLES,
        "p50_ms": middle["p50_ms"],
        "p99_ms": middle["p99_ms"],
        "server_cpu_us_per_point": middle["server_cpu_us_per_request"] / SAMPLES,
        "server_mb": middle["server_mb"],
        "refused": middle["refused"],
        "errors": middle["errors"],
        "limits": {name: statistics.median(rates) for name, rates in limits.items()},
    }


def _stored(server: Any, postgres: Any) -> int:
    """How many samples there are: what was acknowledged must be, and once."""
    count = "SELECT count(*) FROM telemetry_samples"
    url = fleets.url_of(server, server.folder)
    if server.database_pid is not None:
        return int(postgres.run_sql(count, url.rpartition("/")[2]))
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return int(connection.execute(count).fetchone()[0])


def _rows(turn: int, number: int) -> list[tuple[Any, ...]]:
    """What one report becomes."""
    first = (turn * CONNECTIONS * REPORTS + number) * SAMPLES
    device = f"dev_{number % CONNECTIONS:024x}"
    return [(device, first + at, first + at, first + at, *_VALUES) for at in range(SAMPLES)]


def _raw(server: Any, folder: Path, postgres: Any, turn: int) -> dict[str, float]:
    """Rows a second by the plain driver, as many as a run of ours and as many a commit."""
    if server.database_pid is None:
        return {"executemany, SQLite's driver": _sqlite(folder / "raw.db", turn)}
    with contextlib.suppress(RuntimeError):  # it is there from the turn before
        postgres.run_sql("CREATE DATABASE raw")
    return asyncio.run(_postgresql(postgres.url("raw"), turn))


def _table(name: str, text: str, whole: str, real: str) -> str:
    columns = f"device_id {text}, at {whole}, id {whole}, received_at {whole}"
    measures = ", ".join(f"{measure} {real}" for measure in MEASURES)
    return (
        f"CREATE TABLE IF NOT EXISTS {name} ({columns}, {measures}, "
        "PRIMARY KEY (device_id, at, id))"
    )


def _sqlite(path: Path, turn: int) -> float:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(_table("samples", "TEXT", "INTEGER", "REAL") + " WITHOUT ROWID")
        batches = [_rows(turn, number) for number in range(CONNECTIONS * REPORTS)]
        insert = f"INSERT INTO samples VALUES ({', '.join('?' * len(_COLUMNS))})"
        began = time.perf_counter()
        for batch in batches:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, batch)
            connection.execute("COMMIT")
        return len(batches) * SAMPLES / (time.perf_counter() - began)


async def _postgresql(url: str, turn: int) -> dict[str, float]:
    connection = await asyncpg.connect(url)
    batches = [_rows(turn, number) for number in range(CONNECTIONS * REPORTS)]
    places = ", ".join(f"${at + 1}" for at in range(len(_COLUMNS)))
    found = {}
    try:
        for name in ("many", "copied"):
            await connection.execute(_table(name, "text", "bigint", "double precision"))
            began = time.perf_counter()
            for batch in batches:
                if name == "copied":
                    await connection.copy_records_to_table(name, records=batch, columns=_COLUMNS)
                else:  # all of them in one transaction
                    await connection.executemany(f"INSERT INTO {name} VALUES ({places})", batch)
            found[name] = len(batches) * SAMPLES / (time.perf_counter() - began)
    finally:
        await connection.close()
    return {"executemany, asyncpg": found["many"], "COPY, asyncpg": found["copied"]}


def table(scenario: dict[str, Any]) -> list[str]:
    """Return the scenario's part of the page."""
    lines = [
        f"## Telemetry in bulk, {scenario['connections']} connections, one process",
        "",
        (
            f"Reports of {scenario['samples_per_report']:,} samples each, durable when they are "
            f"acknowledged; medians of {scenario['runs']} runs of "
            f"{scenario['points_per_run']:,} samples. A point is a sample with its time and six "
            "measures; a value is one of these. The drivers write as many rows in as large "
            "transactions over one connection, with nothing beside the rows."
        ),
        "",
        (
            "| what | points a second | values a second | p50 ms | p99 ms "
            "| server CPU µs a point | server MB | stored of sent | refused | errors |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for engine, one in scenario["figures"].items():
        rate = one["points_per_second"]
        lines.append(
            f"| {engine} | {rate:,.0f} | {rate * len(MEASURES):,.0f} | {one['p50_ms']:.0f} "
            f"| {one['p99_ms']:.0f} | {one['server_cpu_us_per_point']:.1f} "
            f"| {one['server_mb']:.0f} | {one['stored']:,} of {one['sent']:,} "
            f"| {one['refused']} | {one['errors']} |"
        )
        lines += [
            f"| {name} | {limit:,.0f} | {limit * len(MEASURES):,.0f} | | | | | | | |"
            for name, limit in one["limits"].items()
        ]
    return [*lines, ""]
