"""The device's own routes, and its owner's."""

import pytest

from dialects.acusight_kit import TIME, UUID, data_of, error_of, on_sqlite
from support.senders import column

METRICS = {
    "cpu_usage": 12.5,
    "memory_usage": 41,
    "disk_usage": 63.2,
    "temperature": 51.5,
    "uptime": 86400,
}


async def native(api, path: str, **params):
    answer = await api.client.get(path, params=params, headers=api.running.auth())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_device_is_told_who_it_is(api):
    key = await api.device("box-1", name="Camera 1")
    shown = data_of(await api.as_device("GET", "/device/self", key))
    assert UUID.fullmatch(shown.pop("organization_id"))
    assert shown == {
        "device_id": "box-1",
        "endpoint_id": "box-1",
        "status": "approved",
        "name": "Camera 1",
    }


async def test_a_check_in_is_a_heartbeat_with_telemetry(api):
    key = await api.device()
    done = await api.as_device(
        "POST", "/device/checkin", key, json={"status": "healthy", "metrics": METRICS}
    )
    assert data_of(done) == {"actions": []}
    owners = data_of(await api.call("GET", "/devices/box-1"))
    assert (owners["connection"], owners["health"]) == ("online", "healthy")
    found = await native(api, f"/v1/devices/{owners['id']}")
    assert (found["status"], found["uptime_s"]) == ("online", 86400)
    (sample,) = (await native(api, f"/v1/devices/{owners['id']}/telemetry"))["data"]
    assert (sample["cpu_percent"], sample["memory_percent"]) == (12.5, 41.0)
    assert (sample["disk_percent"], sample["temperature_c"]) == (63.2, 51.5)


async def test_how_a_device_is_becomes_an_event_when_it_changes(api):
    key = await api.device()
    for status in ("healthy", "healthy", "degraded", "degraded", "healthy"):
        data_of(await api.as_device("POST", "/device/checkin", key, json={"status": status}))
    told = "SELECT description FROM events WHERE event = 'device.health_changed' ORDER BY id"
    assert await column(api.running.db, told) == [
        "the device says it is degraded",
        "the device says it is healthy",
    ]


async def test_an_empty_check_in_is_a_heartbeat(api):
    key = await api.device()
    data_of(await api.as_device("POST", "/device/checkin", key, json={}))
    assert data_of(await api.call("GET", "/devices/box-1"))["connection"] == "online"
    assert await column(api.running.db, "SELECT id FROM telemetry_samples") == []


@pytest.mark.parametrize("base", ["/api", "/api/core"])
async def test_the_vendors_agent_is_answered_without_an_envelope(api, base):
    key = await api.device()
    body = {"device_id": "box-1", "ip_address": "10.0.0.7", "status": "running"}
    api.base = base
    done = await api.as_device("POST", "/agent/checkin", key, json=body)
    assert (done.status_code, done.json()) == (200, {"success": True, "pending_actions": []})
    shown = data_of(await api.call("GET", "/devices/box-1"))
    assert (shown["ip_address"], shown["connection"]) == ("10.0.0.7", "online")


async def test_a_device_checks_in_for_itself_only(api):
    key = await api.device("box-1")
    await api.device("box-2")
    body = {"device_id": "box-2"}
    error_of(await api.as_device("POST", "/agent/checkin", key, json=body), 403, "FORBIDDEN")
    assert data_of(await api.call("GET", "/devices/box-2"))["connection"] == "never_seen"


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {"status": "fine"},
        {"metrics": {"cpu_usage": "12"}},
        {"metrics": {"uptime": -1}},
        {"metrics": []},
        [],
        "x",
    ],
)
async def test_a_check_in_that_makes_no_sense_is_refused_and_is_no_heartbeat(api, body):
    key = await api.device()
    answer = await api.as_device("POST", "/device/checkin", key, json=body)
    error_of(answer, 400, "VALIDATION_ERROR")
    assert data_of(await api.call("GET", "/devices/box-1"))["connection"] == "never_seen"


