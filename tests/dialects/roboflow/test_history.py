"""Logs, telemetry and events as the Deployment Manager API pages and limits them."""

import pytest

from dialects.native_kit import on_sqlite
from dialects.roboflow_kit import DeploymentManager, Device, matches
from moorage.kit.clock import rfc3339


def line(rf: DeploymentManager, message: str, *, service: str = "s", severity: str = "info"):
    at = rfc3339(rf.clock.now())
    return {"at": at, "service": service, "severity": severity, "message": message}


async def walk(rf, path: str, **params) -> list[dict]:
    """Every page; each holds at most what was asked for."""
    found, cursor = [], {}
    for _ in range(100):
        page = (await rf.get(path, **params, **cursor)).json()
        found += page["data"]
        if not page["pagination"]["has_more"]:
            assert page["pagination"]["next_cursor"] is None
            return found
        cursor = {"cursor": page["pagination"]["next_cursor"]}
    raise AssertionError("the pages do not end")


async def test_lines_of_one_moment_are_neither_skipped_nor_repeated(rf):
    device = await rf.enroll()
    await rf.report(device, logs=[line(rf, str(number)) for number in range(25)])
    rf.clock.advance(seconds=1)
    found = await walk(rf, f"/{device.id}/logs", limit=7)
    assert sorted(int(one["message"]) for one in found) == list(range(25))


async def test_lines_are_chosen_by_service_severity_and_time(rf):
    device = await rf.enroll()
    lines = [
        line(rf, f"{service} {severity}", service=service, severity=severity)
        for service in ("a", "b", "c")
        for severity in ("info", "error")
    ]
    await rf.report(device, logs=lines)
    rf.clock.advance(seconds=1)
    path = f"/{device.id}/logs"
    found = await walk(rf, path, service="a, c", severity="error")
    assert sorted(one["message"] for one in found) == ["a error", "c error"]
    assert len(await walk(rf, path, start_time="2026-11-21T10:00:00Z")) == 6
    assert len(await walk(rf, path, end_time="2026-11-21T10:00:00Z")) == 0
    assert len(await walk(rf, path, start_time="2026-11-21T11:00:00+01:00")) == 6


@on_sqlite
@pytest.mark.parametrize("path", ["logs", "events"])
@pytest.mark.parametrize(
    "params",
    [
        {"start_time": "yesterday"},
        {"end_time": "2026-13-01"},
        {"cursor": "garbage"},
        {"cursor": "W10"},
        {"limit": "x"},
    ],
)
async def test_a_query_that_cannot_be_read_is_refused(rf, path, params):
    made = await rf.make()
    matches(await rf.get(f"/{made['deviceId']}/{path}", **params), "error", 400)


@on_sqlite
async def test_a_period_or_a_direction_there_is_none_of_is_refused(rf):
    made = await rf.make()
    refused = await rf.get(f"/{made['deviceId']}/telemetry", time_period="9h")
    assert "1h, 24h, 7d, 14d" in matches(refused, "error", 400)["error"]
    matches(await rf.get(f"/{made['deviceId']}/events", direction="up"), "error", 400)


@pytest.mark.parametrize(
    ("period", "interval", "width_s"),
    [
        ("1h", "2 MINUTE", 120),
        ("24h", "30 MINUTE", 1800),
        ("7d", "4 HOUR", 14_400),
        ("14d", "8 HOUR", 28_800),
    ],
)
async def test_buckets_of_each_period(rf, period, interval, width_s):
    device = await rf.enroll()
    early, late = "2026-11-21T09:10:00.000Z", "2026-11-21T09:59:30.000Z"
    await rf.report(
        device,
        telemetry=[{"at": early, "cpu_percent": 10.0}, {"at": late, "cpu_percent": 30.0}],
    )
    found = (await rf.get(f"/{device.id}/telemetry", time_period=period, include="x")).json()
    assert set(found) == {"time_period", "bucket_interval", "buckets", "stream_fps"}
    assert (found["time_period"], found["bucket_interval"]) == (period, interval)
    # 09:10 and 09:59:30 share a bucket when it is four hours or wider.
    counts = [bucket["samples"] for bucket in found["buckets"]]
    assert counts == ([2] if width_s > 3600 else [1, 1])
    starts = [bucket["bucket_start"] for bucket in found["buckets"]]
    assert starts == sorted(starts)


