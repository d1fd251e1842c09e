"""The whole server with a Portainer: what it says of it, and that no secret is left anywhere."""

import asyncio
import logging

import httpx
import pytest
import sqlalchemy as sa

from moorage.core import environments, keys, workspaces
from moorage.core.caller import Caller, DeviceRef
from moorage.core.environments import State
from moorage.outbound import environments as loop_of
from moorage.server import create_app, load_settings
from moorage.server.opening import SetupError
from moorage.storage import metadata
from support.engines import on_sqlite
from support.portainer import Fault


@pytest.fixture
def _quick_looks(monkeypatch):
    monkeypatch.setattr(loop_of, "_HEALTH_EVERY_S", 0.02)


@pytest.fixture
def portainer_settings(database_url, tmp_path, fake):
    def make(**portainer):
        return load_settings(
            data=tmp_path / "data",
            database=database_url,
            keys_dir=tmp_path / "keys",
            public_url="http://moorage.test",
            portainer={
                "url": fake.url,
                "api_key": fake.api_key,
                "device_url": "https://portainer.example.com",
                **portainer,
            },
        )

    return make


class Story:
    """A server, its client, and one device made through the API."""

    def __init__(self, services, client, key: str) -> None:
        self.services = services
        self.client = client
        self.auth = {"Authorization": f"Bearer {key}"}

    async def device(self) -> DeviceRef:
        made = await self.client.post("/v1/devices", json={"name": "camera"}, headers=self.auth)
        async with self.services.db.write() as tx:
            workspace = await workspaces.ensure(tx, "acme")
            ref = DeviceRef(made.json()["id"], workspace.id, live=True)
            await environments.want(tx, ref)
        return ref


@pytest.fixture
async def story(portainer_settings):
    app = create_app(portainer_settings())
    async with app.running() as services:
        async with services.db.write() as tx:
            workspace = await workspaces.ensure(tx, "acme")
            caller = Caller(workspace.id, live=True, actor="system:test")
            key = (await keys.issue(tx, caller, name="test", live=True)).text
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://moorage.test") as client:
            yield Story(services, client, key)


async def until(true, *, tries: int = 500) -> None:
    for _ in range(tries):
        if await true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


async def looked_at(fake) -> bool:
    """Whether the server has had its first look at it."""
    return any(one.path == "/api/endpoints" for one in fake.seen)


@on_sqlite
async def test_portainer_away_is_a_warning_beside_readiness_and_nobody_waits_for_it(
    _quick_looks, story, fake
):
    async def told() -> list[str]:
        answer = await story.client.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)
        return answer.json().get("warnings", [])

    async def warned() -> bool:
        return any("Portainer cannot be reached" in one for one in await told())

    async def well() -> bool:
        return not await told()

    await until(well)
    fake.fault = Fault.SLOW
    before = len(fake.seen)

    async def hanging() -> bool:
        return len(fake.seen) > before

    await until(hanging)
    for _ in range(20):
        await told()
    assert len(fake.seen) == before + 1, "who asks whether we are ready asks nobody else"
    fake.fault = None
    await fake.down()
    await until(warned)
    await fake.up()
    await until(well)


async def test_no_secret_is_left_in_logs_or_any_table(story, fake, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    ref = await story.device()
    await until(lambda: looked_at(fake))
    fake.faults.append(Fault.BAD_REQUEST)
    await story.services.environments.bring_up(ref.device_id)
    other = await story.device()
    fake.faults.append(Fault.ERROR)
    await story.services.environments.bring_up(other.device_id)
    async with story.services.db.write() as tx:
        await environments.want(tx, ref)
    ready = await story.services.environments.bring_up(ref.device_id)
    assert ready.state is State.READY
    proxied = await story.services.environments.proxy.stream(
        ready.endpoint_id, "GET", "containers/json"
    )
    async for _ in proxied.chunks:
        pass
    async with story.services.db.read() as tx:
        tables = {}
        for name in metadata.tables:
            rows = await tx.rows(sa.text(f"SELECT * FROM {name}"))
            tables[name] = "\n".join(str(tuple(row)) for row in rows)
    assert ref.device_id in tables["environments"]
    assert "environment.ready" in tables["events"]
    assert "environment.failed" in tables["events"]
    assert "environment.handed_over" in tables["audit_entries"]
    written = capfd.readouterr()
    everything = [caplog.text, written.out, written.err, repr(ready), *tables.values()]
    for secret in (fake.api_key, fake.api_key[8:40], fake.keys[0], fake.keys[0][-24:]):
        assert not [text for text in everything if secret in text]


@on_sqlite
async def test_deleting_a_device_through_the_api_ends_its_environment(story, fake):
    ref = await story.device()
    await story.services.environments.bring_up(ref.device_id)
    assert len(fake.rows) == 1
    answer = await story.client.delete(f"/v1/devices/{ref.device_id}", headers=story.auth)
    assert answer.status_code == 204

    async def gone() -> bool:
        return not fake.rows

    await until(gone)


@on_sqlite
async def test_a_server_without_portainer_has_no_environments(running):
    assert (await running.client.get("/readyz")).json() == {"ready": True}


@on_sqlite
async def test_certificates_that_cannot_be_used_keep_the_server_from_starting(
    portainer_settings, tmp_path
):
    app = create_app(portainer_settings(ca_bundle=tmp_path / "absent.pem"))
    with pytest.raises(SetupError, match="ca_bundle"):
        async with app.running():
            pass
