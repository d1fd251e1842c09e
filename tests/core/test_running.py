"""What devices run: each report says all of it, for many devices in one transaction."""

from datetime import timedelta

import pytest

from moorage.core import config, devices, services, streams
from moorage.core.streams import store as stream_store

RATES = {"pipeline_id": None, "started_at": None, "camera_fps": None, "inference_fps": None}


def stream(name, status="active", **told):
    plain = {"stream_id": name, "status": status, "sharpness": None, "error": None, **RATES}
    return {**plain, **told}


def service(name, state="running", **told):
    plain = dict.fromkeys(("image", "restarts", "cpu_percent", "memory_mb", "error"))
    return {"name": name, "state": state, **plain, **told}


@pytest.fixture
async def two(db, owner):
    async with db.write() as tx:
        made = [await devices.create(tx, owner, name=name) for name in ("camera", "gateway")]
        return [await config.create_first(tx, owner, device, {}) for device in made]


async def streams_of(db, device) -> dict:
    async with db.read() as tx:
        return {row.stream_id: row for row in await stream_store.states_of(tx, device.id)}


async def test_streams_of_many_devices_are_what_their_last_reports_say(db, clock, two):
    camera, gateway = two
    began = clock.now() - timedelta(hours=1)
    async with db.write() as tx:
        door = stream("door", camera_fps=24.5, sharpness=3, started_at=began, error="a\nb")
        states = {gateway.id: [stream("z"), stream("a", "failed")], camera.id: [door]}
        await streams.record(tx, states, [])
    (row,) = (await streams_of(db, camera)).values()
    assert (row.camera_fps, row.sharpness, row.error, row.started_at) == (24.5, 3, "a\nb", began)
    assert {name: one.status for name, one in (await streams_of(db, gateway)).items()} == {
        "a": "failed",
        "z": "active",
    }
    async with db.write() as tx:
        await streams.record(tx, {camera.id: [], gateway.id: [stream("z"), stream("b")]}, [])
    assert await streams_of(db, camera) == {}
    assert sorted(await streams_of(db, gateway)) == ["b", "z"]


async def test_a_streams_event_is_as_old_as_its_status(db, clock, two):
    camera, _ = two
    times = []
    for status in ("active", "active", "failed", "failed", "active"):
        clock.advance(minutes=1)
        async with db.write() as tx:
            await streams.record(tx, {camera.id: [stream("door", status)]}, [])
        row = (await streams_of(db, camera))["door"]
        assert row.reported_at == clock.now()
        times.append(clock.now() - row.last_event_at)
    assert [age // timedelta(minutes=1) for age in times] == [0, 1, 0, 1, 0]


async def test_services_of_many_devices_are_what_their_last_reports_say(db, owner, clock, two):
    camera, gateway = two
    async with db.write() as tx:
        web = service("web", image="nginx:1", restarts=3, cpu_percent=1.5, memory_mb=20)
        await services.record(
            tx, {gateway.id: [service("db"), service("db", "failed")], camera.id: [web]}
        )
    async with db.read() as tx:
        (told,) = await services.list_services(tx, owner, camera.ref)
        assert (told.name, told.state, told.image, told.restarts) == (
            "web",
            "running",
            "nginx:1",
            3,
        )
        assert (told.cpu_percent, told.memory_mb, told.reported_at) == (1.5, 20, clock.now())
        (told,) = await services.list_services(tx, owner, gateway.ref)
        assert (told.name, told.state) == ("db", "failed"), "the last word of a report"
    async with db.write() as tx:
        await services.record(tx, {camera.id: []})
    async with db.read() as tx:
        assert await services.list_services(tx, owner, camera.ref) == []
        assert len(await services.list_services(tx, owner, gateway.ref)) == 1
