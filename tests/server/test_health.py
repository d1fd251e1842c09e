"""Alive and ready are two things: a server without its database is the one, not the other."""

import httpx
import pytest

from dialects.native_kit import on_sqlite, problem_of
from moorage.core import keys, workspaces
from moorage.core.caller import Caller
from moorage.server import create_app, load_settings
from support.postgres import PostgresServer


@on_sqlite
async def test_a_server_with_its_database_is_alive_and_ready(running):
    alive = await running.client.get("/healthz")
    ready = await running.client.get("/readyz")
    assert (alive.status_code, alive.text) == (200, "ok\n")
    assert (ready.status_code, ready.json()) == (200, {"ready": True})


async def metrics(running, *, client="127.0.0.1", **headers):
    transport = httpx.ASGITransport(running.app, client=(client, 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://moorage.test") as asking:
        return await asking.get("/metrics", headers=headers)


@on_sqlite
async def test_metrics_are_for_this_machine_and_not_for_whom_a_proxy_brings(running):
    assert (await metrics(running)).status_code == 200
    assert (await metrics(running, client="::1")).status_code == 200
    assert (await metrics(running, client="192.0.2.7")).status_code == 403
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert (await metrics(running, **{name: "127.0.0.1"})).status_code == 403, name


class TestToken:
    @pytest.fixture
    def more_settings(self):
        return {"metrics_token": "a-token-for-scraping"}

    @on_sqlite
    async def test_with_a_token_metrics_are_for_whoever_has_it(self, running):
        right = {"Authorization": "Bearer a-token-for-scraping"}
        assert (await metrics(running, client="192.0.2.7", **right)).status_code == 200
        wrong = {"Authorization": "Bearer a-token-for-scrapinh"}
        for headers in ({}, wrong, {"Authorization": "a-token-for-scraping"}):
            assert (await metrics(running, **headers)).status_code == 403


async def test_metrics_say_how_large_the_database_is_and_what_is_not_known(running):
    told = dict(
        line.rsplit(" ", 1)
        for line in (await metrics(running)).text.splitlines()
        if line.startswith("moorage_storage_")
    )
    assert float(told["moorage_storage_used_bytes"]) > 100_000
    assert told["moorage_storage_refusing"] == "0.0"
    assert told["moorage_storage_full_in_days"] == "NaN", "one day says nothing"


@pytest.fixture
def own_postgres():
    server = PostgresServer()
    yield server
    server.close()


async def test_a_server_whose_database_is_gone_is_alive_not_ready_and_recovers(
    own_postgres, tmp_path
):
    settings = load_settings(database=own_postgres.url(), keys_dir=tmp_path, data=tmp_path)
    app = create_app(settings, public_url="http://moorage.test")
    async with app.running() as services:
        async with services.db.write() as tx:
            workspace = await workspaces.ensure(tx, "acme")
            caller = Caller(workspace.id, live=True, actor="system:test")
            key = (await keys.issue(tx, caller, name="test", live=True)).text
        auth = {"Authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://moorage.test") as client:
            made = (await client.post("/v1/devices", json={"name": "a"}, headers=auth)).json()
            own_postgres.stop()
            assert (await client.get("/healthz")).status_code == 200
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["ready"]) == (503, False)
            assert int(ready.headers["retry-after"]) > 0
            asked = [
                await client.get("/v1/devices", headers=auth),
                await client.post("/v1/devices", json={"name": "b"}, headers=auth),
                await client.post("/v1/enroll", json={"install_token": made["install_token"]}),
                await client.post("/v1/reports", json={}, headers=auth),
            ]
            for answer in asked:
                problem_of(answer, 503, "storage_unavailable")
            script = await client.get(f"/devices/v2/{made['install_token']}/install.sh")
            assert script.status_code == 503
            own_postgres.start()
            for _ in range(20):
                if (await client.get("/readyz")).status_code == 200:
                    break
            assert (await client.get("/readyz")).status_code == 200
            assert (await client.get("/v1/devices", headers=auth)).status_code == 200
            told = await client.post("/v1/enroll", json={"install_token": made["install_token"]})
            assert told.status_code == 200
