"""Scenario: pages of the web console with 10,000 devices, on both engines.

In this process, at the application's boundary, so that it is the server's own work that is measured
and not a browser's: from the request to the last byte of the page. Beside them the time of a page
without any device in it, which is what session, layout and template cost.

    python bench/console.py [--devices 10000] [--turns 15]

Prints a table and writes ``bench/results/console.json``.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import httpx
import sqlalchemy as sa

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from moorage.core import provisioning  # noqa: E402 - found through the path set above
from moorage.server import create_app, load_settings  # noqa: E402
from support.accounts import People, cheap  # noqa: E402
from support.postgres import PostgresServer  # noqa: E402

PAGES = {
    "no device (raw)": "/console/session/back",
    "fleet, who needs attention": "/console/devices",
    "fleet, all": "/console/devices?show=all",
    "fleet, by name": "/console/devices?show=all&sort=name",
    "fleet, by last report": "/console/devices?show=all&sort=last_heartbeat",
    "fleet, searched": "/console/devices?show=all&q=gate-00",
    "fleet, by tag": "/console/devices?show=all&tag=north",
    "fleet, filters to choose from": "/console/fleet/filters",
}
# Of a hundred devices so many are away: a usual day, and a network that is down.
AWAY = {"5 % away": 5, "all away": 100}
_AT_ONCE = 500


async def fill(db, caller, count: int) -> None:
    chance = random.Random(1)
    for begin in range(0, count, _AT_ONCE):
        async with db.write() as tx:
            for number in range(begin, min(count, begin + _AT_ONCE)):
                await provisioning.register(
                    tx,
                    caller,
                    name=f"{chance.choice(['gate', 'dock', 'yard'])}-{number:05d}",
                    type=chance.choice(["edge", "camera", "gateway"]),
                    tags=chance.sample(["north", "south", "pilot", "gpu", "outdoor"], 2),
                    reference=None,
                    expires_in=timedelta(hours=1),
                )


async def report(db, away: int) -> None:
    """Let all have reported a second ago, but for some."""
    async with db.write() as tx:
        now = int(tx.now.timestamp() * 1000)
        rows = await tx.rows(sa.text("SELECT device_id FROM device_presence ORDER BY device_id"))
        told = [
            {"id": row.device_id, "at": now - (3_600_000 if number % 100 < away else 1_000)}
            for number, row in enumerate(rows)
        ]
        statement = "UPDATE device_presence SET last_heartbeat_at = :at WHERE device_id = :id"
        await tx.run(sa.text(statement), told)


async def measure(url: str, folder: Path, devices: int, turns: int) -> dict[str, dict[str, float]]:
    settings = load_settings(
        data=folder / "data", database=url, keys_dir=folder / "keys", rate_limits="off"
    )
    app = create_app(settings, public_url="http://bench.test")
    found: dict[str, dict[str, float]] = {}
    async with app.running() as services:
        made = await People(services.db, cheap()).set_up()
        await fill(services.db, made.session.caller, devices)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://bench.test",
            cookies={"moorage_session": made.text},
        ) as client:
            for state, away in AWAY.items():
                await report(services.db, away)
                for name, path in PAGES.items():
                    found[f"{name}, {state}"] = await timed(client, path, turns)
    return found


async def timed(client: httpx.AsyncClient, path: str, turns: int) -> dict[str, float]:
    seconds = []
    for _ in range(turns + 2):
        began = time.perf_counter()
        answer = await client.get(path)
        seconds.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text[:500]
    # The first two find templates and statements not compiled yet.
    ms = sorted(1000 * one for one in seconds[2:])
    return {"median_ms": statistics.median(ms), "worst_ms": ms[-1], "bytes": len(answer.content)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=15)
    asked = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as path:
        folder = Path(path)
        run = (asked.devices, asked.turns)
        found["sqlite"] = asyncio.run(measure(f"sqlite:///{folder}/m.db", folder / "s", *run))
        postgres = PostgresServer()
        try:
            postgres.run_sql("CREATE DATABASE bench")
            url = postgres.url("bench")
            found["postgresql"] = asyncio.run(prepared(url, folder / "p", run))
        finally:
            postgres.close()
    print("| page | sqlite, ms | postgresql, ms |\n|---|---|---|")
    for name, ours in found["sqlite"].items():
        theirs = found["postgresql"][name]
        print(f"| {name} | {ours['median_ms']:.0f} | {theirs['median_ms']:.0f} |")
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "console.json").write_text(json.dumps(found, indent=2))


async def prepared(url: str, folder: Path, run: tuple[int, int]) -> dict[str, dict[str, float]]:
    """PostgreSQL is not migrated by a start, because other servers may be using it."""
    from moorage.storage import open_database  # noqa: PLC0415 - for this engine alone
    from moorage.storage.migrate import migrate  # noqa: PLC0415

    db = open_database(url)
    await migrate(db)
    await db.close()
    return await measure(url, folder, *run)


if __name__ == "__main__":
    main()