async def test_the_default_period_is_a_day(rf):
    made = await rf.make()
    found = (await rf.get(f"/{made['deviceId']}/telemetry")).json()
    assert (found["time_period"], found["buckets"]) == ("24h", [])


def happened(rf: DeploymentManager, number: int):
    return {"id": f"evt_{number}", "at": rfc3339(rf.clock.now()), "event": "x.happened"}


async def told(rf: DeploymentManager, device: Device, numbers: range) -> None:
    for number in numbers:
        rf.clock.advance(seconds=1)
        await rf.report(device, number + 1, events=[happened(rf, number)])


async def test_events_are_walked_back_and_forth_while_more_come(rf):
    device = await rf.enroll()
    await told(rf, device, range(10))
    path = f"/{device.id}/events"
    first = (await rf.get(path, limit=4, event="x.happened")).json()
    assert [one["id"] for one in first["data"]] == ["evt_9", "evt_8", "evt_7", "evt_6"]
    await told(rf, device, range(10, 13))
    older = (
        await rf.get(path, limit=4, event="x.happened", cursor=first["pagination"]["next_cursor"])
    ).json()
    assert [one["id"] for one in older["data"]] == ["evt_5", "evt_4", "evt_3", "evt_2"]
    # What came meanwhile lies before the first page.
    newer = (
        await rf.get(
            path,
            limit=4,
            event="x.happened",
            cursor=first["pagination"]["prev_cursor"],
            direction="forward",
        )
    ).json()
    assert [one["id"] for one in newer["data"]] == ["evt_12", "evt_11", "evt_10"]
    assert newer["pagination"]["has_more"] is False


async def test_events_are_chosen_by_what_they_are_about(rf):
    device = await rf.enroll()
    at = rfc3339(rf.clock.now())
    events = [
        {"id": f"e{n}", "at": at, "event": "x", "entity_type": kind, "entity_id": f"id{n}"}
        for n, kind in enumerate(("stream", "stream", "service"))
    ]
    await rf.report(device, events=events)
    path = f"/{device.id}/events"
    assert len((await rf.get(path, entity_type="stream")).json()["data"]) == 2
    only = (await rf.get(path, entity_type="stream", entity_id="id1")).json()["data"]
    assert [one["id"] for one in only] == ["e1"]


@pytest.mark.parametrize("limits", ["on"])
@on_sqlite
async def test_the_sixth_read_of_logs_in_a_minute_is_told_to_wait(rf):
    made = await rf.make()
    for _ in range(5):
        assert (await rf.get(f"/{made['deviceId']}/logs")).status_code == 200
    refused = await rf.get(f"/{made['deviceId']}/logs")
    assert refused.status_code == 429
    assert refused.headers["content-type"].startswith("text/plain")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    # Reports share no bucket with reads.
    assert (await rf.get(f"/{made['deviceId']}/events")).status_code == 200


@pytest.mark.parametrize("limits", ["on"])
@on_sqlite
async def test_the_eleventh_read_of_telemetry_in_ten_seconds_is_told_to_wait(rf):
    made, other = await rf.make(), await rf.make()
    for _ in range(10):
        assert (await rf.get(f"/{made['deviceId']}/telemetry")).status_code == 200
    refused = await rf.get(f"/{made['deviceId']}/telemetry")
    matches(refused, "error", 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert (await rf.get(f"/{other['deviceId']}/telemetry")).status_code == 200
