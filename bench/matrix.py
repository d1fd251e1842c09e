"""Scenario: reports by how many devices there are at once, and by what is in them.

1 to 512 connections; a heartbeat alone, with one telemetry sample, with fifty log lines. Every cell
in turns with the bare route, which reads the same bodies over as many connections. Runs are short;
the long one of 128 connections with telemetry is ``reports.py``.
"""

from pathlib import Path
from typing import Any

import engines
from generator import measured, median_of
from overload import Fleet
from reports import COLUMNS, row, telemetry
from sizes import size

RUNS = size(5, 1)
LINES = 50


def heartbeat(_now: str) -> dict[str, Any]:
    """Nothing but that it is there."""
    return {}


def lines(now: str) -> dict[str, Any]:
    """Fifty lines as a service writes them."""
    line = {"at": now, "service": "inference", "severity": "info"}
    return {"logs": [{**line, "message": f"frame {at} in 31 ms, 4 found"} for at in range(LINES)]}


KINDS = {"heartbeat": heartbeat, "with telemetry": telemetry, f"with {LINES} log lines": lines}
# How many reports each connection sends in a run: {connections: (small ones, those with lines)}.
SIZES = size(
    {1: (600, 200), 32: (120, 30), 128: (50, 10), 512: (14, 4)},
    {1: (5, 2), 4: (3, 2)},
)


def run(start_server: Any, start_bare: Any) -> dict[str, Any]:
    bare = start_bare()
    try:
        figures = engines.on_each(
            start_server, lambda server, folder: _measured(server, bare, folder)
        )
    finally:
        bare.stop()
    return {"runs": RUNS, "figures": figures}


def _measured(server: Any, bare: Any, folder: Path) -> dict[str, Any]:
    fleet = Fleet(server, "matrix", max(SIZES))
    figures = {}
    for name, parts in KINDS.items():
        for connections, sizes in SIZES.items():
            each = sizes[parts is lines]
            ours, limits = [], []
            for _ in range(RUNS):
                requests = [
                    [device.request(parts) for _ in range(each)]
                    for device in fleet.devices[:connections]
                ]
                found = measured(
                    server.pid, server.port, requests, folder, database_pid=server.database_pid
                )
                ours.append(found)
                limits.append(measured(bare.pid, bare.port, requests, folder))
            cell, limit = median_of(ours), median_of(limits)
            cell["share_of_bare_route"] = cell["per_second"] / limit["per_second"]
            cell["requests_per_run"] = connections * each
            cell["bare_per_second"] = limit["per_second"]
            cell["bare_p99_ms"] = limit["p99_ms"]
            figures[f"{name}, {connections}"] = cell
    return figures


def table(scenario: dict[str, Any]) -> list[str]:
    """Return the scenario's part of the page."""
    found = [
        "## Reports, by connections and by what is in them",
        "",
        (
            f"Medians of {scenario['runs']} runs, each in turns with the bare route, which reads "
            "the same bodies over as many connections. CPU is for a request."
        ),
        "",
    ]
    for engine, figures in scenario["figures"].items():
        found += [
            f"### {engine}",
            "",
            f"| {COLUMNS} |",
            "|---" * (COLUMNS.count("|") + 1) + "|",
            *(row(name, cell) for name, cell in figures.items()),
            "",
        ]
    return found
