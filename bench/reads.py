"""Scenario: what owners read, from a large database, on both engines.

Requests go one after the other over one connection, so a figure is the time one reader waits,
parsing in the client included. Beside each the raw limit: the very statements that the server
runs for that request, taken down from it, run again by the plain driver and their rows fetched; and
which indexes they go by. What is in the database is in ``filling.py``.
"""

import asyncio
import json
import logging
import re
import sqlite3
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg
import filling
import fleets
import httpx
import psutil
import sqlalchemy as sa
import structlog
from sizes import size

from moorage.kit.pages import encode_cursor
from moorage.server import create_app, load_settings
from moorage.storage import open_database

RUNS = size(60, 3)
LIST_RUNS = size(15, 2)
DRIVER_RUNS = size(15, 2)
_PAGE = 100
_PAGES = 1000
_GROWS = re.compile("telemetry|stream_(samples|rollups)|log_lines|events|device")
_SQLITE_SCAN = re.compile(r"(?:SEARCH|SCAN) (\S+)(?: USING (?:COVERING )?(\w+ \w+))?")
_PG_SCAN = re.compile(
    r'"Node Type": "([\w ]*Scan)"(?:[^{}]*?"Index Name": "([^"]+)")?'
    r'(?:[^{}]*?"Relation Name": "([^"]+)")?'
)


def run(start_server: Any, folder: Path) -> dict[str, Any]:
    """Measure; times are milliseconds."""
    return {
        "scale": filling.SCALE,
        "engines": {
            name: _measured(start_server(name, folder / name), name, folder / name)
            for name in ("sqlite", "postgresql")
        },
    }


def _measured(server: Any, name: str, folder: Path) -> dict[str, Any]:
    url = fleets.url_of(server, folder)
    one, large = (server.bootstrap(slug)["api_key"] for slug in ("acme", "large"))
    device_id, model = (_made(server.base_url, key) for key in (one, large))
    server.stop()
    filled, deep = asyncio.run(_filled(url, device_id, model))
    reads = _reads(device_id, deep)
    taken = asyncio.run(_taken_down(url, folder, {"one": one, "large": large}, reads))
    limits = _sqlite_limits(url, taken) if name == "sqlite" else asyncio.run(_limits(url, taken))
    began = time.perf_counter()
    server.start()
    started_s = time.perf_counter() - began
    try:
        figures, memory = _asked(server, {"one": one, "large": large}, reads)
    finally:
        server.stop()
    for what, limit in limits.items():
        figures[what] |= limit
    return {
        "filled": asdict(filled),
        "start_s": started_s,
        "list_memory_above_idle_mb": memory,
        "figures": figures,
    }


def _made(base_url: str, key: str) -> str:
    body = {"name": "the one", "tags": ["a", "b"]}
    auth = {"Authorization": f"Bearer {key}"}
    return str(httpx.post(f"{base_url}/v1/devices", json=body, headers=auth).json()["id"])


