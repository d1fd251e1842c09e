"""`make bench`: measure, each figure beside the raw limit of the same run on the same machine.

`bench/run.py NAME...` measures those alone; what was measured before of the others stays, each with
its own date and machine. `bench/run.py --page` only writes the page anew.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import announcing  # noqa: E402 - found through the path set above
import compiled  # noqa: E402 - found through the path set above
import firstpage  # noqa: E402 - found through the path set above
import making  # noqa: E402 - found through the path set above
import matrix  # noqa: E402 - found through the path set above
import overload  # noqa: E402 - found through the path set above
import page  # noqa: E402 - found through the path set above
import points  # noqa: E402 - found through the path set above
import reads  # noqa: E402 - found through the path set above
import reports  # noqa: E402 - found through the path set above
import startup  # noqa: E402 - found through the path set above
import storm  # noqa: E402 - found through the path set above
from sizes import QUICK  # noqa: E402 - found through the path set above

from support.postgres import PostgresServer, free_port  # noqa: E402
from support.server import ServerProcess  # noqa: E402

RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"


class Bare:
    """The bare route in a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process = subprocess.Popen([sys.executable, HERE / "bare.py", str(self.port)])
        self.pid = self._process.pid
        for _ in range(600):
            try:
                httpx.post(f"http://127.0.0.1:{self.port}/v1/reports", content=b"")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise RuntimeError("the bare route did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Server(ServerProcess):
    """A server with its PostgreSQL's process beside it: None on SQLite."""

    database_pid: int | None = None


def machine() -> dict[str, object]:
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].split(":", 1)[1].strip() if names else model
    memory = Path("/proc/meminfo")
    kb = int(memory.read_text().split()[1]) if memory.exists() else 0
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(kb / 2**20) or None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


class Engines:
    """Starts a server on a new database of either engine; the PostgreSQL is durable."""

    def __init__(self) -> None:
        self.postgres = PostgresServer(durable=True)

    def start_server(self, name: str, folder: Path) -> Server:
        database = None
        if name == "postgresql":
            self.postgres.run_sql("DROP DATABASE IF EXISTS bench WITH (FORCE)")
            self.postgres.run_sql("CREATE DATABASE bench")
            database = self.postgres.url("bench")
        # One key makes all devices here; what it may ask in a minute is not what is measured.
        env = {"MOORAGE_LOG_LEVEL": "warning", "MOORAGE_RATE_LIMITS": "off"}
        server = Server(folder, database=database, env=env, own_interpreter=True)
        try:
            server.start()
        except RuntimeError:
            server.kill()  # one that is still at it
            raise
        if database is not None:
            server.database_pid = self.postgres._process.pid  # noqa: SLF001 - whose CPU it is
        return server


Work = Callable[[Engines, Path], dict[str, Any]]
SCENARIOS: dict[str, Work] = {
    "reports": lambda engines, _: reports.run(engines.start_server, Bare),
    "matrix": lambda engines, _: matrix.run(engines.start_server, Bare),
    "compiled": lambda engines, _: compiled.run(engines.start_server, Bare),
    "points": lambda engines, _: points.run(engines.start_server, engines.postgres),
    "making": lambda engines, _: making.run(engines.start_server),
    "reads": lambda engines, folder: reads.run(engines.start_server, folder / "reads"),
    "firstpage": lambda engines, _: firstpage.run(engines.start_server, Bare),
    "startup": lambda engines, _: startup.run(engines.start_server),
    "overload": lambda engines, _: overload.run(engines.start_server),
    "storm": lambda engines, _: storm.run(engines.start_server),
    "announcing": lambda engines, _: announcing.run(engines.postgres),
}


def measure(names: list[str], results: Path, written: Path) -> list[str]:
    """Measure one after the other and keep what was measured; return which failed."""
    failed = []
    engines = Engines()
    try:
        for name in names:
            began = time.perf_counter()
            try:
                with tempfile.TemporaryDirectory(prefix="moorage-bench-") as folder:
                    found = SCENARIOS[name](engines, Path(folder))
            except Exception:  # noqa: BLE001 - the others are measured all the same
                traceback.print_exc()
                failed.append(name)
                continue
            took = time.perf_counter() - began
            at = datetime.now(UTC).isoformat(timespec="seconds")
            page.keep(results, name, {"at": at, "took_s": took, "machine": machine(), **found})
            page.write(results, written)
            print(f"{name}: {took:.0f} s", file=sys.stderr, flush=True)
    finally:
        engines.postgres.close()
    return failed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--results", type=Path, default=RESULTS / ("quick" if QUICK else ""))
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    told = parser.parse_args(arguments)
    if unknown := sorted(set(told.names) - set(SCENARIOS)):
        parser.error(f"there is no scenario {unknown[0]}; there are {', '.join(SCENARIOS)}")
    # What shows that it works only is no measurement, and does not come into the documentation.
    ours = told.results == RESULTS and not QUICK
    written = PAGE if ours else told.results / "benchmarks.md"
    told.results.mkdir(parents=True, exist_ok=True)
    names = [] if told.page else told.names or list(SCENARIOS)
    failed = measure(names, told.results, written) if names else []
    page.write(told.results, written)
    print(json.dumps({"results": str(told.results / "latest.json"), "page": str(written)}))
    if failed:
        print(f"not measured, for the reasons above: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
