"""Three server processes on one PostgreSQL, one of them killed now and then: nothing is lost."""

import asyncio
import itertools
import random
from collections import Counter

import httpx
import pytest

from support.devices import all_rows, enrolled, rfc3339
from support.server import ServerProcess

SERVERS = 3
KILLS = 3
DEVICES = 6
_numbers = itertools.count(1)


@pytest.fixture
def servers(postgres, tmp_path):
    """Three processes with the same keys, each on a port of its own."""
    name = f"several_{next(_numbers)}"
    postgres.run_sql(f"CREATE DATABASE {name}")
    processes = [
        ServerProcess(tmp_path / "server", database=postgres.url(name)) for _ in range(SERVERS)
    ]
    for process in processes:
        process.start()
    yield processes
    for process in processes:
        process.stop()
    postgres.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


class Fleet:
    """Devices that send each report to any server until one acknowledges it."""

    def __init__(self, clients: list[httpx.AsyncClient]) -> None:
        self.clients = clients
        self.acknowledged: dict[str, list[str]] = {}
        self.ended = False

    async def live(self, device) -> None:
        marks = self.acknowledged.setdefault(device.id, [])
        for number in range(100_000):
            if self.ended:
                return
            mark = f"{device.id} {number}"
            line = {"at": rfc3339(), "service": "t", "severity": "info", "message": mark}
            body = device.report(logs=[line])
            received = await self.send(device, body)
            device.accept(body)
            marks.append(mark)
            assert (received["received"], received["chain"]) == (device.sequence, device.chain)

    async def send(self, device, body: bytes) -> dict:
        for _ in range(2_000):
            client = random.choice(self.clients)
            try:
                answer = await client.post("/v1/reports", content=body, headers=device.headers)
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            if answer.status_code == 200:
                return answer.json()
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.02)
        raise AssertionError("no server acknowledged it")


@pytest.mark.timeout(280)
async def test_what_any_of_three_acknowledged_is_there_once_though_one_is_killed(servers):
    owner = servers[0].bootstrap()["api_key"]
    clients = [httpx.AsyncClient(base_url=one.base_url, timeout=20) for one in servers]
    try:
        devices = [await enrolled(clients[0], owner) for _ in range(DEVICES)]
        fleet = Fleet(clients)
        async with asyncio.TaskGroup() as tasks:
            for device in devices:
                tasks.create_task(fleet.live(device))
            for _ in range(KILLS):
                await asyncio.sleep(0.3)
                lost = random.choice(servers)
                lost.kill()
                await asyncio.sleep(0.3)
                await asyncio.to_thread(lost.start)
            fleet.ended = True
        for device in devices:
            rows = await all_rows(clients[1], owner, f"/v1/devices/{device.id}/logs")
            assert Counter(row["message"] for row in rows) == Counter(fleet.acknowledged[device.id])
    finally:
        for client in clients:
            await client.aclose()
    assert sum(map(len, fleet.acknowledged.values())) > KILLS * DEVICES


@pytest.mark.timeout(280)
async def test_what_is_done_at_one_reaches_who_waits_at_the_others(servers):
    """Each device waits at one server; command, revocation and deletion come in at another."""
    owner = servers[0].bootstrap()["api_key"]
    as_owner = {"Authorization": f"Bearer {owner}"}
    clients = [httpx.AsyncClient(base_url=one.base_url, timeout=90) for one in servers]
    try:
        commanded, rotated, deleted = [await enrolled(clients[0], owner) for _ in range(SERVERS)]
        waiting = [
            asyncio.create_task(client.get("/v1/commands?wait=60", headers=device.headers))
            for client, device in zip(clients, (commanded, rotated, deleted), strict=True)
        ]
        await asyncio.sleep(1)
        sent = await clients[1].post(
            f"/v1/devices/{commanded.id}/commands", json={"kind": "ping"}, headers=as_owner
        )
        changed = await clients[2].post(f"/v1/devices/{rotated.id}/keys/rotate", headers=as_owner)
        gone = await clients[0].delete(f"/v1/devices/{deleted.id}", headers=as_owner)
        assert (sent.status_code, changed.status_code // 100, gone.status_code) == (201, 2, 204)
        answers = await asyncio.gather(*waiting)
        assert [answer.status_code for answer in answers] == [200, 401, 410]
        assert [one["id"] for one in answers[0].json()["commands"]] == [sent.json()["id"]]
        for client in clients:  # and nowhere are they let in again
            for device, refusal in ((rotated, 401), (deleted, 410)):
                answer = await client.post(
                    "/v1/reports", content=device.report(), headers=device.headers
                )
                assert answer.status_code == refusal
    finally:
        for client in clients:
            await client.aclose()
