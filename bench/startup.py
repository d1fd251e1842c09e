"""Scenario: from the command to the first answer, and to a command line's help.

The server starts on a database with 10,000 devices, and is ready when ``/healthz`` says so, asked
every 50 ms until then. Beside it what Python itself takes, and what importing the largest libraries
takes: nothing here can be quicker than these. One after the other, in turns.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import engines
import fleets
from sizes import size

RUNS = size(5, 1)
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "importing fastapi and sqlalchemy": ["-c", "import fastapi, sqlalchemy.ext.asyncio"],
    "moorage --help": ["-m", "moorage.cli", "--help"],
}


def run(start_server: Any) -> dict[str, Any]:
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            took[name].append(_seconds(command))
    servers = engines.on_each(start_server, _measured)
    return {
        "devices": fleets.DEVICES,
        "runs": RUNS,
        "figures": {name: _told(found) for name, found in took.items()},
        "servers": {engine: _told(found) for engine, found in servers.items()},
    }


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True, timeout=120)
    return time.perf_counter() - began


def _measured(server: Any, _folder: Path) -> list[float]:
    fleets.filled(server, server.folder)
    found = []
    for _ in range(RUNS):
        began = time.perf_counter()
        server.start()
        found.append(time.perf_counter() - began)
        server.stop()
    return found


def _told(seconds: list[float]) -> dict[str, float]:
    return {"median_s": statistics.median(seconds), "slowest_s": max(seconds)}


def table(scenario: dict[str, Any]) -> list[str]:
    """Return the scenario's part of the page."""
    rows = {
        **scenario["figures"],
        **{
            f"server to ready, {scenario['devices']:,} devices, {engine}": found
            for engine, found in scenario["servers"].items()
        },
    }
    return [
        "## Start-up",
        "",
        f"{scenario['runs']} runs each; the server is asked every 50 ms whether it is ready.",
        "",
        "| what | median s | slowest s |",
        "|---|---|---|",
        *(
            f"| {name} | {one['median_s']:.2f} | {one['slowest_s']:.2f} |"
            for name, one in rows.items()
        ),
        "",
    ]
