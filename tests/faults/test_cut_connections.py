"""Connections that break within a body, or between the commit and its answer: stored once, or not.

What lies between is a listener of the test's that passes bytes on and swallows answers.
"""

import asyncio
import contextlib
import socket
import struct

import httpx
import pytest

from faults.kit import Load, parts, until
from support.devices import all_rows
from support.server import ServerProcess

HALF = 40
LINGER_NOT = struct.pack("ii", 1, 0)  # closing is a reset then


@pytest.fixture
def database(engine, request):
    if engine == "sqlite":
        yield None
        return
    postgres = request.getfixturevalue("postgres")
    postgres.run_sql("CREATE DATABASE cut_connections")
    yield postgres.url("cut_connections")
    postgres.run_sql("DROP DATABASE cut_connections WITH (FORCE)")


@pytest.fixture
def server(database, tmp_path):
    process = ServerProcess(tmp_path / "server", database=database).start()
    yield process
    process.stop()


class Swallower:
    """Passes a request on, and cuts the connection when its answer comes: so many times."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open: set[asyncio.StreamWriter] = set()
        self.swallowing = 0
        self.swallowed: list[bytes] = []

    @contextlib.asynccontextmanager
    async def listening(self):
        listener = await asyncio.start_server(self._between, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        finally:
            listener.close()
            for one in self._open:
                one.close()
            await listener.wait_closed()

    async def _between(self, reader, writer) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, forth}
        passing = asyncio.create_task(self._pass(reader, forth))
        try:
            while answer := await back.read(65_536):
                # Head and body may come apart: the rest of an answer that was let through is none.
                if self.swallowing and answer.startswith(b"HTTP/"):
                    self.swallowing -= 1
                    self.swallowed.append(answer.split(b"\r\n", 1)[0])
                    writer.transport.abort()
                    return
                writer.write(answer)
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)
            for one in (writer, forth):
                one.close()
                self._open.discard(one)

    async def _pass(self, reader, forth) -> None:
        while data := await reader.read(65_536):
            forth.write(data)


async def test_a_report_whose_answer_was_lost_after_the_commit_is_stored_once(server):
    owner = server.bootstrap()["api_key"]
    between = Swallower(server.port)
    async with (
        between.listening() as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        load = Load(client, owner)
        await load.enrol(4)
        async with load.running():
            for _ in range(10):
                await load.more()
                between.swallowing = len(load.devices)
                await until(lambda: not between.swallowing, "an answer to swallow")
        assert set(between.swallowed) == {b"HTTP/1.1 200 OK"}, "all of these were stored"
        assert load.unanswered >= len(between.swallowed)
        await load.compare()


async def test_a_sign_of_life_in_another_api_may_come_again(server):
    """These have no identity: the repeat counts as a second one, and breaks nothing."""
    owner = server.bootstrap()["api_key"]
    between = Swallower(server.port)
    async with (
        between.listening() as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        as_owner = {"Authorization": f"Bearer {owner}"}
        token = await client.post("/api/provisioning-tokens", json={"name": "t"}, headers=as_owner)
        info = {"token": token.json()["data"]["token"], "device_info": {"device_id": "box"}}
        made = await client.post("/api/devices/provision", json=info)
        device = {"X-Device-Key": made.json()["data"]["api_key"]}
        body = {"status": "degraded", "metrics": {"cpu_usage": 12.5}}
        between.swallowing = 1
        with pytest.raises(httpx.TransportError):
            await client.post("/api/device/checkin", json=body, headers=device)
        again = await client.post("/api/device/checkin", json=body, headers=device)
        assert (again.status_code, again.json()["data"]) == (200, {"actions": []})
        (found,) = (await client.get("/v1/devices", headers=as_owner)).json()["data"]
        assert found["status"] == "online"
        path = f"/v1/devices/{found['id']}"
        samples = await all_rows(client, owner, f"{path}/telemetry")
        assert [sample["cpu_percent"] for sample in samples] == [12.5, 12.5]
        events = await all_rows(client, owner, f"{path}/events")
        changed = [row for row in events if row["event"] == "device.health_changed"]
        assert len(changed) == 1, "what changed once is one event"


def begun(server, head: bytes, body: bytes, sent: int) -> socket.socket:
    """A request of which so many bytes of the body were sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), 30)
    connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:sent])
    return connection


async def test_bodies_that_end_in_the_middle_leave_nothing_and_hold_nobody_up(server):
    owner = server.bootstrap()["api_key"]
    async with httpx.AsyncClient(base_url=server.base_url, timeout=60) as client:
        load = Load(client, owner)
        await load.enrol(3)
        lost = load.devices[0]
        auth = f"Authorization: {lost.headers['Authorization']}\r\n".encode()
        json_body = b"Content-Type: application/json\r\n" + auth
        report = lost.report(**parts("half", 999))
        requests = {
            b"/v1/reports": report,
            b"/api/device/checkin": b'{"status": "healthy", "metrics": {"cpu_usage": 999}}',
            b"/inference-stats": b'{"api_key": "x", "device_id": "y", "hostname": "half"}',
            b"/v1/devices": b'{"name": "half of a device that was never asked for"}',
        }
        connections = []
        for path, body in requests.items():
            head = b"POST %s HTTP/1.1\r\nHost: moorage\r\n" % path + json_body
            lengths = [share * (len(body) - 1) // HALF for share in range(HALF)]
            connections += [begun(server, head, body, sent) for sent in lengths]
        async with load.running():
            await load.more(20)
            for connection in connections[::2]:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            for connection in connections:
                connection.close()
            await load.more(20)
        assert not load.refused
        assert not load.unanswered
        await load.compare()
        as_owner = {"Authorization": f"Bearer {owner}"}
        devices = (await client.get("/v1/devices", headers=as_owner)).json()["data"]
        assert len(devices) == len(load.devices)
    assert '"level": "error"' not in server.log.read_text()
    assert "Traceback" not in server.log.read_text()
