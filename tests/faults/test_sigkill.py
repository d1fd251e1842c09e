"""Pulling the plug under load: what was acknowledged is there, exactly once, and in order."""

import asyncio
import itertools
import random
from collections import Counter

import httpx
import pytest

from moorage.storage import open_database
from moorage.storage.migrate import migrate
from support.devices import all_rows, enrolled, rfc3339, send_until_acknowledged
from support.server import ServerProcess

KILLS = 20
DEVICES = 8


async def more_than(count, taken) -> None:
    """Wait until there is something to lose, however slow the machine is."""
    for _ in range(300):
        if taken() > count:
            return
        await asyncio.sleep(0.05)


@pytest.mark.timeout(240)
async def test_every_acknowledged_report_survives_twenty_kills_exactly_once(
    engine, request, tmp_path
):
    database = None
    if engine == "postgresql":
        postgres = request.getfixturevalue("postgres")
        postgres.run_sql("CREATE DATABASE kills")
        database = postgres.url("kills")
    server = ServerProcess(tmp_path / "server", database=database).start()
    owner = server.bootstrap()["api_key"]
    acknowledged: dict[str, list[str]] = {}
    running = True

    def taken() -> int:
        return sum(map(len, acknowledged.values()))

    async def live(client: httpx.AsyncClient, device) -> None:
        marks = acknowledged.setdefault(device.id, [])
        for number in itertools.count():
            if not running:
                return
            mark = f"{device.id} {number}"
            line = {"at": rfc3339(), "service": "t", "severity": "info", "message": mark}
            sample = {"at": rfc3339(), "cpu_percent": number}
            body = device.report(logs=[line], telemetry=[sample])
            received = await send_until_acknowledged(client, device, body)
            device.accept(body)
            marks.append(mark)
            assert received["chain"] == device.chain
            assert received["received"] == device.sequence

    try:
        async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as client:
            devices = [await enrolled(client, owner) for _ in range(DEVICES)]
            async with asyncio.TaskGroup() as tasks:
                for device in devices:
                    tasks.create_task(live(client, device))
                for _ in range(KILLS):
                    await more_than(taken() + DEVICES, taken)
                    await asyncio.sleep(random.uniform(0.0, 0.2))
                    server.kill()
                    await asyncio.to_thread(server.start)
                running = False
            for device in devices:
                path = f"/v1/devices/{device.id}"
                lines = Counter(r["message"] for r in await all_rows(client, owner, f"{path}/logs"))
                assert lines == Counter(acknowledged[device.id])
                samples = await all_rows(client, owner, f"{path}/telemetry")
                numbers = sorted(int(sample["cpu_percent"]) for sample in samples)
                assert numbers == list(range(len(acknowledged[device.id])))
    finally:
        server.stop()
    assert taken() > KILLS * DEVICES


async def test_every_device_that_was_made_survives_kills_whole(tmp_path):
    """Makers that come at once share commits on SQLite."""
    server = ServerProcess(tmp_path / "server").start()
    as_owner = {"Authorization": f"Bearer {server.bootstrap()['api_key']}"}
    made: dict[str, str] = {}
    running = True

    async def make(client: httpx.AsyncClient, maker: int) -> None:
        for number in itertools.count():
            if not running:
                return
            name = f"{maker}-{number}"
            try:
                answer = await client.post("/v1/devices", json={"name": name}, headers=as_owner)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 201:
                made[answer.json()["id"]] = name
            else:
                assert answer.status_code == 503, answer.text

    try:
        async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as client:
            async with asyncio.TaskGroup() as tasks:
                for maker in range(16):
                    tasks.create_task(make(client, maker))
                for _ in range(6):
                    await more_than(len(made) + 40, lambda: len(made))
                    await asyncio.sleep(random.uniform(0.0, 0.05))
                    server.kill()
                    await asyncio.to_thread(server.start)
                running = False
            found = await all_rows(client, as_owner["Authorization"][7:], "/v1/devices")
            there = {device["id"]: device["name"] for device in found}
            assert made.items() <= there.items()
            for device_id in random.sample(sorted(there), 20):
                config = await client.get(f"/v1/devices/{device_id}/config", headers=as_owner)
                assert config.status_code == 200, "with the first revision of its config"
    finally:
        server.stop()
    assert len(made) > 200


async def test_a_server_killed_while_it_migrates_starts_again_with_all_or_nothing(tmp_path):
    server = ServerProcess(tmp_path / "server")
    (tmp_path / "server" / "data" / "db").mkdir(parents=True)
    path = tmp_path / "server" / "data" / "db" / "moorage.db"
    db = open_database(f"sqlite:///{path}")
    await migrate(db)
    await db.close()
    server.start()
    server.kill()
    server.start()
    assert server.stop() == 0


async def test_reports_in_flight_at_sigterm_are_answered_or_refused_never_lost(tmp_path):
    server = ServerProcess(tmp_path / "server").start()
    owner = server.bootstrap()["api_key"]
    async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as client:
        devices = [await enrolled(client, owner) for _ in range(DEVICES)]

        async def one(device) -> tuple[str, bool]:
            line = {"at": rfc3339(), "service": "t", "severity": "info", "message": device.id}
            body = device.report(logs=[line])
            try:
                answer = await client.post("/v1/reports", content=body, headers=device.headers)
            except httpx.TransportError:
                return device.id, False
            return device.id, answer.status_code == 200

        sending = [asyncio.create_task(one(device)) for device in devices]
        await asyncio.sleep(0.005)
        await asyncio.to_thread(server.stop)
        answered = dict(await asyncio.gather(*sending))
    server.start()
    try:
        async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as client:
            for device_id, acknowledged in answered.items():
                lines = await all_rows(client, owner, f"/v1/devices/{device_id}/logs")
                assert len(lines) == 1 if acknowledged else len(lines) <= 1
    finally:
        server.stop()
