"""Virtual devices in the server: ordinary devices that the server itself plays."""

import asyncio
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from dialects.native_kit import on_sqlite, problem_of
from moorage.core import keys, workspaces
from moorage.core.caller import Caller
from moorage.core.virtual import PROFILES
from moorage.sdk import ledger
from moorage.sdk.decode import decode
from moorage.sdk.models import Epoch, ReportRecord
from moorage.server import create_app, load_settings
from moorage.simulator import PROFILES as PLAYED

PATH = "/v1/virtual-devices"
WITHIN_S = 20


async def make(api, **fields) -> list[dict]:
    answer = await api.client.post(PATH, json=fields, headers=api.auth())
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def drive(api, device_id: str, **fields) -> dict:
    answer = await api.client.post(f"{PATH}/{device_id}/drive", json=fields, headers=api.auth())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def until(look):
    """What is looked for, once it is there."""
    deadline = time.monotonic() + WITHIN_S
    while not (found := await look()):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)
    return found


def online(api, device_id: str):
    async def look():
        device = await api.read(f"/v1/devices/{device_id}")
        return device if device["status"] == "online" else None

    return look


def event_named(api, device_id: str, name: str):
    async def look():
        found = await api.read(f"/v1/devices/{device_id}/events", event=name)
        return found["data"][0] if found["data"] else None

    return look


def test_the_core_knows_the_profiles_that_the_simulator_plays():
    assert set(PROFILES) == set(PLAYED)


async def test_a_virtual_device_is_online_at_once_with_all_a_real_one_tells(api):
    (made,) = await make(api, profile="camera")
    assert made["name"] == "Virtual camera 1"
    device = await until(online(api, made["id"]))
    assert device["type"] == "virtual"
    assert device["tags"] == ["virtual", "camera"]
    assert device["facts"]["hostname"] == "Virtual camera 1"
    telemetry = await api.read(f"/v1/devices/{made['id']}/telemetry")
    assert telemetry["data"][0]["cpu_percent"] > 0
    streams = await api.read(f"/v1/devices/{made['id']}/streams")
    assert {stream["status"] for stream in streams["data"]} == {"running"}
    shown = await api.read(f"{PATH}/{made['id']}")
    assert {**made, "status": "online"} == shown


async def test_several_are_made_at_once_and_listed_by_their_mode(api):
    made = await make(api, count=3, profile="meter", name="pump")
    assert [one["name"] for one in made] == ["pump 1", "pump 2", "pump 3"]
    listed = await api.read(PATH)
    assert [one["id"] for one in listed["data"]] == [one["id"] for one in made]
    assert listed["next_cursor"] is None
    assert (await api.read(PATH, key=api.running.test_key))["data"] == []


async def test_a_test_key_makes_test_devices(api):
    answer = await api.client.post(PATH, json={}, headers=api.auth(api.running.test_key))
    (made,) = answer.json()["data"]
    assert made["live_mode"] is False
    assert (await api.read(PATH))["data"] == []


@on_sqlite
async def test_a_workspace_has_fifty_and_no_more(api):
    await make(api, count=49, profile="meter")
    answer = await api.client.post(PATH, json={"count": 2}, headers=api.auth())
    problem_of(answer, 409, "virtual_devices_full")
    (last,) = await make(api, profile="meter")
    answer = await api.client.post(PATH, json={}, headers=api.auth(api.running.test_key))
    problem_of(answer, 409, "virtual_devices_full")
    await api.client.delete(f"{PATH}/{last['id']}", headers=api.auth())
    (again,) = await make(api, profile="meter")
    assert again["slot"] == last["slot"] == 50


async def test_of_requests_that_meet_none_goes_beyond_the_limit(api):
    answers = await asyncio.gather(
        *(api.client.post(PATH, json={"count": 20}, headers=api.auth()) for _ in range(4))
    )
    made = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer not in made:
            assert problem_of(answer, 409)["code"].startswith("virtual_devices_")
    assert 1 <= len(made) <= 2
    listed = (await api.read(PATH))["data"]
    assert len(listed) == 20 * len(made)
    assert len({one["slot"] for one in listed}) == len(listed)
    # What was refused left nothing behind.
    assert len((await api.read("/v1/devices", limit=500))["data"]) == len(listed)


