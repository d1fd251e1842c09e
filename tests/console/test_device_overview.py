"""The tab Overview: how a device is at a glance, and the figures of its charts."""

from datetime import UTC, datetime, timedelta

import pytest

from dialects.native_kit import on_sqlite
from support.devices import rfc3339


@pytest.fixture
async def device(api):
    return await api.enroll(await api.make("gate"))


@pytest.fixture
def page(device):
    return f"/console/devices/{device.device_id}"


async def report(api, device, sequence=1, **parts):
    answer = await api.report(device, sequence=sequence, sent_at=rfc3339(), **parts)
    assert answer.status_code == 200, answer.text


async def test_the_overview_says_what_runs_and_what_should(console, api, device, page):
    empty = await console.viewer.page(page)
    for text in ("unknown", "No samples yet", "No streams in its config"):
        assert text in empty
    path = f"/v1/devices/{device.device_id}/config"
    found = await api.read(path)
    await report(
        api,
        device,
        telemetry=[{"at": rfc3339(), "cpu_percent": 41.0, "network_upload_bytes_per_sec": 2048.0}],
        streams=[{"id": "yard", "status": "running", "camera_fps": 24.9}],
        services=[{"name": "web", "state": "failed", "restarts": 3, "error": "no such image"}],
        config={"revision": 1, "digest": found["digest"], "state": "applied"},
    )
    shown = await console.viewer.page(page, fragment=True)
    assert "<h1" not in shown
    for text in ("applied", "41 %", "2.0 KiB/s", "yard", "24.9 fps", "3 restarts", "no such image"):
        assert text in shown
    assert "device.config_applied" in shown


async def test_charts_get_means_extremes_and_gaps_where_nothing_came(console, api, device, page):
    now = datetime.now(UTC).replace(second=30, microsecond=0) - timedelta(minutes=2)
    ago = [timedelta(minutes=30), timedelta(minutes=30, seconds=-10), timedelta(minutes=1)]
    samples = [
        {"at": rfc3339(now - before), "cpu_percent": percent}
        for before, percent in zip(ago, (20.0, 40.0, 60.0), strict=True)
    ]
    await report(api, device, telemetry=samples)
    found = (await console.viewer.get(f"{page}/telemetry.json?period=1h")).json()
    assert found["end"] - found["start"] == 3600
    assert found["series"]["cpu_percent"] == [30.0, None, 60.0]
    assert found["series"]["cpu_percent_min"] == [20.0, None, 60.0]
    assert found["series"]["cpu_percent_max"] == [40.0, None, 60.0]
    assert found["at"] == sorted(found["at"])
    assert "gpu_percent" not in found["series"]


@on_sqlite
async def test_each_period_is_shown_and_another_is_refused(console, page):
    for period in ("1h", "24h", "7d", "14d"):
        assert (
            await console.viewer.get(f"{page}/telemetry.json?period={period}")
        ).status_code == 200
        assert f"period={period}" in await console.viewer.page(f"{page}?period={period}")
    for path in (page, f"{page}/telemetry.json"):
        assert (await console.viewer.get(f"{path}?period=1y")).status_code == 422
