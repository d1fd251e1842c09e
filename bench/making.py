"""Scenario: devices made by their owner, and devices that provision themselves by a token.

Each request is a whole device: token or key checked, record, key, config document, events, audit
row, all durable before the answer. Beside them one-row commits, which the disk allows.
"""

import json
import tempfile
from pathlib import Path

import httpx
from generator import measured, median_of
from reports import COLUMNS, RUNS, bare_commits, row
from sizes import size

CONNECTIONS = size(64, 4)
PER_CONNECTION = size(30, 3)


def request(path: str, body: dict, key: str | None) -> bytes:
    content = json.dumps(body).encode()
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"{authorization}Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def created(key: str, _token: str, name: str) -> bytes:
    return request("/v1/devices", {"name": name}, key)


def provisioned(_key: str, token: str, name: str) -> bytes:
    body = {"token": token, "device_info": {"device_id": name, "agent_version": "1.0.0"}}
    return request("/api/devices/provision", body, None)


WAYS = {"create": created, "provision by token": provisioned}


def run(start_server) -> dict:
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as path:
        folder = Path(path)
        servers = {name: start_server(name, folder / name) for name in ("sqlite", "postgresql")}
        runs: dict[str, list[dict]] = {}
        try:
            for name, server in servers.items():
                key = server.bootstrap("bench")["api_key"]
                token = token_of(server.base_url, key)
                for turn in range(RUNS):
                    for way, make in WAYS.items():
                        requests = [
                            [
                                make(key, token, f"box-{turn}-{connection}-{at}")
                                for at in range(PER_CONNECTION)
                            ]
                            for connection in range(CONNECTIONS)
                        ]
                        found = measured(
                            server.pid,
                            server.port,
                            requests,
                            folder,
                            database_pid=server.database_pid,
                        )
                        runs.setdefault(f"{way}, {name}", []).append(found)
            commits = bare_commits(folder)
        finally:
            for server in servers.values():
                server.stop()
    return {
        "connections": CONNECTIONS,
        "requests_per_run": CONNECTIONS * PER_CONNECTION,
        "runs": RUNS,
        "bare_commits_per_second": commits,
        "figures": {name: median_of(found, good="201") for name, found in runs.items()},
    }


def token_of(base_url: str, key: str) -> str:
    made = httpx.post(
        f"{base_url}/v1/provisioning-tokens",
        json={"name": "bench"},
        headers={"Authorization": f"Bearer {key}"},
    )
    return str(made.json()["token"])


def table(scenario: dict) -> list[str]:
    lines = [
        f"## Devices made, {scenario['connections']} connections, one process",
        "",
        (
            f"Median of {scenario['runs']} runs of {scenario['requests_per_run']:,} requests; each "
            "is a whole device, durable when answered. The disk allows "
            f"{scenario['bare_commits_per_second']:,.0f} one-row commits a second. CPU is for a "
            "request."
        ),
        "",
        f"| {COLUMNS} |",
        "|---" * (COLUMNS.count("|") + 1) + "|",
    ]
    lines += [row(name, found) for name, found in scenario["figures"].items()]
    return [*lines, ""]
