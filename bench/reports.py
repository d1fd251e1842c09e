"""Scenario: reports over the full path, beside the bare route and bare commits."""

import hashlib
import json
import pickle
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

HERE = Path(__file__).parent
CONNECTIONS = 128
PER_CONNECTION = 250
RUNS = 5


class Device:
    """Makes the chained reports of one device, without waiting for the answers."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.epoch = uuid.uuid4().hex
        self.store = uuid.uuid4().hex
        self.sequence = 0
        self.chain = hashlib.sha256(self.epoch.encode()).hexdigest()

    def request(self) -> bytes:
        self.sequence += 1
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        body = json.dumps(
            {
                "id": str(uuid.uuid4()),
                "store": self.store,
                "epoch": self.epoch,
                "sequence": self.sequence,
                "previous": self.chain,
                "sent_at": now,
                "boot_id": self.store,
                "uptime_s": 86400,
                "telemetry": [
                    {
                        "at": now,
                        "cpu_percent": 12.5,
                        "memory_percent": 41.0,
                        "disk_percent": 63.2,
                        "temperature_c": 51.5,
                        "network_upload_bytes_per_sec": 1200.0,
                        "network_download_bytes_per_sec": 5300.0,
                    }
                ],
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


def load(port: int, requests: list[list[bytes]], folder: Path) -> dict:
    path = folder / "requests"
    path.write_bytes(pickle.dumps({"port": port, "requests": requests}))
    done = subprocess.run(
        [sys.executable, HERE / "load.py", path], capture_output=True, check=True, timeout=300
    )
    return json.loads(done.stdout)


def measured(pid: int, port: int, requests: list[list[bytes]], folder: Path) -> dict:
    process = psutil.Process(pid)
    before = process.cpu_times()
    result = load(port, requests, folder)
    after = process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    result["server_cpu_us_per_request"] = cpu / result["answered"] * 1e6
    result["server_rss_mb"] = process.memory_info().rss / 2**20
    return result


def median_of(runs: list[dict]) -> dict:
    by_rate = sorted(runs, key=lambda run: run["per_second"])
    middle = dict(by_rate[len(by_rate) // 2])
    middle["runs_per_second"] = [round(run["per_second"]) for run in runs]
    middle["errors"] = sum(
        run["unanswered"] + sum(n for s, n in run["statuses"].items() if s != "200") for run in runs
    )
    return middle


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
                    runs[name].append(measured(server.pid, server.port, requests, folder))
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