def _reads(device_id: str, deep: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What is asked for: {what: (whose key, path)}."""
    device = f"/acme/devices/v2/{device_id}"
    lines, events = f"{device}/logs?limit={_PAGE}", f"{device}/events?limit={_PAGE}"
    return {
        "10,000 devices in one answer": ("one", "/acme/devices/v2"),
        **{
            f"telemetry of {period}, one device": (
                "one",
                f"{device}/telemetry?time_period={period}",
            )
            for period in ("1h", "24h", "7d", "14d")
        },
        "log lines, first page": ("one", lines),
        f"log lines, page {_PAGES:,}": ("one", f"{lines}&cursor={deep['log_lines']}"),
        "events, first page": ("one", events),
        f"events, page {_PAGES:,}": ("one", f"{events}&cursor={deep['events']}"),
        f"50 of {filling.LARGE:,}, newest": ("large", "/v1/devices"),
        f"50 of {filling.LARGE:,}, by name": ("large", "/v1/devices?sort=name"),
        f"50 of {filling.LARGE:,}, offline, by name": (
            "large",
            "/v1/devices?status=offline&sort=name",
        ),
        f"50 of {filling.LARGE:,}, a tag, by name": ("large", "/v1/devices?tag=a&sort=name"),
        f"50 of {filling.LARGE:,}, a text, by name": ("large", "/v1/devices?q=host-7777&sort=name"),
        f"50 of {filling.LARGE:,}, a text that all have, by name": (
            "large",
            "/v1/devices?q=host&sort=name",
        ),
        f"50 of {filling.LARGE:,}, two letters that none has": ("large", "/v1/devices?q=zq"),
        f"50 of {filling.LARGE:,}, by last heartbeat": (
            "large",
            "/v1/devices?sort=-last_heartbeat",
        ),
        f"50 of {filling.LARGE:,}, by name, with counts": (
            "large",
            "/v1/devices?sort=name&include=counts",
        ),
    }


async def _filled(url: str, device_id: str, model: str) -> tuple[filling.Filled, dict[str, str]]:
    """Fill the database; return also the cursors that lead to the thousandth pages."""
    db = open_database(url)
    try:
        filled = await filling.fill(db, device_id, model)
        deep = {}
        for table in ("log_lines", "events"):
            last = sa.text(
                f"SELECT at, id FROM {table} WHERE device_id = '{device_id}' "
                f"ORDER BY at DESC, id DESC LIMIT 1 OFFSET {_PAGE * (_PAGES - 1) - 1}"
            )
            async with db.read() as tx:
                row = await tx.row(last)
            deep[table] = encode_cursor(row.at, row.id)
    finally:
        await db.close()
    return filled, deep


Statement = tuple[str, tuple[Any, ...]]


async def _taken_down(
    url: str, folder: Path, keys: dict[str, str], reads: dict[str, tuple[str, str]]
) -> dict[str, list[Statement]]:
    """Ask an application in this process for each thing, and take down the statements it runs."""
    sqlite = url.startswith("sqlite")
    settings = load_settings(
        data=folder / "data",
        database=url,
        keys_dir=folder / "data" / "keys" if sqlite else folder / "keys",
        rate_limits="off",
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    app = create_app(settings)
    taken: dict[str, list[Statement]] = {}
    now: list[Statement] = []

    def note(_connection, _cursor, sql, parameters, _context, _many) -> None:
        if sql.startswith("SELECT") and "FOR " not in sql:  # not what jobs do meanwhile
            now.append((sql, tuple(parameters)))

    def trace(connection, _record) -> None:  # values are in the text already
        connection.set_trace_callback(lambda sql: note(None, None, sql, (), None, None))

    # Before anything connects: a connection that is there already is not listened to.
    heard = ("connect", trace) if sqlite else ("before_cursor_execute", note)
    sa.event.listen(sa.Engine, *heard)
    try:
        async with app.running():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
                for what, (whose, path) in reads.items():
                    auth = {"Authorization": f"Bearer {keys[whose]}"}
                    (await client.get(path, headers=auth)).raise_for_status()  # now keys are known
                    now.clear()
                    (await client.get(path, headers=auth)).raise_for_status()
                    taken[what] = list(now)
    finally:
        sa.event.remove(sa.Engine, *heard)
    return taken


def _sqlite_limits(url: str, taken: dict[str, list[Statement]]) -> dict[str, dict[str, Any]]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    found = {}
    for what, statements in taken.items():

        def work(statements: list[Statement] = statements) -> None:
            for sql, parameters in statements:
                connection.execute(sql, parameters).fetchall()

        plans = [
            row[3]
            for sql, parameters in statements
            for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        ]
        used = _SQLITE_SCAN.findall("\n".join(plans))
        found[what] = {
            "driver_p50_ms": _timed(work, DRIVER_RUNS)["p50_ms"],
            "statements": len(statements),
            "by": _told(f"{table} {how}".strip() for table, how in used),
        }
    connection.close()
    return found


async def _limits(url: str, taken: dict[str, list[Statement]]) -> dict[str, dict[str, Any]]:
    connection = await asyncpg.connect(url)
    found = {}
    for what, statements in taken.items():
        took = []
        for _ in range(DRIVER_RUNS):
            began = time.perf_counter()
            for sql, parameters in statements:
                await connection.fetch(sql, *parameters)
            took.append(time.perf_counter() - began)
        plans = [
            await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *parameters)
            for sql, parameters in statements
        ]
        used = _PG_SCAN.findall("\n".join(plans))
        found[what] = {
            "driver_p50_ms": statistics.median(took) * 1000,
            "statements": len(statements),
            "by": _told(index or f"{relation} {kind}" for kind, index, relation in used),
        }
    await connection.close()
    return found


def _told(names: Any) -> list[str]:
    """Those of tables that grow, each once; a day's partition by the name of the whole."""
    whole = (re.sub(r"_p?\d{8}(?=_|\b)", "", name) for name in names)
    return sorted({name for name in whole if _GROWS.search(name)})


def _asked(
    server: Any, keys: dict[str, str], reads: dict[str, tuple[str, str]]
) -> tuple[dict[str, dict[str, Any]], float]:
    figures: dict[str, dict[str, Any]] = {}
    memory = 0.0
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        for what, (whose, path) in reads.items():
            auth = {"Authorization": f"Bearer {keys[whose]}"}
            everything = path.endswith("/devices/v2")
            if everything:
                _get(client, f"{path}/default-config", auth)
                idle = psutil.Process(server.pid).memory_info().rss
            runs = LIST_RUNS if everything else RUNS
            before = _cpu_s(server.pid)
            figures[what] = _timed(lambda path=path, auth=auth: _get(client, path, auth), runs)
            figures[what]["cpu_ms"] = (_cpu_s(server.pid) - before) / (runs + 1) * 1000
            if everything:
                memory = (_peak(server.pid) - idle) / 1e6
    return figures, memory


def _get(client: httpx.Client, path: str, auth: dict[str, str]) -> Any:
    answer = client.get(path, headers=auth)
    answer.raise_for_status()
    return json.loads(answer.content)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _peak(pid: int) -> int:
    """Bytes a process had at most, where the system keeps that; else what it has now."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) * 1024 if found else int(psutil.Process(pid).memory_info().rss)


def _timed(work: Callable[[], Any], runs: int) -> dict[str, Any]:
    work()
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    took.sort()
    return {
        "p50_ms": statistics.median(took) * 1000,
        "p99_ms": took[min(int(len(took) * 0.99), len(took) - 1)] * 1000,
    }


def table(result: dict[str, Any]) -> list[str]:
    """Return the scenario's part of the page."""
    lines = []
    for name, found in result["engines"].items():
        filled = found["filled"]
        rate = filled["rolled_up"] / filled["rolling_s"]
        lines += [
            f"## Reads from a large database, {name}",
            "",
            (
                f"{filling.DEVICES:,} and {filling.LARGE:,} devices, {filled['samples']:,} "
                f"samples, {filled['lines']:,} log lines and as many events of one device (scale "
                f"{result['scale']:g}), made in {filled['seconds']:.0f} s; {rate:,.0f} "
                f"samples a second rolled up. Ready {found['start_s']:.1f} s after start; the list "
                f"of all took at most {found['list_memory_above_idle_mb']:.0f} MB above idle. "
                f"{RUNS} requests each, parsing in the client included; the driver runs the same "
                "statements and fetches the rows."
            ),
            "",
            "| what | p50 ms | p99 ms | CPU ms | driver ms | statements | by |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {what} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f} | {one['cpu_ms']:.1f} "
            f"| {one['driver_p50_ms']:.1f} | {one['statements']} | {', '.join(one['by'])} |"
            for what, one in found["figures"].items()
        ]
        lines.append("")
    return lines
