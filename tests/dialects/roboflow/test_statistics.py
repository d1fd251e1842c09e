"""What a stock inference container posts every minute."""

import pytest

from dialects.native_kit import on_sqlite
from dialects.roboflow_kit import matches
from moorage.kit.ids import new_key_text


def statistics(key: str, device_id: str) -> dict:
    """The published fields of the post, with values of a plausible container."""
    return {
        "api_key": key,
        "timestamp": "1795255200.123",
        "device_id": device_id,
        "inference_server_id": "0a1b2c",
        "inference_server_version": "0.51.0",
        "tags": [],
        "platform": "Linux",
        "platform_release": "6.1.0",
        "platform_version": "#1 SMP",
        "architecture": "x86_64",
        "hostname": "edge-7",
        "ip_address": "192.168.1.7",
        "mac_address": "aa:bb:cc:dd:ee:ff",
        "processor": "x86_64",
        "inference_results": [{"startup_time": "1795255100.0", "model": {"id": "a/1"}}],
    }


async def test_a_containers_post_shows_its_device_online(rf):
    device = await rf.enroll()
    assert (await rf.get(f"/{device.id}")).json()["status"] == "unknown"
    told = await rf.client.post("/inference-stats", json=statistics(device.key, "anything"))
    assert (told.status_code, told.json()) == (200, {"status": "ok"})
    found = (await rf.get(f"/{device.id}")).json()
    assert found["status"] == "online"
    assert (found["hostname"], found["platform_release"]) == ("edge-7", "6.1.0")
    assert found["hardware"]["processor"] == "x86_64"


async def test_a_workspace_key_means_the_device_of_that_id(rf):
    made = await rf.make()
    told = await rf.client.post("/inference-stats", json=statistics(rf.key, made["deviceId"]))
    assert told.json() == {"status": "ok"}
    assert (await rf.get(f"/{made['deviceId']}")).json()["status"] == "online"


async def test_a_post_that_means_no_device_is_404_and_makes_none(rf):
    device = await rf.enroll()
    for key, device_id in (
        (rf.key, "unknown-container"),
        (rf.test_key, device.id),
        (rf.foreign_key, device.id),
    ):
        told = await rf.client.post("/inference-stats", json=statistics(key, device_id))
        matches(told, "error", 404)
    assert [one["status"] for one in (await rf.get()).json()["data"]] == ["unknown"]


@on_sqlite
async def test_a_post_without_a_valid_key_is_401(rf):
    for key in ("", "garbage", None, 7, new_key_text("adk"), new_key_text("sk_live")):
        refused = await rf.client.post("/inference-stats", json=statistics(key, "x"))
        matches(refused, "error-401", 401)


@on_sqlite
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"x"', b"\xff"])
async def test_a_post_that_is_no_object_is_no_fault(rf, content):
    told = await rf.client.post(
        "/inference-stats", content=content, headers={"Content-Type": "application/json"}
    )
    assert told.status_code in (400, 401)
    assert "error" in told.json()
