"""More than a server takes: all is stored once or told when to come back, in bounded memory."""

import asyncio
import contextlib
from collections import Counter

import httpx
import psutil
import pytest

from support.devices import Device, all_rows, enrolled, rfc3339
from support.server import ServerProcess

DEVICES = 48
EACH = 4
MOST_MORE_MB = 150
AT_ONCE = 500


@pytest.fixture
def server(tmp_path):
    """A server with little room, so that little is too much."""
    env = {"MOORAGE_INGEST__QUEUED_REPORTS": "6", "MOORAGE_INGEST__BATCH_REPORTS": "3"}
    process = ServerProcess(tmp_path / "server", env=env).start()
    yield process
    process.stop()


class Crowd:
    """Devices that send at once and again, whatever they are told."""

    def __init__(self, client: httpx.AsyncClient, *, each: int = EACH) -> None:
        self.client = client
        self.each = each
        self.stored: dict[str, list[str]] = {}
        self.statuses: Counter[int] = Counter()
        self.pauses: list[int] = []

    async def insist(self, device, client: "httpx.AsyncClient | Connection | None" = None) -> None:
        client = client or self.client
        marks = self.stored.setdefault(device.id, [])
        for number in range(len(marks), len(marks) + self.each):
            mark = f"{device.id} {number}"
            line = {"at": rfc3339(), "service": "t", "severity": "info", "message": mark}
            body = device.report(logs=[line])
            for _ in range(500):
                answer = await client.post("/v1/reports", content=body, headers=device.headers)
                self.statuses[answer.status_code] += 1
                if answer.status_code != 503:
                    break
                assert answer.json()["code"] == "overloaded"
                self.pauses.append(int(answer.headers["retry-after"]))
            assert answer.status_code == 200, answer.text
            device.accept(body)
            marks.append(mark)


@pytest.mark.timeout(280)
async def test_what_is_too_much_is_turned_away_and_nothing_else_suffers(server):
    owner = server.bootstrap()["api_key"]
    as_owner = {"Authorization": f"Bearer {owner}"}
    limits = httpx.Limits(max_connections=DEVICES + 10)
    process = psutil.Process(server.pid)
    async with httpx.AsyncClient(base_url=server.base_url, timeout=120, limits=limits) as client:
        devices = [await enrolled(client, owner) for _ in range(DEVICES)]
        before = process.memory_info().rss
        crowd = Crowd(client)
        insisting = asyncio.gather(*map(crowd.insist, devices))
        asked = Counter()
        for _ in range(2_000):
            if insisting.done():
                break
            for method, path, body in (
                ("GET", "/v1/devices?limit=5", None),
                ("POST", f"/v1/devices/{devices[0].id}/commands", {"kind": "ping"}),
                ("POST", "/v1/api-keys", {"name": "one more"}),
            ):
                answer = await client.request(method, path, json=body, headers=as_owner)
                asked[answer.status_code // 100] += 1
            made = f"/v1/api-keys/{answer.json()['id']}"
            asked[(await client.delete(made, headers=as_owner)).status_code // 100] += 1
            await asyncio.sleep(0.05)
        await insisting
        assert asked.keys() == {2}, "an owner is not turned away with the crowd"
        assert crowd.statuses.keys() == {200, 503}
        assert crowd.statuses[200] == DEVICES * EACH
        assert set(crowd.pauses) <= set(range(1, 16))
        assert len(set(crowd.pauses)) >= 5, "they are not all told to come back at once"
        assert process.memory_info().rss - before < MOST_MORE_MB * 2**20
        for device in devices[:: DEVICES // 8]:
            rows = await all_rows(client, owner, f"/v1/devices/{device.id}/logs")
            assert Counter(row["message"] for row in rows) == Counter(crowd.stored[device.id])
    log = server.log.read_text()
    assert 1 <= log.count("reports_turned_away") < crowd.statuses[503], "a line for many of them"
    assert '"level": "error"' not in log


@pytest.fixture
def plain(tmp_path):
    process = ServerProcess(tmp_path / "server").start()
    yield process
    process.stop()


class Connection:
    """One connection of its own; a pool of so many takes longer than the server does."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def opened(self, stack: contextlib.AsyncExitStack) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        stack.callback(self._writer.close)
        return self

    async def post(self, path: str, *, content: bytes, headers: dict) -> httpx.Response:
        told = {"Host": "moorage", "Content-Length": len(content), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
        async with asyncio.timeout(120):
            answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            found = dict(line.lower().split(": ", 1) for line in answer[1:] if line)
            body = await self._reader.readexactly(int(found["content-length"]))
        return httpx.Response(int(answer[0].split(" ")[1]), headers=found, content=body)


async def made_at_once(client, owner: str, count: int) -> list[Device]:
    """Devices by one token for all of them."""
    as_owner = {"Authorization": f"Bearer {owner}"}
    wanted = {"name": "fleet", "max_uses": count}
    token = await client.post("/v1/provisioning-tokens", json=wanted, headers=as_owner)
    assert token.status_code == 201, token.text

    async def one(number: int) -> Device:
        box = {"device_id": f"box-{number}"}
        told = {"provisioning_token": token.json()["token"], "device": box}
        answer = await client.post("/v1/enroll", json=told)
        assert answer.status_code == 200, answer.text
        return Device(answer.json()["device_key"], answer.json()["device_id"])

    made = []
    for start in range(0, count, 25):
        made += await asyncio.gather(*map(one, range(start, start + 25)))
    return made


@pytest.mark.timeout(280)
async def test_a_fleet_that_comes_back_at_one_moment_is_stored_and_leaves_nothing_behind(plain):
    """Each on a connection of its own, to a server that knows none of them yet."""
    owner = plain.bootstrap()["api_key"]
    async with httpx.AsyncClient(base_url=plain.base_url, timeout=120) as client:
        devices = await made_at_once(client, owner, AT_ONCE)
    plain.stop()
    plain.start()
    process = psutil.Process(plain.pid)
    async with httpx.AsyncClient(base_url=plain.base_url, timeout=120) as client:
        crowd = Crowd(client, each=1)
        after = []
        for _ in range(3):
            async with contextlib.AsyncExitStack() as stack:

                async def come_back(device: Device, stack=stack) -> None:
                    await crowd.insist(device, await Connection(plain.port).opened(stack))

                await asyncio.gather(*map(come_back, devices))
            after.append(process.memory_info().rss)
        assert crowd.statuses[200] == 3 * AT_ONCE
        assert crowd.statuses.keys() <= {200, 503}
        # What the first time needed is used again.
        assert after[-1] - after[0] < MOST_MORE_MB / 5 * 2**20
        for device in devices[:: AT_ONCE // 10]:
            rows = await all_rows(client, owner, f"/v1/devices/{device.id}/logs")
            assert Counter(row["message"] for row in rows) == Counter(crowd.stored[device.id])
