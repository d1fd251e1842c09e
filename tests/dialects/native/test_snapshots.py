"""Pictures of streams, and plans: what a device is asked for and brings."""

import pytest
import sqlalchemy as sa

from dialects.native_kit import JPEG, on_sqlite, problem_of
from support.senders import column


@pytest.fixture
async def device(api):
    return await api.enroll()


async def asked(api, device, stream: str = "s") -> str:
    path = f"/v1/devices/{device.device_id}/streams/{stream}/snapshot"
    sent = await api.client.post(path, headers=api.auth())
    assert sent.status_code == 201, sent.text
    assert (sent.json()["kind"], sent.json()["arguments"]) == ("snapshot", {"stream_id": stream})
    return sent.json()["id"]


async def bring(api, device, command_id: str, jpeg: bytes = JPEG):
    path = f"/v1/commands/{command_id}/snapshot"
    return await api.client.put(path, content=jpeg, headers=device.auth)


async def look(api, device, stream: str = "s"):
    path = f"/v1/devices/{device.device_id}/streams/{stream}/snapshot"
    return await api.client.get(path, headers=api.auth())


async def test_a_picture_that_was_asked_for_is_shown_until_the_next_one(api, device):
    problem_of(await look(api, device), 404, "not_found")
    assert (await bring(api, device, await asked(api, device))).status_code == 204
    shown = await look(api, device)
    assert (shown.status_code, shown.content) == (200, JPEG)
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["cache-control"] == "no-store"
    newer = JPEG[:-2] + b"newer" + JPEG[-2:]
    await bring(api, device, await asked(api, device), newer)
    assert (await look(api, device)).content == newer
    problem_of(await look(api, device, "other"), 404, "not_found")


async def test_a_picture_of_half_a_mebibyte_is_taken_and_no_more(api, device):
    command_id = await asked(api, device)
    largest = JPEG[:-2] + bytes(512 * 1024 - len(JPEG)) + JPEG[-2:]
    problem_of(await bring(api, device, command_id, largest + b"x"), 413, "body_too_large")
    assert (await bring(api, device, command_id, largest)).status_code == 204
    assert (await look(api, device)).content == largest


async def test_nobody_brings_a_picture_that_was_not_asked_of_it(api, device):
    other = await api.enroll()
    command_id = await asked(api, device)
    problem_of(await bring(api, other, command_id), 404, "not_found")
    problem_of(await bring(api, device, "cmd_" + "0" * 24), 404, "not_found")
    ping = await api.client.post(
        f"/v1/devices/{device.device_id}/commands", json={"kind": "ping"}, headers=api.auth()
    )
    problem_of(await bring(api, device, ping.json()["id"]), 404, "not_found")
    path = f"/v1/devices/{device.device_id}/commands/{command_id}"
    await api.client.delete(path, headers=api.auth())
    problem_of(await bring(api, device, command_id), 404, "not_found")
    problem_of(await look(api, device), 404, "not_found")


@on_sqlite
@pytest.mark.parametrize("body", [b"", b"<script>", JPEG[:-2], JPEG[2:], b"\x89PNG\r\n"])
async def test_what_is_no_whole_jpeg_is_refused(api, device, body):
    problem_of(await bring(api, device, await asked(api, device), body), 422, "not_a_jpeg")


async def test_a_picture_is_gone_after_a_day(api, device):
    await bring(api, device, await asked(api, device))
    async with api.running.db.write() as tx:
        day = 24 * 3600 * 1000
        await tx.run(sa.text(f"UPDATE stream_snapshots SET taken_at = taken_at - {day} - 1"))
    problem_of(await look(api, device), 404, "not_found")


async def plan(api, device, **patch):
    path = f"/v1/devices/{device.device_id}/config/plan"
    return await api.client.post(path, json=patch, headers=api.auth())


async def test_a_plan_is_the_whole_document_for_the_device_and_changes_nothing(api, device):
    path = f"/v1/devices/{device.device_id}/config"
    before = await api.read(path)
    planned = await plan(api, device, services={"web": {"image": "nginx:1"}})
    assert planned.status_code == 201, planned.text
    assert (planned.json()["kind"], planned.json()["arguments"]) == ("plan", {})
    assert await api.read(path) == before
    waiting = await api.client.get("/v1/commands", headers=device.auth)
    (command,) = waiting.json()["commands"]
    document = command["arguments"]["document"]
    assert document["services"] == {"web": {"image": "nginx:1"}}
    own = await api.client.get("/v1/config", headers=device.auth)
    assert {**own.json()["document"], "services": document["services"]} == document


async def test_a_plan_that_no_device_could_apply_is_refused_at_once(api, device):
    problem_of(await plan(api, device, services=[]), 422)
    sent = await api.read(f"/v1/devices/{device.device_id}/commands")
    assert sent["data"] == []


async def test_secrets_of_a_plan_are_sealed_and_shown_to_the_device_only(api, device):
    secret = "rtsp://u:hush-hush@h/x"
    planned = await plan(api, device, streams={"s": {"source": secret}})
    assert "hush-hush" not in planned.text
    listed = await api.client.get(f"/v1/devices/{device.device_id}/commands", headers=api.auth())
    assert "hush-hush" not in listed.text
    kept = await column(api.running.db, "SELECT arguments FROM commands")
    assert "hush-hush" not in str(kept)
    waiting = await api.client.get("/v1/commands", headers=device.auth)
    assert secret in waiting.text
