"""Virtual devices as that API has them."""

import asyncio
import time

import pytest

from dialects.acusight_kit import Acusight, data_of, error_of, on_sqlite

WITHIN_S = 20


async def make(api, **fields):
    return data_of(await api.call("POST", "/virtual-devices", json=fields), 201)


async def test_virtual_devices_are_made_seen_and_deleted(api):
    made = await make(api, count=2, profile="meter")
    listed = await api.call("GET", "/virtual-devices")
    assert {one["device_id"] for one in data_of(listed)} == {one["device_id"] for one in made}
    assert listed.json()["meta"]["total"] == 2
    first = made[0]["device_id"]
    deadline = time.monotonic() + WITHIN_S
    while data_of(await api.call("GET", f"/virtual-devices/{first}"))["connection"] != "online":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    # It is a device like others, in that API, too.
    assert data_of(await api.call("GET", f"/devices/{first}"))["connection"] == "online"
    gone = await api.call("DELETE", f"/virtual-devices/{first}")
    assert data_of(gone)["device_id"] == first
    error_of(await api.call("GET", f"/virtual-devices/{first}"), 404, "NOT_FOUND")
    error_of(await api.call("GET", f"/devices/{first}"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        ("offline", {"online": False, "faulty": False}),
        ("online", {"online": True, "faulty": False}),
        ("fault", {"online": True, "faulty": True}),
        ("recover", {"online": True, "faulty": False}),
        ("event", {"online": True, "faulty": False}),
    ],
)
@on_sqlite
async def test_each_action_is_taken(api, action, shown):
    (made,) = await make(api)
    path = f"/virtual-devices/{made['device_id']}/drive"
    told = data_of(await api.call("POST", path, json={"action": action}))
    assert {name: told[name] for name in shown} == shown


@on_sqlite
async def test_both_base_paths_answer(api):
    (made,) = await make(api)
    other = Acusight(api.running, "/api/core")
    (listed,) = data_of(await other.call("GET", "/virtual-devices"))
    assert listed["device_id"] == made["device_id"]


@on_sqlite
@pytest.mark.parametrize("body", [{"count": 0}, {"count": 51}, {"count": "2"}, {"profile": "x"}])
async def test_what_cannot_be_made_is_400(api, body):
    error_of(await api.call("POST", "/virtual-devices", json=body), 400, "VALIDATION_ERROR")


@on_sqlite
async def test_what_no_virtual_device_does_is_400(api):
    (made,) = await make(api)
    path = f"/virtual-devices/{made['device_id']}/drive"
    error_of(await api.call("POST", path, json={"action": "fly"}), 400, "VALIDATION_ERROR")


@on_sqlite
async def test_beyond_fifty_is_409(api):
    await make(api, count=50, profile="meter")
    answer = await api.call("POST", "/virtual-devices", json={})
    assert error_of(answer, 409, "CONFLICT")["details"] == "virtual_devices_full"


@on_sqlite
async def test_a_provisioned_device_is_no_virtual_one(api):
    await api.device("box-1")
    error_of(await api.call("GET", "/virtual-devices/box-1"), 404, "NOT_FOUND")
    error_of(await api.call("DELETE", "/virtual-devices/box-1"), 404, "NOT_FOUND")
    assert data_of(await api.call("GET", "/devices/box-1"))["device_id"] == "box-1"
