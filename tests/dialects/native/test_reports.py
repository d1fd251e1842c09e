"""What a device is answered when it reports, and what is there afterwards."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from dialects.native_kit import TIME, new_uuid, on_sqlite, pointers_of, problem_of, report_of


def sha256(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def now(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


class Chain:
    """A device's side of the chain, as the documents describe it."""

    def __init__(self, epoch: str = "epoch-1") -> None:
        self.epoch, self.sequence, self.chain = epoch, 0, sha256(epoch)

    def next(self, **parts) -> bytes:
        return json.dumps(
            report_of(
                epoch=self.epoch,
                sequence=self.sequence + 1,
                previous=self.chain,
                id=new_uuid(),
                store="store-1",
                **parts,
            )
        ).encode()

    def sent(self, body: bytes) -> None:
        self.sequence += 1
        self.chain = sha256(f"{self.chain}:{sha256(body)}")


@on_sqlite
async def test_a_report_is_answered_with_all_a_device_needs_to_go_on(api):
    device = await api.enroll()
    body = json.dumps(report_of(sequence=3)).encode()
    answer = await api.report(device, body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert told["received"] == 3
    assert told["chain"] == sha256(f"{sha256('epoch-1')}:{sha256(body)}")
    assert TIME.fullmatch(told["server_time"])
    assert (told["report_interval_s"], told["config_revision"]) == (30, 1)
    assert told["commands"] == []


async def test_what_a_report_holds_can_be_read_at_once(api):
    device = await api.enroll()
    at = now(seconds=-5)
    answer = await api.report(
        device,
        boot_id="boot-7",
        uptime_s=86_400.9,
        facts={"hostname": "cam-7", "hardware": {"total_memory_mb": 512}},
        telemetry=[{"at": at, "cpu_percent": 12.5}],
        logs=[{"at": at, "service": "cam", "severity": "warning", "message": "dark"}],
        events=[{"id": "e-1", "at": at, "event": "lens.covered", "metadata": {"a": [1, None]}}],
        config={"revision": 1, "state": "applied"},
    )
    assert answer.status_code == 200, answer.text
    path = f"/v1/devices/{device.device_id}"
    read = await api.read(path)
    assert (read["boot_id"], read["uptime_s"], read["status"]) == ("boot-7", 86_400, "online")
    assert read["facts"]["hostname"] == "cam-7"
    (sample,) = (await api.read(f"{path}/telemetry"))["data"]
    assert (sample["cpu_percent"], sample["memory_percent"]) == (12.5, None)
    (line,) = (await api.read(f"{path}/logs"))["data"]
    assert (line["service"], line["severity"], line["message"]) == ("cam", "warning", "dark")
    for time in (sample["at"], sample["received_at"], line["at"], read["last_seen_at"]):
        assert TIME.fullmatch(time)
    events = (await api.read(f"{path}/events", event="lens.covered"))["data"]
    assert [one["metadata"] for one in events] == [{"a": [1, None]}]
    assert (await api.read(f"{path}/config"))["applied"]["state"] == "applied"


async def test_the_same_report_again_is_answered_as_the_first_time_and_kept_once(api):
    device = await api.enroll()
    line = {"at": now(), "service": "s", "severity": "info", "message": "once"}
    body = json.dumps(report_of(id=new_uuid(), logs=[line])).encode()
    answers = await asyncio.gather(*(api.report(device, body) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["chain"] for answer in answers}) == 1
    assert len((await api.read(f"/v1/devices/{device.device_id}/logs"))["data"]) == 1


async def test_a_report_that_does_not_continue_the_chain_is_told_what_the_server_has(api):
    device, chain = await api.enroll(), Chain()
    for _ in range(2):
        body = chain.next()
        assert (await api.report(device, body)).status_code == 200
        chain.sent(body)
    lost = chain.next()
    chain.sent(lost)
    document = problem_of(await api.report(device, chain.next()), 409, "chain_forked")
    assert document["sequence"] == 2
    assert isinstance(document["chain"], str)
    assert (await api.report(device, lost)).status_code == 200


async def test_another_report_at_a_known_place_is_refused_with_what_the_server_has(api):
    device = await api.enroll()
    first = await api.report(device, boot_id="a")
    document = problem_of(await api.report(device, boot_id="b"), 409, "sequence_reused")
    assert (document["sequence"], document["chain"]) == (1, first.json()["chain"])
    assert (await api.read(f"/v1/devices/{device.device_id}"))["boot_id"] == "a"


async def test_the_report_of_a_retired_device_is_answered_gone(api):
    device = await api.enroll()
    path = f"/v1/devices/{device.device_id}"
    assert (await api.report(device)).status_code == 200
    assert (await api.client.delete(path, headers=api.auth())).status_code == 204
    problem_of(await api.report(device, sequence=2), 410, "device_retired")
    problem_of(await api.client.get("/v1/config", headers=device.auth), 410, "device_retired")


async def test_a_key_revoked_by_a_new_enrolment_is_refused_at_the_next_report(api):
    old = await api.enroll()
    assert (await api.report(old)).status_code == 200
    fresh = await api.client.post(f"/v1/devices/{old.device_id}/install", headers=api.auth())
    new = await api.enroll({"id": old.device_id, **fresh.json()})
    problem_of(await api.report(old, sequence=2), 401, "key_invalid")
    assert (await api.report(new, sequence=2)).status_code == 200


@on_sqlite
async def test_a_workspace_key_may_not_report(api):
    problem_of(await api.report(api.running.live_key), 403, "device_key_required")


@on_sqlite
async def test_a_thousand_lines_are_taken_and_one_more_is_too_large_naming_the_limit(api):
    device = await api.enroll()
    entries = {
        "logs": {"at": now(), "service": "s", "severity": "info", "message": "m"},
        "telemetry": {"at": now()},
        "events": {"id": "e", "at": now(), "event": "x"},
    }
    for at, (part, entry) in enumerate(entries.items()):
        full = await api.report(device, sequence=at + 1, **{part: [entry] * 1000})
        assert full.status_code == 200, full.text
        over = await api.report(device, sequence=9, **{part: [entry] * 1001})
        document = problem_of(over, 413, "too_many_rows")
        assert (document["part"], document["limit"]) == (part, 1000)
        assert "1000" in document["detail"]


async def test_of_a_report_with_a_malformed_part_nothing_is_kept(api):
    device = await api.enroll()
    good = {"at": now(), "service": "s", "severity": "info", "message": "m"}
    answer = await api.report(
        device,
        boot_id="kept",
        telemetry=[{"at": now(), "cpu_percent": 1}],
        logs=[good, {**good, "severity": "loud"}],
    )
    assert pointers_of(problem_of(answer, 422)) == ["/logs/1/severity"]
    path = f"/v1/devices/{device.device_id}"
    assert (await api.read(path))["boot_id"] is None
    assert (await api.read(path))["status"] == "never_seen"
    assert (await api.read(f"{path}/logs"))["data"] == []
    assert (await api.read(f"{path}/telemetry"))["data"] == []
    # The sequence is free: the same place can be taken by an emptied report.
    assert (await api.report(device, dropped={"logs": 2, "telemetry": 0})).status_code == 200
    events = (await api.read(f"/v1/devices/{device.device_id}/events"))["data"]
    (told,) = [event for event in events if event["event"] == "reports.dropped"]
    assert told["metadata"] == {"logs": 2}


WRONG = {
    "epoch": (["", "a" * 129, 1, None], "/epoch"),
    "sequence": ([0, -1, 2**53 + 1, 1.5, "1", None, True], "/sequence"),
    "sent_at": (
        ["", "yesterday", "2026-11-21T10:00:00", 5, None, "2026-13-01T00:00:00Z"],
        "/sent_at",
    ),
    "id": (["x", "0b6f", 1, new_uuid() + "0"], "/id"),
    "store": (["", 1, "a" * 129], "/store"),
    "previous": (["a" * 63, "A" * 64, "g" * 64, 1], "/previous"),
    "continues": ([1, {"epoch": "e", "sequence": -1}], None),
    "backfill": ([1, "true", None], "/backfill"),
    "boot_id": (["", 1, []], "/boot_id"),
    "uptime_s": ([-1, "1", 1e13], "/uptime_s"),
    "facts": ([1, [], {"hostname": 1}, {"hostname": "a" * 1025}, {"hardware": []}], None),
    "telemetry": (
        [1, {}, [1], [{}], [{"at": "x"}], [{"at": "2026-11-21T10:00:00Z", "cpu_percent": "1"}]],
        None,
    ),
    "streams": ([1, [{}], [{"id": ""}], [{"id": "a", "camera_fps": "x"}]], None),
    "services": ([1, [{}], [{"name": "a", "restarts": -1}]], None),
    "logs": (
        [
            1,
            [{}],
            [{"at": "2026-11-21T10:00:00Z", "service": "", "severity": "info", "message": ""}],
        ],
        None,
    ),
    "events": ([1, [{}], [{"id": "a", "at": "2026-11-21T10:00:00Z", "event": ""}]], None),
    "config": (
        [1, [], {}, {"revision": -1, "state": "applied"}, {"revision": 1, "state": "x"}],
        None,
    ),
    "commands": (
        [1, [{}], [{"id": "a", "state": "maybe"}], [{"id": "a", "state": "failed", "result": 1}]],
        None,
    ),
    "dropped": ([1, {"a": -1}, {"a": "b"}], None),
}


@on_sqlite
@pytest.mark.parametrize("part", WRONG)
async def test_a_part_of_the_wrong_kind_is_refused_naming_its_path(api, part):
    device = await api.enroll()
    values, pointer = WRONG[part]
    for value in values:
        document = problem_of(await api.report(device, **{part: value}), 422)
        (found,) = pointers_of(document)
        assert found == pointer or found.startswith(f"/{part}"), value
        assert found in document["detail"]
    assert (await api.read(f"/v1/devices/{device.device_id}"))["status"] == "never_seen"


@on_sqlite
@pytest.mark.parametrize("missing", ["epoch", "sequence", "sent_at"])
async def test_without_its_three_members_a_report_is_none(api, missing):
    report = report_of()
    del report[missing]
    answer = await api.report(await api.enroll(), json.dumps(report).encode())
    assert missing in problem_of(answer, 422)["detail"]


@on_sqlite
async def test_unknown_members_are_ignored_at_every_depth(api):
    device = await api.enroll()
    answer = await api.report(
        device,
        colour="red",
        facts={"shoe_size": 44, "hardware": {"rgb": True}},
        logs=[{"at": now(), "service": "s", "severity": "info", "message": "m", "colour": 1}],
        config={"revision": 1, "state": "applied", "colour": []},
    )
    assert answer.status_code == 200, answer.text


@on_sqlite
async def test_what_is_too_old_or_yet_to_come_is_kept_out_and_said_so(api):
    device = await api.enroll()
    ats = ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", now(hours=1)]
    answer = await api.report(device, telemetry=[{"at": at} for at in [*ats, now()]])
    assert answer.status_code == 200, answer.text
    (note,) = answer.json()["notes"]
    assert "4 of telemetry" in note
    read = await api.read(f"/v1/devices/{device.device_id}/telemetry")
    assert len(read["data"]) == 1


ABSURD = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z"]


async def test_an_absurd_date_in_a_report_does_not_make_the_device_unreadable(api):
    for absurd in ABSURD:
        await _report_and_read(api, absurd)


async def _report_and_read(api, absurd: str) -> None:
    device = await api.enroll()
    answers = [
        await api.report(device, sent_at=absurd),
        await api.report(device, sequence=2, telemetry=[{"at": absurd}]),
        await api.report(
            device,
            sequence=3,
            events=[{"id": "e", "at": now(), "event": "x", "ended_at": absurd}],
        ),
        await api.report(device, sequence=4, streams=[{"id": "a", "started_at": absurd}]),
        await api.report(
            device,
            sequence=5,
            headers={"Moorage-Device-Time": absurd},
            telemetry=[{"at": absurd}],
            logs=[{"at": absurd, "service": "s", "severity": "info", "message": "m"}],
            events=[{"id": "f", "at": absurd, "event": "x", "ended_at": absurd}],
        ),
    ]
    assert {answer.status_code for answer in answers} <= {200, 422}
    for part in ("", "/telemetry", "/logs", "/events", "/config"):
        await api.read(f"/v1/devices/{device.device_id}{part}")
    assert (await api.report(device, sequence=6)).status_code == 200
    await api.read("/v1/devices")


@on_sqlite
async def test_a_clock_that_is_off_is_corrected_and_its_skew_shown(api):
    device = await api.enroll()
    hours_behind = timedelta(hours=-2)
    device_now = datetime.now(UTC) + hours_behind
    answer = await api.report(
        device,
        headers={"Moorage-Device-Time": device_now.isoformat()},
        telemetry=[{"at": (device_now - timedelta(seconds=10)).isoformat()}],
    )
    assert answer.status_code == 200, answer.text
    path = f"/v1/devices/{device.device_id}"
    assert abs((await api.read(path))["clock_skew_ms"] + 7_200_000) < 60_000
    (sample,) = (await api.read(f"{path}/telemetry"))["data"]
    age = datetime.now(UTC) - datetime.fromisoformat(sample["at"])
    assert timedelta(0) < age < timedelta(minutes=2)


@on_sqlite
async def test_without_the_header_no_skew_is_assumed(api):
    device = await api.enroll()
    at = now(hours=-2)
    await api.report(device, sent_at=at, telemetry=[{"at": at}])
    path = f"/v1/devices/{device.device_id}"
    assert (await api.read(path))["clock_skew_ms"] is None
    (sample,) = (await api.read(f"{path}/telemetry"))["data"]
    told = datetime.fromisoformat(at)
    assert abs(datetime.fromisoformat(sample["at"]) - told) < timedelta(milliseconds=1)


@on_sqlite
@pytest.mark.parametrize(
    "header", ["", "now", "1", "2026-11-21T10:00:00", "2026-11-21", "2026-99-21T10:00:00Z", "\xb2"]
)
async def test_a_device_time_that_is_none_is_refused(api, header):
    answer = await api.report(
        await api.enroll(), headers={"Moorage-Device-Time": header.encode("latin-1")}
    )
    problem_of(answer, 422, "device_time_invalid")


async def test_backfill_adds_history_and_changes_nothing_present(api):
    device = await api.enroll()
    answer = await api.report(
        device,
        epoch="past",
        backfill=True,
        boot_id="old",
        facts={"hostname": "old"},
        config={"revision": 1, "state": "applied"},
        telemetry=[{"at": now(hours=-3), "cpu_percent": 1}],
    )
    assert answer.status_code == 200
    path = f"/v1/devices/{device.device_id}"
    read = await api.read(path)
    assert (read["boot_id"], read["facts"], read["status"]) == (None, {}, "never_seen")
    assert (await api.read(f"{path}/config"))["applied"]["state"] == "unknown"
    assert len((await api.read(f"{path}/telemetry"))["data"]) == 1
