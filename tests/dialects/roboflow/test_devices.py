"""Making devices, their presence, and config as the Deployment Manager API has them."""

import base64
import json

import pytest

from dialects.native_kit import on_sqlite
from dialects.roboflow_kit import matches
from moorage.storage import alive

ABSENT = "dev_000000000000000000000000"


@on_sqlite
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "device_name"),
        ([], "device_name"),
        ({}, "device_name"),
        ({"device_name": ""}, "device_name"),
        ({"device_name": "  "}, "device_name"),
        ({"device_name": 7}, "device_name"),
        ({"device_name": "x" * 257}, "256"),
        ({"device_name": "a", "tags": "b"}, "tags"),
        ({"device_name": "a", "tags": [""]}, "tags"),
        ({"device_name": "a", "tags": [1]}, "tags"),
        ({"device_name": "a", "offline_mode": "yes"}, "offline_mode"),
        ({"device_name": "a", "offline_mode": 1}, "offline_mode"),
        ({"device_name": "a", "offline_mode": True}, "ai1"),
        ({"device_name": "!!!", "device_type": "ai1"}, "letter"),
    ],
)
async def test_a_device_that_cannot_be_made_is_refused_naming_the_field(rf, body, says):
    refused = await rf.ask("POST", "/devices/v2", json=body)
    assert says in matches(refused, "error", 400)["error"]
    assert (await rf.get()).json() == {"data": []}


async def test_a_name_of_256_characters_and_a_padded_one(rf):
    await rf.make("x" * 256)
    made = await rf.make("  padded  ")
    assert (await rf.get(f"/{made['deviceId']}")).json()["name"] == "padded"


async def test_an_all_in_one_device_needs_its_features(rf):
    plain = {"slug": "neighbour", "key": rf.foreign_key}
    body = {"device_name": "a", "device_type": "ai1"}
    assert "deviceAio" in (await rf.ask("POST", "/devices/v2", json=body, **plain)).text
    refused = await rf.ask("POST", "/devices/v2", json={**body, "offline_mode": True}, **plain)
    assert refused.status_code == 403
    assert "deviceAio" in refused.json()["error"]


async def test_an_all_in_one_device_begins_with_its_workflow(rf):
    made = await rf.make("line 2", device_type="ai1", workflow_id="wf_1")
    config = (await rf.get(f"/{made['deviceId']}/config")).json()
    assert config["streams"]["aione"]["workflow_id"] == "wf_1"
    (stream,) = (await rf.get(f"/{made['deviceId']}/streams")).json()["data"]
    assert (stream["id"], stream["status"]) == ("aione", "provisioning")


async def test_an_offline_all_in_one_device_comes_with_a_payload(rf):
    made = await rf.make("line 2", device_type="ai1", offline_mode=True)
    mark, body, _ = made["offlineProvisioningQrPayload"].split(".")
    assert mark == "MRG1"
    document = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert document["device_id"] == made["deviceId"]
    # Either secret sets it up; the other one is over then.
    told = await rf.client.post("/v1/enroll", json={"install_token": document["secret"]})
    assert told.json()["device_id"] == made["deviceId"]
    late = await rf.client.post("/v1/enroll", json={"install_token": made["installId"]})
    assert late.status_code == 401


async def test_a_copy_has_the_config_with_its_secrets_and_nothing_else(rf):
    source = await rf.enroll("source", device_type="jetson", tags=["a"])
    secret = {"streams": {"s": {"source": "rtsp://u:hush@10.0.0.9/x"}}}
    await rf.ask("PATCH", f"/devices/v2/{source.id}/config", json=secret)
    await rf.report(source, facts={"hostname": "first"})
    made = await rf.make("copy", sourceDeviceId=source.id)
    copy = (await rf.get(f"/{made['deviceId']}")).json()
    assert (copy["type"], copy["tags"], copy["hostname"]) == ("jetson", [], None)
    config = (await rf.get(f"/{made['deviceId']}/config")).json()
    assert config["streams"] == secret["streams"]
    assert config["version"] == "1"


async def test_a_source_of_another_workspace_is_403_and_an_absent_one_404(rf):
    foreign = await rf.ask(
        *("POST", "/devices/v2"),
        json={"device_name": "theirs"},
        slug="neighbour",
        key=rf.foreign_key,
    )
    tested = await rf.ask("POST", "/devices/v2", json={"device_name": "test"}, key=rf.test_key)
    for source, status in (
        (foreign.json()["deviceId"], 403),
        (tested.json()["deviceId"], 404),
        (ABSENT, 404),
    ):
        body = {"device_name": "copy", "sourceDeviceId": source}
        matches(await rf.ask("POST", "/devices/v2", json=body), "error", status)


