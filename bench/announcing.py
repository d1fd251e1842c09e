"""Scenario: what telling other servers of a change costs the transactions that change something.

Writers, each on a connection of its own, insert one row a transaction into a durable PostgreSQL.
Beside the bare insert: NOTIFY inside the transaction, and our way, which is a second row in the
transaction and one NOTIFY for all that were committed meanwhile, on a connection that does not wait
for the disk. One listener hears all of it. In turns, the median of the runs.
"""

import asyncio
import contextlib
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from sizes import size

WRITERS = size(16, 4)
SECONDS = size(2.0, 0.3)
RUNS = size(5, 1)
_TOPIC = "device:dev_0123456789abcdef0123"
Way = Callable[[Any, list[str]], Awaitable[None]]


async def bare(connection: Any, _told: list[str]) -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO changes VALUES ($1, $2)", uuid.uuid4().hex, "x" * 200)


async def notify_inside(connection: Any, _told: list[str]) -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO changes VALUES ($1, $2)", uuid.uuid4().hex, "x" * 200)
        await connection.execute("SELECT pg_notify('bench', $1)", _TOPIC)


async def row_inside(connection: Any, told: list[str]) -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO changes VALUES ($1, $2)", uuid.uuid4().hex, "x" * 200)
        await connection.execute("INSERT INTO told (topic) VALUES ($1)", _TOPIC)
    told.append(_TOPIC)


WAYS: dict[str, Way] = {
    "bare insert": bare,
    "with NOTIFY in the transaction": notify_inside,
    "with a row, NOTIFY after the commit": row_inside,
}


async def _sender(connection: Any, told: list[str]) -> None:
    while True:
        await asyncio.sleep(0.01)
        if told:
            gone, told[:] = "\n".join(set(told)), []
            await connection.execute("SELECT pg_notify('bench', $1)", gone)


async def _measured(url: str, way: Way) -> float:
    opened = [await asyncpg.connect(url) for _ in range(WRITERS + 2)]
    listener, announcer, *writers = opened
    told: list[str] = []
    await listener.add_listener("bench", lambda *_: None)
    await announcer.execute("SET synchronous_commit = off")
    sending = asyncio.create_task(_sender(announcer, told))
    until = time.perf_counter() + SECONDS

    async def write(connection: Any) -> int:
        done = 0
        while time.perf_counter() < until:
            await way(connection, told)
            done += 1
        return done

    began = time.perf_counter()
    done = sum(await asyncio.gather(*map(write, writers)))
    seconds = time.perf_counter() - began
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending
    for connection in opened:
        await connection.close()
    return done / seconds


async def _measure(url: str) -> dict[str, list[float]]:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE changes (a text PRIMARY KEY, b text)")
    await connection.execute("CREATE TABLE told (id bigserial PRIMARY KEY, topic text)")
    await connection.close()
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(RUNS):
        for name, way in WAYS.items():
            rates[name].append(await _measured(url, way))
    return rates


def run(postgres: Any) -> dict[str, Any]:
    postgres.run_sql("CREATE DATABASE announcing")
    rates = asyncio.run(_measure(postgres.url("announcing")))
    limit = statistics.median(rates["bare insert"])
    return {
        "writers": WRITERS,
        "runs": RUNS,
        "figures": {
            name: {
                "per_second": statistics.median(found),
                "of_bare": statistics.median(found) / limit,
            }
            for name, found in rates.items()
        },
    }


def table(scenario: dict[str, Any]) -> list[str]:
    lines = [
        f"## Telling other servers, PostgreSQL, {scenario['writers']} writers",
        "",
        f"Transactions a second, the median of {scenario['runs']} runs in turns.",
        "",
        "| what | per second | of the bare insert |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {found['per_second']:,.0f} | {found['of_bare']:.2f} |"
        for name, found in scenario["figures"].items()
    ]
    return [*lines, ""]
