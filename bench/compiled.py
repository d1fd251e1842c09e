"""Scenario: what a compiled generator measures, where one constant request can drive a route.

`wrk` when it is installed, beside the built-in generator on the same routes: where `wrk` is
quicker, the built-in one is the limit. Reports of a chain differ from each other, so they are not
here; a check-in is a constant request that is stored and durable each time, so it is. The bare
route; a page of 50 of 10,000 devices; check-ins of as many devices as there are connections, each
with its own key.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import fleets
import httpx
from generator import load
from making import token_of
from processes import Processes
from sizes import size

RUNS = size(5, 1)
CONNECTIONS = size(128, 8)
SECONDS = size(3, 1)
EACH = size({"checkin": 100, "page": 15, "bare": 250}, {"checkin": 5, "page": 5, "bare": 5})
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_TOTAL = re.compile(r"^\s+(\d+) requests in", re.MULTILINE)
_REFUSED = re.compile(r"^\s+Non-2xx or 3xx responses: (\d+)", re.MULTILINE)
_BROKEN = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
# Each connection has no number in wrk's scripts; keys come in turns instead.
_LUA = """\
wrk.method = "%(method)s"
wrk.headers["Content-Type"] = "application/json"
wrk.body = %(body)s
local keys = {%(keys)s}
local at = 0
request = function()
  at = at %% #keys + 1
  wrk.headers["%(header)s"] = keys[at]
  return wrk.format(nil, "%(path)s")
end
"""


@dataclass(frozen=True)
class Route:
    """A request that can be sent any number of times, by each of those who may."""

    method: str
    path: str
    header: str
    keys: list[str]
    body: str = ""

    def requests(self, each: int) -> list[list[bytes]]:
        """For the built-in generator: one list for each connection."""
        return [[self._request(self.keys[at % len(self.keys)])] * each for at in range(CONNECTIONS)]

    def _request(self, key: str) -> bytes:
        return (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self.header}: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n{self.body}"
        ).encode()

    def script(self) -> str:
        """For wrk."""
        return _LUA % {
            "method": self.method,
            "path": self.path,
            "header": self.header,
            "keys": ", ".join(json.dumps(key) for key in self.keys),
            "body": json.dumps(self.body),
        }


def run(start_server: Any, start_bare: Any) -> dict[str, Any]:
    bare = start_bare()
    try:
        figures = engines.on_each(
            start_server, lambda server, folder: _measured(server, bare, folder)
        )
    finally:
        bare.stop()
    return {
        "generator": "wrk" if shutil.which("wrk") else None,
        "connections": CONNECTIONS,
        "runs": RUNS,
        "seconds": SECONDS,
        "figures": figures,
    }


def _measured(server: Any, bare: Any, folder: Path) -> dict[str, Any]:
    owner = fleets.filled(server, server.folder)
    server.start()
    routes = {
        "bare": (bare, Route("POST", "/v1/reports", "X-Key", ["none"], '{"sequence": 1}')),
        "page": (
            server,
            Route("GET", "/v1/devices?limit=50", "Authorization", [f"Bearer {owner.key}"]),
        ),
        "checkin": (server, _checkin(server.base_url, owner.key)),
    }
    turns: dict[str, list[dict[str, Any]]] = {}
    for _ in range(RUNS):
        for name, (where, route) in routes.items():
            ways: dict[str, Callable[[], dict[str, Any]]] = {
                "built-in": lambda where=where, route=route, name=name: load(
                    where.port, route.requests(EACH[name]), folder
                ),
            }
            if shutil.which("wrk"):
                ways["wrk"] = lambda where=where, route=route: wrk(where.port, route, folder)
            for way, work in ways.items():
                pids = {"server": where.pid}
                if where is server and server.database_pid is not None:
                    pids["database"] = server.database_pid
                processes = Processes(pids)
                found = work()
                for one, told in processes.since().items():
                    found[f"{one}_cpu_us_per_request"] = told["cpu_s"] / found["answered"] * 1e6
                turns.setdefault(f"{name}, {way}", []).append(found)
    return {name: _median(found) for name, found in turns.items()}


def _checkin(base_url: str, key: str) -> Route:
    """Devices that provisioned themselves, and what they send."""
    token = token_of(base_url, key)
    keys = []
    with httpx.Client(base_url=base_url, timeout=60) as client:
        for at in range(CONNECTIONS):
            info = {"device_id": f"wrk-{at}", "agent_version": "1.0.0"}
            body = {"token": token, "device_info": info}
            made = client.post("/api/devices/provision", json=body)
            made.raise_for_status()
            keys.append(str(made.json()["data"]["api_key"]))
    body = {"status": "healthy", "metrics": {"cpu_usage": 12.5, "memory_usage": 41.0}}
    return Route("POST", "/api/device/checkin", "X-Device-Key", keys, json.dumps(body))


def wrk(port: int, route: Route, folder: Path) -> dict[str, Any]:
    """One run; milliseconds, and answers that were not 2xx or did not come."""
    script = folder / "wrk.lua"
    script.write_text(route.script())
    command = [
        *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(script)),
        f"http://127.0.0.1:{port}{route.path}",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=SECONDS + 60
    ).stdout
    rate, total = _RATE.search(done), _TOTAL.search(done)
    if rate is None or total is None:
        raise RuntimeError(f"wrk said something else than it does:\n{done}")
    latencies = {
        share: float(value) * _UNITS[unit] for share, value, unit in _LATENCY.findall(done)
    }
    refused, broken = _REFUSED.search(done), _BROKEN.search(done)
    return {
        "answered": max(int(total[1]), 1),
        "per_second": float(rate[1]),
        "p50_ms": latencies["50"],
        "p99_ms": latencies["99"],
        "errors": int(refused[1] if refused else 0)
        + sum(map(int, broken.groups() if broken else ())),
    }


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    middle = dict(sorted(runs, key=lambda one: one["per_second"])[len(runs) // 2])
    middle["errors"] = sum(_errors(one) for one in runs)
    return middle


def _errors(one: dict[str, Any]) -> int:
    """Refusals among them: wrk does not tell them from errors."""
    if "errors" in one:
        return int(one["errors"])
    others = sum(count for status, count in one["statuses"].items() if not status.startswith("2"))
    return int(one["unanswered"] + one["refused"] + others)


NAMES = {"bare": "bare route", "page": "page of 50 devices", "checkin": "check-in, durable"}


def table(scenario: dict[str, Any]) -> list[str]:
    """Return the scenario's part of the page."""
    there = "" if scenario["generator"] else " `wrk` was not installed."
    lines = [
        f"## By a compiled generator, {scenario['connections']} connections",
        "",
        (
            "Constant requests, sent by `wrk` and by the built-in generator in turns; medians of "
            f"{scenario['runs']} runs, those of `wrk` of {scenario['seconds']} s.{there}"
        ),
        "",
        (
            "| what | engine | generator | per second | p50 ms | p99 ms | server CPU µs "
            "| database CPU µs | errors and refusals |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for engine, figures in scenario["figures"].items():
        for name, one in figures.items():
            what, way = name.split(", ")
            database = one.get("database_cpu_us_per_request")
            lines.append(
                f"| {NAMES[what]} | {engine} | {way} | {one['per_second']:,.0f} "
                f"| {one['p50_ms']:.1f} | {one['p99_ms']:.1f} "
                f"| {one['server_cpu_us_per_request']:,.0f} "
                f"| {'' if database is None else f'{database:,.0f}'} | {one['errors']} |"
            )
    return [*lines, ""]
