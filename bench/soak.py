"""A fleet of virtual devices for a while, and whether memory and disk stay where they are.

``python bench/soak.py --devices 10000 --minutes 30``. One server process with short retention and a
byte budget; the simulator's devices report as often as it asks, over the API, from this process.
Every half minute: memory and CPU of the server, the database's size, free room in it and rows of
each table, percentiles and failures since the last look. In the end every device's ledger is held
against what the server has. Results in ``results/soak.json`` and ``results/soak.md``,
the verdict also on the page of all measurements.

Clearing out has its turn each minute here, not each hour: otherwise half an hour would show none.
Samples go only when their hour is summed up, ten minutes after its end, and the ledger of reports
stays for two days: both grow meanwhile, by what the table shows.
"""

import argparse
import asyncio
import contextlib
import json
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
RESULTS = HERE / "results"
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import page  # noqa: E402 - found through the path set above
from run import PAGE, machine  # noqa: E402 - found through the path set above

from moorage.sdk import AsyncMoorage, Retries  # noqa: E402
from moorage.simulator import PROFILES, Client, Options, Progress, Simulation  # noqa: E402
from moorage.simulator.account import Latencies  # noqa: E402
from support.postgres import PostgresServer  # noqa: E402
from support.server import ServerProcess  # noqa: E402

MIB = 2**20
LOOK_EVERY_S = 30.0
# What memory may do over the last two thirds and be called flat: a share of it, and something on
# top for a short run, in which caches still fill.
FLAT_SHARE, FLAT_MB = 0.05, 4.0
_PATIENT = Retries(most=60)


