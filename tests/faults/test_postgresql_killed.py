"""PostgreSQL is killed under load: nothing acknowledged is lost, and all goes on by itself."""

import asyncio
import os
import signal
from functools import partial

import httpx
import psutil
import pytest

from faults.kit import Load, until, until_ready
from moorage.sdk import AsyncMoorage
from support.postgres import PostgresServer
from support.server import ServerProcess

DEVICES = 6


@pytest.fixture
def own_postgres():
    """One of the test's own, which keeps what it acknowledged, as nobody else's can be killed."""
    server = PostgresServer(durable=True)
    yield server
    server.close()


@pytest.fixture
def servers(own_postgres, tmp_path):
    """Two on one database: what one commits, the other is told."""
    found = [ServerProcess(tmp_path / "server", database=own_postgres.url()) for _ in range(2)]
    for one in found:
        one.start()
    yield found
    for one in found:
        one.stop()


def pids(postgres: PostgresServer, name: str = "moorage") -> list[int]:
    asked = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'"
    return [int(pid) for pid in postgres.run_sql(asked).split()]


async def kill_backend(postgres: PostgresServer) -> None:
    """PostgreSQL ends all other connections then, and recovers from its log."""
    os.kill((await asyncio.to_thread(pids, postgres))[0], signal.SIGKILL)


async def kill_postmaster(postgres: PostgresServer) -> None:
    """Pull the plug, and wait until no process of it is left."""
    main = psutil.Process((await asyncio.to_thread(pids, postgres))[0]).parent()
    assert main is not None
    children = main.children()
    await asyncio.to_thread(postgres.stop, signal.SIGKILL)
    _, left = await asyncio.to_thread(psutil.wait_procs, children, 30)
    assert not left


class Followed:
    """A follower of the workspace, through whatever happens to the server."""

    def __init__(self, fleet: AsyncMoorage) -> None:
        self.fleet = fleet
        self.marks: set[str] = set()
        self.greeted = self.gaps = 0

    async def follow(self) -> None:
        """Go on for ever; what ends it is a fault."""
        async for message in self.fleet.stream(lost=self._lost):
            self.greeted += message.kind == "hello"
            if message.kind == "event" and message.data["event"] == "test.mark":
                self.marks.add(message.data["description"])

    def has(self, marks: list[str]) -> bool:
        return self.marks >= set(marks)

    def _lost(self, _reason: str) -> None:
        self.gaps += 1


@pytest.mark.timeout(280)
async def test_postgresql_is_killed_under_load_and_nothing_acknowledged_is_lost(
    own_postgres, servers
):
    here, there = servers
    owner = here.bootstrap()["api_key"]
    limits = httpx.Limits(max_connections=50)
    async with (
        httpx.AsyncClient(base_url=here.base_url, timeout=60, limits=limits) as client,
        httpx.AsyncClient(base_url=there.base_url, timeout=90) as other,
        AsyncMoorage(there.base_url, owner) as fleet,
    ):
        load = Load(client, owner)
        await load.enrol(DEVICES)
        followed = Followed(fleet)
        following = asyncio.create_task(followed.follow())
        try:
            await until(lambda: followed.greeted, "the feed")
            async with load.running():
                await load.more()
                await kill_backend(own_postgres)
                await load.more(5 * DEVICES)
                held = asyncio.create_task(wait_for_command(other, load))
                await asyncio.sleep(0.3)
                await kill_postmaster(own_postgres)
                await down(client, other, load)
                assert (await held).status_code == 503
                await asyncio.to_thread(own_postgres.start)
                await asyncio.gather(until_ready(client), until_ready(other))
            await until(lambda: followed.has(load.marks) or following.done(), "every event")
            assert not following.done(), following
            await told_at_the_other(client, other, load)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await load.compare()
        listening = partial(pids, own_postgres, "moorage-announcements")
        await until(lambda: len(listening()) == len(servers), "that each hears the others again")
        await jobs_go_on(own_postgres)
    assert followed.gaps >= 1
    assert load.refused.keys() == {(503, "storage_unavailable")}
    for server in servers:
        assert '"level": "error"' not in server.log.read_text()


async def down(client, other, load) -> None:
    """What is said while the database is away."""
    await load.refusal(503, "storage_unavailable")
    await asyncio.gather(until_ready(client, wanted=False), until_ready(other, wanted=False))
    assert (await client.get("/healthz")).status_code == 200
    for path in ("/v1/devices", f"/v1/devices/{load.devices[0].id}/logs"):
        answer = await client.get(path, headers=load.as_owner)
        assert answer.status_code == 503, answer.text
        load.note(answer)


async def wait_for_command(client, load) -> httpx.Response:
    return await client.get("/v1/commands?wait=60", headers=load.devices[0].headers)


async def told_at_the_other(client, other, load) -> None:
    """A device waits at one server, its command is sent at another."""
    held = asyncio.create_task(wait_for_command(other, load))
    await asyncio.sleep(0.5)
    path = f"/v1/devices/{load.devices[0].id}/commands"
    sent = await client.post(path, json={"kind": "ping"}, headers=load.as_owner)
    assert sent.status_code == 201, sent.text
    answer = await held
    assert [one["id"] for one in answer.json()["commands"]] == [sent.json()["id"]]


async def jobs_go_on(postgres) -> None:
    asked = "SELECT at FROM alive_marks"
    before = await asyncio.to_thread(postgres.run_sql, asked)
    for _ in range(300):
        if await asyncio.to_thread(postgres.run_sql, asked) != before:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no server says any more that it is there")