@on_sqlite
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"count": 0}, "/count"),
        ({"count": 51}, "/count"),
        ({"profile": "toaster"}, "/profile"),
        ({"name": "\n"}, "/name"),
        ({"seed": -1}, "/seed"),
    ],
)
async def test_what_cannot_be_made_is_refused_by_its_place(api, body, pointer):
    answer = await api.client.post(PATH, json=body, headers=api.auth())
    assert problem_of(answer, 422)["errors"][0]["pointer"] == pointer


@on_sqlite
async def test_making_is_answered_once(api):
    headers = {**api.auth(), "Idempotency-Key": "one"}
    first = await api.client.post(PATH, json={"count": 2}, headers=headers)
    second = await api.client.post(PATH, json={"count": 2}, headers=headers)
    assert second.json() == {**first.json(), "replayed": True}
    assert len((await api.read(PATH))["data"]) == 2


async def test_offline_is_silence_and_online_brings_what_was_measured(api):
    (made,) = await make(api, profile="meter")
    await until(online(api, made["id"]))
    assert (await drive(api, made["id"], action="offline"))["online"] is False
    await drive(api, made["id"], action="event", event="door.opened")
    await asyncio.sleep(0.5)
    events = await api.read(f"/v1/devices/{made['id']}/events", event="door.opened")
    assert events["data"] == []
    assert (await drive(api, made["id"], action="online"))["online"] is True
    await until(event_named(api, made["id"], "door.opened"))


async def test_a_fault_is_reported_and_gone_when_it_recovers(api):
    (made,) = await make(api, profile="camera")
    await until(online(api, made["id"]))
    await drive(api, made["id"], action="fault", description="the lens is dirty")
    event = await until(event_named(api, made["id"], "device.fault"))
    assert event["description"] == "the lens is dirty"
    assert event["error_code"] == "virtual_fault"

    async def status():
        found = await api.read(f"/v1/devices/{made['id']}/streams")
        return {stream["status"] for stream in found["data"]}

    assert await status() == {"error"}
    await drive(api, made["id"], action="recover")
    await until(event_named(api, made["id"], "device.recovered"))
    assert await status() == {"running"}


async def test_an_event_is_told_as_it_was_asked_for(api):
    (made,) = await make(api)
    wanted = {
        "event": "door.opened",
        "description": "by hand",
        "error_code": "D7",
        "metadata": {"door": 3},
    }
    await drive(api, made["id"], action="event", **wanted)
    event = await until(event_named(api, made["id"], "door.opened"))
    assert {name: event[name] for name in wanted} == wanted


@on_sqlite
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "explode"}, "/action"),
        ({}, "/action"),
        ({"action": "event", "event": ""}, "/event"),
        ({"action": "event", "event": "x" * 129}, "/event"),
        ({"action": "event", "description": "x" * 1025}, "/description"),
        ({"action": "event", "metadata": {"a": "\x00"}}, "/metadata/a"),
    ],
)
async def test_what_cannot_be_driven_is_refused_by_its_place(api, body, pointer):
    (made,) = await make(api)
    answer = await api.client.post(f"{PATH}/{made['id']}/drive", json=body, headers=api.auth())
    assert problem_of(answer, 422)["errors"][0]["pointer"] == pointer


async def test_commands_are_run_by_it(api):
    (made,) = await make(api, profile="camera")
    await until(online(api, made["id"]))
    path = f"/v1/devices/{made['id']}"
    sent = await api.client.post(f"{path}/streams/yard/pause", headers=api.auth())
    await drive(api, made["id"], action="event")  # its next report asks

    async def done():
        return (await api.read(f"{path}/commands/{sent.json()['id']}"))["state"] == "succeeded"

    await until(done)


async def test_a_deleted_one_is_gone_and_its_key_with_it(api):
    (made,) = await make(api)
    await until(online(api, made["id"]))
    gone = await api.client.delete(f"{PATH}/{made['id']}", headers=api.auth())
    assert gone.status_code == 204
    for path in (f"{PATH}/{made['id']}", f"/v1/devices/{made['id']}"):
        problem_of(await api.client.get(path, headers=api.auth()), 404)
    assert (await api.read(PATH))["data"] == []