class Sqlite:
    """The embedded database, looked at from a process beside the server."""

    def __init__(self, folder: Path) -> None:
        self.url = None
        self._path = folder / "server" / "data" / "db" / "moorage.db"

    def look(self) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as connection:

            def one(sql: str) -> int:
                return int(connection.execute(sql).fetchone()[0])

            named = (
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            names = [name for (name,) in connection.execute(named)]
            page = one("PRAGMA page_size")
            free = one("PRAGMA freelist_count") * page
            rows = {name: one(f'SELECT count(*) FROM "{name}"') for name in names}
        files = self._path.parent.glob("moorage.db*")
        return {"bytes": sum(one.stat().st_size for one in files), "free_bytes": free, "rows": rows}

    def clear_soon(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as connection:
            connection.execute("UPDATE job_turns SET next_at = 0 WHERE job = 'purge'")
            connection.commit()

    def close(self) -> None:
        """There is nothing to end."""


class Postgresql:
    """A PostgreSQL of the run's own; rows are as its statistics have them, days taken together."""

    def __init__(self, _folder: Path) -> None:
        self._server = PostgresServer(durable=True)
        self.url = self._server.url()

    def look(self) -> dict[str, Any]:
        size = int(self._server.run_sql("SELECT pg_database_size(current_database())"))
        rows: Counter[str] = Counter()
        told = self._server.run_sql("SELECT relname, n_live_tup FROM pg_stat_user_tables")
        for line in told.split():
            name, count = line.split("|")
            rows[name.rstrip("0123456789").rstrip("_")] += int(count)
        return {"bytes": size, "free_bytes": None, "rows": dict(rows)}

    def clear_soon(self) -> None:
        self._server.run_sql("UPDATE job_turns SET next_at = 0 WHERE job = 'purge'")

    def close(self) -> None:
        self._server.close()


ENGINES: dict[str, Callable[[Path], Any]] = {"sqlite": Sqlite, "postgresql": Postgresql}


@dataclass
class Watch:
    """Looks at everything now and then while the devices live."""

    database: Any
    process: psutil.Process
    simulation: Simulation
    every_s: float

    def __post_init__(self) -> None:
        self.samples: list[dict[str, Any]] = []
        self.phase = ""
        self._begun = asyncio.Event()
        self._failures: Counter[str] = Counter()
        self._acknowledged = 0
        self._cpu_s = 0.0
        self._cleared_at = 0.0

    def tell(self, progress: Progress) -> None:
        if progress.phase != self.phase:
            print(f"{progress.phase} ...", file=sys.stderr, flush=True)
        self.phase = progress.phase
        if self.phase == "running":
            self._begun.set()

    async def forever(self) -> None:
        """Begin when the devices do, and end with them."""
        await self._begun.wait()
        began = looked = time.monotonic()
        self._since_last(1.0)
        while True:
            await asyncio.sleep(self.every_s)
            if self.phase != "running":
                return
            now = time.monotonic()
            sample = {"at_s": round(now - began, 1), **self._since_last(now - looked)}
            looked = now
            sample |= await asyncio.to_thread(self._look, now)
            self.samples.append(sample)
            print(line(sample), file=sys.stderr, flush=True)

    def _since_last(self, seconds: float) -> dict[str, Any]:
        account = self.simulation.account
        latencies, account.latencies = account.latencies, Latencies()
        failures, self._failures = account.failures - self._failures, Counter(account.failures)
        done, self._acknowledged = account.acknowledged - self._acknowledged, account.acknowledged
        used = self.process.cpu_times()
        cpu_s, self._cpu_s = used.user + used.system - self._cpu_s, used.user + used.system
        told = latencies.as_json()
        return {
            "rss_mb": round(self.process.memory_info().rss / MIB, 1),
            "cpu_percent": round(cpu_s / seconds * 100, 1),
            "acknowledged_per_s": round(done / seconds, 1),
            "p50_ms": told["p50"],
            "p99_ms": told["p99"],
            "failures": dict(failures),
        }

    def _look(self, now: float) -> dict[str, Any]:
        if now - self._cleared_at >= 60:
            self.database.clear_soon()
            self._cleared_at = now
        return {"database": self.database.look()}


def line(sample: dict[str, Any]) -> str:
    database = sample["database"]
    rows = database["rows"]
    return (
        f"{sample['at_s']:7.0f} s  {sample['rss_mb']:6.1f} MB  {sample['cpu_percent']:5.1f} % CPU  "
        f"{sample['acknowledged_per_s']:6.1f}/s  p50 {sample['p50_ms']} p99 {sample['p99_ms']} ms  "
        f"{database['bytes'] / MIB:7.1f} MB file  {rows.get('telemetry_samples', 0)} samples  "
        f"{rows.get('log_lines', 0)} lines  {sum(sample['failures'].values())} failures"
    )


def slope(points: list[tuple[float, float]]) -> float:
    """The least-squares slope; 0 of fewer than two points."""
    if len(points) < 2:
        return 0.0
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread


def verdict(samples: list[dict[str, Any]], budget: int) -> dict[str, Any]:
    """Whether memory was flat and the disk bounded, over the last two thirds of the samples."""
    last = samples[len(samples) // 3 :]
    points = [(one["at_s"], one["rss_mb"]) for one in last]
    per_s = slope(points)
    grown = per_s * (points[-1][0] - points[0][0])
    middle = sum(mb for _, mb in points) / len(points)
    rows = {
        name: slope([(one["at_s"], one["database"]["rows"].get(name, 0)) for one in last])
        for name in last[-1]["database"]["rows"]
    }
    largest = max(one["database"]["bytes"] for one in samples)
    return {
        "memory_mb_per_hour": round(per_s * 3600, 2),
        "memory_grown_mb": round(grown, 2),
        "memory_flat": grown <= middle * FLAT_SHARE + FLAT_MB,
        "largest_bytes": largest,
        "disk_bounded": largest <= budget,
        "rows_per_hour": {name: round(each * 3600) for name, each in rows.items() if each > 0},
    }


async def soaked(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run it; return all there is to say."""
    database = ENGINES[arguments.engine](folder)
    kept_days = arguments.keep_minutes / 1440
    env = {f"MOORAGE_RETENTION__{kind}_DAYS": str(kept_days) for kind in KINDS}
    env |= {f"MOORAGE_RETENTION__LEAST__{kind}_DAYS": str(kept_days) for kind in CHOSEN}
    env["MOORAGE_STORAGE__BUDGET_BYTES"] = str(arguments.budget_mb * MIB)
    server = ServerProcess(folder / "server", database=database.url, env=env, own_interpreter=True)
    try:
        server.start()
        key = server.bootstrap("soak")["api_key"]
        options = Options(
            devices=arguments.devices,
            profiles=tuple(arguments.profile),
            seconds=arguments.minutes * 60,
            connections=arguments.connections,
            verify=None,
        )
        return await _lived(options, database, server, key)
    finally:
        server.stop()
        database.close()


async def _lived(
    options: Options, database: Any, server: ServerProcess, key: str
) -> dict[str, Any]:
    client = Client(server.base_url, connections=options.connections)

    def told(progress: Progress) -> None:
        watch.tell(progress)

    try:
        async with AsyncMoorage(server.base_url, key, retries=_PATIENT) as fleet:
            simulation = Simulation(options, client, fleet, told)
            every_s = min(LOOK_EVERY_S, options.seconds / 12)
            watch = Watch(database, psutil.Process(server.pid), simulation, every_s)
            looking = asyncio.create_task(watch.forever())
            try:
                outcome = await simulation.run()
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
    finally:
        await client.close()
    after = {"rss_mb": round(watch.process.memory_info().rss / MIB, 1), **database.look()}
    return {"samples": watch.samples, "account": outcome.as_json(), "after_deletion": after}


# All that has an age, and what a workspace could choose of it.
KINDS = ("TELEMETRY", "TELEMETRY_5MIN", "TELEMETRY_HOURLY", "LOGS", "EVENTS", "AUDIT")
CHOSEN = ("TELEMETRY", "LOGS", "EVENTS", "AUDIT")
COLUMNS = (
    *("s", "MB", "CPU %", "reports/s", "p50 ms", "p99 ms", "failures"),
    *("file MB", "free MB", "samples", "lines", "events", "ledger"),
)


def markdown(result: dict[str, Any]) -> str:
    found, said, account = result["verdict"], result["options"], result["account"]
    where = result["machine"]
    grown = ", ".join(f"{name} {count:,}" for name, count in sorted(found["rows_per_hour"].items()))
    lines = [
        f"# {said['devices']:,} virtual devices, {said['minutes']:g} minutes, {said['engine']}",
        "",
        (
            f"Taken {result['at']} on {where['cores']} cores of {where['cpu']}, Python "
            f"{where['python']}, by `bench/soak.py`; the devices live on the same cores. Kept for "
            f"{said['keep_minutes']:g} minutes, budget {said['budget_mb']:,} MB."
        ),
        "",
        (
            f"- memory: **{'flat' if found['memory_flat'] else 'GROWING'}**, "
            f"{found['memory_mb_per_hour']:+.1f} MB an hour over the last two thirds "
            f"({found['memory_grown_mb']:+.1f} MB in them)"
        ),
        (
            f"- disk: **{'bounded' if found['disk_bounded'] else 'NOT BOUNDED'}**, "
            f"{found['largest_bytes'] / MIB:,.0f} MB at most"
        ),
        (
            f"- ledgers of {account['verified']['devices']:,} devices: "
            f"{account['reports']['acknowledged']:,} reports acknowledged, {account['lost']} lost, "
            f"{account['verified']['twice']} stored twice, {account['reports']['undelivered']} "
            f"undelivered: **{'balanced' if account['balanced'] else 'NOT BALANCED'}**"
        ),
        f"- memory after all devices were deleted: {result['after_deletion']['rss_mb']} MB",
        f"- rows that grew over the last two thirds, an hour: {grown or 'none'}",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    for one in result["samples"]:
        database = one["database"]
        rows = database["rows"]
        free = database["free_bytes"]
        cells = [
            f"{one['at_s']:.0f}",
            *(one[name] for name in ("rss_mb", "cpu_percent", "acknowledged_per_s")),
            *(one["p50_ms"], one["p99_ms"], sum(one["failures"].values())),
            f"{database['bytes'] / MIB:.1f}",
            "" if free is None else f"{free / MIB:.1f}",
            *(
                f"{rows.get(name, 0):,}"
                for name in ("telemetry_samples", "log_lines", "events", "report_ledger")
            ),
        ]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def options_from(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--engine", choices=sorted(ENGINES), default="sqlite")
    parser.add_argument("--profile", nargs="+", choices=sorted(PROFILES), default=["camera"])
    parser.add_argument("--keep-minutes", type=float, default=5, help="retention of all kinds")
    parser.add_argument("--budget-mb", type=int, default=4096, help="budget of the database")
    parser.add_argument("--connections", type=int, default=128)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = options_from(arguments)
    with tempfile.TemporaryDirectory(prefix="moorage-soak-") as folder:
        result = asyncio.run(soaked(options, Path(folder)))
    if not result["samples"]:
        print("it was too short to look once", file=sys.stderr)
        return 1
    found = verdict(result["samples"], options.budget_mb * MIB)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    result = {"at": at, "machine": machine(), "options": vars(options), "verdict": found, **result}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "soak.md").write_text(markdown(result))
    page.write(RESULTS, PAGE)
    print(markdown(result))
    good = found["memory_flat"] and found["disk_bounded"] and result["account"]["balanced"]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
