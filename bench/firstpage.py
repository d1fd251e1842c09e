"""Scenario: the console's first page, by somebody who is signed in, with 10,000 devices.

One reader, one request after the other over one connection: the time from asking to the whole HTML,
not what a browser makes of it. Beside it a page of 50 from the native API, which holds the same
devices as JSON, and the bare route; all in turns.
"""

import statistics
import time
from typing import Any

import engines
import fleets
import httpx
import psutil
from sizes import size

RUNS = size(5, 1)
EACH = size(60, 4)
WARM = size(5, 1)


def run(start_server: Any, start_bare: Any) -> dict[str, Any]:
    bare = start_bare()
    try:
        figures = engines.on_each(start_server, lambda server, _folder: _measured(server, bare))
    finally:
        bare.stop()
    return {"devices": fleets.DEVICES, "runs": RUNS, "requests_per_run": EACH, "figures": figures}


def _measured(server: Any, bare: Any) -> dict[str, Any]:
    owner = fleets.filled(server, server.folder)
    server.start()
    key = {"Authorization": f"Bearer {owner.key}"}
    cookie = {"Cookie": f"moorage_session={owner.cookie}"}
    asked = {
        "console's first page": (server, "GET", "/console/devices", cookie),
        "page of 50, native API": (server, "GET", "/v1/devices?limit=50", key),
        "bare route": (bare, "POST", "/v1/reports", {}),
    }
    took: dict[str, list[float]] = {name: [] for name in asked}
    cpu = dict.fromkeys(asked, 0.0)
    size_of = {}
    with httpx.Client(timeout=60) as client:
        for turn in range(RUNS + 1):
            for name, (where, method, path, headers) in asked.items():
                url = f"http://127.0.0.1:{where.port}{path}"
                before = _cpu_s(where.pid)
                for _ in range(EACH if turn else WARM):
                    began = time.perf_counter()
                    answer = client.request(method, url, headers=headers)
                    seconds = time.perf_counter() - began
                    answer.raise_for_status()
                    if turn:
                        took[name].append(seconds)
                size_of[name] = len(answer.content)
                if turn:
                    cpu[name] += _cpu_s(where.pid) - before
    return {
        name: {
            "p50_ms": statistics.median(found) * 1000,
            "p99_ms": sorted(found)[int(len(found) * 0.99)] * 1000,
            "cpu_ms": cpu[name] / len(found) * 1000,
            "kb": size_of[name] / 1024,
        }
        for name, found in took.items()
    }


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def table(scenario: dict[str, Any]) -> list[str]:
    """Return the scenario's part of the page."""
    lines = [
        f"## The console's first page, {scenario['devices']:,} devices",
        "",
        (
            f"One reader who is signed in, {scenario['requests_per_run']} requests in each of "
            f"{scenario['runs']} turns, from asking to the whole HTML. CPU is the server's."
        ),
        "",
        "| what | engine | p50 ms | p99 ms | CPU ms | KB |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {engine} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f} | {one['cpu_ms']:.1f} "
        f"| {one['kb']:.1f} |"
        for engine, figures in scenario["figures"].items()
        for name, one in figures.items()
    ]
    return [*lines, ""]
