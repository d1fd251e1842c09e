"""Told to stop, the server finishes what it took on, and its exit code says that all is well."""

import asyncio
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest

from support.server import ServerProcess

ONE_BY_ONE = 40


@pytest.fixture
def server(tmp_path):
    process = ServerProcess(tmp_path).start()
    yield process
    process.stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_exits_0_and_says_nothing_bad(server, how):
    assert server._end(how) == 0
    log = server.log.read_text()
    assert "Traceback" not in log
    assert '"level": "error"' not in log


def test_every_report_acknowledged_before_a_sigterm_is_there_afterwards(server):
    keys = server.bootstrap()
    acknowledged = asyncio.run(_report_until_stopped(server, keys["api_key"]))
    assert len(acknowledged) > ONE_BY_ONE
    server.start()
    kept = asyncio.run(_messages(server, keys["api_key"]))
    assert sorted(kept & acknowledged) == sorted(acknowledged)


async def _report_until_stopped(server: ServerProcess, key: str) -> set[str]:
    """Eight devices report as fast as they can; the server is told to stop in the middle."""
    acknowledged: set[str] = set()
    enough = asyncio.Event()
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(base_url=server.base_url, limits=limits) as client:
        device_keys = [await _enrolled(client, key) for _ in range(8)]

        async def report(at: int) -> None:
            for sequence in range(1, 100_000):
                message = f"{at}-{sequence}"
                try:
                    answer = await client.post(
                        "/v1/reports",
                        content=_report(sequence, message),
                        headers={"Authorization": f"Bearer {device_keys[at]}"},
                    )
                except httpx.TransportError:
                    return
                if answer.status_code != 200:
                    assert answer.status_code == 503, answer.text
                    return
                acknowledged.add(message)
                if len(acknowledged) > ONE_BY_ONE:
                    enough.set()

        async def stop() -> None:
            await asyncio.wait_for(enough.wait(), 30)
            assert await asyncio.to_thread(server.stop) == 0

        await asyncio.gather(stop(), *(report(at) for at in range(8)))
    return acknowledged


async def _enrolled(client: httpx.AsyncClient, key: str) -> str:
    headers = {"Authorization": f"Bearer {key}"}
    made = await client.post("/v1/devices", json={"name": "device"}, headers=headers)
    token = made.json()["install_token"]
    answer = await client.post("/v1/enroll", json={"install_token": token})
    device_key: str = answer.json()["device_key"]
    return device_key


def _report(sequence: int, message: str) -> bytes:
    now = datetime.now(UTC).isoformat()
    line = {"at": now, "service": "s", "severity": "info", "message": message}
    return json.dumps({"epoch": "e", "sequence": sequence, "sent_at": now, "logs": [line]}).encode()


async def _messages(server: ServerProcess, key: str) -> set[str]:
    headers = {"Authorization": f"Bearer {key}"}
    found: set[str] = set()
    async with httpx.AsyncClient(base_url=server.base_url, headers=headers) as client:
        devices = (await client.get("/v1/devices")).json()["data"]
        for device in devices:
            params = {"limit": "500"}
            for _ in range(1000):
                page = await client.get(f"/v1/devices/{device['id']}/logs", params=params)
                found |= {line["message"] for line in page.json()["data"]}
                if page.json()["next_cursor"] is None:
                    break
                params["cursor"] = page.json()["next_cursor"]
    return found


def test_a_port_that_is_taken_is_said_in_one_line(server, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "moorage.cli", "serve"),
            *("--port", str(server.port), "--data", str(tmp_path / "other")),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"moorage: cannot listen on 127.0.0.1 port {server.port}:")
    assert "--port" in line
