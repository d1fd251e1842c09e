"""Every route's answer, held against a sample of what that API answers."""

import pytest

from dialects.roboflow_kit import Device, golden, matches
from support.samples import same

FACTS = {
    "agent_version": "1.2.3",
    "hostname": "jetson-01",
    "platform": "Linux",
    "platform_release": "5.10.104-tegra",
    "platform_version": "#1 SMP PREEMPT",
    "architecture": "aarch64",
    "device_type": "jetson",
    "hardware": {"processor": "aarch64", "total_disk_space_mb": 124426534912},
}
CONFIG = {
    "config": {"log_level": "warning"},
    "services": {
        "inference": {
            "image": "example/inference-server",
            "tag": "1.2",
            "automatic_updates": False,
            "environment_variables": {"API_TOKEN": "hush"},
            "x_vendor": {"kept": True},
        }
    },
    "streams": {
        "entrance": {
            "name": "entrance-cam",
            "source": "rtsp://user:pass@192.168.1.100:554/live",
            "workflow_id": "wf_456",
        }
    },
}


@pytest.fixture
async def device(rf) -> Device:
    """A device that reported everything once."""
    device = await rf.enroll(tags=["production", " line-2 ", "production"])
    changed = await rf.ask("PATCH", f"/devices/v2/{device.id}/config", json=CONFIG)
    assert changed.status_code == 200, changed.text
    await rf.report(
        device,
        facts=FACTS,
        telemetry=[
            {
                "at": f"2026-11-21T09:59:0{at}.000Z",
                "cpu_percent": cpu,
                "memory_percent": 50.0,
                "temperature_c": 40.0,
                "network_download_bytes_per_sec": 1000.0,
            }
            for at, cpu in enumerate((10.0, 30.0))
        ],
        logs=[
            {
                "at": f"2026-11-21T09:59:5{8 + at}.000Z",
                "service": "inference",
                "severity": severity,
                "message": message,
            }
            for at, (severity, message) in enumerate([("info", "first"), ("error", "second")])
        ],
        events=[
            {
                "id": "evt_abc123",
                "at": "2026-11-21T09:30:00.000Z",
                "ended_at": "2026-11-21T09:30:01.250Z",
                "event": "device.boot",
                "entity_type": "device",
                "description": "Device started up",
                "metadata": {"reason": "power"},
            }
        ],
        streams=[
            {
                "id": "entrance",
                "status": "running",
                "pipeline_id": "pipe_123",
                "started_at": "2026-11-21T09:00:00.000Z",
                "camera_fps": 29.97,
                "inference_fps": 12.4,
                "sharpness": 0.82,
            }
        ],
    )
    return device


async def test_a_device(rf, device):
    matches(await rf.get(f"/{device.id}"), "device")


async def test_a_device_that_never_reported(rf):
    made = await rf.make("not yet there")
    same(made, golden("made"))
    listed = (await rf.get()).json()
    same(listed, {"data": [golden("device-unknown")]})
    matches(await rf.get(f"/{made['deviceId']}"), "device-unknown")


async def test_the_default_config(rf):
    patch = {"patch": {"config": {"log_level": "debug"}}}
    headers = {"Authorization": f"Bearer {rf.key}"}
    assert (await rf.client.put("/v1/default-config", json=patch, headers=headers)).is_success
    found = (await rf.get("/default-config")).json()
    expected = golden("default-config")
    assert found["patch"] == expected["patch"]
    assert found["config"]["config"]["log_level"] == "debug"
    assert set(expected["config"]) <= set(found["config"])


async def test_the_config_and_its_history(rf, device):
    found = (await rf.get(f"/{device.id}/config")).json()
    expected = golden("config")
    for part in ("services", "streams"):
        same(found.pop(part), expected.pop(part))
    assert found["config"].items() >= expected.pop("config").items()
    found.pop("config")
    same(found, expected)
    matches(await rf.get(f"/{device.id}/config/history"), "config-history")


async def test_streams_configured_and_reported(rf, device):
    streams = {
        **CONFIG["streams"],
        "yard": {"source": {"kind": "basler", "serial": "22", "Password": "hush"}},
    }
    await rf.ask("PATCH", f"/devices/v2/{device.id}/config", json={"streams": streams})
    found = matches(await rf.get(f"/{device.id}/streams"), "streams")
    one = await rf.get(f"/{device.id}/streams/entrance")
    assert one.json() == found["data"][0]


@pytest.mark.parametrize(
    ("path", "params"),
    [("logs", {}), ("telemetry", {"time_period": "1h"}), ("events", {"event": "device.boot"})],
)
async def test_what_it_told(rf, device, path, params):
    rf.clock.advance(seconds=1)
    found = (await rf.get(f"/{device.id}/{path}", **params)).json()
    expected = golden(path)
    same(found, expected)


async def test_keys(rf):
    made = await rf.ask(
        "POST",
        "/api-keys",
        json={"name": "reader", "scopes": ["device:read"], "customMetadata": {"team": "line 2"}},
    )
    made = matches(made, "key-made", 201)
    matches(await rf.ask("GET", f"/api-keys/{made['keyId']}"), "key")
    renamed = await rf.ask("PATCH", f"/api-keys/{made['keyId']}", json={"name": "reader"})
    matches(renamed, "key")
    rolled = await rf.ask("POST", f"/api-keys/{made['keyId']}/roll")
    rolled = matches(rolled, "key-rolled", 201)
    assert rolled["revokedKeyId"] == made["keyId"]
    assert rolled["keyId"] != made["keyId"]
    gone = await rf.ask("DELETE", f"/api-keys/{rolled['keyId']}")
    assert gone.json() == {"status": "revoked", "keyId": rolled["keyId"]}
    listed = (await rf.ask("GET", "/api-keys")).json()
    assert set(listed) == {"apiKeys", "publishableKey"}
    publishable = (await rf.ask("GET", "/api-keys/publishable")).json()
    assert publishable == {"publishableKey": listed["publishableKey"]}


async def test_what_a_client_asks_first(rf):
    for method in ("GET", "POST"):
        told = await rf.client.request(method, "/", params={"api_key": rf.key})
        matches(told, "welcome")
    matches(await rf.ask("GET", ""), "workspace")


async def test_refusals(rf):
    matches(await rf.ask("GET", "/devices/v2", key="sk_live_none"), "error-401", 401)
    matches(await rf.get("/dev_000000000000000000000000"), "error", 404)
    nothing = (await rf.new_key())["key"]
    matches(await rf.ask("GET", "/devices/v2", key=nothing), "error-scope", 404)
    matches(await rf.ask("POST", "/devices/v2", json={}), "error", 400)
    device = await rf.enroll()
    matches(await rf.ask("GET", "/devices/v2", key=device.key), "error", 403)
    matches(await rf.ask("GET", "/nothing/here"), "error", 404)
    matches(await rf.ask("PUT", "/devices/v2"), "error", 405)
