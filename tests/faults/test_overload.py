"""More than a server takes: all is stored once or told when to come back, in bounded memory."""

import asyncio
from collections import Counter

import httpx
import psutil
import pytest

from support.devices import all_rows, enrolled, rfc3339
from support.server import ServerProcess

DEVICES = 48
EACH = 4
MOST_MORE_MB = 150


@pytest.fixture
def server(tmp_path):
    """A server with little room, so that little is too much."""
    env = {"MOORAGE_INGEST__QUEUED_REPORTS": "6", "MOORAGE_INGEST__BATCH_REPORTS": "3"}
    process = ServerProcess(tmp_path / "server", env=env).start()
    yield process
    process.stop()


class Crowd:
    """Devices that send at once and again, whatever they are told."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.stored: dict[str, list[str]] = {}
        self.statuses: Counter[int] = Counter()
        self.pauses: list[int] = []

    async def insist(self, device) -> None:
        for number in range(EACH):
            mark = f"{device.id} {number}"
            line = {"at": rfc3339(), "service": "t", "severity": "info", "message": mark}
            body = device.report(logs=[line])
            for _ in range(500):
                answer = await self.client.post("/v1/reports", content=body, headers=device.headers)
                self.statuses[answer.status_code] += 1
                if answer.status_code != 503:
                    break
                assert answer.json()["code"] == "overloaded"
                self.pauses.append(int(answer.headers["retry-after"]))
            assert answer.status_code == 200, answer.text
            device.accept(body)
            self.stored.setdefault(device.id, []).append(mark)


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