async def test_a_device_that_is_not_approved_learns_just_that(api):
    key = await api.device()
    data_of(await api.as_device("POST", "/device/checkin", key, json={}))
    for status in ("rejected", "pending"):
        data_of(await api.call("PATCH", "/devices/box-1", json={"status": status}))
        shown = data_of(await api.as_device("GET", "/device/self", key))
        assert shown["status"] == status
        answer = await api.as_device("POST", "/device/checkin", key, json={})
        error_of(answer, 401, "UNAUTHORIZED")
        listed = data_of(await api.call("GET", "/devices", params={"status": status}))
        assert [one["device_id"] for one in listed] == ["box-1"]
    data_of(await api.call("PATCH", "/devices/box-1", json={"status": "approved"}))
    data_of(await api.as_device("POST", "/device/checkin", key, json={}))


async def test_devices_are_listed_newest_first_in_counted_pages(api):
    for at in range(5):
        await api.device(f"box-{at}")
    listed = await api.call("GET", "/devices", params={"limit": 2, "offset": 2})
    assert [one["device_id"] for one in data_of(listed)] == ["box-2", "box-1"]
    assert listed.json()["meta"] == {"count": 2, "limit": 2, "offset": 2, "total": 5}
    beyond = await api.call("GET", "/devices", params={"offset": 9})
    assert beyond.json()["meta"] == {"count": 0, "limit": 50, "offset": 9, "total": 5}


@on_sqlite
@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"offset": -1}, {"status": "online"}],
)
async def test_a_page_that_cannot_be_is_refused(api, params):
    error_of(await api.call("GET", "/devices", params=params), 400, "VALIDATION_ERROR")


async def test_a_device_is_renamed_and_keeps_the_rest(api):
    await api.device()
    changed = data_of(await api.call("PATCH", "/devices/box-1", json={"name": "Gate"}))
    assert (changed["name"], changed["status"], changed["device_id"]) == (
        "Gate",
        "approved",
        "box-1",
    )
    assert data_of(await api.call("GET", f"/devices/{changed['id']}")) == changed


async def test_a_device_made_elsewhere_is_called_by_our_id(api):
    made = await api.client.post("/v1/devices", json={"name": "x"}, headers=api.running.auth())
    shown = data_of(await api.call("GET", f"/devices/{made.json()['id']}"))
    assert shown["device_id"] == shown["endpoint_id"] == shown["id"] == made.json()["id"]


async def test_of_a_device_that_is_not_there_every_route_says_so(api):
    for method, path in (
        ("GET", "/devices/box-7"),
        ("PATCH", "/devices/box-7"),
        ("DELETE", "/devices/box-7"),
        ("POST", "/devices/box-7/release"),
    ):
        error_of(await api.call(method, path, json={}), 404, "NOT_FOUND")


async def test_an_organization_is_renamed_but_never_its_slug(api):
    before = data_of(await api.call("GET", "/organization"))
    assert UUID.fullmatch(before["id"])
    assert before["slug"] == "acme"
    changed = data_of(await api.call("PATCH", "/organization", json={"name": "Acme Ltd"}))
    assert changed == {**before, "name": "Acme Ltd"}
    answer = await api.call("PATCH", "/organization", json={"slug": "other"})
    error_of(answer, 400, "VALIDATION_ERROR")
    assert data_of(await api.call("GET", "/organization")) == changed
    key = await api.device()
    own = data_of(await api.as_device("GET", "/device/self", key))
    assert own["organization_id"] == before["id"]


@pytest.mark.parametrize(
    "path", ["/nothing", "/core/core/devices", "/datasets", "/training/jobs", "/device/other"]
)
async def test_what_is_not_served_is_404_in_this_shape(api, path):
    error_of(await api.call("GET", path), 404, "NOT_FOUND")


async def test_a_wrong_method_says_which_are_right(api):
    answer = await api.call("PUT", "/devices/box-1")
    error_of(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "DELETE, GET, PATCH"


async def test_the_installer_holds_no_secret_and_is_asked_for_anew(api):
    script = await api.client.get("/setup")
    assert script.status_code == 200
    assert script.headers["content-type"].startswith("text/x-shellscript")
    assert script.headers["cache-control"] == "no-cache"
    assert "SERVER=http://moorage.test" in script.text
    assert (await api.client.post("/setup")).status_code == 405
    assert (await api.client.get("/setup/x")).status_code == 404


async def test_times_are_rfc_3339(api):
    await api.device()
    shown = data_of(await api.call("GET", "/devices/box-1"))
    for name in ("created_at", "last_seen_at"):
        assert TIME.fullmatch(shown[name])
