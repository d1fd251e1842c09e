"""`make bench`: measure, each figure beside the raw limit of the same run on the same machine."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import announcing  # noqa: E402 - found through the path set above
import making  # noqa: E402 - found through the path set above
import overload  # noqa: E402 - found through the path set above
import reads  # noqa: E402 - found through the path set above
import reports  # noqa: E402 - found through the path set above
import storm  # noqa: E402 - found through the path set above

from support.postgres import PostgresServer, free_port  # noqa: E402
from support.server import ServerProcess  # noqa: E402


class Bare:
    """The bare route in a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process = subprocess.Popen([sys.executable, HERE / "bare.py", str(self.port)])
        self.pid = self._process.pid
        for _ in range(200):
            try:
                httpx.post(f"http://127.0.0.1:{self.port}/v1/reports", content=b"")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("the bare route did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def machine() -> dict[str, object]:
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def markdown(result: dict) -> str:
    lines = [
        "# Measurements",
        "",
        (
            f"Taken {result['at']} on {result['machine']['cores']} cores of "
            f"{result['machine']['cpu']}, Python {result['machine']['python']}; by `make bench`."
        ),
        "",
    ]
    scenarios = result["scenarios"]
    if "reports" in scenarios:
        lines += reports_table(scenarios["reports"])
    if "reads" in scenarios:
        lines += reads.table(scenarios["reads"])
    if "making" in scenarios:
        lines += making.table(scenarios["making"])
    if "overload" in scenarios:
        lines += overload.table(scenarios["overload"])
    if "storm" in scenarios:
        lines += storm.table(scenarios["storm"])
    if "announcing" in scenarios:
        lines += announcing.table(scenarios["announcing"])
    return "\n".join(lines)


def reports_table(scenario: dict) -> list[str]:
    lines = [
        f"## Reports, {scenario['connections']} connections, one process",
        "",
        (
            "`POST /v1/reports` with one telemetry sample: key, validation, chain, ledger, durable "
            f"commit. Median of {scenario['runs']} runs of {scenario['requests_per_run']:,} "
            "requests, in turns with the bare route: a Starlette route of the same web server that "
            "reads the body and answers a constant."
        ),
        "",
        "| what | per second | of the bare route | p50 ms | p99 ms | CPU µs a request | errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, figures in scenario["figures"].items():
        share = figures.get("share_of_bare_route")
        lines.append(
            f"| {name} | {figures['per_second']:,.0f} | {'' if share is None else f'{share:.2f}'} "
            f"| {figures['p50_ms']:.1f} | {figures['p99_ms']:.1f} "
            f"| {figures['server_cpu_us_per_request']:.0f} | {figures['errors']} |"
        )
    lines += [
        "",
        (
            f"The disk allows {scenario['bare_commits_per_second']:,.0f} one-row commits a second "
            "to SQLite with `synchronous=FULL`; PostgreSQL ran with `fsync` and "
            "`synchronous_commit` on."
        ),
        "",
    ]
    return lines


def main(*wanted: str) -> None:
    """Run all scenarios, or those named."""
    postgres = PostgresServer(durable=True)

    def start_server(name: str, folder: Path) -> ServerProcess:
        database = None
        if name == "postgresql":
            postgres.run_sql("DROP DATABASE IF EXISTS bench WITH (FORCE)")
            postgres.run_sql("CREATE DATABASE bench")
            database = postgres.url("bench")
        # One key makes all devices here; what it may ask in a minute is not what is measured.
        env = {"MOORAGE_LOG_LEVEL": "warning", "MOORAGE_RATE_LIMITS": "off"}
        server = ServerProcess(folder, database=database, env=env, own_interpreter=True)
        return server.start()

    try:
        with tempfile.TemporaryDirectory() as folder:
            scenarios = {
                name: work(Path(folder))
                for name, work in {
                    "reports": lambda _: reports.run(start_server, Bare),
                    "making": lambda _: making.run(start_server),
                    "reads": lambda folder: reads.run(start_server, folder / "reads"),
                    "overload": lambda _: overload.run(start_server),
                    "storm": lambda _: storm.run(start_server),
                    "announcing": lambda _: announcing.run(postgres),
                }.items()
                if not wanted or name in wanted
            }
    finally:
        postgres.close()
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "scenarios": scenarios,
    }
    out = HERE / "results"
    out.mkdir(exist_ok=True)
    (out / "latest.json").write_text(json.dumps(result, indent=2) + "\n")
    (out / "latest.md").write_text(markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
