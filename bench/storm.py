"""Scenario: a whole fleet comes back at once to a server that has just started.

Every device opens a connection of its own and sends one report until it is stored, heeding
``Retry-After`` as agents do. Nothing of them is in the server's caches. 2,000 devices, or as many
as ``BENCH_STORM_DEVICES`` says; each takes a file in both processes (``ulimit -n``).
"""

import os
import time
from pathlib import Path
from typing import Any

import engines
import psutil
from overload import Fleet, crowd
from sizes import size

DEVICES = int(os.environ.get("BENCH_STORM_DEVICES", size("2000", "40")))
SECONDS = 120.0


def run(start_server: Any) -> dict[str, Any]:
    return {"devices": DEVICES, "figures": engines.on_each(start_server, _measured)}


def _measured(server: Any, folder: Path) -> dict[str, Any]:
    fleet = Fleet(server, "storm", DEVICES)
    server.stop()
    server.start()
    process = psutil.Process(server.pid)
    idle = process.memory_info().rss
    group = {"requests": fleet.requests(DEVICES, 1), "heed": True}
    result = crowd(server.port, {"storm": group}, folder, SECONDS)
    peak = process.memory_info().rss
    time.sleep(size(5, 1))
    told = result["storm"]
    return {
        "stored": told["accepted"],
        "seconds_until_all": result["seconds"],
        "turned_away": told["refused"],
        "retry_after_values": len(told["retry_after"]),
        "accepted_p50_ms": told["p50_ms"],
        "accepted_p99_ms": told["p99_ms"],
        "connections_lost": told["connections_lost"],
        "never_stored": told["unfinished"],
        "idle_mb": idle / 1e6,
        "after_mb": peak / 1e6,
        "five_seconds_later_mb": process.memory_info().rss / 1e6,
    }


def table(scenario: dict[str, Any]) -> list[str]:
    return [
        f"## {scenario['devices']:,} devices at once, to a server just started",
        "",
        *engines.table(scenario["figures"], decimals=1),
        "",
    ]