async def test_a_device_is_offline_after_five_silent_minutes(rf):
    device = await rf.enroll()
    await rf.report(device)
    for seconds, status in ((300, "online"), (1, "offline")):
        # The server was there all the while, as its mark shows; its own absence would not count.
        for _ in range(0, seconds, 10):
            rf.clock.advance(seconds=min(seconds, 10))
            async with rf.db.write() as tx:
                await alive.mark(tx)
        found = (await rf.get(f"/{device.id}")).json()
        assert found["status"] == status
        assert found["last_heartbeat"] == "2026-11-21T10:00:00.000Z"


async def test_enrolling_is_no_heartbeat(rf):
    device = await rf.enroll()
    assert (await rf.get(f"/{device.id}")).json()["status"] == "unknown"


async def test_each_key_of_a_patch_replaces_that_key_whole(rf):
    made = await rf.make()
    path = f"/devices/v2/{made['deviceId']}/config"
    services = {"a": {"image": "one"}, "b": {"image": "two", "x_unknown": 1}}
    await rf.ask("PATCH", path, json={"services": services})
    changed = await rf.ask("PATCH", path, json={"services": {"c": {"image": "three"}}})
    assert changed.json()["services"] == {"c": {"image": "three"}}
    streams = {"s": {"source": {"any": ["thing"]}}}
    after = (await rf.ask("PATCH", path, json={"streams": streams, "unknown": 1})).json()
    assert after["services"] == {"c": {"image": "three"}}
    assert after["streams"] == streams
    assert after["version"] == "4"
    history = (await rf.get(f"/{made['deviceId']}/config/history")).json()["data"]
    assert [entry["revision_id"] for entry in history] == ["4", "3", "2", "1"]


@on_sqlite
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "object"),
        ({"config": []}, "config"),
        ({"services": {"a": 7}}, "/services/a"),
        ({"streams": {"s": []}}, "/streams/s"),
        ({"streams": {"s": {"source": 7}}}, "/streams/s/source"),
    ],
)
async def test_a_patch_that_fits_no_config_is_refused_naming_the_path(rf, body, says):
    made = await rf.make()
    path = f"/devices/v2/{made['deviceId']}/config"
    assert says in matches(await rf.ask("PATCH", path, json=body), "error", 400)["error"]
    assert (await rf.get(f"/{made['deviceId']}/config")).json()["version"] == "1"


async def test_a_change_of_what_was_changed_meanwhile_is_refused(rf):
    made = await rf.make()
    path = f"/devices/v2/{made['deviceId']}/config"
    tag = (await rf.ask("GET", path)).headers["etag"]
    first = await rf.ask("PATCH", path, json={"services": {}}, headers={"If-Match": tag})
    assert first.status_code == 200
    services = {"a": {"image": "one"}}
    tag = first.headers["etag"]
    await rf.ask("PATCH", path, json={"services": services})
    late = await rf.ask("PATCH", path, json={"services": {}}, headers={"If-Match": tag})
    matches(late, "error", 412)
    assert (await rf.ask("GET", path)).json()["services"] == services


async def test_history_is_paged_and_a_bad_cursor_is_refused(rf):
    made = await rf.make()
    for number in range(5):
        await rf.ask(
            "PATCH",
            f"/devices/v2/{made['deviceId']}/config",
            json={"services": {"s": {"image": str(number)}}},
        )
    path = f"/{made['deviceId']}/config/history"
    seen, cursor = [], None
    for _ in range(10):
        page = (
            await rf.get(path, limit=4, **({} if cursor is None else {"cursor": cursor}))
        ).json()
        seen += [entry["revision_id"] for entry in page["data"]]
        cursor = page["pagination"]["next_cursor"]
        assert page["pagination"]["has_more"] is (cursor is not None)
        if cursor is None:
            break
    assert seen == ["6", "5", "4", "3", "2", "1"]
    for cursor in ("x", "e30", "%00"):
        assert (await rf.get(path, cursor=cursor)).status_code == 400


@pytest.mark.parametrize(
    ("path", "most", "default"),
    [("config/history", 500, 10), ("logs", 1000, 100), ("events", 1000, 100)],
)
@on_sqlite
async def test_a_limit_is_clamped_and_no_integer_refused(rf, path, most, default):
    made = await rf.make()
    for asked, used in ((None, default), (0, 1), (-5, 1), (10**12, most), (7, 7)):
        params = {} if asked is None else {"limit": asked}
        page = (await rf.get(f"/{made['deviceId']}/{path}", **params)).json()
        assert page["pagination"]["limit"] == used
    for asked in ("ten", "1.5", "1e2"):
        matches(await rf.get(f"/{made['deviceId']}/{path}", limit=asked), "error", 400)
