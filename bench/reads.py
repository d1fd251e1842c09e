"""Scenario: what owners read, from a large database.

In the tables: 10,000 devices, a day of samples of each (every five minutes; of the one that is
read, every 30 s), 100,000 log lines of one device. Requests go one after the other over one
connection, so a figure is the time one reader waits.
"""

import math
import sqlite3
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

DEVICES = 10_000
LINES = 100_000
RUNS = 7
_DAY_MS = 86_400_000


def run(start_server: Any, folder: Path) -> dict[str, Any]:
    """Measure on SQLite; every figure is a median in milliseconds."""
    server = start_server("sqlite", folder)
    auth = {"Authorization": f"Bearer {server.bootstrap()['api_key']}"}
    device_id = _made(server.base_url, auth)
    server.stop()
    rows = _filled(folder / "data" / "db" / "moorage.db", device_id)
    began = time.perf_counter()
    server.start()
    started_s = time.perf_counter() - began
    process = psutil.Process(server.pid)
    try:
        with httpx.Client(base_url=server.base_url, headers=auth, timeout=60) as client:
            client.get("/v1/devices?limit=1")
            idle = process.memory_info().rss
            figures = {
                name: _timed(lambda path=path: _get(client, path))
                for name, path in {
                    "10,000 devices in one answer": "/acme/devices/v2",
                    "a page of 50 devices, by name, with counts": (
                        "/v1/devices?sort=name&include=counts"
                    ),
                    "telemetry of a day, one device": (
                        f"/acme/devices/v2/{device_id}/telemetry?time_period=24h"
                    ),
                    "first page of 100 of 100,000 lines": (
                        f"/acme/devices/v2/{device_id}/logs?limit=100"
                    ),
                }.items()
            }
            figures["five pages of 1,000 of 100,000 lines, all five"] = _timed(
                lambda: _pages(client, f"/acme/devices/v2/{device_id}/logs?limit=1000", 5)
            )
            figures["one page of 100, a thousand pages deep"] = _deep(
                client, f"/acme/devices/v2/{device_id}/logs?limit=100", 999
            )
            peak = process.memory_info().rss
    finally:
        server.stop()
    return {
        "rows": rows,
        "start_s": started_s,
        "memory_above_idle_mb": (peak - idle) / 1e6,
        "figures": figures,
    }


def _made(base_url: str, auth: dict[str, str]) -> str:
    with httpx.Client(base_url=base_url, headers=auth) as client:
        made = client.post("/v1/devices", json={"name": "the one", "tags": ["a", "b"]})
        return str(made.json()["id"])


def _filled(path: Path, device_id: str) -> int:
    """Copy the one device's rows ten thousand times; all tables as the server made them."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous=OFF")
    others = [f"dev_{number:024x}" for number in range(1, DEVICES)]
    for table in ("devices", "device_presence", "device_tags"):
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        key = "id" if table == "devices" else "device_id"
        chosen = ", ".join("?" if column == key else column for column in columns)
        db.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) "
            f"SELECT {chosen} FROM {table} WHERE {key} = ?",
            ((other, device_id) for other in others),
        )
    db.execute("UPDATE devices SET name = 'device ' || substr(id, -6) WHERE id <> ?", (device_id,))
    db.execute("UPDATE device_presence SET last_heartbeat_at = ?", (now,))
    samples = (
        "INSERT INTO telemetry_samples (device_id, at, id, received_at, cpu_percent, "
        "memory_percent, temperature_c) VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    for every_s, ids in ((300, others), (30, [device_id])):
        db.executemany(
            samples,
            (
                (one, at, number, at, 10 + 5 * math.sin(at), 40.0, 50.0)
                for one in ids
                for number, at in enumerate(range(now - _DAY_MS, now, every_s * 1000))
            ),
        )
    db.executemany(
        "INSERT INTO log_lines (device_id, at, id, received_at, service, severity, message) "
        "VALUES (?, ?, ?, ?, 'inference', 'info', ?)",
        (
            (device_id, at := now - number * 800, number, at, f"line {number} of a day's work")
            for number in range(LINES)
        ),
    )
    db.commit()
    (total,) = db.execute("SELECT count(*) FROM telemetry_samples").fetchone()
    db.close()
    return int(total)


def _get(client: httpx.Client, path: str) -> Any:
    answer = client.get(path)
    answer.raise_for_status()
    return answer.json()


def _timed(work: Callable[[], Any]) -> float:
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _pages(client: httpx.Client, path: str, count: int) -> str | None:
    cursor = None
    for _ in range(count):
        more = "" if cursor is None else f"&cursor={cursor}"
        cursor = _get(client, path + more)["pagination"]["next_cursor"]
    return cursor


def _deep(client: httpx.Client, path: str, pages: int) -> float:
    cursor = _pages(client, path, pages)
    return _timed(lambda: _get(client, f"{path}&cursor={cursor}"))


def table(result: dict[str, Any]) -> list[str]:
    """Return the scenario's part of the page."""
    lines = [
        "## Reads from a large database, SQLite",
        "",
        (
            f"{DEVICES:,} devices, {result['rows']:,} samples, {LINES:,} log lines of one device; "
            f"median of {RUNS} requests, one after the other, parsing in the client included. "
            f"Ready {result['start_s']:.1f} s after start; at most "
            f"{result['memory_above_idle_mb']:.0f} MB above idle after all of it."
        ),
        "",
        "| what | ms |",
        "|---|---|",
    ]
    lines += [f"| {name} | {took:.1f} |" for name, took in result["figures"].items()]
    return [*lines, ""]
