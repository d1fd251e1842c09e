"""Scenario: reports over the full path, beside the bare route and bare commits."""

import hashlib
import json
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
from generator import measured, median_of
from sizes import size

from moorage_agent.bodies import new_id

CONNECTIONS = size(128, 8)
PER_CONNECTION = size(250, 5)
RUNS = size(5, 1)


def telemetry(now: str) -> dict:
    """One sample."""
    sample = {
        "at": now,
        "cpu_percent": 12.5,
        "memory_percent": 41.0,
        "disk_percent": 63.2,
        "temperature_c": 51.5,
        "network_upload_bytes_per_sec": 1200.0,
        "network_download_bytes_per_sec": 5300.0,
    }
    return {"telemetry": [sample]}


class Device:
    """Makes the chained reports of one device, without waiting for the answers."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.epoch = uuid.uuid4().hex
        self.store = uuid.uuid4().hex
        self.sequence = 0
        self.chain = hashlib.sha256(self.epoch.encode()).hexdigest()

    def request(self, parts: Callable[[str], dict] = telemetry) -> bytes:
        """The next report, with what ``parts`` makes of the time."""
        self.sequence += 1
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        body = json.dumps(
            {
                "id": new_id(time.time()),
                "store": self.store,
                "epoch": self.epoch,
                "sequence": self.sequence,
                "previous": self.chain,
                "sent_at": now,
                "boot_id": self.store,
                "uptime_s": 86400,
                **parts(now),
            }
        ).encode()
        digest = hashlib.sha256(body).hexdigest()
        self.chain = hashlib.sha256(f"{self.chain}:{digest}".encode()).hexdigest()
        head = (
            "POST /v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.key}\r\nMoorage-Device-Time: {now}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def enrolled(base_url: str, owner_key: str, count: int) -> list[Device]:
    devices = []
    with httpx.Client(base_url=base_url) as client:
        for at in range(count):
            made = client.post(
                "/v1/devices",
                json={"name": f"bench {at}"},
                headers={"Authorization": f"Bearer {owner_key}"},
            ).json()
            key = client.post("/v1/enroll", json={"install_token": made["install_token"]}).json()
            devices.append(Device(key["device_key"]))
    return devices


def bare_commits(folder: Path) -> float:
    """One-row commits a second with synchronous=FULL, by the plain driver: what a disk allows."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT) WITHOUT ROWID")
    rates = []
    for _ in range(RUNS):
        began = time.perf_counter()
        for _ in range(300):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO t VALUES (?, ?)", (uuid.uuid4().hex, "x" * 200))
            connection.execute("COMMIT")
        rates.append(300 / (time.perf_counter() - began))
    connection.close()
    return statistics.median(rates)


def run(start_server, start_bare) -> dict:
    """Runs take turns, so that a noisy minute of the machine falls on all alike."""
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as path:
        folder = Path(path)
        bare = start_bare()
        servers = {name: start_server(name, folder / name) for name in ("sqlite", "postgresql")}
        devices = {
            name: enrolled(server.base_url, server.bootstrap("bench")["api_key"], CONNECTIONS)
            for name, server in servers.items()
        }
        runs: dict[str, list[dict]] = {"bare route": [], **{name: [] for name in servers}}
        try:
            for _ in range(RUNS):
                for name, server in servers.items():
                    requests = [[d.request() for _ in range(PER_CONNECTION)] for d in devices[name]]
                    found = measured(
                        server.pid,
                        server.port,
                        requests,
                        folder,
                        database_pid=server.database_pid,
                    )
                    runs[name].append(found)
                runs["bare route"].append(measured(bare.pid, bare.port, requests, folder))
            commits = bare_commits(folder)
        finally:
            bare.stop()
            for server in servers.values():
                server.stop()
    medians = {name: median_of(found) for name, found in runs.items()}
    limit = medians["bare route"]["per_second"]
    for name in servers:
        medians[name]["share_of_bare_route"] = medians[name]["per_second"] / limit
        medians[name]["reports_per_bare_commit"] = medians[name]["per_second"] / commits
    return {
        "connections": CONNECTIONS,
        "requests_per_run": CONNECTIONS * PER_CONNECTION,
        "runs": RUNS,
        "bare_commits_per_second": commits,
        "figures": medians,
    }


COLUMNS = (
    "what | per second | of the bare route | p50 ms | p99 ms | server CPU µs | database CPU µs "
    "| generator CPU µs | server MB | database MB | generator MB | refused | errors"
)


def row(name: str, figures: dict) -> str:
    """A line under ``COLUMNS``; what an older run did not measure stays empty."""

    def shown(key: str, form: str = ",.0f") -> str:
        return "" if figures.get(key) is None else format(figures[key], form)

    cells = [
        *(name, shown("per_second"), shown("share_of_bare_route", ".2f")),
        *(shown("p50_ms", ".1f"), shown("p99_ms", ".1f")),
        *(shown(f"{one}_cpu_us_per_request") for one in ("server", "database", "generator")),
        shown("server_mb") or shown("server_rss_mb"),
        *(shown("database_mb"), shown("generator_mb"), shown("refused"), shown("errors")),
    ]
    return f"| {' | '.join(cells)} |"


def table(scenario: dict) -> list[str]:
    """Return the scenario's part of the page."""
    return [
        f"## Reports, {scenario['connections']} connections, one process",
        "",
        (
            "`POST /v1/reports` with one telemetry sample: key, validation, chain, ledger, durable "
            f"commit. Median of {scenario['runs']} runs of {scenario['requests_per_run']:,} "
            "requests, in turns with the bare route: a Starlette route of the same web server that "
            "reads the body and answers a constant. CPU is for a request."
        ),
        "",
        f"| {COLUMNS} |",
        "|---" * (COLUMNS.count("|") + 1) + "|",
        *(row(name, figures) for name, figures in scenario["figures"].items()),
        "",
        (
            f"The disk allows {scenario['bare_commits_per_second']:,.0f} one-row commits a second "
            "to SQLite with `synchronous=FULL`; PostgreSQL ran with `fsync` and "
            "`synchronous_commit` on."
        ),
        "",
    ]