async def test_a_device_that_is_none_is_not_found_here(api):
    real = await api.make()
    for answer in (
        await api.client.get(f"{PATH}/{real['id']}", headers=api.auth()),
        await api.client.delete(f"{PATH}/{real['id']}", headers=api.auth()),
        await api.client.post(
            f"{PATH}/{real['id']}/drive", json={"action": "offline"}, headers=api.auth()
        ),
    ):
        problem_of(answer, 404, "not_found")
    assert (await api.read(f"/v1/devices/{real['id']}"))["id"] == real["id"]


async def test_its_key_stands_nowhere_in_the_open(api):
    (made,) = await make(api)
    await until(online(api, made["id"]))
    shown = await api.client.get(f"{PATH}/{made['id']}", headers=api.auth())
    assert "adk_" not in shown.text


class Servers:
    """Servers on one database and one set of keys, each with a client."""

    def __init__(self, database_url, folder) -> None:
        self.settings = load_settings(
            data=folder / "data",
            database=database_url,
            keys_dir=folder / "keys",
            public_url="http://moorage.test",
        )

    async def start(self, stack: AsyncExitStack) -> httpx.AsyncClient:
        app = create_app(self.settings)
        await stack.enter_async_context(app.running())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        return await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://moorage.test")
        )


async def reports_of(client, headers, device_id: str) -> ledger.Ledger:
    answer = await client.get(f"/v1/devices/{device_id}/reports?limit=500", headers=headers)
    told = answer.json()
    return ledger.Ledger(
        tuple(decode(Epoch, one) for one in told["epochs"]),
        tuple(decode(ReportRecord, one) for one in told["data"]),
    )


async def test_it_goes_on_with_its_chain_when_the_server_starts_anew(db, database_url, tmp_path):
    """Restarted here: another server takes over once the first has let go of them."""
    async with db.write() as tx:
        workspace = await workspaces.ensure(tx, "acme")
        caller = Caller(workspace.id, live=True, actor="system:test")
        owner = await keys.issue(tx, caller, name="test", live=True)
    headers = {"Authorization": f"Bearer {owner.text}"}
    servers = Servers(database_url, tmp_path)
    async with AsyncExitStack() as first:
        client = await servers.start(first)
        made = await client.post(PATH, json={"profile": "camera"}, headers=headers)
        device_id = made.json()["data"][0]["id"]

        async def reported(least: int):
            kept = await reports_of(client, headers, device_id)
            return kept if len(kept.rows) >= least else None

        before = await until(lambda: reported(1))
    async with AsyncExitStack() as second:
        client = await servers.start(second)
        after = await until(lambda: reported(len(before.rows) + 1))
    live = [epoch for epoch in after.epochs if not epoch.backfill]
    assert len(live) == 1
    assert ledger.verify(after).holds


async def test_one_server_at_a_time_drives_it(running, database_url, tmp_path):
    headers = running.auth()
    servers = Servers(database_url, tmp_path)
    async with AsyncExitStack() as both:
        one, other = [await servers.start(both) for _ in range(2)]
        made = await one.post(PATH, json={"count": 4, "profile": "meter"}, headers=headers)
        ids = [device["id"] for device in made.json()["data"]]

        async def all_told():
            for device_id in ids:
                path = f"/v1/devices/{device_id}/events?event=asked.now"
                found = (await other.get(path, headers=headers)).json()["data"]
                if not found:
                    return False
            return True

        for device_id in ids:
            body = {"action": "event", "event": "asked.now"}
            await other.post(f"{PATH}/{device_id}/drive", json=body, headers=headers)
        await until(all_told)
        for device_id in ids:
            kept = await reports_of(one, headers, device_id)
            assert ledger.verify(kept).holds
            assert len([epoch for epoch in kept.epochs if not epoch.backfill]) == 1
            device = (await one.get(f"/v1/devices/{device_id}", headers=headers)).json()
            assert device["clone_suspected_at"] is None
